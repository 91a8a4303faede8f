"""What the machine is, and how much memory a process took: for the comparisons beside this file."""

import os
import platform
import re
import subprocess
import time
from pathlib import Path


def processor() -> str:
    return cpuinfo(r"model name") or platform.processor() or "unknown"


def processor_flags() -> set[str]:
    return set(cpuinfo(r"(?:flags|Features)").split())


def cpuinfo(key: str) -> str:
    try:
        found = re.search(rf"^{key}\s*:\s*(.*)$", Path("/proc/cpuinfo").read_text(), re.M)
    except OSError:
        return ""
    return found.group(1).strip() if found else ""


def cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def peak_memory(process: int | str = "self") -> int:
    """The high-water mark of a process in bytes; `getrusage` would count the process that started it too."""
    found = re.search(r"^VmHWM:\s*(\d+) kB", Path(f"/proc/{process}/status").read_text(), re.M)
    return int(found.group(1)) * 1024 if found else 0


def run_and_watch(command: list[str], environment: dict[str, str]) -> tuple[int, float, int]:
    """Runs a command: exit status, seconds, and the high-water mark of its memory, read every 20 ms."""
    start = time.perf_counter()
    process = subprocess.Popen(command, env=environment)
    peak = 0
    while True:
        try:
            return process.wait(0.02), time.perf_counter() - start, peak
        except subprocess.TimeoutExpired:
            peak = max(peak, peak_memory(process.pid))
