"""What swage says when files, tensors, flags or the machine are at fault, from end to end.

    .venv/bin/python Tests/Python/errors_test.py --swage .build/release/swage [--only TEXT]

docs/errors.md names the cases. Nothing half-written may stay, whatever ends a command.
"""

import argparse
import ctypes
import hashlib
import os
import random
import resource
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
import traceback
import zlib
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import load_file, save_file

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "Tests" / "Corpus"))
import plan_file  # noqa: E402

DIGITS = ROOT / "models" / "digits" / "digits.onnx"
GRAPH = ROOT / "graphs" / "digits.onnx"
WEIGHTS = ROOT / "models" / "digits" / "digits.safetensors"
EMOJI = ROOT / "models" / "emoji"
NOBODY = 65534
CASES = []


def case(function):
    CASES.append(function)
    return function


class Fault(Exception):
    pass


def expect(condition, message: str) -> None:
    if not condition:
        raise Fault(message)


class Place:
    """A fresh folder for one case: where commands run, with their own home, cache and temporary files."""

    def __init__(self, binary: str, folder: Path):
        self.binary, self.folder = binary, folder
        self.out = folder / "out"
        for name in ("out", "home", "data", "cache", "tmp"):
            (folder / name).mkdir()
        self.environment = dict(
            os.environ, SWIFT_BACKTRACE="enable=no", HOME=str(folder / "home"), XDG_DATA_HOME=str(folder / "data"),
            XDG_CACHE_HOME=str(folder / "cache"), TMPDIR=str(folder / "tmp"))

    def start(self, *arguments, **options) -> subprocess.Popen:
        options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        command = [self.binary, *map(str, arguments)]
        return subprocess.Popen(command, cwd=self.out, env=self.environment, start_new_session=True, **options)

    def run(self, *arguments, **options) -> tuple[int, str, str]:
        process = self.start(*arguments, **options)
        try:
            out, error = process.communicate(timeout=300)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise Fault(f"no answer to {' '.join(map(str, arguments))}") from None
        return process.returncode, (out or b"").decode(errors="replace"), (error or b"").decode(errors="replace")

    def good(self, *arguments, **options) -> str:
        status, out, error = self.run(*arguments, **options)
        expect(status == 0, f"{words(arguments)}: exit status {status}: {error.strip()[:400]}")
        return out

    def refused(self, code: str, *arguments, status=1, says=(), **options) -> str:
        """The command ends with the diagnostic `code` and leaves nothing new in the output folder."""
        before = listing(self.out)
        found, _, error = self.run(*arguments, **options)
        expect(found >= 0, f"{words(arguments)}: died of signal {-found}")
        expect(f"error[{code}]" in error, f"{words(arguments)}: no {code} but {error.strip()[:400]!r} ({found})")
        expect(found == status, f"{words(arguments)}: exit status {found}, not {status}")
        for text in says:
            expect(text in error, f"{words(arguments)}: does not say {text!r}: {error.strip()[:600]}")
        for part in ("where:", "do:"):
            expect(part in error, f"{words(arguments)}: no line {part!r}: {error.strip()[:400]}")
        expect(listing(self.out) == before, f"{words(arguments)}: left {listing(self.out)}")
        self.expect_clean()
        return error

    def expect_clean(self) -> None:
        left = listing(self.folder / "tmp")
        expect(not left, f"temporary files stay: {left}")

    def digits(self) -> Path:
        plan = self.folder / "digits.plan"
        if not plan.exists():
            self.good("compile", DIGITS, "-o", plan, "--quiet")
        return plan


def words(arguments) -> str:
    return " ".join(os.path.basename(str(a)) for a in arguments)


def listing(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def model(path: Path, nodes, inputs, outputs, initializers=(), imports=(("", 17),)) -> Path:
    graph = helper.make_graph(
        nodes, "g", [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in inputs],
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in outputs], list(initializers))
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid(d, v) for d, v in imports], ir_version=8)
    onnx.save(made, path)
    return path


def digits_input(place: Place) -> tuple[str, np.ndarray]:
    value = onnx.load(DIGITS).graph.input[0]
    sizes = [d.dim_value or 1 for d in value.type.tensor_type.shape.dim]
    return value.name, np.zeros(sizes, dtype=np.float32)


# --- The command line


@case
def help_is_no_error(place):
    for arguments in (["--help"], ["--version"], *([c, "--help"] for c in ("compile", "generate", "inspect", "run", "bench", "verify"))):
        out = place.good(*arguments)
        expect(out.strip(), f"{words(arguments)} says nothing")
        if arguments != ["--version"]:
            expect("xample" in out, f"{words(arguments)} shows no example")


@case
def wrong_usage(place):
    digits = str(DIGITS)
    for arguments in (
        ["frobnicate"], ["compile"], ["compile", digits, "--frobnicate"], ["compile", digits, "--precision", "f65"],
        ["compile", digits, "--shape", "x=1y2"], ["compile", digits, "--shape", "x=-1"], ["compile", digits, "--shape", "=1"],
        ["compile", digits, "--threads", "0"], ["compile", digits, "--threads", "many"], ["compile", digits, "-o"],
        ["compile", digits, "--max-rewrites", "1.5"], ["compile", digits, "--synthetic-weights", "-1"], ["run"],
        ["inspect", digits, "--format", "pdf"], ["bench", "x.plan", "--runs", "0"], ["run", "x.plan", "--input", "x"],
    ):
        status, out, error = place.run(*arguments)
        expect(status == 2, f"{words(arguments)}: exit status {status}: {(out + error).strip()[:300]}")
        expect(error.strip() and not out.strip(), f"{words(arguments)}: the message is not on standard error")
        expect(not listing(place.out), f"{words(arguments)}: left {listing(place.out)}")


@case
def usage_that_only_the_model_tells(place):
    out = place.out / "x.plan"
    for code, *flags in (("usage-target", "--target", "abacus"), ("pass-unknown", "--stop-after", "nothing")):
        status, _, error = place.run("compile", DIGITS, "-o", out, *flags)
        expect(status == 2 and f"error[{code}]" in error, f"{flags}: {status}: {error.strip()[:300]}")
    status, _, error = place.run("compile", DIGITS, "-o", out, "--shape", "nothing=1x2")
    expect(status == 2 and "error[" in error, f"--shape of no input: {status}: {error.strip()[:300]}")
    expect(not listing(place.out), f"left {listing(place.out)}")


@case
def a_closed_pipe_ends_quietly(place):
    plan = place.digits()
    for arguments in (["inspect", DIGITS], ["inspect", DIGITS, "--format", "json"], ["inspect", plan], ["--help"]):
        read, write = os.pipe()
        os.close(read)
        status, _, error = place.run(*arguments, stdout=write)
        os.close(write)
        expect(status in (0, 1), f"{words(arguments)} into a closed pipe: exit status {status}: {error.strip()[:300]}")
        expect("Fatal" not in error, f"{words(arguments)}: {error.strip()[:300]}")


@case
def a_full_standard_output(place):
    with open("/dev/full", "wb") as full:
        status, _, error = place.run("inspect", DIGITS, "--format", "json", stdout=full)
    expect(status == 1 and "error[output-write]" in error, f"exit status {status}: {error.strip()[:300]}")


# --- Models and weights


@case
def files_that_are_none(place):
    out = place.out / "x.plan"
    place.refused("file-missing", "compile", place.out / "no.onnx", "-o", out)
    place.refused("model-unknown", "compile", place.folder, "-o", out)
    place.refused("file-not-regular", "compile", "/dev/null", "-o", out)
    place.refused("file-missing", "run", place.out / "no.plan")
    place.refused("plan-magic", "run", DIGITS)
    secret = place.folder / "secret.onnx"
    shutil.copy(DIGITS, secret)
    secret.chmod(0)
    if os.geteuid() != 0:
        place.refused("file-open", "compile", secret, "-o", out)


@case
def unsupported_nodes_are_listed_at_once(place):
    nodes = [
        helper.make_node("Frobnicate", ["x"], ["a"], name="first", domain="com.example"),
        helper.make_node("Relu", ["a"], ["b"], name="fine"),
        helper.make_node("ImageDecoder", ["b"], ["c"], name="second"),
        helper.make_node("SequenceAt", ["c", "i"], ["y"], name="third"),
    ]
    index = numpy_helper.from_array(np.array(0, dtype=np.int64), "i")
    path = model(
        place.folder / "odd.onnx", nodes, [("x", [2])], [("y", [2])], [index], imports=(("", 17), ("com.example", 1)))
    error = place.refused("onnx-unsupported", "compile", path, "-o", place.out / "x.plan")
    for name in ("first", "second"):
        expect(name in error, f"does not name the node {name}: {error.strip()[:600]}")
    expect("fine" not in error, "names a node that is supported")


@case
def weights_that_do_not_fit(place):
    out = place.out / "x.plan"
    status, _, error = place.run("compile", GRAPH, "-o", out)
    expect(status == 1, f"a graph without weights: exit status {status}")
    expect("error[weights-missing]" in error or "error[onnx-weights]" in error, error.strip()[:300])
    expect("--weights" in error, "does not say --weights")
    tensors = load_file(WEIGHTS)
    names = sorted(tensors)
    lacking = {n: t for n, t in tensors.items() if n != names[0]}
    lacking["surplus.tensor"] = np.zeros(3, dtype=np.float32)
    lacking[names[1]] = np.zeros((1, 2, 3), dtype=np.float32)
    path = place.folder / "lacking.safetensors"
    save_file(lacking, path)
    error = place.refused("weights-missing", "compile", GRAPH, "--weights", path, "-o", out)
    for text in ("weights-unused", "surplus.tensor", "weights-type", names[0], names[1]):
        expect(text in error, f"does not say {text}: {error.strip()[:800]}")
    place.refused("file-missing", "compile", GRAPH, "--weights", place.folder / "no.safetensors", "-o", out)
    place.good("compile", GRAPH, "--weights", WEIGHTS, "-o", out, "--quiet")


# --- Running


@case
def inputs_that_do_not_fit(place):
    plan = place.digits()
    name, good = digits_input(place)

    def given(array, as_name=name):
        path = place.folder / f"{len(listing(place.folder))}.npy"
        np.save(path, array)
        return ["run", plan, "--input", f"{as_name}={path}"]

    place.good(*given(good))
    for code, arguments in (
        ("runtime-missing-input", ["run", plan]),
        ("runtime-unknown-input", given(good, "nothing")),
        ("runtime-input-type", given(good.astype(np.float64))),
        ("runtime-input-rank", given(good[0])),
        ("runtime-input-shape", given(np.zeros((*good.shape[:-1], good.shape[-1] + 1), dtype=np.float32))),
    ):
        status, _, error = place.run(*arguments)
        expect(f"error[{code}]" in error and status == 1, f"{code}: exit status {status}: {error.strip()[:300]}")
        expect("do:" in error, f"{code}: no remedy")
    status, _, error = place.run("run", plan, "--entry-point", "nothing", "--random-inputs", "1")
    expect("error[runtime-no-entry-point]" in error and status == 1, f"{status}: {error.strip()[:300]}")
    broken = place.folder / "broken.npy"
    broken.write_bytes(b"\x93NUMPY\x01\x00v\x00{'descr'")
    status, _, error = place.run("run", plan, "--input", f"{name}={broken}")
    expect("error[npy-header]" in error and status == 1, f"{status}: {error.strip()[:300]}")


@case
def sizes_that_disagree(place):
    path = model(
        place.folder / "sum.onnx", [helper.make_node("Add", ["a", "b"], ["y"])], [("a", ["n", 2]), ("b", ["n", 2])],
        [("y", ["n", 2])])
    plan = place.folder / "sum.plan"
    place.good("compile", path, "-o", plan, "--quiet")
    arrays = {}
    for rows in (2, 3):
        arrays[rows] = place.folder / f"{rows}.npy"
        np.save(arrays[rows], np.ones((rows, 2), dtype=np.float32))
    place.good("run", plan, "--input", f"a={arrays[2]}", "--input", f"b={arrays[2]}")
    status, _, error = place.run("run", plan, "--input", f"a={arrays[2]}", "--input", f"b={arrays[3]}")
    expect(status == 1, f"exit status {status}: {error.strip()[:300]}")
    expect("error[runtime-symbol-conflict]" in error or "error[runtime-size-check]" in error, error.strip()[:300])

    # Only the node knows that these must be equal.
    path = model(
        place.folder / "product.onnx", [helper.make_node("MatMul", ["a", "b"], ["y"])],
        [("a", ["m", "k"]), ("b", ["j", "n"])], [("y", ["m", "n"])])
    plan = place.folder / "product.plan"
    place.good("compile", path, "-o", plan, "--quiet")
    status, _, error = place.run("run", plan, "--input", f"a={arrays[2]}", "--input", f"b={arrays[3]}")
    expect(status == 1 and "error[runtime-size-check]" in error, f"{status}: {error.strip()[:300]}")
    place.good("run", plan, "--input", f"a={arrays[2]}", "--input", f"b={arrays[2]}")


# --- Plans from elsewhere


@case
def a_plan_of_another_version(place):
    plan = plan_file.PlanFile.parse(place.digits().read_bytes())
    for version in (plan.version + 1, 0, 2**32 - 1):
        other = plan_file.PlanFile(plan.fixed, plan.sections, plan.contents, version)
        path = place.folder / "other.plan"
        path.write_bytes(other.sealed())
        place.refused("plan-version", "run", path, "--random-inputs", "1", says=[str(version)])
        place.refused("plan-version", "run", path, "--random-inputs", "1", "--trust-native-code")


@case
def a_plan_of_another_user(place):
    plan = place.digits()
    place.good("run", plan, "--random-inputs", "1")
    shutil.rmtree(place.folder / "data")
    place.refused("plan-untrusted", "run", plan, "--random-inputs", "1", says=["--trust-native-code"])
    place.good("run", plan, "--random-inputs", "1", "--trust-native-code")
    place.good("inspect", plan)
    data = bytearray(plan.read_bytes())
    data[len(data) // 2] ^= 1
    plan.write_bytes(bytes(data))
    place.refused("plan-checksum", "run", plan, "--random-inputs", "1", "--trust-native-code")


@case
def a_plan_of_another_machine(place):
    plan = plan_file.PlanFile.parse(place.digits().read_bytes())
    other = "aarch64" if os.uname().machine != "aarch64" else "x86_64"
    path = place.folder / "other.plan"
    for code, change in (
        ("plan-architecture", plan_file.setting(1, other.encode())),
        ("plan-cpu-features", lambda m: m + plan_file.wire.data(2, "flux_capacitor")),
    ):
        path.write_bytes(plan.with_manifest(plan_file.changed(plan.contents[0], [2], change)))
        # What was changed is not what this user compiled.
        place.refused("plan-untrusted", "run", path, "--random-inputs", "1")
        status, _, error = place.run("run", path, "--random-inputs", "1", "--trust-native-code")
        expect(status == 1 and f"error[{code}]" in error, f"{code}: {status}: {error.strip()[:300]}")


@case
def features_are_hidden(place):
    """SWAGE_CPU_FEATURES: what is compiled without a feature does not use it, and what uses it is refused without it."""
    if os.uname().machine != "x86_64":
        return
    features = place.good("devices").split("features: ")[1].splitlines()[0].split()
    plan = place.digits()
    place.environment["SWAGE_CPU_FEATURES"] = "-avx,+flux_capacitor"
    hidden = place.good("devices").split("features: ")[1].splitlines()[0].split()
    kept = [name for name in features if not name.startswith("avx")]
    expect(hidden == sorted(kept + ["flux_capacitor"]), f"features {features} became {hidden}")
    if kept != features:
        status, _, error = place.run("run", plan, "--random-inputs", "1")
        expect(status == 1 and "error[plan-cpu-features]" in error, f"{status}: {error.strip()[:300]}")
    bare = place.folder / "bare.plan"
    place.good("compile", DIGITS, "-o", bare, "--quiet")
    place.good("run", bare, "--random-inputs", "1")
    used = place.good("inspect", bare).split("native code for x86_64:")[1].splitlines()[0].split()
    expect(set(used) <= set(kept), f"compiled for {used} where there are {kept}")


# --- Disks and folders


def limited(bytes_: int):
    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_, bytes_))

    return limit


@case
def a_limit_of_file_sizes(place):
    path = place.out / "x.plan"
    path.write_bytes(b"what was there before")
    size = place.digits().stat().st_size  # the kernels are in the cache now
    place.refused("file-write", "compile", DIGITS, "-o", path, preexec_fn=limited(size - 1))
    expect(path.read_bytes() == b"what was there before", "the file that was there is damaged")
    shutil.rmtree(place.folder / "cache")
    status, _, error = place.run("compile", DIGITS, "-o", path, preexec_fn=limited(4096))
    expect(status in (1, 70) and "error[" in error, f"without a cache: exit status {status}: {error.strip()[:300]}")
    expect(listing(place.out) == ["x.plan"], f"left {listing(place.out)}")
    place.expect_clean()


@case
def a_full_disk(place):
    libc = ctypes.CDLL(None, use_errno=True)
    mounted = os.geteuid() == 0 and libc.mount(b"tmpfs", str(place.out).encode(), b"tmpfs", 0, b"size=32k") == 0
    if not mounted:
        return "skipped: no file system can be mounted here (a limit of file sizes is tested instead)"
    try:
        place.refused("file-write", "compile", DIGITS, "-o", place.out / "x.plan", says=["free space"])
        place.refused("file-write", "compile", DIGITS, "-o", place.out / "x.plan")
        place.refused("file-write", "inspect", DIGITS, "--format", "html", "-o", place.out / "x.html")
    finally:
        libc.umount2(str(place.out).encode(), 2)
    # So small that the compiler cannot write; without kept kernels, so that it has to.
    temporary = str(place.folder / "tmp").encode()
    shutil.rmtree(place.folder / "cache")
    expect(libc.mount(b"tmpfs", temporary, b"tmpfs", 0, b"size=64k") == 0, "no second file system can be mounted")
    try:
        place.refused("native-compile", "compile", DIGITS, "-o", place.out / "x.plan", says=["No space left", "TMPDIR"])
    finally:
        libc.umount2(temporary, 2)
    return None


@case
def folders_that_cannot_be_written(place):
    plan = place.digits()
    blocker = place.folder / "file"
    blocker.write_text("a file")
    place.refused("file-write", "compile", DIGITS, "-o", blocker / "x.plan")
    place.refused("file-write", "compile", DIGITS, "-o", place.out / "no" / "folder" / "x.plan")
    place.refused("file-not-regular", "compile", DIGITS, "-o", place.folder)
    place.refused("output-folder", "run", plan, "--random-inputs", "1", "--output", blocker / "results")
    place.refused("output-folder", "compile", DIGITS, "-o", place.out / "x.plan", "--dump-passes", blocker / "passes")
    place.refused("file-write", "compile", DIGITS, "-o", "/proc/x.plan")
    # Without the rights that root has.
    options = {}
    place.out.chmod(0o555)
    if os.geteuid() == 0:
        for folder in (place.folder, *(place.folder / n for n in ("home", "data", "cache", "tmp"))):
            folder.chmod(0o777)
        for path in [place.folder / n for n in ("data", "cache")]:
            shutil.rmtree(path)
            path.mkdir(mode=0o777)
            path.chmod(0o777)
        options = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
        for folder in [*place.folder.parents, *Path(place.binary).resolve().parents, *DIGITS.parents]:
            if not folder.stat().st_mode & 0o001:
                return f"the case without root's rights skipped: {folder} is closed to others"
    place.refused("file-write", "compile", DIGITS, "-o", place.out / "x.plan", says=["writable"], **options)
    place.out.chmod(0o755)
    return None


# --- Signals


def large_model(path: Path) -> Path:
    """Many convolutions and odd elementwise chains: some seconds of compiling."""
    generator = np.random.default_rng(3)
    nodes, initializers, x = [], [], "x"
    for i in range(24):
        weights = generator.standard_normal((96, 96, 3, 3)).astype(np.float32) / 30
        initializers.append(numpy_helper.from_array(weights, f"w{i}"))
        nodes.append(helper.make_node("Conv", [x, f"w{i}"], [f"c{i}"], pads=[1, 1, 1, 1], name=f"conv{i}"))
        nodes.append(helper.make_node("Erf", [f"c{i}"], [f"e{i}"], name=f"erf{i}"))
        nodes.append(helper.make_node("ReduceMean", [f"e{i}"], [f"m{i}"], axes=[i % 3 + 1], name=f"mean{i}"))
        nodes.append(helper.make_node("Sub", [f"c{i}", f"m{i}"], [f"s{i}"], name=f"sub{i}"))
        nodes.append(helper.make_node("Tanh", [f"s{i}"], [f"t{i}"], name=f"tanh{i}"))
        x = f"t{i}"
    return model(path, nodes, [("x", [1, 96, 32, 32])], [(x, [1, 96, 32, 32])], initializers)


def difference(a: bytes, b: bytes) -> str:
    """Which sections of two plans differ, by kind and index."""
    x, y = plan_file.PlanFile.parse(a), plan_file.PlanFile.parse(b)
    pairs = zip(x.sections, x.contents, y.contents)
    kinds = [f"{s.kind}.{s.index} ({len(p)} and {len(q)} bytes)" for s, p, q in pairs if p != q]
    return f"{len(x.sections)} and {len(y.sections)} sections, of which differ {', '.join(kinds) or 'none'}"


def group_is_gone(group: int, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.02)
    return False


@case
def a_signal_in_the_middle_of_a_compile(place):
    path = large_model(place.folder / "large.onnx")
    plan = place.out / "large.plan"
    start = time.monotonic()
    place.good("compile", path, "-o", plan, "--quiet")
    whole = time.monotonic() - start
    first = plan.read_bytes()
    random.seed(11)
    moments = [whole * (i + random.random()) / 14 for i in range(14)]
    stopped = 0
    for index, moment in enumerate(moments):
        shutil.rmtree(place.folder / "cache", ignore_errors=True)
        number = (signal.SIGINT, signal.SIGINT, signal.SIGTERM)[index % 3]
        # A plan that was there stays as it is; where there was none, none appears.
        if index % 2:
            plan.write_bytes(first)
        else:
            plan.unlink(missing_ok=True)
        before = listing(place.out)
        process = place.start("compile", path, "-o", plan, "--quiet")
        time.sleep(moment)
        # The terminal tells the whole group, `kill` the process alone.
        if process.poll() is None:
            (os.killpg if index % 4 < 2 else os.kill)(process.pid, number)
        try:
            _, error = process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise Fault(f"goes on after {number.name} at {moment:.2f} s") from None
        expect(
            process.returncode in (0, -number), f"{number.name} at {moment:.2f} s: exit status {process.returncode}: {error}")
        gone = group_is_gone(process.pid, 30)
        expect(gone, f"{number.name} at {moment:.2f} s: a child goes on")
        if process.returncode == 0:
            expect(plan.read_bytes() == first, "a finished plan differs from the first")
        else:
            stopped += 1
            expect(listing(place.out) == before, f"{number.name} at {moment:.2f} s: {before} became {listing(place.out)}")
            expect(not before or plan.read_bytes() == first, f"{number.name} at {moment:.2f} s: the old plan is damaged")
        place.expect_clean()
        left = [name for name in listing(place.folder / "cache") if "unfinished" in name]
        expect(not left, f"the cache holds {left}")
    expect(stopped >= 7, f"only {stopped} of {len(moments)} signals came in time")
    place.good("compile", path, "-o", plan, "--quiet")
    last = plan.read_bytes()
    expect(last == first, f"the plan differs from the first: {difference(first, last)}")


# --- Text to image


def pixels(path: Path, size: tuple[int, int], kind: bytes = b"IDAT") -> Path:
    """A black PNG of 8-bit RGB; another `kind` leaves it without pixels."""
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    width, height = size
    rows = zlib.compress(b"".join(b"\0" + bytes(3 * width) for _ in range(height)))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(kind, rows) + chunk(b"IEND", b""))
    return path


@case
def generating_without_a_pipeline(place):
    status, _, error = place.run("generate", place.digits(), "a cat")
    expect(status == 1 and "error[plan-pipeline]" in error, f"a plan without a pipeline: {status}: {error.strip()[:300]}")
    place.refused("file-missing", "generate", place.out / "no.plan", "a cat")
    for arguments in (
        ["generate"], ["generate", "x.plan"], ["generate", "x.plan", "a", "cat"], ["generate", "x.plan", "a", "--size", "8"],
        ["generate", "x.plan", "a", "--steps", "few"], ["generate", "x.plan", "a", "--seed", "-1"],
        ["generate", "x.plan", "a", "--threads", "0"], ["generate", "x.plan", "a", "--graphics", "ascii"],
    ):
        status, _, error = place.run(*arguments)
        expect(status == 2 and error.strip(), f"{words(arguments)}: exit status {status}: {error.strip()[:300]}")


@case
def pictures_that_cannot_be_made(place):
    if not EMOJI.exists():
        return "models/emoji is not here"
    plan = place.folder / "emoji.plan"
    place.good("compile", EMOJI, "-o", plan, "--quiet")
    image, other = pixels(place.folder / "image.png", (64, 64)), pixels(place.folder / "other.png", (32, 64))
    broken = pixels(place.folder / "broken.png", (64, 64), b"IDAZ")
    usage = (
        ("diffusion-size", "--size", "60x64"), ("diffusion-size", "--size", "64x1000000"), ("diffusion-steps", "--steps", "0"),
        ("diffusion-steps", "--steps", "1001"), ("diffusion-count", "--count", "0"), ("diffusion-guidance", "--guidance", "nan"),
        ("diffusion-strength", "--image", image, "--strength", "1.5"), ("diffusion-strength", "--image", image, "--strength", "0"),
        ("diffusion-missing-image", "--mask", image), ("diffusion-missing-image", "--strength", "0.5"),
    )
    for code, *flags in usage:
        place.refused(code, "generate", plan, "pizza", *flags, status=2)
    place.refused("diffusion-mask-size", "generate", plan, "pizza", "--image", image, "--mask", other)
    place.refused("png-damaged", "generate", plan, "pizza", "--image", broken)
    place.refused("png-signature", "generate", plan, "pizza", "--image", plan)
    place.refused("file-missing", "generate", plan, "pizza", "--image", place.folder / "no.png")
    place.refused("picture-record", "generate", plan, "--from", image)
    place.refused("scheduler-unknown", "generate", plan, "pizza", "--scheduler", "magic", says=("ddim", "euler"))
    place.refused("file-write", "generate", plan, "pizza", "-o", place.out / "no" / "x.png")

    # An empty prompt and one that is too long are allowed; what is left out is said.
    place.good("generate", plan, "", "--steps", "2", "-o", place.folder / "empty.png")
    status, _, error = place.run("generate", plan, "pizza " * 80 + "tail", "--steps", "1", "-o", place.folder / "long.png")
    expect(status == 0 and "left out" in error and "tail" in error, f"a long prompt: {status}: {error.strip()[:300]}")

    # The same picture again from what the file says, and the same bytes.
    first, again = place.folder / "first.png", place.folder / "again.png"
    place.good("generate", plan, "a slice of pizza", "--steps", "3", "--seed", "5", "-o", first)
    place.good("generate", plan, "--from", first, "-o", again)
    expect(first.read_bytes() == again.read_bytes(), "--from gives another file")
    text = first.read_bytes()
    digest = hashlib.sha256(plan.read_bytes()).hexdigest().encode()
    expect(digest in text and b"a slice of pizza" in text, "the file does not name its prompt and plan")


@case
def a_signal_in_the_middle_of_a_generation(place):
    if not EMOJI.exists():
        return "models/emoji is not here"
    plan = place.folder / "emoji.plan"
    place.good("compile", EMOJI, "-o", plan, "--quiet")
    for group in (True, False):
        process = place.start("generate", plan, "pizza", "--steps", "900", "-o", place.out / "pizza.png")
        time.sleep(1.5)
        expect(process.poll() is None, "900 steps were done before the signal")
        (os.killpg if group else os.kill)(process.pid, signal.SIGINT)
        _, error = process.communicate(timeout=60)
        expect(process.returncode == 130, f"SIGINT: exit status {process.returncode}: {error}")
        expect(not listing(place.out), f"left {listing(place.out)}")


def main() -> int:
    parser = argparse.ArgumentParser(description="Give swage reasons to refuse.")
    parser.add_argument("--swage", default=str(ROOT / ".build" / "release" / "swage"), help="the tool to test")
    parser.add_argument("--only", metavar="TEXT", default="", help="only cases with TEXT in their name")
    arguments = parser.parse_args()
    found = shutil.which(arguments.swage)
    if found is None:
        print(f"error: no program at {arguments.swage}", file=sys.stderr)
        return 2
    passed = failed = 0
    for function in CASES:
        name = function.__name__.replace("_", " ")
        if arguments.only not in name:
            continue
        with tempfile.TemporaryDirectory(prefix="swage-errors-") as temporary:
            try:
                note = function(Place(os.path.abspath(found), Path(temporary).resolve()))
                passed += 1
                print(f"ok    {name}" + (f" ({note})" if note else ""), flush=True)
            except Fault as fault:
                failed += 1
                print(f"FAIL  {name}: {fault}", flush=True)
            except Exception:
                failed += 1
                print(f"FAIL  {name}: {traceback.format_exc()}", flush=True)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
