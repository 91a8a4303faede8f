"""What the machine is, and how much time and memory a process took."""

import os
import platform
import re
import subprocess
import time
from importlib import metadata
from pathlib import Path

FEATURES = "avx2 fma f16c avx512f avx512_bf16 avx512_fp16 avx512_vnni avx_vnni amx_tile amx_bf16 amx_int8 asimd bf16 i8mm sve sve2".split()


def processor() -> str:
    return cpuinfo(r"model name") or platform.processor() or "unknown"


def processor_flags() -> set[str]:
    return set(cpuinfo(r"(?:flags|Features)").split())


def has_bf16() -> bool:
    """Whether the CPU multiplies bf16 by itself."""
    return bool(processor_flags() & {"avx512_bf16", "amx_bf16", "bf16"})


def cpuinfo(key: str) -> str:
    try:
        found = re.search(rf"^{key}\s*:\s*(.*)$", Path("/proc/cpuinfo").read_text(), re.M)
    except OSError:
        return ""
    return found.group(1).strip() if found else ""


def cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def describe(binary: str, threads: int, packages: list[str]) -> dict:
    """The machine and the versions of what runs on it; packages that are not installed are left out."""
    present = processor_flags()
    versions = {"swage": first_line([binary, "--version"])}
    for package in packages:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return {
        "date": time.strftime("%Y-%m-%d"),
        "system": f"{platform.system()} {platform.release()}",
        "architecture": platform.machine(),
        "cpu": processor(),
        "cpu_features": [name for name in FEATURES if name in present],
        "cores": cores(),
        "threads": threads,
        "versions": versions,
        "load_before": os.getloadavg()[0],
    }


def first_line(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
    return next(iter(done.stdout.splitlines()), "unknown").strip()


def peak_memory(process: int | str = "self") -> int:
    """The high-water mark of a process in bytes; `getrusage` would count the process that started it too."""
    try:
        found = re.search(r"^VmHWM:\s*(\d+) kB", Path(f"/proc/{process}/status").read_text(), re.M)
    except OSError:
        return 0
    return int(found.group(1)) * 1024 if found else 0


def run_and_watch(command: list[str], environment: dict[str, str], limit: float) -> tuple[int, str, float, int]:
    """Runs a command for `limit` seconds at most: exit status, standard error, seconds, and the high-water mark of its memory,
    read every 20 ms. Raises subprocess.TimeoutExpired."""
    start = time.perf_counter()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, errors="replace")
    peak = 0
    while True:
        try:
            _, errors = process.communicate(timeout=0.02)
            return process.returncode, errors, time.perf_counter() - start, peak
        except subprocess.TimeoutExpired:
            peak = max(peak, peak_memory(process.pid))
            if time.perf_counter() - start > limit:
                process.kill()
                process.communicate()
                raise
