"""Operators of onnxruntime's own domains against onnxruntime: one-node models, then models that its optimiser and quantiser wrote.

    .venv/bin/python Tests/Python/contrib.py --swage .build/release/swage [--only REGEX] [--target cpu,reference] [--keep DIR] [--list]

Cases are written as backend tests (model.onnx, test_data_set_0 with onnxruntime's outputs, or a case's own where onnxruntime has
no CPU kernel), then one `swage verify` runs them all. Integers must be equal. Floats agree within rtol 1e-4 and atol 1e-5, unless a
case says more. Exit status 1 when a case fails, is skipped, or when onnxruntime cannot run a case that has no expected outputs.
"""

import argparse
import collections
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper

import contrib_cases
import contrib_models
import contrib_quantized_cases

RTOL, ATOL = 1e-4, 1e-5


def session(model: onnx.ModelProto) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    # The node itself is the oracle, not what the optimiser makes of it.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def message(value: np.ndarray, name: str) -> bytes:
    return numpy_helper.from_array(np.asarray(value), name).SerializeToString()


def write(case, root: Path) -> str | None:
    """Writes one case; why not, where onnxruntime refuses it."""
    expected = case.expected
    if expected is None:
        try:
            oracle = case.oracle or case
            expected = session(oracle.model).run(None, oracle.feeds)
        except Exception as error:  # noqa: BLE001
            return str(error).splitlines()[0][:300]
    folder = root / case.name
    data = folder / "test_data_set_0"
    data.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(case.model.SerializeToString())
    (folder / "data.json").write_text(json.dumps({"rtol": case.rtol or RTOL, "atol": case.atol or ATOL}))
    for index, port in enumerate(case.model.graph.input):
        (data / f"input_{index}.pb").write_bytes(message(case.feeds[port.name], port.name))
    for index, (port, value) in enumerate(zip(case.model.graph.output, expected, strict=True)):
        (data / f"output_{index}.pb").write_bytes(message(value, port.name))
    return None


def verify(binary: str, folder: Path, rtol: float, atol: float, target: str) -> list[dict]:
    environment = dict(os.environ, SWIFT_BACKTRACE="enable=no")
    done = subprocess.run(
        [binary, "verify", str(folder), "--json", "--rtol", str(rtol), "--atol", str(atol), "--target", target],
        capture_output=True, text=True, errors="replace", env=environment,
    )
    try:
        return json.loads(done.stdout)["cases"]
    except (ValueError, KeyError):
        sys.exit(f"swage verify: exit status {done.returncode}: {done.stderr[-2000:]}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--swage", default=".build/release/swage")
    parser.add_argument("--only", default="", help="cases whose name this regular expression finds")
    parser.add_argument("--target", default="cpu,reference")
    parser.add_argument("--keep", type=Path, help="write the cases here, and leave them")
    parser.add_argument("--list", action="store_true", help="name every case with its outcome")
    options = parser.parse_args()

    root = options.keep or Path(tempfile.mkdtemp(prefix="swage-contrib-"))
    shutil.rmtree(root, ignore_errors=True)
    chosen = re.compile(options.only)
    makers = [contrib_cases.cases, contrib_quantized_cases.cases, contrib_models.cases]
    cases = [case for maker in makers for case in maker(chosen)]
    repeated = [name for name, count in collections.Counter(case.name for case in cases).items() if count > 1]
    assert not repeated, repeated
    # A process for each tolerance, not for each case.
    groups: dict[tuple[float, float], Path] = {}
    refused = {}
    for case in cases:
        key = (case.rtol or RTOL, case.atol or ATOL)
        folder = groups.setdefault(key, root / f"group{len(groups)}")
        if reason := write(case, folder):
            refused[case.name] = reason
    counts = collections.Counter()
    for (rtol, atol), folder in groups.items():
        if not folder.exists():
            continue
        for outcome in verify(options.swage, folder, rtol, atol, options.target):
            counts[outcome["status"]] += 1
            if options.list or outcome["status"] != "passed":
                print(f"{outcome['status']:<8} {outcome['name']:<48} {outcome['reason'][:300]}")
    for name, reason in refused.items():
        print(f"refused  {name:<48} {reason}")
    print(", ".join(f"{counts[status]} {status}" for status in ("passed", "failed", "skipped")), end="")
    print(f", {len(refused)} refused by onnxruntime")
    if not options.keep:
        shutil.rmtree(root, ignore_errors=True)
    return 1 if counts["failed"] or counts["skipped"] or refused or not counts["passed"] else 0


if __name__ == "__main__":
    sys.exit(main())
