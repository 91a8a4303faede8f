"""Times swage and its peers on one case: rounds in turns, each side in a process of its own.

A round takes the median of a side's runs. What counts is the ratio of two medians of one round, its median over the rounds and its
spread, since a shared machine slows all sides down at the same time. Below 1 swage is faster.
"""

import json
import os
import statistics
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from machine import run_and_watch

HERE = Path(__file__).resolve().parent
ROUND_SECONDS = 0.6
COMPILE_SECONDS = 1800
RUN_SECONDS = 1800


class Failure(Exception):
    """A side could not be timed; the message is one line."""


@dataclass
class Case:
    """One model at one size. `flags` are those of `swage compile`; `torch` is what torch_peer.py builds the model from."""

    name: str
    model: Path
    inputs: dict[str, np.ndarray]
    flags: list[str] = field(default_factory=list)
    torch: dict | None = None
    precision: str = "f32"
    threads: int = 2
    # Runs and runs to warm up of a round; 0: as many as fill it.
    runs: int = 0
    warmup: int = 1
    round_seconds: float = ROUND_SECONDS


@dataclass
class Plan:
    """What `swage compile` wrote, and what it took."""

    path: Path
    seconds: float
    peak_bytes: int = 0


def call(command: list[str], seconds: float, **extra: str) -> str:
    environment = dict(os.environ, SWIFT_BACKTRACE="enable=no", **extra)
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=seconds, env=environment)
    except subprocess.TimeoutExpired:
        raise Failure(f"no answer after {seconds:.0f} s") from None
    if done.returncode != 0:
        raise Failure(f"exit status {done.returncode}: {shown(done.stderr)}")
    return done.stdout


def shown(errors: str) -> str:
    """The line of standard error that says what is wrong."""
    lines = [line.strip() for line in errors.splitlines() if line.strip()]
    return next((line for line in lines if line.startswith("error")), lines[-1] if lines else "no message")[:200]


def compile_plan(binary: str, case: Case, folder: Path) -> Plan:
    """Kernels come from no earlier compile: the cache is a new one."""
    path = folder / "case.plan"
    command = [binary, "compile", str(case.model), "-o", str(path), "--threads", str(case.threads), "--quiet"]
    command += ["--precision", case.precision, *case.flags]
    environment = dict(os.environ, SWIFT_BACKTRACE="enable=no", XDG_CACHE_HOME=str(folder / "cache"))
    try:
        status, errors, seconds, peak = run_and_watch(command, environment, COMPILE_SECONDS)
    except subprocess.TimeoutExpired:
        raise Failure(f"compile: no answer after {COMPILE_SECONDS} s") from None
    if status != 0:
        raise Failure(f"compile: exit status {status}: {shown(errors)}")
    return Plan(path, seconds, peak)


# The sides.


def swage_round(binary: str, case: Case, plan: Plan, files: dict[str, Path], runs: int, warmup: int) -> dict:
    command = [binary, "bench", str(plan.path), "--json", "--threads", str(case.threads), "--runs", str(max(1, runs))]
    command += ["--warmup", str(warmup)]
    for name, path in files.items():
        command += ["--input", f"{name}={path}"]
    return json.loads(call(command, RUN_SECONDS))


def peer_round(peer: str, case: Case, files: dict[str, Path], runs: int, warmup: int) -> dict:
    spec = {
        "model": str(case.model), "inputs": {name: str(path) for name, path in files.items()}, "runs": runs, "warmup": warmup,
        "threads": case.threads, "precision": case.precision, "torch": case.torch,
    }  # fmt: skip
    command = [sys.executable, str(HERE / "peers" / f"{peer}_peer.py"), json.dumps(spec)]
    return json.loads(call(command, RUN_SECONDS, OMP_NUM_THREADS=str(case.threads)))


def peers_of(case: Case, wanted: list[str]) -> list[str]:
    """Those that can run the case: torch where there is a module, onnxruntime in f32 (its CPU kernels know no bf16)."""
    able = {"torch": case.torch is not None, "onnxruntime": case.precision == "f32"}
    return [peer for peer in wanted if able.get(peer, True)]


def measure(binary: str, case: Case, plan: Plan, peers: list[str], rounds: int, folder: Path) -> dict:
    """One row of the report. A peer that fails says why in its place; `Failure` is swage's."""
    files = {}
    for index, (name, value) in enumerate(case.inputs.items()):
        files[name] = folder / f"input{index}.npy"
        np.save(files[name], np.ascontiguousarray(value).reshape(np.shape(value)))
    runs, warmup = case.runs, case.warmup
    if runs == 0:
        runs, warmup = fill(swage_round(binary, case, plan, files, 1, 3)["median_ms"] / 1e3, case.round_seconds)

    def side(name: str) -> dict:
        if name == "swage":
            return swage_round(binary, case, plan, files, runs, warmup)
        return peer_round(name, case, files, runs, warmup)

    order = ["swage", *peers_of(case, peers)]
    found: dict[str, list[dict]] = {name: [] for name in order}
    failures: dict[str, str] = {}
    for turn in range(rounds):
        for name in order[turn % len(order) :] + order[: turn % len(order)]:
            if name in failures:
                continue
            try:
                found[name].append(side(name))
            except Failure as failure:
                if name == "swage":
                    raise
                failures[name] = str(failure)
    sides = {name: {"failure": failures[name]} if name in failures else over_rounds(found[name]) for name in order}
    ratios = {
        name: ratio(found["swage"], found[name])
        for name in order[1:]
        if name not in failures
    }
    best = max(ratios, key=lambda name: ratios[name]["median"], default=None)
    return {
        "name": case.name, "precision": case.precision, "runs": runs, "rounds": rounds, "sides": sides, "ratios": ratios,
        "best": best, "plan_bytes": plan.path.stat().st_size, "model_bytes": case.model.stat().st_size,
        "compile_seconds": plan.seconds, "compile_peak_bytes": plan.peak_bytes,
    }  # fmt: skip


def fill(seconds: float, round_seconds: float) -> tuple[int, int]:
    """Runs that fill a round, and runs to warm up before them."""
    runs = int(min(3000, max(3, round_seconds / max(seconds, 1e-6))))
    return runs, max(3, runs // 10) if seconds < 1 else 1


def ratio(mine: list[dict], theirs: list[dict]) -> dict:
    """Of the medians round by round; `least` is that of the quickest runs of all, which others on the machine disturb least."""
    values = [a["median_ms"] / b["median_ms"] for a, b in zip(mine, theirs, strict=True)]
    least = min(row["min_ms"] for row in mine) / min(row["min_ms"] for row in theirs)
    return {"median": statistics.median(values), "min": min(values), "max": max(values), "least": least}


def over_rounds(rows: list[dict]) -> dict:
    """The median of what a side's rounds took, the peak of their memory, and each round's own median."""
    memory = {key: max(row[key] for row in rows) for key in rows[0] if key.endswith("_bytes")}
    times = {key: statistics.median(row[key] for row in rows) for key in ["median_ms", "load_ms", "first_ms"] if key in rows[0]}
    times["min_ms"] = min(row["min_ms"] for row in rows)
    return {**times, **memory, "rounds_ms": [row["median_ms"] for row in rows]}
