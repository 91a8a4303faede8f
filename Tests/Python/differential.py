"""Compile models with swage, run them, and compare every output with onnxruntime.

    .venv/bin/python Tests/Python/differential.py --swage .build/release/swage [--only TEXT] [--keep DIR]

An output agrees when its shape and element type are the reference's and its largest error is at most 1e-3 of the reference's
largest magnitude. `--reference` runs onnxruntime alone and shows what it answers. Exit status 1 when anything differs.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import onnxruntime

import cases

TOLERANCE = 1e-3
COMPILE_SECONDS = 600
RUN_SECONDS = 120


class Failure(Exception):
    """swage did not do what it was asked; the message is one line."""


class Tally:
    """The rows of the table and their count."""

    def __init__(self):
        self.passed = self.failed = 0

    def row(self, ok: bool, case: str, run: str, what: str, note: str) -> None:
        self.passed += ok
        self.failed += not ok
        print(f"{'ok  ' if ok else 'FAIL'}  {case:<29}  {run:<29}  {what:<32}  {note}", flush=True)


def swage(binary: str, arguments: list[str], seconds: int) -> None:
    environment = dict(os.environ, SWIFT_BACKTRACE="enable=no")
    try:
        done = subprocess.run(
            [binary, *arguments], capture_output=True, text=True, errors="replace", timeout=seconds, env=environment
        )
    except subprocess.TimeoutExpired:
        raise Failure(f"swage {arguments[0]}: no answer after {seconds} s") from None
    if done.returncode != 0:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        shown = next((line for line in lines if line.startswith("error")), lines[-1] if lines else "no message")
        more = f" (+{len(lines) - 1} lines)" if len(lines) > 1 else ""
        raise Failure(f"swage {arguments[0]}: exit status {done.returncode}: {shown[:300]}{more}")


def output_file(folder: Path, name: str) -> Path:
    """Where `swage run --output` put an output: names hold characters that a file's name may not."""
    for spelling in (name, name.replace("/", "_")):
        path = folder / f"{spelling}.npy"
        if path.exists():
            return path
    found = ", ".join(sorted(str(p.relative_to(folder)) for p in folder.rglob("*"))) or "nothing"
    raise Failure(f"output {name} is missing; found {found}")


def call_swage(binary: str, plan: Path, inputs: dict, outputs: list[str], scratch: Path) -> dict[str, np.ndarray]:
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    arguments = ["run", str(plan)]
    for index, (name, value) in enumerate(inputs.items()):
        path = scratch / f"input{index}.npy"
        np.save(path, np.ascontiguousarray(value).reshape(np.shape(value)))
        arguments += ["--input", f"{name}={path}"]
    results = scratch / "out"
    swage(binary, arguments + ["--output", str(results)], RUN_SECONDS)
    return {name: np.load(output_file(results, name)) for name in outputs}


def calls(run: cases.Run, step) -> list[dict[str, np.ndarray]]:
    """The outputs of each call, with outputs fed back as the run says."""
    results, carried = [], {}
    for inputs in run.calls:
        outputs = step({**inputs, **carried})
        results.append(outputs)
        carried = {source: outputs[name] for name, source in run.feedback.items()}
    return results


def difference(ours: list[np.ndarray], reference: list[np.ndarray]) -> tuple[bool, str]:
    """Whether all calls' values of one output agree, and the worst of them in words."""
    worst, largest = 0.0, 0.0
    for mine, theirs in zip(ours, reference, strict=True):
        if mine.shape != theirs.shape or mine.dtype != theirs.dtype:
            return False, f"is {mine.dtype}{list(mine.shape)}, should be {theirs.dtype}{list(theirs.shape)}"
        if theirs.size == 0:
            continue
        if not np.isfinite(mine.astype(np.float64)).all():
            return False, "holds NaN or infinity"
        magnitude = float(np.abs(theirs.astype(np.float64)).max())
        error = float(np.abs(mine.astype(np.float64) - theirs.astype(np.float64)).max())
        relative = error / magnitude if magnitude > 0 else (0.0 if error == 0 else float("inf"))
        worst, largest = max(worst, relative), max(largest, magnitude)
    return worst <= TOLERANCE, f"error {worst:.1e} of {largest:.4g}"


def reference_calls(session: onnxruntime.InferenceSession, run: cases.Run) -> list[dict[str, np.ndarray]]:
    names = [output.name for output in session.get_outputs()]
    return calls(run, lambda inputs: dict(zip(names, session.run(names, inputs), strict=True)))


def open_reference(path: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 2
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def show_reference(tally: Tally, case: cases.Case) -> None:
    session = open_reference(case.reference)
    for run in case.runs:
        answers = reference_calls(session, run)
        for name in answers[0]:
            values = [answer[name] for answer in answers]
            finite = all(np.isfinite(v).all() for v in values)
            varied = any(np.abs(v).max() > 0 for v in values)
            peaks = " ".join(f"{v.max():.3g}" for v in values[:8])
            tally.row(finite and varied, case.name, run.name, f"{name} {list(values[0].shape)}", f"max {peaks}")


def check(tally: Tally, binary: str, case: cases.Case, folder: Path) -> dict[str, dict[str, np.ndarray]]:
    """Compile and run one case; the outputs of the last call of each run, by the run's name."""
    plan = folder / "model.plan"
    folder.mkdir(parents=True, exist_ok=True)
    start = time.monotonic()
    try:
        swage(binary, ["compile", str(case.model), "-o", str(plan), *case.flags], COMPILE_SECONDS)
    except Failure as failure:
        tally.row(False, case.name, "compile", "", str(failure))
        return {}
    tally.row(True, case.name, "compile", "", f"{time.monotonic() - start:.1f} s")

    session = open_reference(case.reference)
    names = [output.name for output in session.get_outputs()]
    answers = {}
    for run in case.runs:
        reference = reference_calls(session, run)
        try:
            ours = calls(run, lambda inputs: call_swage(binary, plan, inputs, names, folder / "call"))
        except Failure as failure:
            tally.row(False, case.name, run.name, "", str(failure))
            continue
        answers[run.name] = ours[-1]
        for name in names:
            ok, note = difference([o[name] for o in ours], [r[name] for r in reference])
            tally.row(ok, case.name, run.name, f"{name} {list(reference[0][name].shape)}", note)
    return answers


def check_digits(tally: Tally, answers: dict[str, dict[str, dict[str, np.ndarray]]]) -> None:
    """What is particular to the shipped checkpoint: its accuracy, and that its two forms are one model."""
    whole, apart = answers["digits"], answers["digits, weights apart"]
    if "batch 360" in whole:
        labels = np.load(cases.ROOT / "models" / "digits" / "heldout_labels.npy")
        right = int((whole["batch 360"]["logits"].argmax(1) == labels).sum())
        tally.row(right > 0.98 * len(labels), "digits", "batch 360", "accuracy", f"{right} of {len(labels)}")
    for run in sorted(whole.keys() | apart.keys()) or ["all runs"]:
        same = (
            run in whole
            and run in apart
            and all(np.array_equal(whole[run][name], apart[run][name]) for name in whole[run])
        )
        tally.row(
            same, "digits, both forms", run, "equal bit for bit", "" if same else "they differ, or one is missing"
        )


def main() -> int:
    parser = argparse.ArgumentParser(description="Compare swage with onnxruntime on models that others made.")
    parser.add_argument("--swage", default=str(cases.ROOT / ".build" / "release" / "swage"), help="the tool to test")
    parser.add_argument("--only", metavar="TEXT", default="", help="only models with TEXT in their name")
    parser.add_argument("--keep", metavar="DIR", help="keep plans and tensors here")
    parser.add_argument("--reference", action="store_true", help="run onnxruntime alone")
    arguments = parser.parse_args()
    if not arguments.reference and shutil.which(arguments.swage) is None:
        print(f"error: no program at {arguments.swage}", file=sys.stderr)
        return 2
    chosen = [case for case in cases.every() if arguments.only in case.name]
    if not chosen:
        print(f"error: no model has {arguments.only!r} in its name", file=sys.stderr)
        return 2

    tally = Tally()
    with tempfile.TemporaryDirectory(prefix="swage-differential-") as temporary:
        folder = Path(arguments.keep or temporary)
        answers = {}
        for case in chosen:
            if arguments.reference:
                show_reference(tally, case)
            else:
                answers[case.name] = check(
                    tally, arguments.swage, case, folder / case.name.replace(", ", "-").replace(" ", "-")
                )
        if {"digits", "digits, weights apart"} <= answers.keys():
            check_digits(tally, answers)
    print(f"{tally.passed} passed, {tally.failed} failed")
    return 1 if tally.failed else 0


if __name__ == "__main__":
    sys.exit(main())
