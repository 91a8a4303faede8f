"""Compare the operators of `ai.onnx.ml` with onnxruntime.

    .venv/bin/python Tests/Python/ml_differential.py --swage .build/release/swage [--only TEXT] [--keep DIR]

Each model of ml_cases.py is run by onnxruntime; `swage verify` then runs them all in one process. Integers must be equal, floats agree
at rtol 1e-5 and atol 1e-6. Exit status 1 when anything differs.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime

import ml_cases
from conformance import run_swage, write_sets

RTOL, ATOL = 1e-5, 1e-6


def write_case(case: ml_cases.Case, folder: Path) -> None:
    folder.mkdir(parents=True)
    model = case.model()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    results = session.run(None, case.inputs)
    for port, value in zip(model.graph.output, results):
        kind = onnx.helper.np_dtype_to_tensor_dtype(np.asarray(value).dtype)
        port.CopyFrom(onnx.helper.make_tensor_value_info(port.name, kind, [None] * np.ndim(value)))
    onnx.save(model, folder / "model.onnx")
    (folder / "data.json").write_text(json.dumps({"rtol": RTOL, "atol": ATOL}))
    write_sets(folder, model, [(list(case.inputs.values()), results)])


def main() -> int:
    parser = argparse.ArgumentParser(description="Compare the operators of ai.onnx.ml with onnxruntime.")
    parser.add_argument("--swage", default=".build/release/swage", help="the tool to test")
    parser.add_argument("--only", metavar="TEXT", default="", help="only models with TEXT in their name")
    parser.add_argument("--keep", metavar="DIR", help="keep the models here")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="swage-ml-") as temporary:
        root = Path(arguments.keep or temporary)
        chosen = [case for case in ml_cases.every() if arguments.only in case.name]
        for case in chosen:
            write_case(case, root / case.name)
        answers = run_swage(arguments.swage, [root / case.name for case in chosen])
    failed = [case for case in answers.values() if case["status"] != "passed"]
    for case in failed:
        print(f"FAIL  {case['name']}: {case['status']}: {case['reason']}")
    print(f"{len(answers) - len(failed)} passed, {len(failed)} failed, {sum(len(case.nodes) for case in chosen)} nodes")
    return 1 if failed or len(answers) < len(chosen) else 0


if __name__ == "__main__":
    sys.exit(main())
