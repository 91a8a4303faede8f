"""How far the cost model's choice of kernels is from the measured one: plans of `swage compile` without and with `--tune`, in turns.

All sizes are fixed, since tuning needs them. Below 1 the tuned plan is faster.
"""

import re
import tempfile
from pathlib import Path

import numpy as np

import suites
from measure import COMPILE_SECONDS, Failure, Plan, call, fill, ratio, swage_round

# Of docs/models.md: detectors, recognisers, encoders, speech, a tagger; convolutions of all kinds, and products.
MODELS = [
    "Open NSFW", "PicoDet", "PP-OCRv5 rec", "PP-OCRv6 small", "ddddocr", "NudeNet", "ResNet-18", "speech embedding", "MiniLM", "chord",
    "page orientation", "Magika",
]  # fmt: skip


def entries(cache: Path, precision: str):
    for entry in suites.small(cache, precision):
        if entry.name.startswith(("digits", "rapidocr")):
            yield entry
    for entry in suites.public_models(cache, precision):
        if any(name.lower() in entry.name.lower() for name in MODELS):
            yield entry
    for entry in suites.diffusion_parts(cache, precision):
        if "emoji" in entry.name.lower():
            yield entry


def measure(binary: str, arguments) -> dict:
    rows = []
    for precision in arguments.precisions:
        for entry in entries(arguments.cache, precision):
            if arguments.only.lower() not in entry.name.lower():
                continue
            with tempfile.TemporaryDirectory(dir=arguments.cache) as scratch:
                try:
                    row = compare(binary, entry, precision, arguments, Path(scratch))
                except (Failure, OSError, ValueError, KeyError) as failure:
                    row = {"name": entry.name, "precision": precision, "failure": str(failure)[:200]}
            rows.append(row)
            print(line(row), flush=True)
    return {"rows": rows}


def compare(binary: str, entry, precision: str, arguments, folder: Path) -> dict:
    case = entry.make(folder)
    case.threads = arguments.threads
    files = {}
    for index, (name, value) in enumerate(case.inputs.items()):
        files[name] = folder / f"input{index}.npy"
        np.save(files[name], np.ascontiguousarray(value).reshape(np.shape(value)))
    flags = [*case.flags, "--precision", precision, "--threads", str(case.threads)]
    for name, value in case.inputs.items():
        if not any(flag.startswith(name + "=") for flag in flags):
            flags += ["--shape", f"{name}={'x'.join(str(size) for size in np.shape(value))}"]
    plans = {}
    for name, more in {"model": [], "tuned": ["--retune"]}.items():
        path = folder / f"{name}.plan"
        words = call([binary, "compile", str(case.model), "-o", str(path), *flags, *more], COMPILE_SECONDS)
        plans[name] = Plan(path, float(re.search(r"compiled in ([\d.]+) s", words)[1]))
    kinds, changed = re.search(r"tuned: (\d+) kinds.*; (\d+) are faster", words).groups()
    runs, warmup = fill(swage_round(binary, case, plans["model"], files, 1, 3)["median_ms"] / 1e3, case.round_seconds)
    found = {name: [] for name in plans}
    for turn in range(arguments.rounds):
        for name in list(plans)[:: 1 if turn % 2 else -1]:
            found[name].append(swage_round(binary, case, plans[name], files, runs, warmup))
    return {
        "name": entry.name, "precision": precision, "ratio": ratio(found["tuned"], found["model"]), "kinds": int(kinds),
        "changed": int(changed), "compile_seconds": plans["model"].seconds, "tune_seconds": plans["tuned"].seconds,
    }  # fmt: skip


def line(row: dict) -> str:
    title = f"{row['name']}, {row['precision']}"[:46].ljust(46)
    if "failure" in row:
        return f"{title} failed: {row['failure']}"
    return (
        f"{title} {row['ratio']['median']:.2f} ({row['ratio']['min']:.2f}..{row['ratio']['max']:.2f}; {row['ratio']['least']:.2f})"
        f"   {row['changed']} of {row['kinds']} kinds another way   {row['compile_seconds']:.1f} -> {row['tune_seconds']:.1f} s"
    )
