"""The training pictures: every emoji of the Noto Color Emoji font that is one
character, has a Unicode name and looks unlike the others, at 64x64 on white.

`python data.py` prints how many there are and writes ../prompts.txt.
"""

import argparse
import io
import os
import unicodedata

import numpy as np
from fontTools.ttLib import TTFont
from PIL import Image

FONT = "/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf"
SIZE = 64
HERE = os.path.dirname(os.path.abspath(__file__))
PROMPTS = os.path.join(HERE, "..", "prompts.txt")

# Pictures that are letters, digits, arrows, clock faces or plain signs: there
# is little to see in them and much to confuse. All of them go.
SKIPPED_WORDS = (
    "CLOCK FACE", "REGIONAL INDICATOR", "SQUARED", "CIRCLED", "SYMBOL FOR", "ARROWS",
    "WARDS ARROW", "RIGHT ARROW", "DOWN ARROW", "WEST ARROW", "EAST ARROW", "BLACK ARROW",
    "ARROW POINTING", "TRIANGLE", "SMALL SQUARE", "MEDIUM SQUARE", "LARGE SQUARE", "EMOJI",
    "DIGIT", "QUESTION MARK", "EXCLAMATION", "INFORMATION SOURCE", "TRADE MARK", "KEYCAP",
    "NUMBER SIGN", "COPYRIGHT", "REGISTERED", "MALE SIGN", "PAPER SIGN", "HEAVY PLUS",
    "HEAVY MINUS", "HEAVY DIVISION", "HEAVY MULTIPLICATION", "HEAVY EQUALS", "HEAVY LARGE",
    "HEAVY DOLLAR", "SQUARE BUTTON", "ORANGE DIAMOND", "BLUE DIAMOND", "ASTERISK",
    "IDEOGRAPH", "MOON SYMBOL", "PART ALTERNATION",
)
# Two pictures nearer to each other than this (root mean square over pixels in
# 0...1) count as the same one; the first by code point stays, but for these.
DISTINCT = 0.22
FAVOURITES = ("SLICE OF PIZZA", "RED APPLE", "BANANA", "ROCKET", "LEMON", "CAT FACE", "DOG FACE")


def picture(png):
    """Pads to a square, lays it on white, and scales to 64x64; float32 0...1, HWC."""
    glyph = Image.open(io.BytesIO(png)).convert("RGBA")
    side = max(glyph.size)
    square = Image.new("RGBA", (side, side), (255, 255, 255, 255))
    square.alpha_composite(glyph, ((side - glyph.width) // 2, (side - glyph.height) // 2))
    small = square.convert("RGB").resize((SIZE, SIZE), Image.LANCZOS)
    return np.asarray(small, dtype=np.float32) / 255


def named_glyphs(path=FONT):
    """(code point, Unicode name, PNG bytes) of every picture of a single named character."""
    font = TTFont(path)
    bitmaps = font["CBDT"].strikeData[0]
    for code, glyph in sorted(font.getBestCmap().items()):
        name = unicodedata.name(chr(code), None)
        if name and glyph in bitmaps:
            yield code, name, bitmaps[glyph].imageData


def wanted(name):
    """Short names only, such as LEMON, HOT DOG and SLICE OF PIZZA."""
    words = name.split()
    short = len(words) <= 2 or (len(words) == 3 and words[1] == "OF")
    return short and not any(word in name for word in SKIPPED_WORDS)


def load(path=FONT, distinct=DISTINCT):
    """The names and the pictures (N, 64, 64, 3) that the model is trained on."""
    glyphs = [glyph for glyph in named_glyphs(path) if wanted(glyph[1])]
    kept = []
    for code, name, png in sorted(glyphs, key=lambda glyph: glyph[1] not in FAVOURITES):
        image = picture(png)
        if kept:
            others = np.stack([other for _, _, other in kept])
            if np.sqrt(((others - image) ** 2).mean(axis=(1, 2, 3))).min() < distinct:
                continue
        kept.append((code, name, image))
    kept.sort(key=lambda item: item[0])
    return [name for _, name, _ in kept], np.stack([image for _, _, image in kept])


def listed(path=FONT, prompts=PROMPTS):
    """The names of prompts.txt, in its order, and their pictures."""
    with open(prompts, encoding="utf-8") as file:
        names = file.read().split("\n")[:-1]
    glyphs = {name: png for _, name, png in named_glyphs(path)}
    return names, np.stack([picture(glyphs[name]) for name in names])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--font", default=FONT)
    parser.add_argument("--distinct", type=float, default=DISTINCT)
    arguments = parser.parse_args()
    names, _ = load(arguments.font, arguments.distinct)
    with open(PROMPTS, "w", encoding="utf-8") as file:
        file.writelines(name + "\n" for name in names)
    print(f"{len(names)} pictures")
