"""What every peer does in its process: loads one model, warms up, times runs, prints one JSON object.

The specification, the program's argument, is JSON: `model`, `inputs` (name to .npy), `runs`, `warmup`, `threads`, `precision`
(f32 or bf16), `torch` (what `torch_peer.py` builds the model from). With `runs` 0 the first run alone is timed.
"""

import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

BENCHMARKS = Path(__file__).resolve().parents[1]
sys.path[1:1] = [str(BENCHMARKS), str(BENCHMARKS.parent / "Tests" / "Python")]
from machine import peak_memory  # noqa: E402

# Loads a model: from the specification and the inputs, a function that makes one run.
Load = Callable[[dict, dict[str, np.ndarray]], Callable[[], object]]


def serve(load: Load) -> None:
    spec = json.loads(sys.argv[1])
    inputs = {name: np.ascontiguousarray(value).reshape(value.shape) for name, value in read(spec["inputs"])}
    base = peak_memory()
    # What a library prints is not the answer.
    answers = os.dup(1)
    os.dup2(2, 1)
    start = time.perf_counter()
    run = load(spec, inputs)
    loaded = time.perf_counter() - start

    def once() -> float:
        start = time.perf_counter()
        run()
        return (time.perf_counter() - start) * 1e3

    first = once()
    for _ in range(spec["warmup"] - 1):
        once()
    samples = [once() for _ in range(spec["runs"])] or [first]
    answer = {
        "median_ms": statistics.median(samples),
        "min_ms": min(samples),
        "first_ms": first,
        "load_ms": loaded * 1e3,
        "peak_rss_bytes": peak_memory(),
        "base_rss_bytes": base,
    }
    os.write(answers, json.dumps(answer).encode())


def read(files: dict[str, str]):
    for name, path in files.items():
        yield name, np.load(path)
