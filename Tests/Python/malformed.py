"""Give swage a corpus of malformed inputs; each must be refused with a diagnostic, without a crash and without leftovers.

    .venv/bin/python Tests/Python/malformed.py --swage .build/release/swage [--only TEXT] [--keep DIR]

A refusal is exit status 1, a line on standard error that starts with `error[`, and an empty output folder. Every case also has a limit
of time and of memory, and what it prints must be short, UTF-8, and free of control characters that came from the file.
"""

import argparse
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT_SECONDS = 10
PEAK_BYTES = 256 << 20  # beside twice the file
MESSAGE_BYTES = 64 << 10
GOAL_MILLISECONDS = 100


@dataclass
class Entry:
    """A case of the corpus, as its manifest has it."""

    file: str
    expect: str
    arguments: list[str]


@dataclass
class Outcome:
    status: int | None  # negative: killed by that signal; None: out of time
    message: bytes
    milliseconds: float
    peak_bytes: int


def call(command: list[str], scratch: Path) -> Outcome:
    environment = dict(os.environ, SWIFT_BACKTRACE="enable=no")
    with tempfile.TemporaryFile() as message:
        start = time.monotonic()
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=message,
            cwd=scratch,
            env=environment,
            start_new_session=True,
        )
        status, usage = None, None
        while True:
            done, code, usage = os.wait4(process.pid, os.WNOHANG)
            if done:
                status = os.waitstatus_to_exitcode(code)
                break
            if time.monotonic() - start > TIMEOUT_SECONDS:
                os.killpg(process.pid, signal.SIGKILL)
                _, _, usage = os.wait4(process.pid, 0)
                break
            time.sleep(0.001)
        process.returncode = 0 if status is None else status  # reaped here
        elapsed = 1000 * (time.monotonic() - start)
        message.seek(0)
        return Outcome(status, message.read(MESSAGE_BYTES + 1), elapsed, usage.ru_maxrss * 1024)


def faults(entry: Entry, outcome: Outcome, size: int, leftovers: list[str]) -> list[str]:
    """What is wrong with an outcome; nothing when it is as it must be."""
    if outcome.status is None:
        return [f"no answer after {TIMEOUT_SECONDS} s"]
    if outcome.status < 0:
        return [f"died of {signal.Signals(-outcome.status).name}"]
    found = []
    first = next((line for line in outcome.message.decode(errors="replace").splitlines() if line.strip()), "nothing")
    if entry.expect == "accept" and outcome.status != 0:
        found.append(f"is valid, but exit status {outcome.status}: {first[:200]}")
    elif entry.expect == "refuse" and outcome.status == 0:
        found.append("was accepted")
    elif outcome.status not in (0, 1):
        found.append(f"exit status {outcome.status}: {first[:200]}")
    if outcome.status == 1:
        if not any(line.startswith(b"error[") for line in outcome.message.split(b"\n")):
            found.append(f"no diagnostic, but: {first[:200]}")
        if leftovers:
            found.append(f"left {', '.join(leftovers)} behind")
    if len(outcome.message) > MESSAGE_BYTES:
        found.append(f"more than {MESSAGE_BYTES} bytes of messages")
    else:
        try:
            text = outcome.message.decode()
            if any(ord(char) < 32 and char not in "\n\t" or char in "\x7f\u202e" for char in text):
                found.append("control characters in the message")
        except UnicodeDecodeError:
            found.append("the message is not UTF-8")
    if outcome.peak_bytes > PEAK_BYTES + 2 * size:
        found.append(f"{outcome.peak_bytes >> 20} MiB of memory")
    return found


def compile_plan(binary: str, folder: Path) -> Path | None:
    """A valid plan, to be damaged; None, with a message, when it cannot be made."""
    plan = folder / "digits.plan"
    model = ROOT / "models" / "digits" / "digits.onnx"
    done = subprocess.run(
        [binary, "compile", str(model), "-o", str(plan)], capture_output=True, text=True, errors="replace"
    )
    if done.returncode == 0:
        return plan
    print(f"FAIL  the valid plan could not be compiled: {done.stderr.strip()[:300]}")
    return None


def make_corpus(folder: Path, plan: Path | None) -> list[Entry]:
    """In a process of its own: a child's peak memory is never less than what its parent held when it started."""
    maker = ROOT / "Tests" / "Corpus" / "make_malformed.py"
    subprocess.run(
        [sys.executable, str(maker), str(folder), *(["--plan", str(plan)] if plan else [])],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    manifest = json.loads((folder / "manifest.json").read_text())
    return [Entry(e["file"], e["expect"], e["arguments"]) for e in manifest]


def main() -> int:
    parser = argparse.ArgumentParser(description="Give swage malformed inputs.")
    parser.add_argument("--swage", default=str(ROOT / ".build" / "release" / "swage"), help="the tool to test")
    parser.add_argument("--only", metavar="TEXT", default="", help="only cases with TEXT in their file's path")
    parser.add_argument("--keep", metavar="DIR", type=Path, help="write the corpus here and keep it")
    arguments = parser.parse_args()
    found = shutil.which(arguments.swage)
    if found is None:
        print(f"error: no program at {arguments.swage}", file=sys.stderr)
        return 2
    binary = os.path.abspath(found)

    passed = failed = 0
    times: list[tuple[float, str]] = []
    peaks: list[tuple[int, str]] = []
    with tempfile.TemporaryDirectory(prefix="swage-malformed-") as temporary:
        folder = arguments.keep or Path(temporary) / "corpus"
        folder.mkdir(parents=True, exist_ok=True)
        folder = folder.resolve()
        plan = compile_plan(binary, Path(temporary))
        failed += plan is None
        try:
            entries = make_corpus(folder, plan)
        except subprocess.CalledProcessError:
            print("FAIL  the corpus could not be made")
            print(f"{passed} passed, {failed + 1} failed")
            return 1
        entries = [entry for entry in entries if arguments.only in entry.file]
        scratch = Path(temporary) / "out"
        for entry in entries:
            shutil.rmtree(scratch, ignore_errors=True)
            scratch.mkdir()
            command = [a.replace("{dir}", str(folder)).replace("{out}", str(scratch)) for a in entry.arguments]
            outcome = call([binary, *command], scratch)
            leftovers = sorted(path.name for path in scratch.iterdir())
            problems = faults(entry, outcome, (folder / entry.file).stat().st_size, leftovers)
            if entry.expect == "refuse":
                times.append((outcome.milliseconds, entry.file))
                peaks.append((outcome.peak_bytes, entry.file))
            failed += bool(problems)
            passed += not problems
            if problems:
                print(f"FAIL  {entry.file}: {'; '.join(problems)}", flush=True)

    if times:
        slow = sum(t > GOAL_MILLISECONDS for t, _ in times)
        print(f"{len(times)} to be refused; median {statistics.median(t for t, _ in times):.0f} ms, slowest:")
        for milliseconds, file in sorted(times, reverse=True)[:5]:
            print(f"  {milliseconds:7.0f} ms  {file}")
        print(f"{slow} took more than {GOAL_MILLISECONDS} ms; most memory {max(peaks)[0] >> 20} MiB, {max(peaks)[1]}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
