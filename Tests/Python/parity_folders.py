"""The checkpoints of Tests/Parity, put together: files that several share lie in one of them."""

import shutil
from pathlib import Path

PARITY = Path(__file__).resolve().parents[1] / "Parity"
VOCABULARY = PARITY.parent / "DiffusionTests" / "Expected"
CHECKPOINTS = ["sd", "inpainting", "lcm", "xl"]


def assemble(name: str, place: Path) -> Path:
    """The folder of a whole checkpoint in `place`: what Tests/Parity/NAME lacks, it has from sd."""
    folder = place / name
    for source in ["sd", name]:
        if (PARITY / source).exists():
            ignored = shutil.ignore_patterns("*.onnx", "architecture.json", "reference.npz")
            shutil.copytree(PARITY / source, folder, ignore=ignored, dirs_exist_ok=True)
    for tokenizer in ["tokenizer", "tokenizer_2"] if name == "xl" else ["tokenizer"]:
        for file in ["vocab.json", "merges.txt"]:
            (folder / tokenizer).mkdir(parents=True, exist_ok=True)
            shutil.copy(VOCABULARY / file, folder / tokenizer)
    return folder
