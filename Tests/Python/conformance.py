"""Run the backend tests of the installed `onnx` package through swage, and say what is missing.

    .venv/bin/python Tests/Python/conformance.py --swage .build/release/swage [--only TEXT]... [--kinds node,simple] [--onnxruntime]
        [--cases DIR] [--report FILE.json] [--list failed|skipped|passed]

The cases are written out once per version of the package (node cases are made in memory by its test package, the others lie in
it), then `swage verify` runs them all in one process, each with its own tolerance. `--onnxruntime` runs the same cases there, in
child processes, and lists what only one of the two passes; the answers are kept beside the cases. Exit status 1 when a case fails,
or when onnxruntime passes a case outside ai.onnx.preview.training that swage does not (with --onnxruntime).
"""

import argparse
import collections
import json
import os
import re
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

KINDS = ["node", "simple", "pytorch-converted", "pytorch-operator", "light"]


def as_message(value, type_proto: onnx.TypeProto, name: str):
    """A value of a case as the protobuf message of its declared type."""
    if isinstance(value, (onnx.TensorProto, onnx.SequenceProto, onnx.OptionalProto, onnx.SparseTensorProto)):
        return value
    if type_proto.HasField("sequence_type"):
        return numpy_helper.from_list(list(value), name, sequence_kind(type_proto.sequence_type))
    if type_proto.HasField("optional_type"):
        return numpy_helper.from_optional(value, name, optional_kind(type_proto.optional_type))
    return numpy_helper.from_array(np.asarray(value), name)


def sequence_kind(sequence) -> int:
    kinds = onnx.SequenceProto
    if sequence.elem_type.HasField("sequence_type"):
        return kinds.SEQUENCE
    return kinds.OPTIONAL if sequence.elem_type.HasField("optional_type") else kinds.TENSOR


def optional_kind(optional) -> int:
    return onnx.OptionalProto.SEQUENCE if optional.elem_type.HasField("sequence_type") else onnx.OptionalProto.TENSOR


def write_sets(folder: Path, model: onnx.ModelProto, data_sets) -> None:
    for number, (inputs, outputs) in enumerate(data_sets):
        target = folder / f"test_data_set_{number}"
        target.mkdir()
        for kind, values, ports in (("input", inputs, model.graph.input), ("output", outputs, model.graph.output)):
            for index, value in enumerate(values):
                message = as_message(value, ports[index].type, ports[index].name)
                (target / f"{kind}_{index}.pb").write_bytes(message.SerializeToString())


def write_settings(folder: Path, case) -> None:
    (folder / "data.json").write_text(json.dumps({"rtol": case.rtol, "atol": case.atol}))


def write_node_cases(root: Path) -> int:
    from onnx.backend.test.loader import load_node_model_tests

    failures = 0
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cases = load_node_model_tests()
    for case in cases:
        folder = root / case.name
        folder.mkdir(parents=True, exist_ok=True)
        try:
            (folder / "model.onnx").write_bytes(case.model.SerializeToString())
            write_settings(folder, case)
            write_sets(folder, case.model, case.data_sets)
        except Exception as error:  # noqa: BLE001
            failures += 1
            print(f"cannot write {case.name}: {error}", file=sys.stderr)
            shutil.rmtree(folder)
    return failures


def write_stored_cases(root: Path, kind: str) -> None:
    from onnx.backend.test.loader import load_model_tests

    for case in load_model_tests(kind=kind):
        folder = root / case.name
        shutil.copytree(case.model_dir, folder)
        if not (folder / "data.json").exists():
            write_settings(folder, case)


def write_light_cases(root: Path) -> None:
    """Large models with constant weights, and the result for numbers that ascend from 0 to 1, as the package's runner has them."""
    from onnx.backend.test.loader import DATA_DIR, load_model_tests

    tolerances = {case.model_name: case for case in load_model_tests(kind="real")}
    for path in sorted((Path(DATA_DIR) / "light").glob("*.onnx")):
        name = path.stem.removeprefix("light_")
        model = onnx.load(path)
        constants = {initializer.name for initializer in model.graph.initializer}
        inputs = []
        for port in model.graph.input:
            if port.name in constants:
                continue
            shape = [size.dim_value or 1 for size in port.type.tensor_type.shape.dim]
            count = int(np.prod(shape))
            inputs.append((np.arange(count).reshape(shape) / count).astype(np.float32))
        expected = path.with_name(f"{path.stem}_output_0.pb")
        folder = root / f"test_{name}"
        folder.mkdir(parents=True)
        shutil.copy(path, folder / "model.onnx")
        write_settings(folder, tolerances[name])
        write_sets(folder, model, [(inputs, [onnx.TensorProto.FromString(expected.read_bytes())])])


def write_cases(root: Path) -> Path:
    """The folder with the cases of the installed version; written anew where it is not complete."""
    folder = root / onnx.__version__
    stamp = folder / "complete"
    if stamp.exists():
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    failures = write_node_cases(folder / "node")
    for kind in ("simple", "pytorch-converted", "pytorch-operator"):
        write_stored_cases(folder / kind, kind)
    write_light_cases(folder / "light")
    stamp.write_text(f"{failures} cases could not be written\n")
    return folder


def newest_opset() -> int:
    """The newest version of ai.onnx that the package's cases use."""
    return onnx.defs.onnx_opset_version()


def find_cases(root: Path, kinds: list[str], only: list[str]) -> list[Path]:
    found = [path for kind in kinds for path in sorted((root / kind).iterdir()) if (path / "model.onnx").exists()]
    return [path for path in found if not only or any(re.search(text, path.name) for text in only)]


def run_swage(binary: str, folders: list[Path]) -> dict[str, dict]:
    environment = dict(os.environ, SWIFT_BACKTRACE="enable=no")
    done = subprocess.run(
        [binary, "verify", *map(str, folders), "--json"], stdout=subprocess.PIPE, text=True, env=environment
    )
    try:
        answer = json.loads(done.stdout)
    except json.JSONDecodeError:
        sys.exit(f"swage verify ended with status {done.returncode} and no report")
    return {case["name"]: case for case in answer["cases"]}


# --- onnxruntime ------------------------------------------------------------------------------------------------------------------


def read_value(path: Path, type_proto: onnx.TypeProto):
    data = path.read_bytes()
    if type_proto.HasField("sequence_type"):
        return numpy_helper.to_list(onnx.SequenceProto.FromString(data))
    if type_proto.HasField("optional_type"):
        return numpy_helper.to_optional(onnx.OptionalProto.FromString(data))
    return numpy_helper.to_array(onnx.TensorProto.FromString(data))


def same(actual, expected, rtol: float, atol: float) -> bool:
    if isinstance(expected, (list, tuple)):
        return len(actual) == len(expected) and all(same(a, e, rtol, atol) for a, e in zip(actual, expected))
    if expected is None or actual is None:
        return expected is None and actual is None
    actual, expected = np.asarray(actual), np.asarray(expected)
    if actual.shape != expected.shape:
        return False
    if expected.dtype == object or expected.dtype.kind in "US":
        return bool((actual.astype(object) == expected.astype(object)).all())
    if actual.dtype != expected.dtype:
        return False
    if expected.dtype.name == "bfloat16":
        rtol = max(rtol, 2**-6)
    if expected.dtype.kind in "biu":
        return bool(np.array_equal(actual, expected))
    wide = np.complex128 if expected.dtype.kind == "c" else np.float64
    return bool(np.allclose(actual.astype(wide), expected.astype(wide), rtol=rtol, atol=atol, equal_nan=True))


def onnxruntime_passes(folder: Path) -> bool:
    """Runs in a child process: a fault of the library costs one batch, not the run."""
    import onnxruntime

    settings = json.loads((folder / "data.json").read_text())
    model = onnx.load(folder / "model.onnx")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"])
    names = [port.name for port in session.get_inputs()]
    types = {port.name: port.type for port in list(model.graph.input) + list(model.graph.output)}
    for data_set in sorted(folder.glob("test_data_set_*")):
        count = len(list(data_set.glob("input_*.pb")))
        feeds = {name: read_value(data_set / f"input_{i}.pb", types[name]) for i, name in enumerate(names[:count])}
        results = session.run(None, feeds)
        for index, port in enumerate(model.graph.output):
            path = data_set / f"output_{index}.pb"
            if path.exists() and not same(
                results[index], read_value(path, port.type), settings["rtol"], settings["atol"]
            ):
                return False
    return True


def run_onnxruntime(cases: list[Path], cache: Path) -> dict[str, bool]:
    known = json.loads(cache.read_text()) if cache.exists() else {}
    missing = [path for path in cases if path.name not in known]
    while missing:
        batch = missing[:200]
        child = subprocess.run(
            [sys.executable, __file__, "--child", *map(str, batch)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        answers = dict(line.split("\t") for line in child.stdout.splitlines() if "\t" in line)
        if len(answers) < len(batch):
            # The case after the last answer ended the process.
            answers[batch[len(answers)].name] = "False"
        known.update({name: answer == "True" for name, answer in answers.items()})
        cache.write_text(json.dumps(known, indent=0, sort_keys=True))
        missing = [path for path in missing if path.name not in known]
    return {path.name: known[path.name] for path in cases}


def child(folders: list[str]) -> None:
    for folder in map(Path, folders):
        try:
            passed = onnxruntime_passes(folder)
        except Exception:  # noqa: BLE001
            passed = False
        print(f"{folder.name}\t{passed}", flush=True)


# --- report -----------------------------------------------------------------------------------------------------------------------


def is_training(folder: Path) -> bool:
    return any(entry.domain == "ai.onnx.preview.training" for entry in onnx.load(folder / "model.onnx").opset_import)


def print_reasons(cases: dict[str, dict], status: str) -> None:
    reasons = collections.defaultdict(list)
    for case in cases.values():
        if case["status"] == status:
            # Names and numbers differ from case to case.
            reasons[re.sub(r"\[[^]]*\]|\d+(\.\d+)?(e[-+]?\d+)?", "#", case["reason"])].append(case["name"])
    if not reasons:
        return
    print(f"\n{status}:")
    for reason, names in sorted(reasons.items(), key=lambda item: (-len(item[1]), item[0])):
        print(f"{len(names):5}  {reason[:150]}\n       {', '.join(names[:3])}{', …' if len(names) > 3 else ''}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--swage", default=".build/release/swage")
    parser.add_argument("--cases", type=Path, default=Path(".build/conformance"), help="where the cases are kept")
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--only", action="append", default=[], help="regular expression of names")
    parser.add_argument("--report", type=Path, help="writes every case's outcome as JSON")
    parser.add_argument("--list", choices=["passed", "failed", "skipped"], help="prints these cases one by one")
    parser.add_argument("--known", action="store_true", help="cases that conformance_reasons.json names may fail")
    parser.add_argument("--onnxruntime", action="store_true", help="compares with what onnxruntime passes")
    parser.add_argument("--child", nargs="+", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        child(arguments.child)
        return
    root = write_cases(arguments.cases)
    folders = find_cases(root, arguments.kinds.split(","), arguments.only)
    if not folders:
        sys.exit("no case has such a name")
    cases = run_swage(arguments.swage, folders)
    if arguments.report:
        arguments.report.write_text(json.dumps(list(cases.values()), indent=1))
    for status in ("failed", "skipped"):
        print_reasons(cases, status)
    if arguments.list:
        print("\n" + "\n".join(f"{c['name']}: {c['reason']}" for c in cases.values() if c["status"] == arguments.list))
    count = collections.Counter(case["status"] for case in cases.values())
    counted = [path for path in folders if not is_training(path)]
    passed = sum(cases[path.name]["status"] == "passed" for path in counted)
    print(f"\n{count['passed']} passed, {count['failed']} failed, {count['skipped']} skipped of {len(cases)}")
    print(f"{passed} of {len(counted)} outside ai.onnx.preview.training: {100 * passed / max(len(counted), 1):.2f} %")
    failed = [name for name, case in cases.items() if case["status"] == "failed"]
    if arguments.known:
        reasons = json.loads((Path(__file__).parent / "conformance_reasons.json").read_text())
        failed = [name for name in failed if not any(re.fullmatch(pattern, name) for pattern in reasons)]
    ok = not failed
    if arguments.onnxruntime:
        theirs = run_onnxruntime(folders, root / "onnxruntime.json")
        behind = [p.name for p in counted if theirs[p.name] and cases[p.name]["status"] != "passed"]
        print(f"onnxruntime passes {sum(theirs.values())}; {len(behind)} of these swage does not pass")
        for name in behind:
            print(f"  {name}: {cases[name]['status']}: {cases[name]['reason'][:140]}")
        ok = ok and not behind
    sys.exit(0 if ok else 1)


if __name__ == "__main__":
    main()
