"""Inputs that look like what the models are made for: a voice, and a picture of printed text. Fixed, no files needed."""

import numpy as np

# Five columns by seven rows, one string per row.
GLYPHS = {
    "A": "01110 10001 10001 11111 10001 10001 10001",
    "C": "01110 10001 10000 10000 10000 10001 01110",
    "E": "11111 10000 10000 11110 10000 10000 11111",
    "G": "01110 10001 10000 10111 10001 10001 01110",
    "I": "01110 00100 00100 00100 00100 00100 01110",
    "L": "10000 10000 10000 10000 10000 10000 11111",
    "M": "10001 11011 10101 10101 10001 10001 10001",
    "N": "10001 11001 10101 10011 10001 10001 10001",
    "O": "01110 10001 10001 10001 10001 10001 01110",
    "P": "11110 10001 10001 11110 10000 10000 10000",
    "R": "11110 10001 10001 11110 10100 10010 10001",
    "S": "01111 10000 10000 01110 00001 00001 11110",
    "T": "11111 00100 00100 00100 00100 00100 00100",
    "W": "10001 10001 10001 10101 10101 11011 10001",
    "0": "01110 10001 10011 10101 11001 10001 01110",
    "1": "00100 01100 00100 00100 00100 00100 01110",
    "2": "01110 10001 00001 00110 01000 10000 11111",
    "4": "00010 00110 01010 10010 11111 00010 00010",
    "7": "11111 00001 00010 00100 01000 01000 01000",
    " ": "00000 00000 00000 00000 00000 00000 00000",
}


def voice(rate: int, seconds: float) -> np.ndarray:
    """A sung vowel with vibrato and three formants, cut into syllables; f32 within -1...1."""
    random = np.random.default_rng(7)
    time = np.arange(int(rate * seconds)) / rate
    pitch = 130 + 25 * np.sin(2 * np.pi * 0.9 * time) + 3 * np.sin(2 * np.pi * 5 * time)
    phase = 2 * np.pi * np.cumsum(pitch) / rate
    sound = np.zeros_like(time)
    for harmonic in range(1, 28):
        frequency = harmonic * pitch
        gain = np.zeros_like(time)
        for centre, width, strength in ((650, 90, 1.0), (1150, 120, 0.6), (2500, 180, 0.25)):
            moving = centre * (1 + 0.2 * np.sin(2 * np.pi * 1.7 * time))
            gain += strength / (1 + ((frequency - moving) / width) ** 2)
        sound += np.where(frequency < 0.45 * rate, gain, 0) * np.sin(harmonic * phase)
    syllables = np.clip(1.6 * np.sin(2 * np.pi * 2.2 * time) + 0.5, 0, 1)
    sound = 0.3 * sound / np.abs(sound).max() * syllables + 0.004 * random.standard_normal(len(time))
    return sound.astype(np.float32)


def letters(text: str, scale: int) -> np.ndarray:
    """Ink of a line of text: 0 paper, 1 ink, shape [7 * scale, 6 * scale * len(text)]."""
    rows = [[int(c) for letter in text for c in GLYPHS[letter].split()[row] + "0"] for row in range(7)]
    return np.kron(np.array(rows, dtype=np.float64), np.ones((scale, scale)))


def page(height: int, width: int) -> np.ndarray:
    """A grey page with lines of text in several sizes; 0...255, shape [height, width]."""
    random = np.random.default_rng(height * 10007 + width)
    picture = 235 - 20 * np.linspace(0, 1, width)[None, :] + np.zeros((height, 1))
    top = height // 16
    for text, scale in (("SWAGE COMPILES", 3), ("MORE TESTS", 4), ("24 07 2017", 3), ("PLAN TIMES", 5)) * 3:
        ink = letters(text, scale)
        ink = ink[:, : width - width // 12 - 4]
        if top + ink.shape[0] >= height:
            break
        left = width // 12
        picture[top : top + ink.shape[0], left : left + ink.shape[1]] -= 190 * ink
        top += int(ink.shape[0] * 2.2)
    return np.clip(soften(picture) + random.normal(0, 4, picture.shape), 0, 255)


def line(text: str, height: int, width: int) -> np.ndarray:
    """One line of text that fills the height of a strip; 0...255, shape [height, width]."""
    random = np.random.default_rng(width)
    picture = np.full((height, width), 225.0)
    scale = max(1, (height - 8) // 7)
    ink = letters(text, scale)[:, : width - 8]
    top = (height - ink.shape[0]) // 2
    picture[top : top + ink.shape[0], 4 : 4 + ink.shape[1]] -= 185 * ink
    return np.clip(soften(picture) + random.normal(0, 4, picture.shape), 0, 255)


def soften(picture: np.ndarray) -> np.ndarray:
    """The picture, slightly blurred as a scan is."""
    wide = np.pad(picture, 1, mode="edge")
    across = (wide[:, :-2] + 2 * wide[:, 1:-1] + wide[:, 2:]) / 4
    return (across[:-2] + 2 * across[1:-1] + across[2:]) / 4


def as_input(picture: np.ndarray, mean: tuple, deviation: tuple) -> np.ndarray:
    """A grey picture 0...255 as a normalised f32 tensor [1, 3, height, width]."""
    scaled = np.repeat(picture[None] / 255, 3, axis=0)
    normal = (scaled - np.array(mean)[:, None, None]) / np.array(deviation)[:, None, None]
    return normal[None].astype(np.float32)
