"""Compare single operators with onnxruntime, over random inputs in shapes that the backend tests do not have.

    .venv/bin/python Tests/Python/operators.py --swage .build/release/swage [--only REGEX] [--target NAMES] [--keep DIR]

Each case is a model of one node whose inputs have symbolic sizes wherever its data sets differ in them, so that one plan runs all
of them. onnxruntime's answers are written beside the inputs, in the layout of the backend tests, and `swage verify` runs all cases
in one process. Exit status 1 when anything differs, or when onnxruntime does not take a case.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

import axes_cases
import vision_cases


@dataclass
class OperatorCase:
    """One node. `sets` holds the inputs of each run, None where an optional one is left out; inputs whose positions are in
    `constants` are initialisers. `outputs` names the outputs, "" where one is left out, and `types` their element types."""

    name: str
    operator: str
    sets: list[list]
    attributes: dict = field(default_factory=dict)
    opset: int = 22
    constants: tuple = ()
    outputs: tuple = ("y",)
    domain: str = ""


def symbolic_shape(index: int, arrays: list[np.ndarray]) -> list:
    """Sizes that all runs share, and a symbol for each of the others."""
    return [
        sizes[0] if len(set(sizes)) == 1 else f"d{index}.{axis}"
        for axis, sizes in enumerate(zip(*(array.shape for array in arrays), strict=True))
    ]


def build(case: OperatorCase) -> tuple[onnx.ModelProto, list[int]]:
    """The model, and the positions of the inputs that a run gives."""
    names, inputs, initializers, given = [], [], [], []
    for index in range(len(case.sets[0])):
        arrays = [values[index] for values in case.sets]
        if arrays[0] is None:
            names.append("")
            continue
        names.append(f"x{index}")
        if index in case.constants:
            initializers.append(numpy_helper.from_array(arrays[0], f"x{index}"))
            continue
        kind = helper.np_dtype_to_tensor_dtype(arrays[0].dtype)
        inputs.append(helper.make_tensor_value_info(f"x{index}", kind, symbolic_shape(index, arrays)))
        given.append(index)
    node = helper.make_node(case.operator, names, list(case.outputs), domain=case.domain, name="node", **case.attributes)
    outputs = [helper.make_tensor_value_info(name, TensorProto.UNDEFINED, None) for name in case.outputs if name]
    for output in outputs:
        output.type.Clear()
    graph = helper.make_graph([node], "case", inputs, outputs, initializers)
    imports = [helper.make_opsetid("", case.opset)] + ([helper.make_opsetid(case.domain, 1)] if case.domain else [])
    model = helper.make_model(graph, opset_imports=imports, ir_version=10)
    inferred = onnx.shape_inference.infer_shapes(model)
    # Ranks and element types of outputs are inferred; their sizes are not of interest.
    for index, output in enumerate(inferred.graph.output):
        output.type.tensor_type.ClearField("shape")
        model.graph.output[index].CopyFrom(output)
    return model, given


def write(case: OperatorCase, root: Path) -> str | None:
    """Writes the case's folder; what onnxruntime says where it does not take it."""
    folder = root / case.name
    folder.mkdir(parents=True)
    model, given = build(case)
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        for number, values in enumerate(case.sets):
            target = folder / f"test_data_set_{number}"
            target.mkdir()
            feeds = {f"x{index}": values[index] for index in given}
            for index, value in enumerate(feeds.values()):
                (target / f"input_{index}.pb").write_bytes(numpy_helper.from_array(value).SerializeToString())
            for index, value in enumerate(session.run(None, feeds)):
                (target / f"output_{index}.pb").write_bytes(numpy_helper.from_array(value).SerializeToString())
    except Exception as error:  # noqa: BLE001
        return str(error).splitlines()[0]
    return None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--swage", required=True)
    parser.add_argument("--only", default="")
    parser.add_argument("--target")
    parser.add_argument("--keep")
    parser.add_argument("--list", action="store_true", help="shows every case")
    options = parser.parse_args()
    families = (vision_cases, axes_cases)
    cases = [one for family in families for one in family.all_cases(OperatorCase) if re.search(options.only, one.name)]
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(options.keep or scratch)
        refused = [(case.name, error) for case in cases if (error := write(case, root))]
        for name, error in refused:
            print(f"onnxruntime does not take {name}: {error}")
        arguments = [options.swage, "verify", str(root), "--json", "--rtol", "1e-4", "--atol", "1e-5"]
        if options.target:
            arguments += ["--target", options.target]
        environment = dict(os.environ, SWIFT_BACKTRACE="enable=no")
        done = subprocess.run(arguments, stdout=subprocess.PIPE, text=True, env=environment)
        try:
            answer = json.loads(done.stdout)
        except json.JSONDecodeError:
            sys.exit(f"swage verify ended with status {done.returncode} and no report")
    bad = {name for name, _ in refused}
    failed = 0
    for entry in answer["cases"]:
        if entry["name"] in bad:
            continue
        is_passed = entry["status"] == "passed"
        failed += not is_passed
        if options.list or not is_passed:
            print(f"{'ok  ' if is_passed else 'FAIL'}  {entry['name']:<45}  {entry.get('reason', '')}")
    print(f"{len(cases)} operator cases, {failed} differ, {len(refused)} not taken by onnxruntime")
    sys.exit(1 if failed or refused else 0)


if __name__ == "__main__":
    main()
