"""Times swage against onnxruntime, OpenVINO and torch.compile on the CPU, interleaved.

    .venv-bench/bin/python Benchmarks/bench.py --swage .build/release/swage [--suite SUITE]… [--only TEXT] [--rounds N] [--quick]

Suites: small (models of the differential test), micro (single operators), models (docs/models.md), diffusion (parts of Stable
Diffusion 1.4), limits (its UNet against the machine's limits), tuning (the cost model against `--tune`). A suite that was run whole takes its place in Benchmarks/results.json
and Benchmarks/RESULTS.md; with --only or --quick nothing is written unless --output names a folder. bf16 is measured too where
the CPU multiplies it. Exit status 1 when swage failed in a case, or none was run.
"""

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent

import limits  # noqa: E402
import machine  # noqa: E402
import report  # noqa: E402
import suites  # noqa: E402
import tuning  # noqa: E402
from measure import Failure, compile_plan, measure, shown  # noqa: E402

PACKAGES = ["onnxruntime", "openvino", "torch"]


def run(name: str, binary: str, arguments) -> list[dict]:
    """The rows of a suite. What a case wrote is gone before the next one: plans of gigabytes lie beside none other."""
    rows = []
    for precision in arguments.precisions:
        for entry in suites.SUITES[name](arguments.cache, precision):
            if arguments.only.lower() not in entry.name.lower():
                continue
            with tempfile.TemporaryDirectory(dir=arguments.cache) as scratch:
                folder = Path(scratch)
                try:
                    case = entry.make(folder)
                    case.threads = arguments.threads
                    if arguments.fixed:
                        case = suites.with_fixed_sizes(case, folder)
                    if arguments.quick:
                        case.round_seconds = 0.1
                    plan = compile_plan(binary, case, folder)
                    row = measure(binary, case, plan, arguments.peers, arguments.rounds, folder)
                except (Failure, OSError, ValueError, KeyError) as failure:
                    row = {"name": entry.name, "precision": precision, "failure": shown(str(failure) or type(failure).__name__)}
            rows.append(row)
            print(report.terminal(row), flush=True)
    return rows


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--swage", required=True, help="the binary")
    parser.add_argument("--suite", action="append", choices=[*suites.SUITES, "limits", "tuning"], help="all unless given")
    parser.add_argument("--only", default="", help="only cases whose name holds this")
    parser.add_argument("--rounds", type=int, help="rounds of a case (default 5; diffusion 3)")
    parser.add_argument("--threads", type=int, default=2, help="of every side (default 2)")
    parser.add_argument("--quick", action="store_true", help="one round of 0.1 s")
    parser.add_argument("--peer", dest="peers", action="append", choices=report.PEERS, help="all unless given")
    parser.add_argument("--precision", dest="precisions", action="append", choices=["f32", "bf16"])
    parser.add_argument("--fixed", action="store_true", help="writes the sizes of each case into its model, for all sides")
    parser.add_argument("--cache", type=Path, default=HERE.parent / ".build" / "models", help="where downloads and weights are kept")
    parser.add_argument("--output", type=Path, help="writes results.json, RESULTS.md and plots here")
    arguments = parser.parse_args()
    if (arguments.rounds is not None and arguments.rounds < 1) or arguments.threads < 1:
        parser.error("--rounds and --threads are positive")
    arguments.suite = arguments.suite or [*suites.SUITES, "limits", "tuning"]
    arguments.peers = arguments.peers or report.PEERS
    arguments.precisions = arguments.precisions or (["f32", "bf16"] if machine.has_bf16() else ["f32"])
    if arguments.output is None and not arguments.only and not arguments.quick:
        arguments.output = HERE
    return arguments


def main() -> int:
    arguments = options()
    binary = shutil.which(arguments.swage) or str(Path(arguments.swage).resolve())
    arguments.cache.mkdir(parents=True, exist_ok=True)
    rounds, failed = arguments.rounds, False
    for name in arguments.suite:
        arguments.rounds = rounds or (1 if arguments.quick else 3 if name == "diffusion" else 5)
        facts = machine.describe(binary, arguments.threads, PACKAGES)
        print(f"{report.TITLES[name]}: {facts['cpu']}, {facts['cores']} cores, load average {facts['load_before']:.1f}", flush=True)
        if name == "limits":
            suite = limits.measure(binary, arguments)
        elif name == "tuning":
            suite = tuning.measure(binary, arguments)
        else:
            suite = {"rows": run(name, binary, arguments)}
            for precision in arguments.precisions:
                for line in report.summary([row for row in suite["rows"] if row["precision"] == precision]):
                    print(f"{precision}, {line}")
        suite["machine"] = {**facts, "load_after": os.getloadavg()[0]}
        failed |= not suite["rows"] or any("failure" in row for row in suite["rows"])
        if arguments.output and suite["rows"]:
            report.write(arguments.output, name, suite)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
