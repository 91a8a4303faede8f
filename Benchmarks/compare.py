"""Times swage against onnxruntime on the models of the differential test.

    .venv/bin/python Benchmarks/compare.py --swage .build/release/swage [--runs N] [--rounds 5] [--only TEXT] [--fixed] [--json F] [--markdown F]

Both run on the CPU with two threads, each round in a process of its own, in turns: swage, onnxruntime, swage, … A round takes the
median of its runs; what counts is the ratio of the two medians of a round, its median over the rounds and its spread, since a
shared machine slows both down at the same time. Below 1 swage is faster. Inputs are bound once, outside the time taken.
`--fixed` compiles a plan for the sizes of each run; without it one plan serves all sizes of a model. Writes
Benchmarks/RESULTS.md when every case was run (`--markdown` names another file). Exit status 1 when a case failed.
"""

import argparse
import json
import math
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnxruntime

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "Tests" / "Python"))
import cases  # noqa: E402
from machine import cores, peak_memory, processor, processor_flags  # noqa: E402

THREADS = 2
ROUND_SECONDS = 0.6
FEATURES = "avx2 fma f16c avx512f avx512_bf16 avx512_fp16 avx512_vnni avx_vnni amx_tile amx_bf16 amx_int8 asimd bf16 i8mm sve sve2".split()


class Failure(Exception):
    """A case could not be timed; the message is one line."""


@dataclass
class Timed:
    """One model at one size."""

    name: str
    model: Path
    inputs: dict[str, np.ndarray]
    flags: list[str] = field(default_factory=list)


def suite() -> list[Timed]:
    result = []
    digits = cases.digits()[0]
    held_out = np.load(digits.model.parent / "heldout_images.npy")
    result.append(Timed("digits, batch 1", digits.model, digits.runs[0].calls[0]))
    result.append(Timed("digits, batch 32", digits.model, {"image": held_out[:32]}))
    for case in cases.silero():
        result.append(Timed(f"{case.name}, {case.runs[0].name.split(', ')[0]}", case.model, case.runs[0].calls[0]))
    sizes = {
        "rapidocr detector": ["320x320", "640x640", "736x1280"],
        "rapidocr recogniser": ["48x320"],
        "rapidocr classifier": ["48x192"],
    }
    for case in cases.rapidocr():
        for run in case.runs:
            if run.name in sizes.get(case.name, []):
                result.append(Timed(f"{case.name}, {run.name}", case.model, run.calls[0]))
    return result


# The other runtime, in a process of its own.


def worker(specification: str) -> None:
    """Loads a model in onnxruntime, times it, and prints the result as JSON."""
    spec = json.loads(specification)
    inputs = {name: np.load(path) for name, path in spec["inputs"].items()}
    base = peak_memory()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = THREADS
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.log_severity_level = 3
    start = time.perf_counter()
    session = onnxruntime.InferenceSession(spec["model"], options, providers=["CPUExecutionProvider"])
    load = time.perf_counter() - start
    binding = session.io_binding()
    for name, value in inputs.items():
        binding.bind_cpu_input(name, np.ascontiguousarray(value).reshape(value.shape))
    for output in session.get_outputs():
        binding.bind_output(output.name, "cpu")

    def once() -> float:
        start = time.perf_counter()
        session.run_with_iobinding(binding)
        return time.perf_counter() - start

    first = [once() for _ in range(3)]
    runs = spec["runs"] or int(min(3000, max(5, ROUND_SECONDS / max(min(first), 1e-6))))
    for _ in range(max(3, runs // 10)):
        once()
    samples = [once() * 1e3 for _ in range(runs)]
    peak = peak_memory()
    answer = {
        "median_ms": statistics.median(samples),
        "load_ms": load * 1e3,
        "peak_rss_bytes": peak,
        "base_rss_bytes": base,
        "runs": runs,
    }
    print(json.dumps(answer))


def call(command: list[str], seconds: int, **extra: str) -> str:
    environment = dict(os.environ, SWIFT_BACKTRACE="enable=no", **extra)
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=seconds, env=environment)
    except subprocess.TimeoutExpired:
        raise Failure(f"no answer after {seconds} s") from None
    if done.returncode != 0:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        shown = next((line for line in lines if line.startswith("error")), lines[-1] if lines else "no message")
        raise Failure(f"exit status {done.returncode}: {shown[:200]}")
    return done.stdout


def reference_round(timed: Timed, files: dict[str, Path], runs: int) -> dict:
    spec = {"model": str(timed.model), "inputs": {name: str(path) for name, path in files.items()}, "runs": runs}
    return json.loads(call([sys.executable, __file__, "--worker", json.dumps(spec)], 600))


def swage_round(binary: str, plan: Path, files: dict[str, Path], runs: int) -> dict:
    command = [binary, "bench", str(plan), "--json", "--threads", str(THREADS), "--runs", str(runs)]
    command += ["--warmup", str(max(3, runs // 10))]
    for name, path in files.items():
        command += ["--input", f"{name}={path}"]
    return json.loads(call(command, 600))


class Plans:
    """Compiled plans: one for each set of flags of a model."""

    def __init__(self, binary: str, folder: Path, fixed: bool):
        self.binary, self.folder, self.fixed, self.known = binary, folder, fixed, {}

    def plan(self, timed: Timed) -> tuple[Path, float]:
        flags = list(timed.flags)
        if self.fixed:
            for name, value in timed.inputs.items():
                if np.ndim(value):
                    flags += ["--shape", f"{name}={'x'.join(map(str, np.shape(value)))}"]
        key = (str(timed.model), *flags)
        if key not in self.known:
            path = self.folder / f"{len(self.known)}.plan"
            start = time.perf_counter()
            # A cache of its own: kernels that an earlier compile left would make this one look fast.
            cache = str(self.folder / f"cache{len(self.known)}")
            command = [self.binary, "compile", str(timed.model), "-o", str(path), "--threads", str(THREADS), *flags]
            call(command, 900, XDG_CACHE_HOME=cache)
            self.known[key] = path, time.perf_counter() - start
        return self.known[key]


def measure(timed: Timed, plans: Plans, runs: int, rounds: int, folder: Path) -> dict:
    plan, compile_seconds = plans.plan(timed)
    files = {}
    for index, (name, value) in enumerate(timed.inputs.items()):
        files[name] = folder / f"input{index}.npy"
        np.save(files[name], np.ascontiguousarray(value).reshape(np.shape(value)))
    ours, theirs = [], []
    # A first round of the reference finds how many runs fill a round; it is not counted.
    runs = runs or reference_round(timed, files, 0)["runs"]
    for _ in range(rounds):
        ours.append(swage_round(plans.binary, plan, files, runs))
        theirs.append(reference_round(timed, files, runs))
    ratios = [a["median_ms"] / b["median_ms"] for a, b in zip(ours, theirs, strict=True)]

    def median(rows: list[dict], key: str) -> float:
        return statistics.median(row[key] for row in rows)

    return {
        "name": timed.name,
        "ratio": statistics.median(ratios),
        "ratio_min": min(ratios),
        "ratio_max": max(ratios),
        "runs": runs,
        "rounds": rounds,
        "swage_ms": median(ours, "median_ms"),
        "onnxruntime_ms": median(theirs, "median_ms"),
        "swage_load_ms": median(ours, "load_ms"),
        "onnxruntime_load_ms": median(theirs, "load_ms"),
        "swage_peak_rss_bytes": max(row["peak_rss_bytes"] for row in ours),
        "onnxruntime_peak_rss_bytes": max(row["peak_rss_bytes"] for row in theirs),
        "python_rss_bytes": max(row["base_rss_bytes"] for row in theirs),
        "plan_bytes": plan.stat().st_size,
        "model_bytes": timed.model.stat().st_size,
        "compile_seconds": compile_seconds,
    }


# What the machine is.


def machine(binary: str) -> dict:
    facts = {"system": f"{platform.system()} {platform.release()}", "architecture": platform.machine()}
    present = processor_flags()
    facts["cpu"] = processor()
    facts["cpu_features"] = [name for name in FEATURES if name in present]
    facts["cores"] = cores()
    facts["threads"] = THREADS
    facts["load_before"] = os.getloadavg()[0]
    try:
        facts["swage"] = call([binary, "--version"], 20).strip()
    except (Failure, OSError):
        facts["swage"] = "unknown"
    facts["onnxruntime"] = onnxruntime.__version__
    facts["python"] = platform.python_version()
    return facts


def mebibytes(count: float) -> str:
    return f"{count / 2**20:.1f}"


HEADER = [
    "case", "ratio", "spread", "swage ms", "onnxruntime ms", "load ms", "peak MiB", "plan MiB (model)", "compile s",
]


def cells(row: dict) -> list[str]:
    if "failure" in row:
        return [row["name"], "failed", row["failure"]] + [""] * (len(HEADER) - 3)
    theirs = row["onnxruntime_peak_rss_bytes"]
    return [
        row["name"],
        f"{row['ratio']:.2f}",
        f"{row['ratio_min']:.2f}..{row['ratio_max']:.2f}",
        f"{row['swage_ms']:.3f}",
        f"{row['onnxruntime_ms']:.3f}",
        f"{row['swage_load_ms']:.1f} / {row['onnxruntime_load_ms']:.1f}",
        f"{mebibytes(row['swage_peak_rss_bytes'])} / {mebibytes(theirs)} ({mebibytes(theirs - row['python_rss_bytes'])})",
        f"{mebibytes(row['plan_bytes'])} ({mebibytes(row['model_bytes'])})",
        f"{row['compile_seconds']:.1f}",
    ]


def line(row: list[str], widths: list[int]) -> str:
    return "  ".join(cell.ljust(width) if i == 0 else cell.rjust(width) for i, (cell, width) in enumerate(zip(row, widths)))


def summary(rows: list[dict]) -> str:
    good = [row for row in rows if "failure" not in row]
    if not good:
        return "No case was timed."
    mean = math.exp(sum(math.log(row["ratio"]) for row in good) / len(good))
    worst = max(good, key=lambda row: row["ratio"])
    text = f"{len(good)} cases: geometric mean of the ratios {mean:.2f}, worst {worst['ratio']:.2f} ({worst['name']})"
    failed = len(rows) - len(good)
    return text + (f"; {failed} failed" if failed else "") + "."


def markdown(facts: dict, rows: list[dict], fixed: bool) -> str:
    features = ", ".join(facts["cpu_features"]) or "none of those asked for"
    plans = "one plan for the sizes of each case" if fixed else "one plan for all sizes of a model"
    text = f"""# swage against onnxruntime

Written by `make bench` (`Benchmarks/compare.py`). Ratio: time of swage over time of onnxruntime, median over rounds run in turns;
below 1 swage is faster. The spread is the smallest and the largest ratio of a round.

- CPU: {facts["cpu"]}, {facts["cores"]} cores, {facts["architecture"]}; {features}
- System: {facts["system"]}; load average {facts["load_before"]:.1f} before, {facts["load_after"]:.1f} after (the comparison itself
  takes {facts["threads"]}): more means that others used the machine, and the spread is wide
- swage {facts["swage"]}, onnxruntime {facts["onnxruntime"]}; each with {facts["threads"]} threads, f32, {plans}
- Two values are swage / onnxruntime. Peak memory is of a process that runs the model alone; in brackets, onnxruntime's without
  the Python that it runs in.

{summary(rows)}

"""
    text += "| " + " | ".join(HEADER) + " |\n|" + "---|" + "---:|" * (len(HEADER) - 1) + "\n"
    for row in rows:
        text += "| " + " | ".join(cell.replace("|", "\\|") for cell in cells(row)) + " |\n"
    return text


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--swage", help="the binary")
    parser.add_argument("--runs", type=int, default=0, help="runs in a round (default: what fills 0.6 s)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="", help="only cases whose name holds this")
    parser.add_argument("--fixed", action="store_true", help="a plan for the sizes of each case")
    parser.add_argument("--json", help="writes all numbers here")
    parser.add_argument("--markdown", help="writes the table here")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        worker(arguments.worker)
        return 0
    if not arguments.swage or arguments.runs < 0 or arguments.rounds < 1:
        parser.error("--swage is needed, --runs and --rounds are positive")
    binary = shutil.which(arguments.swage) or str(Path(arguments.swage).resolve())
    facts = machine(binary)
    print(f"{facts['cpu']}, {facts['cores']} cores; swage {facts['swage']}, onnxruntime {facts['onnxruntime']}")
    widths = [38, 6, 14, 9, 15, 17, 24, 17, 9]
    print(line(HEADER, widths), flush=True)
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        plans = Plans(binary, folder, arguments.fixed)
        for timed in suite():
            if arguments.only.lower() not in timed.name.lower():
                continue
            try:
                row = measure(timed, plans, arguments.runs, arguments.rounds, folder)
            except (Failure, OSError, ValueError, KeyError) as failure:
                row = {"name": timed.name, "failure": str(failure) or type(failure).__name__}
            rows.append(row)
            print(line(cells(row), widths).rstrip(), flush=True)
    facts["load_after"] = os.getloadavg()[0]
    print(summary(rows))
    if arguments.json:
        Path(arguments.json).write_text(json.dumps({"machine": facts, "cases": rows}, indent=2) + "\n")
    table = arguments.markdown or (None if arguments.only else HERE / "RESULTS.md")
    if table:
        Path(table).write_text(markdown(facts, rows, arguments.fixed))
    return 1 if not rows or any("failure" in row for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
