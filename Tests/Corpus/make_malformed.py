"""Write the corpus of malformed inputs: files named after what is wrong with them, and manifest.json.

    python Tests/Corpus/make_malformed.py DIR [--plan PLAN]

Needs nothing but Python. The same bytes come out each time; no file is larger than 5 MB. With a valid plan of the digit classifier
there are damaged plans and run-time inputs as well. Each manifest entry says what must happen: `refuse` (exit status 1 and a
diagnostic), `accept` (controls: the same file without the damage), or `either` (a choice of swage's, but no crash).
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import npy_cases  # noqa: E402
import onnx_cases  # noqa: E402
import plan_cases  # noqa: E402
import safetensors_cases  # noqa: E402
from corpus import Corpus  # noqa: E402


def make(folder: Path, plan: Path | None = None) -> Corpus:
    corpus = Corpus(folder)
    onnx_cases.build(corpus)
    safetensors_cases.build(corpus)
    if plan is not None:
        plan_cases.build(corpus, plan.read_bytes())
        npy_cases.build(corpus)
    corpus.finish()
    return corpus


def main() -> int:
    parser = argparse.ArgumentParser(description="Write the corpus of malformed inputs.")
    parser.add_argument("folder", metavar="DIR", type=Path)
    parser.add_argument("--plan", type=Path, help="a valid plan of models/digits, to be damaged")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    corpus = make(arguments.folder, arguments.plan)
    for command in ("compile", "compile-weights", "run", "inspect"):
        refused = sum(e.command == command and e.expect == "refuse" for e in corpus.entries)
        others = sum(e.command == command and e.expect != "refuse" for e in corpus.entries)
        print(f"{command}: {refused} to refuse, {others} others")
    return 0


if __name__ == "__main__":
    sys.exit(main())
