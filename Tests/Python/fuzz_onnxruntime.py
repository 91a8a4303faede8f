"""Random graphs against onnxruntime.

`swage fuzz --export` writes graphs of ONNX operators with inputs, swage's results, the reference evaluator's, and how far
each element may be from that (bound: rounding, nothing where there is no arithmetic, infinite where rounding decides).
Each must hold for swage and for onnxruntime. Where onnxruntime with its optimisations differs from onnxruntime without,
or from what the standard says (KNOWN), that is counted by reason, as are graphs that it does not take.
"""

import argparse
import collections
import multiprocessing
import multiprocessing.connection
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import ml_dtypes
import numpy as np
import onnx
import onnxruntime

onnxruntime.set_default_logger_severity(4)

# Where onnxruntime is known to differ from the standard: patterns of the graph's text and of the difference, and the reason.
KNOWN: list[tuple[str, str, str]] = [
    (r"cast\(%\d+\) \{to = [iu][24]\}", "", "it rounds floats that become integers of four bits; the standard cuts"),
    (r"= loop\(", r"^is \(0, .*\b0\b.*not \(0, ", "what a loop without a turn would stack has sizes of 0 for symbols"),
]


def load(path: Path) -> np.ndarray:
    proto = onnx.TensorProto()
    proto.ParseFromString(path.read_bytes())
    if proto.data_type == onnx.TensorProto.STRING:
        texts = [text.decode() for text in proto.string_data]
        return np.array(texts, dtype=object).reshape(tuple(proto.dims))
    return onnx.numpy_helper.to_array(proto)


def tensors(folder: Path, kind: str) -> list[np.ndarray]:
    found = []
    while (path := folder / f"{kind}_{len(found)}.pb").exists():
        found.append(load(path))
    return found


def wide(array: np.ndarray) -> np.ndarray:
    return array if array.dtype.kind in "iub" else array.astype(np.float64)


def difference(actual: np.ndarray, reference: np.ndarray, bound: np.ndarray) -> str | None:
    """Nothing where they agree, or where rounding decides the sizes."""
    if bound.shape != reference.shape:
        return None
    # onnxruntime hands out floats of eight bits as their bits.
    if actual.dtype == np.uint8 and "float8" in reference.dtype.name:
        actual = actual.view(reference.dtype)
    if actual.shape != reference.shape:
        return f"is {actual.shape}, not {reference.shape}"
    if actual.dtype.kind in "OU":
        wrong = (actual != reference) & np.isfinite(bound)
    elif actual.dtype.kind in "iub" and reference.dtype.kind in "iub":
        wrong = (actual != reference) & np.isfinite(bound)
    else:
        a, b = wide(actual), wide(reference)
        with np.errstate(invalid="ignore", over="ignore"):
            close = (a == b) | (np.isnan(a) & np.isnan(b)) | (np.abs(a - b) <= bound) | np.isinf(bound)
        wrong = ~close
    if not wrong.any():
        return None
    at = tuple(int(i) for i in np.argwhere(wrong)[0])
    return f"element {list(at)} is {actual[at]}, not {reference[at]}; {int(wrong.sum())} of {wrong.size} differ"


def reason(error: Exception) -> str:
    """What onnxruntime does not take, without names."""
    text = str(error).splitlines()[0]
    for pattern, words in [
        (r"Could not find an implementation for (\w+)\(", "no kernel for {}"),
        (r"Non-zero status code returned while running (\w+) node.*Status Message: (.{0,80})", "{} refuses: {}"),
        (r"Unexpected input data type. Actual: (.*)", "input type {}"),
    ]:
        if match := re.search(pattern, text):
            return words.format(*match.groups())
    return re.sub(r"[\w/.]*\d[\w/.:]*", "N", text)[:160]


def session(path: Path, optimised: bool) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    if not optimised:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def results(runtime: onnxruntime.InferenceSession, folder: Path) -> list[np.ndarray]:
    names = [item.name for item in runtime.get_inputs()]
    feed = {}
    for name, array in zip(names, tensors(folder, "input"), strict=True):
        if array.dtype.kind == "V" or array.dtype in (ml_dtypes.bfloat16,):
            value = onnxruntime.OrtValue.ortvalue_from_numpy_with_onnx_type(
                array.view(np.uint16), onnx.TensorProto.BFLOAT16
            )
        else:
            value = onnxruntime.OrtValue.ortvalue_from_numpy(array)
        feed[name] = value
    return [value.numpy() for value in runtime.run_with_ort_values(None, feed)]


def compare(case: Path, counts: collections.Counter) -> list[str]:
    """The differences of one case."""
    model = case / "model.onnx"
    text = (case / "graph.swiftir").read_text()
    failures = []
    plain = None
    try:
        runtime = session(model, optimised=True)
    except Exception as error:  # noqa: BLE001
        # An operator on types that the standard does not give it is a fault of the export.
        if re.search(r"Type Error|bound to different types|INVALID_GRAPH", str(error)):
            return [f"{case.name}: no valid model: {str(error).splitlines()[0][:300]}"]
        try:
            runtime = session(model, optimised=False)
            counts["onnxruntime: its optimisations fail"] += 1
        except Exception as error:  # noqa: BLE001
            counts["skipped: " + reason(error)] += 1
            return []
    for folder in sorted(case.glob("test_data_set_*")):
        references, bounds = tensors(folder, "reference"), tensors(folder, "bound")
        for index, (ours, want, bound) in enumerate(zip(tensors(folder, "output"), references, bounds, strict=True)):
            if why := difference(ours, want, bound):
                failures.append(f"{case.name}/{folder.name}: swage, output {index}: {why}")
        try:
            theirs = results(runtime, folder)
        except Exception as error:  # noqa: BLE001
            counts["skipped: " + reason(error)] += 1
            continue
        why = None
        for index, (got, want, bound) in enumerate(zip(theirs, references, bounds, strict=True)):
            why = difference(got, want, bound)
            if why is None:
                continue
            known = next((words for graph, kind, words in KNOWN if re.search(graph, text) and re.search(kind, why)), None)
            if known is None:
                plain = plain or session(model, optimised=False)
                if difference(results(plain, folder)[index], want, bound) is None:
                    known = "its optimisations change results"
            if known:
                counts["onnxruntime: " + known] += 1
            else:
                failures.append(f"{case.name}/{folder.name}: onnxruntime, output {index}: {why}")
            break
        if why is None:
            counts["agree"] += 1
    return failures


def work(cases: list[Path], pipe: multiprocessing.connection.Connection) -> None:
    """Tells the name of each case before it looks at it, and then what it found."""
    for case in cases:
        pipe.send(case.name)
        counts: collections.Counter = collections.Counter()
        pipe.send((compare(case, counts), counts))
    pipe.send(None)


def compare_all(cases: list[Path], counts: collections.Counter) -> list[tuple[Path, list[str]]]:
    """One process for many cases; onnxruntime ends it now and then."""
    found = []
    while cases:
        ours, theirs = multiprocessing.Pipe()
        process = multiprocessing.get_context("spawn").Process(target=work, args=(cases, theirs))
        process.start()
        theirs.close()
        done = 0
        try:
            while ours.recv() is not None:
                lines, part = ours.recv()
                counts.update(part)
                found.append((cases[done], lines))
                done += 1
        except EOFError:
            counts["onnxruntime: crashes"] += 1
            print(f"{cases[done].name}: onnxruntime ends the process", flush=True)
            done += 1
        process.join()
        cases = cases[done:]
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--swage", required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--start", type=int, default=0)
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--keep", help="folder for cases that differ")
    options = parser.parse_args()
    counts: collections.Counter = collections.Counter()
    failures: list[str] = []
    batch = 100
    for start in range(options.start, options.start + options.count, batch):
        count = min(batch, options.start + options.count - start)
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run(
                [options.swage, "fuzz", "--seed", str(options.seed), "--start", str(start), "--count", str(count)]
                + ["--export", folder],
                check=True,
            )
            for case, found in compare_all(sorted(Path(folder).iterdir()), counts):
                failures += found
                for line in found:
                    print(line, flush=True)
                if found and options.keep:
                    shutil.copytree(case, Path(options.keep) / case.name, dirs_exist_ok=True)
    for words, number in counts.most_common():
        print(f"{number:6}  {words}")
    print(f"{options.count} graphs of seed {options.seed}, {len(failures)} differ")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
