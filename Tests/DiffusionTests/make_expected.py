"""Makes the references of the diffusion tests with PyTorch, diffusers and transformers: Expected/*.json.

    python3 Tests/DiffusionTests/make_expected.py [random] [schedulers] [tokenizers]

Versions that the committed files were made with: torch 2.13.0, diffusers 0.42.1, transformers 5.23, tokenizers as that
asks for, ftfy is not used. f32 tensors are base64 of their little-endian bytes.
"""

import base64
import json
import pathlib
import sys

import numpy as np
import torch

HERE = pathlib.Path(__file__).resolve().parent / "Expected"


def packed(values):
    array = np.asarray(values, dtype="<f4")
    return base64.b64encode(array.tobytes()).decode()


def write(name, document):
    with open(HERE / name, "w", encoding="utf-8") as file:
        json.dump(document, file, ensure_ascii=True, separators=(",", ":"))
        file.write("\n")


def make_random():
    """torch.randn in sequences of mixed sizes, and every 37th value of one latent."""
    sizes = [1, 15, 16, 17, 3, 0, 100, 31, 32, 33, 2, 1, 4, 64, 5]
    sequences = []
    for seed in [0, 1, 42, 2**31, 2**32 + 7, 2**63 + 5, 2**64 - 1]:
        generator = torch.Generator().manual_seed(seed if seed < 2**63 else seed - 2**64)
        values = torch.cat([torch.randn(size, generator=generator) for size in sizes])
        sequences.append({"seed": str(seed), "values": packed(values)})
    latent = torch.randn((2, 4, 64, 64), generator=torch.Generator().manual_seed(1234)).flatten()
    write(
        "random.json",
        {"sizes": sizes, "sequences": sequences, "latent": {"seed": "1234", "values": packed(latent[::37])}},
    )


PARTS = {"random": make_random}

if __name__ == "__main__":
    torch.set_num_threads(1)
    HERE.mkdir(exist_ok=True)
    for part in sys.argv[1:] or PARTS:
        PARTS[part]()
