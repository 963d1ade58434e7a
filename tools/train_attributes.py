#!/usr/bin/env python3
"""Trains a small classifier of attributes and writes it as the ONNX file that `pgeval ls --classifier` takes.

    pgprep synth -o portraits --count 6000
    pgprep align portraits/images --landmarks portraits/list_landmarks.txt -o aligned --size 64
    python3 tools/train_attributes.py aligned portraits/list_attr.txt -o attributes.onnx

The table has CelebA's layout (`list_attr_celeba.txt`): a count, the names, then for each image its file's name and 1 or -1
for each attribute. Images go with the rows whose file has the same stem; they are square and brought to one size. A tenth
of them is held out; the share told rightly of it is printed for each attribute.

One input `images` [N,3,S,S] float32, one output `answers` [N,A]: log-odds. The file is written under a temporary name, run
in ONNX Runtime beside torch, and renamed.

The packages below are found in this Python, or fetched by `uv run` if there is uv, or else by pip into an environment
of their own (`--venv`). torch comes with NVIDIA's libraries on Linux: 2.5 GB to fetch, 5 GB on disk.
"""

# /// script
# requires-python = ">=3.11"
# dependencies = [
#   "torch==2.11.0",
#   "onnx==1.23.2",
#   "onnxruntime==1.32.0",
#   "numpy==2.4.6",
#   "pillow==12.3.0",
# ]
# ///

import argparse
import warnings
from pathlib import Path

from support import Refusal, check_target, enter_environment, image_files, partial_file, run

OPSET = 17
BATCH = 64
# ONNX Runtime's answers against torch's, beside the largest.
TOLERANCE = 1e-4


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Trains a classifier of attributes for pgeval ls.",
        epilog="exit status: 0 written, 2 refused (nothing is written then)",
    )
    parser.add_argument("images", type=Path, metavar="IMAGES", help="a folder of aligned images")
    parser.add_argument("table", type=Path, metavar="list_attr.txt", help="their attributes, in CelebA's layout")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="OUT.onnx", help="the file to write")
    parser.add_argument("--size", type=int, default=64, metavar="S", help="side of the input in pixels (default 64)")
    parser.add_argument("--epochs", type=int, default=8, metavar="N", help="passes over the images (default 8)")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="of weights, order and what is held out")
    parser.add_argument(
        "--venv", type=Path, metavar="DIR", help="environment to use or make (default target/tools/attributes-venv)"
    )
    parsed = parser.parse_args()
    if parsed.size < 16 or parsed.size % 8 or parsed.epochs < 1:
        parser.error("expected --size of at least 16 that 8 divides, --epochs of at least 1")
    return parsed


def main() -> int:
    options = arguments()
    check_target(options.output)
    names, rows = read_table(options.table)
    files = [file for file in image_files(options.images) if file.stem in rows]
    if len(files) < 10:
        raise Refusal(f"{options.images}: {len(files)} of its images have a row in {options.table}; expected 10 or more")
    enter_environment(__file__, options.venv, "attributes-venv")
    import numpy as np
    import torch

    warnings.filterwarnings("ignore")
    torch.manual_seed(options.seed)
    images = torch.from_numpy(np.stack([read_image(file, options.size) for file in files]))
    answers = torch.tensor([rows[file.stem] for file in files], dtype=torch.float32)
    order = torch.randperm(len(files))
    held_out, seen = order[: len(files) // 10], order[len(files) // 10 :]
    network = make_network(len(names))
    train(network, images, answers, seen, options.epochs)
    rightly = accuracy(network, images, answers, held_out)
    for name, share in zip(names, rightly, strict=True):
        print(f"  {name:<20} {100 * share:.1f} % of {len(held_out)} told rightly")
    described = {
        "pg.producer": "tools/train_attributes.py",
        "pg.input_size": str(options.size),
        "pg.resize": "pil-bilinear",
        "pg.range": "[-1,1]",
        "pg.logits": "answers",
        "pg.attributes": ",".join(names),
        "pg.accuracy": ",".join(f"{share:.4f}" for share in rightly),
    }
    print(export(network, described, options))
    print(f"  pgeval ls GENERATOR.onnx --space z --classifier {options.output}")
    return 0


def read_table(path: Path) -> tuple[list[str], dict[str, list[float]]]:
    """The attributes' names, and 1 or 0 for each by the stem of an image's file."""
    if not path.is_file():
        raise Refusal(f"{path}: no such file")
    lines = path.read_text(encoding="utf-8").splitlines()
    if len(lines) < 3 or not lines[0].strip().isdigit():
        raise Refusal(f"{path}: expected a count, a line of names, and a row for each image, as in list_attr_celeba.txt")
    names = lines[1].split()
    rows = {}
    for number, line in enumerate(lines[2:], 3):
        file, *columns = line.split() or [""]
        if len(columns) != len(names) or not set(columns) <= {"1", "-1"}:
            raise Refusal(f"{path}, line {number}: expected a file's name and {len(names)} times 1 or -1")
        rows[Path(file).stem] = [float(column == "1") for column in columns]
    if len(rows) != int(lines[0]):
        raise Refusal(f"{path}: {len(rows)} rows, expected {lines[0].strip()} as its first line says")
    return names, rows


def read_image(path: Path, size: int) -> object:
    """uint8 [3,S,S]."""
    import numpy as np
    from PIL import Image

    with Image.open(path) as image:
        resized = image.convert("RGB").resize((size, size), Image.Resampling.BILINEAR)
    return np.asarray(resized).transpose(2, 0, 1).copy()


def scaled(images: object) -> object:
    """uint8 to [-1,1]."""
    return images.float() / 127.5 - 1


def make_network(attributes: int) -> object:
    import torch

    def level(inputs: int, outputs: int) -> list:
        convolution = torch.nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        return [convolution, torch.nn.BatchNorm2d(outputs), torch.nn.ReLU(), torch.nn.MaxPool2d(2)]

    # Means over all places at the end: images of any size would go, were the features' scale not one size's.
    return torch.nn.Sequential(
        *level(3, 24),
        *level(24, 48),
        *level(48, 96),
        torch.nn.Conv2d(96, 96, 3, padding=1),
        torch.nn.ReLU(),
        torch.nn.AdaptiveAvgPool2d(4),
        torch.nn.Flatten(),
        torch.nn.Linear(96 * 16, attributes),
    )


def train(network: object, images: object, answers: object, seen: object, epochs: int) -> None:
    """Adam, binary cross-entropy. No mirrored images: left and right may be what is asked."""
    import torch

    optimiser = torch.optim.Adam(network.parameters(), lr=1e-3)
    steps = epochs * -(-len(seen) // BATCH)
    falling = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=3e-3, total_steps=steps)
    network.train()
    for epoch in range(epochs):
        total = 0.0
        for indices in seen[torch.randperm(len(seen))].split(BATCH):
            loss = torch.nn.functional.binary_cross_entropy_with_logits(
                network(scaled(images[indices])), answers[indices]
            )
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            falling.step()
            total += float(loss) * len(indices)
        print(f"  epoch {epoch + 1} of {epochs}: loss {total / len(seen):.4f}", flush=True)
    network.eval().requires_grad_(False)


def accuracy(network: object, images: object, answers: object, indices: object) -> list[float]:
    import torch

    told = torch.cat([network(scaled(images[some])) > 0 for some in indices.split(BATCH)])
    return (told == (answers[indices] > 0.5)).double().mean(0).tolist()


def export(network: object, described: dict[str, str], options: argparse.Namespace) -> str:
    import onnx
    import onnxruntime
    import torch

    with partial_file(options.output) as partial:
        torch.onnx.export(
            network,
            (torch.zeros(2, 3, options.size, options.size),),
            str(partial),
            input_names=["images"],
            output_names=["answers"],
            dynamic_axes={"images": {0: "N"}, "answers": {0: "N"}},
            opset_version=OPSET,
            dynamo=False,
        )
        model = onnx.load(str(partial))
        for key, value in described.items():
            entry = model.metadata_props.add()
            entry.key, entry.value = key, value
        onnx.checker.check_model(model)
        onnx.save(model, str(partial))
        session = onnxruntime.InferenceSession(str(partial), providers=["CPUExecutionProvider"])
        worst = 0.0
        for count in (1, 5):
            images = torch.rand(count, 3, options.size, options.size) * 2 - 1
            expected = network(images)
            (found,) = session.run(None, {"images": images.numpy()})
            worst = max(worst, float((torch.from_numpy(found) - expected).abs().max() / expected.abs().max()))
        if not worst <= TOLERANCE:
            raise Refusal(f"{options.output}: ONNX Runtime's answers differ from torch's by {worst:.1e}")
    return f"{options.output}: answers equal torch's to {worst:.1e}"


if __name__ == "__main__":
    run(main)
