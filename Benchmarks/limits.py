"""The UNet of Stable Diffusion 1.4 against the limits of the machine and of its own plan.

Measured are: what the CPU reaches with arithmetic alone (micro/peak.c); the share of it that a step reaches; load, first run and warm
run; peak memory beside weights and arena; what compiling takes; the interpreter's time between instructions and the cost of timing
(on the UNet of `models/emoji`, whose instructions are short); and how time and memory grow with the picture.
"""

import json
import re
import shutil
import statistics
import tempfile
from pathlib import Path

import numpy as np

import diffusion
from measure import RUN_SECONDS, Case, Failure, Plan, call, compile_plan

HERE = Path(__file__).resolve().parent
SIZES = [32, 64, 128]
QUICK_SIZES = [16, 32]
PEAKS = {
    "f32_flops": ("peak, multiply-add in f32", "GFLOP/s"),
    "avx512_bf16_flops": ("peak, AVX-512 bf16", "GFLOP/s"),
    "amx_bf16_flops": ("peak, AMX bf16", "GFLOP/s"),
    "read_bytes": ("peak, reading memory", "GB/s"),
}


def measure(binary: str, arguments) -> dict:
    """Rows of the report, the points of growth, and the peaks in operations and bytes per second."""
    rows, growth, peaks = [], [], {}

    def note(what: str, precision: str, value: str) -> None:
        rows.append({"what": what, "precision": precision, "value": value})
        print(f"{what}{', ' if precision else ''}{precision}: {value}", flush=True)

    try:
        peaks = peak_rates(arguments.threads)
        for name, rate in peaks.items():
            what, unit = PEAKS[name]
            note(what, "", f"{rate / 1e9:.1f} {unit}")
    except Failure as failure:
        note("peak", "", f"failed: {failure}")
    for precision in arguments.precisions:
        for size in QUICK_SIZES if arguments.quick else SIZES:
            with tempfile.TemporaryDirectory(dir=arguments.cache) as scratch:
                try:
                    point = step(binary, diffusion.unet(size), precision, arguments, Path(scratch))
                except (Failure, OSError) as failure:
                    note(f"{size}x{size} latents", precision, f"failed: {failure}")
                    continue
            growth.append({"size": size, "precision": precision, **point})
            for what, value in lines(point, peak_of(precision, peaks)):
                note(f"{size}x{size} latents: {what}", precision, value)
        with tempfile.TemporaryDirectory(dir=arguments.cache) as scratch:
            try:
                for what, value in interpreter(binary, precision, arguments, Path(scratch)):
                    note(what, precision, value)
            except (Failure, OSError) as failure:
                note("interpreter", precision, f"failed: {failure}")
    return {"rows": rows, "growth": growth, "peaks": peaks}


def peak_rates(threads: int) -> dict[str, float]:
    """What micro/peak.c measures, compiled for this machine."""
    compiler = shutil.which("clang") or shutil.which("cc")
    if compiler is None:
        raise Failure("no C compiler")
    with tempfile.TemporaryDirectory() as scratch:
        program = Path(scratch) / "peak"
        flags = ["-O2", "-march=native", "-ffp-contract=fast", "-pthread"]
        call([compiler, *flags, str(HERE / "micro" / "peak.c"), "-o", str(program)], 120)
        return json.loads(call([str(program), str(threads)], 300))


def peak_of(precision: str, peaks: dict[str, float]) -> float:
    """The best rate there is in the precision, or in f32 where the CPU has no bf16 arithmetic."""
    own = [rate for name, rate in peaks.items() if name.endswith(f"{precision}_flops")]
    return max(own, default=peaks.get("f32_flops", 0))


def step(binary: str, part: diffusion.Part, precision: str, arguments, folder: Path) -> dict:
    """One UNet step at a size: compile, load, first run, warm runs, memory, operations."""
    case = part.case(arguments.cache, precision)
    case.threads = arguments.threads
    plan = compile_plan(binary, case, folder)
    inputs = input_flags(case, folder)
    cold = bench(binary, plan, case, inputs, 0, 1)
    warm = bench(binary, plan, case, inputs, 1, 1 if arguments.quick else 2)
    trace = folder / "trace.json"
    command = [binary, "run", str(plan.path), *inputs, "--threads", str(case.threads), "--profile", str(trace)]
    call(command, RUN_SECONDS)
    events = [event for event in json.loads(trace.read_text())["traceEvents"] if "flops" in event.get("args", {})]
    arena, bound = arena_bytes(binary, plan)
    return {
        "compile_seconds": plan.seconds, "compile_peak_bytes": plan.peak_bytes, "plan_bytes": plan.path.stat().st_size,
        "load_seconds": cold["load_ms"] / 1e3, "first_seconds": cold["median_ms"] / 1e3, "seconds": warm["median_ms"] / 1e3,
        "peak_rss_bytes": warm["peak_rss_bytes"], "arena_bytes": arena, "arena_bound_bytes": bound,
        "weight_bytes": weight_bytes(binary, plan), "flops": sum(event["args"]["flops"] for event in events),
        "instructions": len(events),
    }  # fmt: skip


def lines(point: dict, peak: float) -> list[tuple[str, str]]:
    def gigabytes(count: float) -> str:
        return f"{count / 1e9:.2f} GB"

    rate = point["flops"] / point["seconds"]
    beyond = point["peak_rss_bytes"] - point["weight_bytes"] - point["arena_bytes"]
    share = f", {rate / peak:.0%} of the peak" if peak else ""
    return [
        ("step", f"{point['seconds']:.2f} s, {point['flops'] / 1e12:.3f} TFLOP, {rate / 1e9:.1f} GFLOP/s{share}"),
        ("load until the first instruction", f"{point['load_seconds'] * 1e3:.1f} ms"),
        ("first run over a warm one", f"{point['first_seconds'] / point['seconds']:.2f}"),
        (
            "peak memory",
            f"{gigabytes(point['peak_rss_bytes'])} = weights {gigabytes(point['weight_bytes'])} + arena "
            f"{gigabytes(point['arena_bytes'])} + {beyond / 1e6:.0f} MB",
        ),
        ("arena over its lower bound", f"{point['arena_bytes'] / max(1, point['arena_bound_bytes']):.2f}"),
        ("compile", f"{point['compile_seconds']:.1f} s, {gigabytes(point['compile_peak_bytes'])}; plan {gigabytes(point['plan_bytes'])}"),
    ]


def interpreter(binary: str, precision: str, arguments, folder: Path) -> list[tuple[str, str]]:
    """The time between instructions, and how much longer a run takes when every node is timed: the median over turns of ten
    runs without and ten with."""
    case = diffusion.Part(*diffusion.EMOJI, "unet", 2, 16, 16, False).case(arguments.cache, precision)
    case.threads = arguments.threads
    plan = compile_plan(binary, case, folder)
    inputs = input_flags(case, folder)
    command = [binary, "bench", str(plan.path), *inputs, "--threads", str(case.threads), "--warmup", "10", "--runs", "10"]
    plain, timed, gaps = [], [], []
    for _ in range(3 if arguments.quick else 41):
        text = call([*command, "--nodes"], RUN_SECONDS)
        # A mean, as the timed runs have; it stands in the median's unit.
        plain.append(seconds_in(r"^(.*)$", re.sub(r"(?s)^.*?median [\d.]+ (\S+) +mean ([\d.]+).*$", r"\2 \1", text)))
        timed.append(seconds_in(r"^run ([\d.]+ \S+) = nodes", text))
        gaps.append(seconds_in(r" gap ([\d.]+ \S+);", text))
    count = len(re.findall(r"^ *\d+ +[\d.]+ (?:ns|us|ms|s) +[\d.]+%", text, re.M))
    cost = statistics.median(b / a for a, b in zip(plain, timed, strict=True)) - 1
    return [
        ("interpreter, emoji UNet", f"{statistics.median(gaps) / max(1, count) * 1e9:.0f} ns for each of {count} instructions"),
        ("timing every node, emoji UNet", f"{cost:+.1%} of a run"),
    ]


UNITS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0}


def seconds_in(pattern: str, text: str) -> float:
    found = re.search(pattern, text, re.M)
    if found is None:
        raise Failure(f"swage bench printed nothing like {pattern}")
    value, unit = found.group(1).split()
    return float(value) * UNITS[unit]


def input_flags(case: Case, folder: Path) -> list[str]:
    flags = []
    for index, (name, value) in enumerate(case.inputs.items()):
        path = folder / f"input{index}.npy"
        np.save(path, value)
        flags += ["--input", f"{name}={path}"]
    return flags


def bench(binary: str, plan: Plan, case: Case, inputs: list[str], warmup: int, runs: int) -> dict:
    command = [binary, "bench", str(plan.path), *inputs, "--threads", str(case.threads), "--json"]
    return json.loads(call([*command, "--warmup", str(warmup), "--runs", str(runs)], RUN_SECONDS))


def arena_bytes(binary: str, plan: Plan) -> tuple[int, int]:
    """The arenas of the plan, and the largest set of live values."""
    text = call([binary, "inspect", str(plan.path)], 120)
    found = re.findall(r"^arena of \S+: (\d+) bytes.*lower bound (\d+)", text, re.M)
    return sum(int(a) for a, _ in found), sum(int(b) for _, b in found)


def weight_bytes(binary: str, plan: Plan) -> int:
    found = re.search(r"^\d+ weights, (\d+) bytes", call([binary, "inspect", str(plan.path)], 120), re.M)
    return int(found.group(1)) if found else 0
