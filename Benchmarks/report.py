"""Writes what was measured: lines on the terminal, `results.json`, and `RESULTS.md`."""

import json
import math
from pathlib import Path

PEERS = ["onnxruntime", "openvino", "torch"]
NAMES = {"onnxruntime": "onnxruntime", "openvino": "OpenVINO", "torch": "torch.compile", "best": "the best peer"}
SLOWER = 1.05


def mebibytes(count: float) -> str:
    return f"{count / 2**20:.1f}"


def milliseconds(value: float) -> str:
    return f"{value:.3f}" if value < 100 else f"{value:.0f}"


def best(row: dict) -> dict | None:
    return row["ratios"].get(row.get("best")) if "ratios" in row else None


def spread(ratio: dict | None) -> str:
    """The median, the smallest and the largest of a round, and the ratio of the quickest runs."""
    return f"{ratio['median']:.2f} ({ratio['min']:.2f}..{ratio['max']:.2f}; {ratio['least']:.2f})" if ratio else ""


# One line a case while it runs.


def terminal(row: dict) -> str:
    title = f"{row['name']}, {row['precision']}"[:46].ljust(46)
    if "failure" in row:
        return f"{title} failed: {row['failure']}"
    found = [f"{NAMES[peer]} {spread(row['ratios'][peer])}" for peer in PEERS if peer in row["ratios"]]
    failed = [f"{NAMES[peer]} failed: {side['failure'][:80]}" for peer, side in row["sides"].items() if "failure" in side]
    return f"{title} {milliseconds(row['sides']['swage']['median_ms']):>9} ms   " + "   ".join(found + failed)


# The page.

HEADER = ["case", "best peer", *(NAMES[peer] for peer in PEERS), "ms", "load ms", "peak MiB", "plan MiB (model)", "compile"]


def of_sides(row: dict, key: str, show) -> str:
    """A value of every side, swage's first; a dash where a side has none."""
    present = ["swage", *(peer for peer in PEERS if peer in row["sides"])]
    return " / ".join(show(row["sides"][side][key]) if key in row["sides"][side] else "-" for side in present)


def cells(row: dict) -> list[str]:
    if "failure" in row:
        return [row["name"], f"failed: {row['failure']}"] + [""] * (len(HEADER) - 2)
    columns = []
    for peer in PEERS:
        failure = row["sides"].get(peer, {}).get("failure")
        columns.append(f"failed: {failure[:120]}" if failure else spread(row["ratios"].get(peer)))
    fastest = best(row)
    return [
        row["name"],
        f"**{fastest['median']:.2f}**" if fastest else "",
        *columns,
        of_sides(row, "median_ms", milliseconds),
        of_sides(row, "load_ms", lambda value: f"{value:.1f}"),
        of_sides(row, "peak_rss_bytes", mebibytes),
        f"{mebibytes(row['plan_bytes'])} ({mebibytes(row['model_bytes'])})",
        f"{row['compile_seconds']:.1f} s, {mebibytes(row['compile_peak_bytes'])} MiB",
    ]


def table(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---"] + ["---:"] * (len(header) - 1), *rows]
    return "".join("| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in line) + " |\n" for line in lines)


def summary(rows: list[dict]) -> list[str]:
    """Geometric means of the ratios by peer, the worst case, and every case that is slower."""
    lines = []
    good = [row for row in rows if best(row)]
    for peer in [*PEERS, "best"]:
        found = [(best(row) if peer == "best" else row["ratios"].get(peer), row["name"]) for row in good]
        found = [(ratio["median"], name) for ratio, name in found if ratio]
        if found:
            mean = math.exp(sum(math.log(value) for value, _ in found) / len(found))
            worst, name = max(found)
            lines.append(f"against {NAMES[peer]}: geometric mean {mean:.2f} over {len(found)} cases, worst {worst:.2f} ({name})")
    slow = sorted((row for row in good if best(row)["median"] > SLOWER), key=lambda row: -best(row)["median"])
    if slow:
        shown = (f"{row['name']} {best(row)['median']:.2f} ({NAMES[row['best']]})" for row in slow)
        lines.append(f"slower than the best peer by more than 5 %, {len(slow)} cases: " + "; ".join(shown))
    elif good:
        lines.append("no case is slower than the best peer by more than 5 %")
    failed = [row["name"] for row in rows if "failure" in row]
    if failed:
        lines.append(f"swage failed in {len(failed)} cases: " + "; ".join(failed))
    return lines


TITLES = {
    "small": "Small models",
    "micro": "Single operators at sizes of Stable Diffusion 1.4",
    "models": "Public models (docs/models.md)",
    "diffusion": "Diffusion",
    "limits": "The UNet of Stable Diffusion 1.4 against the machine's limits",
    "tuning": "The cost model against measurement",
}


def suite_text(name: str, suite: dict) -> str:
    facts = suite["machine"]
    text = f"""
## {TITLES[name]}

{facts["cpu"]}, {facts["cores"]} cores, {facts["architecture"]} ({", ".join(facts["cpu_features"]) or "no features of those asked for"}), {facts["system"]};
every side with threads: {facts["threads"]}; load average {facts["load_before"]:.1f} before, {facts["load_after"]:.1f} after.
{", ".join(f"{package} {version}" for package, version in facts["versions"].items())}. {facts["date"]}.

"""
    if name == "limits":
        text += "![time over the operations of a step](plots/growth.png)\n\n"
        return text + table(["what", "precision", "measured"], [[row["what"], row["precision"], row["value"]] for row in suite["rows"]])
    if name == "tuning":
        return text + tuning_text(suite["rows"])
    for precision in dict.fromkeys(row["precision"] for row in suite["rows"]):
        rows = [row for row in suite["rows"] if row["precision"] == precision]
        text += f"### {TITLES[name]}, {precision}\n\n" + "".join(f"- {line}\n" for line in summary(rows)) + "\n"
        if any(best(row) for row in rows):
            text += f"![ratios, {name}, {precision}](plots/{name}-{precision}.png)\n\n"
        text += table(HEADER, [cells(row) for row in rows]) + "\n"
    return text


def tuning_text(rows: list[dict]) -> str:
    good = [row for row in rows if "ratio" in row]
    mean = math.exp(sum(math.log(row["ratio"]["median"]) for row in good) / len(good)) if good else 1
    text = f"""Time of a plan compiled with `--tune` over that of one compiled without, all sizes fixed: geometric mean {mean:.2f} over
{len(good)} cases. Kinds are products and convolutions of different sizes; "another way" are those for which the cost model would
have taken another kernel.

"""
    cells = [
        [row["name"], row["precision"], f"failed: {row['failure']}", "", ""]
        if "failure" in row
        else [
            row["name"], row["precision"], spread(row["ratio"]), f"{row['changed']} of {row['kinds']}",
            f"{row['compile_seconds']:.1f} / {row['tune_seconds']:.1f} s",
        ]
        for row in rows
    ]  # fmt: skip
    return text + table(["case", "precision", "tuned / not", "another way", "compile without / with"], cells)


INTRODUCTION = """# swage and its peers on the CPU

Written by `make bench` (`Benchmarks/bench.py`); all numbers are in `results.json`. Ratio: time of swage over time of the peer, median
over rounds run in turns in processes of their own; in brackets the smallest and largest of a round, and the ratio of the quickest
runs of both, which others on the machine disturb least. Below 1 swage is faster. The best peer is the fastest of onnxruntime,
OpenVINO and torch.compile. All sides have the same number of threads, the same file and the same precision; inputs are bound outside
the time taken. torch.compile (freezing, channels last, bf16 inputs in bf16) has cases where the model is there as a PyTorch module;
onnxruntime's CPU kernels know no bf16; OpenVINO's rounding of activations to int8 in front of int8 weights is off. Values of several
sides are swage / onnxruntime / OpenVINO / torch.compile, of those that ran.
Load is until the first run can start, with what OpenVINO and torch.compile compile then. Peak memory is of a process that runs the
model alone, with the Python that the peers run in. A load average above the threads means that others used the machine: the spread
is then wide.
"""


def write(folder: Path, name: str, suite: dict) -> None:
    """Puts a suite's results in the place of its last ones, and writes the page and its plots anew."""
    import plots

    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "results.json"
    suites = json.loads(path.read_text()) if path.exists() else {}
    suites[name] = suite
    path.write_text(json.dumps(suites, indent=1) + "\n")
    plots.draw(folder / "plots", suites)
    text = INTRODUCTION + "".join(suite_text(key, suites[key]) for key in TITLES if key in suites)
    (folder / "RESULTS.md").write_text(text)
