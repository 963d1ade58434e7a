#!/usr/bin/env python3
"""Draws how a run's scores fell: SWD of each level over the images shown, against the floor.

    pgeval swd dataset dataset --images 2048 --floor --json > floor.json     # as many images as the run was scored by
    python3 tools/plot_scores.py runs/first --floor floor.json -o scores.png

Reads metrics.jsonl of one run or of several. The floor is what two sets of real images score against each other;
without --floor there are no lines for it.

Exit status: 0 drawn, 2 refused. Takes the packages below from this Python, or from an environment that it makes.
"""

# /// script
# requires-python = ">=3.11"
# dependencies = [
#   "matplotlib==3.11.2",
# ]
# ///

import argparse
import json
from pathlib import Path

from support import Refusal, check_target, enter_environment, run

COLOURS = {16: "#1b6ca8", 32: "#2e8b57", 64: "#c8553d", 128: "#7b4fa3", 256: "#a8801b", 512: "#3d3d3d", 1024: "#c83d8d"}


def parsed(path: Path) -> list[dict]:
    try:
        return [json.loads(line) for line in path.read_text().splitlines() if line.strip()]
    except OSError as error:
        raise Refusal(f"{path}: {error.strerror}; expected the scores of a run with --eval-every") from error
    except json.JSONDecodeError as error:
        raise Refusal(f"{path}: not JSON lines: {error}") from error


def levels_of(metrics: list[dict], name: str) -> dict[int, float]:
    """SWD by resolution."""
    for metric in metrics:
        if metric["metric"] == name:
            return {level["resolution"]: level["value"] for level in metric["levels"]}
    return {}


def floor_of(path: Path) -> dict[int, float]:
    try:
        levels = json.loads(path.read_text())["floor"]["levels"]
        return {level["resolution"]: level["value"] for level in levels}
    except (OSError, json.JSONDecodeError, KeyError, TypeError) as error:
        raise Refusal(f"{path}: no floor in it; make it with `pgeval swd REAL REAL --floor --json`") from error


def draw(runs: list[Path], floor: dict[int, float], output: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot, ticker

    figure, axes = pyplot.subplots(figsize=(8, 4.5), layout="constrained")
    drawn = set()
    for index, folder in enumerate(runs):
        scores = [(line["kimg"], levels_of(line["metrics"], "swd")) for line in parsed(folder / "metrics.jsonl")]
        for px in sorted({px for _, levels in scores for px in levels}):
            points = [(kimg, levels[px]) for kimg, levels in scores if px in levels]
            name = f"{px} px" if len(runs) == 1 else f"{folder.name}, {px} px"
            style = ["-", "--", ":", "-."][index % 4]
            axes.plot(*zip(*points), style, color=COLOURS.get(px), marker="o", markersize=3, label=name)
            drawn.add(px)
    if not drawn:
        raise Refusal(f"{runs[0]}: no SWD in metrics.jsonl; levels below 16 px are not scored")
    for px in sorted(drawn & set(floor)):
        axes.axhline(floor[px], color=COLOURS.get(px), linewidth=0.8, linestyle=(0, (1, 3)))
    axes.set(xlabel="images shown, thousands", ylabel="sliced Wasserstein distance, x10³", yscale="log")
    axes.yaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter("")
    axes.grid(alpha=0.3, which="both")
    figure.legend(loc="outside right upper", title="dotted: the floor" if floor else None)
    figure.savefig(output, dpi=100)


def main() -> int:
    parser = argparse.ArgumentParser(description="Draws the scores of runs as a PNG.")
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN")
    parser.add_argument("--floor", type=Path, metavar="JSON", help="of `pgeval swd REAL REAL --floor --json`")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="PNG")
    arguments = parser.parse_args()
    check_target(arguments.output)
    enter_environment(__file__, None, "plot-venv", "100 MB")
    floor = floor_of(arguments.floor) if arguments.floor else {}
    draw(arguments.runs, floor, arguments.output)
    return 0


if __name__ == "__main__":
    run(main)
