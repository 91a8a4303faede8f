"""Loops and scans against onnxruntime: `swage verify` on models that iterate.

    .venv/bin/python Tests/Python/control.py --swage .build/release/swage [--keep DIR]
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper, parser

HEADER = '<ir_version: 10, opset_import: ["" : 21]>\n'

# name -> (model, inputs of each data set)
MODELS = {
    "recurrence": (
        """recurrence (float[n,4] x, float[1,4] h0, float[4,4] w, int64 trips) => (float[1,4] h, float[k,1,4] all) {
          go = Constant <value = bool {1}> ()
          h, all = Loop (trips, go, h0) <body = step (int64 i, bool c, float[1,4] hi) => (bool co, float[1,4] ho, float[1,4] part) {
            co = Identity (c)
            row = Gather <axis = 0> (x, i)
            zero = Constant <value = int64[1] {0}> ()
            row2 = Unsqueeze (row, zero)
            hw = MatMul (hi, w)
            s = Add (hw, row2)
            ho = Tanh (s)
            part = Identity (ho)
          }>
        }""",
        lambda r: [[r(5, 4), r(1, 4), r(4, 4), np.array(trips)] for trips in (5, 1, 0)],
    ),
    "growing": (
        """growing (float[n,2] x, int64 trips) => (float[m,2] y) {
          go = Constant <value = bool {1}> ()
          y = Loop (trips, go, x) <body = step (int64 i, bool c, float[a,2] yi) => (bool co, float[b,2] yo) {
            co = Identity (c)
            twice = Add (yi, yi)
            yo = Concat <axis = 0> (yi, twice)
          }>
        }""",
        lambda r: [[r(rows, 2), np.array(trips)] for rows, trips in ((1, 3), (3, 2), (2, 0))],
    ),
    "early_exit": (
        """early_exit (float x, float limit) => (float y, float[k] seen, float[k2] after) {
          go = Constant <value = bool {1}> ()
          none = Constant <value = int64 {1000}> ()
          y, seen = Loop (none, go, x) <body = step (int64 i, bool c, float yi) => (bool co, float yo, float part) {
            yo = Add (yi, yi)
            co = Less (yo, limit)
            part = Sqrt (yo)
          }>
          after = Relu (seen)
        }""",
        lambda r: [[np.float32(x), np.float32(limit)] for x, limit in ((1, 100), (3, 5), (0.5, 1000))],
    ),
    "nested": (
        """nested (float[4] x, int64 outer, int64 inner) => (float[4] y) {
          go = Constant <value = bool {1}> ()
          y = Loop (outer, go, x) <body = step (int64 i, bool c, float[4] yi) => (bool co, float[4] yo) {
            co = Identity (c)
            t = Constant <value = bool {1}> ()
            half = Constant <value = float {0.5}> ()
            yo = Loop (inner, t, yi) <body = deep (int64 j, bool c2, float[4] zi) => (bool co2, float[4] zo) {
              co2 = Identity (c2)
              f = Cast <to = 1> (j)
              g = Cast <to = 1> (i)
              a = Add (f, g)
              b = Mul (zi, half)
              zo = Add (a, b)
            }>
          }>
        }""",
        lambda r: [[r(4), np.array(a), np.array(b)] for a, b in ((3, 2), (0, 4), (2, 0), (1, 7))],
    ),
    "branch_inside": (
        """branch_inside (float[n] x, int64 trips) => (float[n] y) {
          go = Constant <value = bool {1}> ()
          y = Loop (trips, go, x) <body = step (int64 i, bool c, float[n] yi) => (bool co, float[n] yo) {
            co = Identity (c)
            two = Constant <value = int64 {2}> ()
            zero = Constant <value = int64 {0}> ()
            r = Mod (i, two)
            even = Equal (r, zero)
            yo = If (even) <
              then_branch = a () => (float[n] p) { p = Exp (yi) },
              else_branch = b () => (float[n] q) { q = Neg (yi) }
            >
          }>
        }""",
        lambda r: [[r(size) * np.float32(0.1), np.array(trips)] for size, trips in ((3, 3), (1, 2), (0, 2))],
    ),
    "swap": (
        """swap (float[2] a, float[2] b, int64 trips) => (float[2] c, float[2] d) {
          go = Constant <value = bool {1}> ()
          c, d = Loop (trips, go, a, b) <body = step (int64 i, bool k, float[2] p, float[2] q) => (bool ko, float[2] q2, float[2] p2) {
            ko = Identity (k)
            q2 = Identity (q)
            p2 = Identity (p)
          }>
        }""",
        lambda r: [[r(2), r(2), np.array(trips)] for trips in (0, 1, 2, 5)],
    ),
    "running_sum": (
        """running_sum (float[n,3] x, float[3] start) => (float[3] total, float[n,3] sums) {
          total, sums = Scan <num_scan_inputs = 1, scan_output_directions = [1], body = step (float[3] s, float[3] row) => (float[3] so, float[3] part) {
            so = Add (s, row)
            part = Identity (so)
          }> (start, x)
        }""",
        lambda r: [[r(rows, 3), r(3)] for rows in (4, 1)],
    ),
    "data_sizes": (
        """data_sizes (float[n] x, int64 trips) => (float[m] y) {
          go = Constant <value = bool {1}> ()
          y = Loop (trips, go, x) <body = step (int64 i, bool c, float[a] yi) => (bool co, float[b] yo) {
            co = Identity (c)
            zero = Constant <value = float {0}> ()
            one = Constant <value = float {1}> ()
            positive = Greater (yi, zero)
            kept = Compress <axis = 0> (yi, positive)
            yo = Sub (kept, one)
          }>
        }""",
        lambda r: [[np.array(v, np.float32), np.array(t)] for v, t in (([3, 1, 2.5, -1], 2), ([5, -2], 4), ([1, 1], 0))],
    ),
}  # fmt: skip


def write(folder: Path) -> None:
    for name, (text, inputs) in MODELS.items():
        generator = np.random.default_rng(5)
        model = parser.parse_model(HEADER + text)
        onnx.checker.check_model(model)
        case = folder / name
        case.mkdir(parents=True)
        onnx.save(model, case / "model.onnx")
        session = onnxruntime.InferenceSession(str(case / "model.onnx"), providers=["CPUExecutionProvider"])
        sets = inputs(lambda *shape: generator.standard_normal(shape, dtype=np.float32))
        for number, values in enumerate(sets):
            names = [port.name for port in session.get_inputs()]
            values = [np.asarray(value) for value in values]
            results = session.run(None, dict(zip(names, values)))
            target = case / f"test_data_set_{number}"
            target.mkdir()
            for kind, tensors in (("input", values), ("output", results)):
                for index, tensor in enumerate(tensors):
                    data = numpy_helper.from_array(np.asarray(tensor)).SerializeToString()
                    (target / f"{kind}_{index}.pb").write_bytes(data)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--swage", default=".build/release/swage")
    arguments.add_argument("--keep", type=Path, help="leaves the cases in this new folder")
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.keep or Path(scratch) / "cases"
        write(folder)
        done = subprocess.run([options.swage, "verify", str(folder), "--json"], stdout=subprocess.PIPE, text=True)
        report = json.loads(done.stdout)
        for case in report["cases"]:
            print(f"{'ok  ' if case['status'] == 'passed' else 'FAIL'}  {case['name']:<16} {case['reason']}")
        placed = subprocess.run(
            [options.swage, "coverage", str(folder), "--target", "cpu", "--json"], stdout=subprocess.PIPE, text=True
        )
        on_cpu = all("fault" not in model for model in json.loads(placed.stdout)["models"])
        print(f"{'ok  ' if on_cpu else 'FAIL'}  every node has a kernel of the CPU")
        passed = report["passed"] + on_cpu
        failed = len(report["cases"]) + 1 - passed
        print(f"{passed} passed, {failed} failed")
        sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
