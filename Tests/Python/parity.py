"""Text to image: swage's latents and pictures against those of diffusers, stored in Tests/Parity.

    .venv/bin/python Tests/Python/parity.py --swage .build/release/swage [--only TEXT] [--keep DIR]

Compiles the small checkpoints of Tests/Parity and generates each case of parity_cases.py. A case passes where every final
latent is within 1e-3 of the reference's, times the larger of 1 and its magnitude, and 99.9 % of the pictures' values are
within 1/255. Then: bf16 stays near f32, specialised plans give the same as general ones, and a picture's file says how to
make it again. Exit status 1 when a case fails.
"""

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

import png
from parity_cases import Case, cases
from parity_folders import CHECKPOINTS, PARITY, assemble

LATENT_BOUND = 1e-3
PICTURE_SHARE = 0.999
# Of the latents' norm: bf16 keeps 8 bits, and ten steps with guidance add up.
HALF_BOUND = 5e-2
SPECIALISED_BOUND = 1e-4
SECONDS = 600


class Failure(Exception):
    """swage did not do what it was asked; the message is one line."""


@dataclass
class Result:
    latents: np.ndarray
    pictures: np.ndarray
    texts: list[dict[str, str]]
    files: list[Path]
    stderr: str


def check(condition: bool, message: str) -> None:
    if not condition:
        raise Failure(message)


class Parity:
    def __init__(self, swage: str, place: Path):
        self.swage, self.place = swage, place
        self.reference: dict[str, np.ndarray] = {}
        for checkpoint in CHECKPOINTS:
            self.reference |= np.load(PARITY / checkpoint / "reference.npz")
        self.plans: dict[tuple, Path] = {}
        self.passed = self.failed = 0

    # Running swage

    def run(self, *arguments: object) -> str:
        command = [self.swage, *map(str, arguments)]
        environment = dict(os.environ, SWIFT_BACKTRACE="enable=no")
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, env=environment)
        except subprocess.TimeoutExpired:
            raise Failure(f"swage {arguments[0]}: no answer after {SECONDS} s") from None
        if done.returncode != 0:
            lines = [line for line in done.stderr.splitlines() if line.strip()] or ["no message"]
            raise Failure(f"swage {arguments[0]}: exit status {done.returncode}: {' '.join(lines)[:400]}")
        return done.stderr

    def plan(self, checkpoint: str, *options: str) -> Path:
        key = (checkpoint, *options)
        if key not in self.plans:
            folder = self.place / checkpoint
            if not folder.exists():
                assemble(checkpoint, self.place)
            path = self.place / ("-".join([checkpoint, *options]).replace("--", "") + ".plan")
            self.run("compile", folder, "--graphs", PARITY, *options, "-o", path, "--quiet")
            self.plans[key] = path
        return self.plans[key]

    def generate(self, case: Case, plan: Path, *options: object, name: str = "picture") -> Result:
        output, latents = self.place / f"{name}.png", self.place / f"{name}.npy"
        words: list[object] = ["generate", plan, case.prompt, "--steps", case.steps, "--guidance", case.guidance]
        words += ["--seed", case.seed, "--count", case.count]
        choices = {
            "--negative": case.negative, "--scheduler": case.scheduler, "--strength": case.strength,
            "--image": PARITY / f"{case.image}.png" if case.image else None,
            "--mask": PARITY / f"{case.mask}.png" if case.mask else None,
            "--size": "{}x{}".format(*case.size) if case.size else None,
            "--guidance-rescale": case.guidance_rescale or None,
        }  # fmt: skip
        for flag, value in choices.items():
            words += [flag, value] if value is not None else []
        words += ["--seed-each"] if case.seeds_each else []
        words += ["--tile"] if case.tiled else []
        return self.finish(case.count, output, latents, *words, *options)

    def finish(self, count: int, output: Path, latents: Path, *words: object) -> Result:
        stderr = self.run(*words, "--output", output, "--save-latents", latents, "--no-show")
        numbered = [output.with_stem(f"{output.stem}-{number}") for number in range(1, count + 1)]
        files = [output] if count == 1 else numbered
        read = [png.read(file) for file in files]
        return Result(np.load(latents), np.stack([pixels for pixels, _ in read]), [texts for _, texts in read], files, stderr)

    # Cases

    def judge(self, name: str, body) -> None:
        """Runs a case that returns what to print, or fails."""
        start = time.monotonic()
        try:
            note, ok = body(), True
        except (Failure, AssertionError) as error:
            note, ok = str(error), False
        self.passed += ok
        self.failed += not ok
        print(f"{'ok  ' if ok else 'FAIL'}  {name:<26}  {time.monotonic() - start:5.1f} s  {note}", flush=True)

    def compare(self, case: Case, result: Result) -> str:
        latents, pictures = self.reference[f"{case.name}.latents"], self.reference[f"{case.name}.pictures"]
        check(result.latents.shape == latents.shape, f"latents {result.latents.shape}, not {latents.shape}")
        check(result.pictures.shape == pictures.shape, f"pictures {result.pictures.shape}, not {pictures.shape}")
        error = float(np.max(np.abs(result.latents - latents) / np.maximum(1, np.abs(latents))))
        share = float(np.mean(np.abs(result.pictures.astype(int) - pictures) <= 1))
        note = f"latents {error:.1e}, pictures {100 * share:.3f} %"
        check(error <= LATENT_BOUND and share >= PICTURE_SHARE, note)
        return note

    def case(self, case: Case) -> str:
        result = self.generate(case, self.plan(case.checkpoint))
        is_cut = "left out" in result.stderr
        check(is_cut == case.name.endswith("/long"), f"said that the prompt was cut: {is_cut}")
        return self.compare(case, result)

    def half(self, case: Case) -> str:
        result = self.generate(case, self.plan(case.checkpoint, "--precision", "bf16"))
        expected = self.reference[f"{case.name}.latents"]
        error = float(np.linalg.norm(result.latents - expected) / np.linalg.norm(expected))
        check(0 < error <= HALF_BOUND, f"relative L2 error of the latents {error:.1e}")
        return f"relative L2 error of the latents {error:.1e}"

    def specialised(self, case: Case, batch: int) -> str:
        width, height = case.size or (64, 64)
        plan = self.plan(case.checkpoint, "--size", f"{width}x{height}", "--batch", str(batch))
        result = self.generate(case, plan)
        general = self.generate(case, self.plan(case.checkpoint), name="general")
        error = float(np.max(np.abs(result.latents - general.latents)))
        check(error <= SPECIALISED_BOUND, f"differs from the general plan by {error:.1e}")
        return self.compare(case, result) + f", {error:.1e} from the general plan"

    def repeated(self, case: Case) -> str:
        """The file tells how it was made, and the same again gives the same bytes."""
        plan = self.plan(case.checkpoint)
        first = self.generate(case, plan, name="first")
        texts = first.texts[-1]
        wanted = {
            "prompt": case.prompt, "negative_prompt": case.negative, "seed": str(case.seed), "steps": str(case.steps),
            "scheduler": case.scheduler, "plan_sha256": hashlib.sha256(plan.read_bytes()).hexdigest(),
        }  # fmt: skip
        for key, value in wanted.items():
            check(texts.get(key) == value, f"the text {key} is {texts.get(key)!r}, not {value!r}")
        words: list[object] = ["generate", plan, "--from", first.files[-1]]
        words += ["--image", PARITY / f"{case.image}.png"] if case.image else []
        again = self.finish(case.count, self.place / "again.png", self.place / "again.npy", *words)
        check(np.array_equal(first.latents.view(np.uint32), again.latents.view(np.uint32)), "other latents")
        for one, other in zip(first.files, again.files, strict=True):
            check(one.read_bytes() == other.read_bytes(), f"{one.name} and {other.name} differ")
        return "the same bytes"


def main() -> int:
    parser = argparse.ArgumentParser(description="Compare generated pictures with those of diffusers.")
    parser.add_argument("--swage", required=True)
    parser.add_argument("--only", default="", help="cases whose names hold this")
    parser.add_argument("--keep", type=Path, help="keep checkpoints, plans and results in this folder")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        place = arguments.keep or Path(temporary)
        place.mkdir(parents=True, exist_ok=True)
        parity = Parity(os.path.abspath(arguments.swage), place)
        listed = cases()
        named = {case.name: case for case in listed}
        bodies = {case.name: lambda case=case: parity.case(case) for case in listed}
        for name in ["sd/ddim", "sd/euler", "xl/default"]:
            bodies[f"{name}, bf16"] = lambda case=named[name]: parity.half(case)
        for name, batch in [("sd/wide", 2), ("sd/no-guidance", 1), ("sd/long", 3), ("xl/dpm++-karras", 1), ("lcm/default", 2)]:
            bodies[f"{name}, batch {batch}"] = lambda case=named[name], batch=batch: parity.specialised(case, batch)
        uncommon = replace(named["sd/wide"], prompt="d\u00e9j\u00e0 vu \u96ea \U0001f355")
        for case in [named["sd/euler-ancestral"], uncommon, named["sd/image-ddim"]]:
            bodies[f"{case.name}, repeated"] = lambda case=case: parity.repeated(case)
        for name, body in bodies.items():
            if arguments.only in name:
                parity.judge(name, body)
    print(f"{parity.passed} passed, {parity.failed} failed")
    return 1 if parity.failed or not parity.passed else 0


if __name__ == "__main__":
    sys.exit(main())
