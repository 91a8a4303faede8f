"""Pictures of the comparison: the ratio to every peer by case, and how time grows with the picture's size."""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

import report  # noqa: E402

COLOURS = {"onnxruntime": "#4c72b0", "openvino": "#dd8452", "torch": "#55a868"}


def draw(folder: Path, suites: dict) -> None:
    folder.mkdir(exist_ok=True)
    for name, suite in suites.items():
        if name == "limits":
            growth(folder / "growth.png", suite["growth"])
            continue
        for precision in {row["precision"] for row in suite["rows"]}:
            rows = [row for row in suite["rows"] if row["precision"] == precision and report.best(row)]
            if rows:
                ratios(folder / f"{name}-{precision}.png", sorted(rows, key=lambda row: report.best(row)["median"]))


def ratios(path: Path, rows: list[dict]) -> None:
    """A dot for every peer with the spread over rounds, cases sorted by the best peer."""
    figure, axes = plt.subplots(figsize=(8, 1.2 + 0.17 * len(rows)), layout="constrained")
    for peer, colour in COLOURS.items():
        found = [(y, row["ratios"][peer]) for y, row in enumerate(rows) if peer in row["ratios"]]
        if found:
            middle = [ratio["median"] for _, ratio in found]
            reach = [[r["median"] - r["min"] for _, r in found], [r["max"] - r["median"] for _, r in found]]
            places = [y for y, _ in found]
            axes.errorbar(middle, places, xerr=reach, fmt="o", ms=4, lw=1, color=colour, label=report.NAMES[peer])
    axes.axvline(1, color="black", lw=0.8)
    axes.set(xscale="log", xlabel="time of swage / time of the peer (left of 1: swage is faster)", ylim=(-0.7, len(rows) - 0.3))
    axes.set_yticks(range(len(rows)), [row["name"] for row in rows], fontsize=7)
    axes.grid(axis="x", which="both", lw=0.3)
    axes.legend(fontsize=7)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def growth(path: Path, rows: list[dict]) -> None:
    """Seconds of a step over its floating point operations, beside a line of constant speed."""
    if not rows:
        return
    figure, axes = plt.subplots(figsize=(5, 4), layout="constrained")
    for precision in dict.fromkeys(row["precision"] for row in rows):
        points = [row for row in rows if row["precision"] == precision]
        work, seconds = [row["flops"] / 1e12 for row in points], [row["seconds"] for row in points]
        axes.plot(work, seconds, "o-", label=precision)
        axes.plot(work, [seconds[0] * value / work[0] for value in work], "--", lw=0.8, color="grey")
        for row, x, y in zip(points, work, seconds):
            axes.annotate(f"{row['size'] * 8}x{row['size'] * 8}", (x, y), fontsize=7, xytext=(4, -8), textcoords="offset points")
    axes.set(xscale="log", yscale="log", xlabel="TFLOP of a UNet step", ylabel="seconds")
    axes.legend(fontsize=7)
    figure.savefig(path, dpi=110)
    plt.close(figure)
