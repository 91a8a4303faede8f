"""Compiles checkpoint folders in every layout that make_folders.py writes, and compares each entry point with PyTorch.

    python Tests/Python/checkpoints.py --swage .build/release/swage --folders DIR [--graphs DIR]…

DIR is what make_folders.py wrote. Exit status 1 where an output differs by more than 2e-5 of its norm in f32 (2e-2 in bf16),
or a plan does not hold what it should.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np


def run(*command: object) -> str:
    result = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    if result.returncode != 0:
        raise SystemExit(f"{' '.join(map(str, command))}\n{result.stdout}{result.stderr}")
    return result.stdout


class Plan:
    def __init__(self, swage: str, path: Path, expected: Path):
        self.swage, self.path, self.expected = swage, path, expected
        self.description = json.loads(run(swage, "inspect", path, "--format", "json"))
        self.entries = {entry["name"]: entry for entry in self.description["entry_points"]}

    def names(self, entry: str, ports: str) -> list[str]:
        return [port["name"] for port in self.entries[entry][ports]]

    def outputs(self, entry: str, inputs: dict[str, Path]) -> dict[str, np.ndarray]:
        with tempfile.TemporaryDirectory() as folder:
            given = [word for name, file in inputs.items() for word in ["--input", f"{name}={file}"]]
            run(self.swage, "run", self.path, "--entry-point", entry, *given, "--output", folder)
            return {name: np.load(f"{folder}/{name}.npy") for name in self.names(entry, "outputs")}

    def inputs(self, entry: str, ports: list[str]) -> dict[str, Path]:
        return {name: self.expected / f"{entry}.{name}.npy" for name in ports}

    def check(self, entry: str) -> float:
        """The largest relative error of an entry point's outputs."""
        ports = self.names(entry, "inputs")
        with tempfile.TemporaryDirectory() as folder:
            hoisted = [name for name in ports if name.startswith("invariant.")]
            inputs = self.inputs(entry, [name for name in ports if name not in hoisted])
            if hoisted:
                prompt = self.outputs("unet_prompt", self.inputs(entry, self.names("unet_prompt", "inputs")))
                for name in hoisted:
                    inputs[name] = Path(folder) / f"{name}.npy"
                    np.save(inputs[name], prompt[name])
            results = self.outputs(entry, inputs)
        worst = 0.0
        for name, result in results.items():
            expected = np.load(self.expected / f"{entry}.{name}.npy")
            assert result.shape == expected.shape and result.dtype == np.float32, (entry, name, result.shape)
            worst = max(worst, float(np.linalg.norm(result - expected) / np.linalg.norm(expected)))
        return worst


def main() -> int:
    parser = argparse.ArgumentParser(description="Checkpoint folders, compiled and compared with PyTorch.")
    parser.add_argument("--swage", required=True)
    parser.add_argument("--folders", type=Path, required=True)
    parser.add_argument("--graphs", action="append", default=[])
    parser.add_argument("--only", help="layouts whose names hold this")
    arguments = parser.parse_args()
    graphs = [word for folder in arguments.graphs for word in ["--graphs", folder]]
    failures = 0
    for folder in sorted(arguments.folders.iterdir()):
        if not (folder / "model_index.json").exists() or (arguments.only and arguments.only not in folder.name):
            continue
        kind = "tiny-xl" if folder.name.startswith("tiny-xl") else "tiny"
        for precision, bound in [("f32", 2e-5), ("bf16", 2e-2)]:
            with tempfile.TemporaryDirectory() as place:
                path = Path(place) / "model.plan"
                run(arguments.swage, "compile", folder, *graphs, "--precision", precision, "-o", path)
                plan = Plan(arguments.swage, path, arguments.folders / kind / "expected")
                names = ["text_encoder", "text_encoder_2", "unet", "vae_decoder", "vae_encoder"]
                errors = {name: plan.check(name) for name in names if name in plan.entries}
                hoists = "unet_prompt" in plan.entries and "encoder_hidden_states" not in plan.names("unet", "inputs")
            line = ", ".join(f"{name} {error:.1e}" for name, error in errors.items())
            isGood = hoists and all(error <= bound for error in errors.values()) and len(errors) >= 4
            failures += not isGood
            print(f"{'ok  ' if isGood else 'FAIL'} {folder.name} {precision}: {line}", flush=True)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
