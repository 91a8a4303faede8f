"""Trains a byte-level BPE on the names, in the form of CLIP's own tokenizer files.

The base vocabulary holds all 256 bytes, alone and at the end of a word, so any
text can be encoded. Merges go on until every word of the names is one token.
"""

import argparse
import collections
import json
import os
import re

from transformers import CLIPTokenizer

import data

EXTRA_WORDS = "a an the of emoji picture image icon".split()
START, END = "<|startoftext|>", "<|endoftext|>"
POSITIONS = 77


def byte_symbols():
    """The printable characters that GPT-2 and CLIP write the 256 bytes as, in CLIP's order."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1),
                 *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in printable]
    return [chr(byte) for byte in printable] + [chr(256 + i) for i in range(len(others))]


def learn_merges(counts):
    """The merges that make every word of `counts` one token, the most frequent pair first."""
    words = {word: list(word[:-1]) + [word[-1] + "</w>"] for word in counts}
    merges = []
    while True:
        pairs = collections.Counter()
        for word, parts in words.items():
            for pair in zip(parts, parts[1:]):
                pairs[pair] += counts[word]
        if not pairs:
            return merges
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merges.append(best)
        for parts in words.values():
            i = 0
            while i + 1 < len(parts):
                if (parts[i], parts[i + 1]) == best:
                    parts[i:i + 2] = ["".join(best)]
                i += 1


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", default="build")
    arguments = parser.parse_args()
    folder = os.path.join(arguments.out, "tokenizer")
    os.makedirs(folder, exist_ok=True)

    names, _ = data.listed()
    # Letters go together, each digit and each run of other signs stands alone, as in CLIP.
    words = [word for name in names for word in re.findall(r"[a-z]+|[0-9]|[^\sa-z0-9]+", name.lower())]
    merges = learn_merges(collections.Counter(words + EXTRA_WORDS))
    symbols = byte_symbols()
    tokens = symbols + [symbol + "</w>" for symbol in symbols]
    tokens += ["".join(merge) for merge in merges] + [START, END]
    tokens = list(dict.fromkeys(tokens))

    def write(name, text):
        with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
            file.write(text)

    def write_json(name, value):
        write(name, json.dumps(value, ensure_ascii=False, indent=2) + "\n")

    write("vocab.json", json.dumps({token: i for i, token in enumerate(tokens)}, ensure_ascii=False))
    write("merges.txt", "#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in merges))
    special = {"bos_token": START, "eos_token": END, "pad_token": END, "unk_token": END}
    write_json("special_tokens_map.json", special)
    write_json("tokenizer_config.json", {
        "tokenizer_class": "CLIPTokenizer", "model_max_length": POSITIONS,
        "add_prefix_space": False, "do_lower_case": True, "errors": "replace", **special})

    tokenizer = CLIPTokenizer.from_pretrained(folder)
    first, last = tokens.index(START), tokens.index(END)
    for name in names:
        ids = tokenizer(name).input_ids
        assert ids[0] == first and ids[-1] == last and last not in ids[1:-1], name
        assert "".join(tokens[i] for i in ids[1:-1]).replace("</w>", "") == name.lower().replace(" ", ""), name
    print(f"{len(tokens)} tokens, {len(merges)} merges")


if __name__ == "__main__":
    main()
