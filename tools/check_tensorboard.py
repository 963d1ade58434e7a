#!/usr/bin/env python3
"""Checks that TensorBoard reads a run's events as they were meant.

    python3 tools/check_tensorboard.py runs/first

Reads the run with TensorBoard's own EventAccumulator and compares every scalar with log.jsonl and metrics.jsonl: each
step once, at the right number of images, equal to 32-bit precision; and every picture with its PNG file.

Exit status: 0 all agree, 1 some do not, 2 refused. Takes the packages below from this Python, or from an environment
that it makes.
"""

# /// script
# requires-python = ">=3.11"
# dependencies = [
#   "tensorboard==2.20.0",
# ]
# ///

import argparse
import json
import struct
from pathlib import Path

from support import Refusal, enter_environment, run

SCALARS = {
    "Loss/D": "d_loss",
    "Loss/G": "g_loss",
    "Score/real": "real_score",
    "Score/fake": "fake_score",
    "GradientNorm": "gradient_norm",
    "Progress/kimg": "kimg",
    "Progress/lod": "lod",
    "Progress/resolution": "resolution",
    "Progress/minibatch": "minibatch",
    "Timing/images_per_sec": "images_per_second",
    "Timing/data_wait_sec": "data_seconds",
    "Timing/d_sec": "d_seconds",
    "Timing/g_sec": "g_seconds",
}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Checks that TensorBoard reads a run's events as they were meant.",
        epilog="exit status: 0 all agree, 1 some do not, 2 refused",
    )
    parser.add_argument("run", type=Path, metavar="RUN", help="the run folder")
    parser.add_argument(
        "--venv", type=Path, metavar="DIR", help="environment to use or make (default target/tools/tensorboard-venv)"
    )
    return parser.parse_args()


def json_lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def as_f32(value: float) -> float:
    return struct.unpack("<f", struct.pack("<f", value))[0]


def expected_scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """What log.jsonl and metrics.jsonl say, by tag."""
    expected: dict[str, list[tuple[int, float]]] = {}

    def add(tag: str, line: dict, value: float) -> None:
        expected.setdefault(tag, []).append((line["images_shown"], as_f32(value)))

    for line in json_lines(folder / "log.jsonl"):
        for tag, key in SCALARS.items():
            add(tag, line, line[key])
    for line in json_lines(folder / "metrics.jsonl"):
        for score in line["metrics"]:
            name = f"Metrics/{score['metric']}"
            levels = score.get("levels", [])
            add(f"{name}/mean" if levels else name, line, score["value"])
            for level in levels:
                add(f"{name}/{level['resolution']}", line, level["value"])
    return expected


def main() -> int:
    options = arguments()
    folder = options.run
    if not (folder / "log.jsonl").is_file():
        raise Refusal(f"{folder}: no log.jsonl in it; expected a run folder of pgtrain")
    enter_environment(__file__, options.venv, default="tensorboard-venv", room="with its own needs 100 MB")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    # A size guidance of 0 keeps every event.
    events = EventAccumulator(str(folder), size_guidance={"scalars": 0, "images": 0}).Reload()
    complaints = []
    expected = expected_scalars(folder)
    found_tags = set(events.Tags()["scalars"])
    if found_tags != set(expected):
        complaints.append(f"tags: expected {sorted(expected)}, found {sorted(found_tags)}")
    points = 0
    for tag in sorted(found_tags & set(expected)):
        found = [(event.step, event.value) for event in events.Scalars(tag)]
        points += len(found)
        if found != expected[tag]:
            complaints.append(f"{tag}: expected {expected[tag][:4]} ..., found {found[:4]} ...")
    pictures = 0
    for tag in events.Tags()["images"]:
        steps = [event.step for event in events.Images(tag)]
        if steps != sorted(set(steps)):
            complaints.append(f"pictures {tag}: a step comes twice or out of order in {steps}")
        # A later tick within the same thousand images takes the file's place.
        latest = {event.step // 1000: event for event in events.Images(tag)}
        for kimg, event in latest.items():
            pictures += 1
            png = folder / (f"{tag}.png" if tag == "reals" else f"{tag}-{kimg:06d}.png")
            if not png.is_file() or png.read_bytes() != event.encoded_image_string:
                complaints.append(f"picture {tag} at step {event.step} is not {png.name}")
    for complaint in complaints:
        print(complaint)
    verdict = "agree" if not complaints else "do not agree"
    print(f"{len(found_tags)} tags, {points} scalars, {pictures} pictures: TensorBoard and the run {verdict}")
    return 1 if complaints else 0


if __name__ == "__main__":
    run(main)
