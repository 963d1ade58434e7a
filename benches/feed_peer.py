"""What reading shards is measured against: a PyTorch DataLoader over PNG files, and WebDataset over tar files of them.

Both decode with Pillow, shuffle, stack minibatches of u8 `[N,3,R,R]`, and read ahead in worker processes, as their own
examples have it. Prints `name<TAB>microseconds an image`, the best of the epochs timed:

    loader/256      torch.utils.data.DataLoader with WORKERS workers over a folder of PNG files
    webdataset/256  webdataset.WebDataset with a shuffle buffer over tar files of the same PNG files

    feed_peer.py --workers 2 FOLDER...      folders named by the side of their images: 64, 256, …
"""

import argparse
import io
import random
import tarfile
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
import webdataset
from PIL import Image
from torch.utils.data import DataLoader, Dataset

parser = argparse.ArgumentParser(description="Times PyTorch's DataLoader and WebDataset over PNG files.")
parser.add_argument("--workers", type=int, default=2, help="processes that decode (default 2)")
parser.add_argument("--minibatch", type=int, default=16)
parser.add_argument("--epochs", type=int, default=3, help="after a first one that is not timed (default 3)")
parser.add_argument("folders", type=Path, nargs="+", metavar="FOLDER")
ARGUMENTS = parser.parse_args()
# Few enough that both workers have a tar file of their own.
IMAGES_PER_TAR = 64
SHUFFLE_BUFFER = 1000


def decoded(file: Path | io.BytesIO) -> torch.Tensor:
    with Image.open(file) as image:
        pixels = np.asarray(image.convert("RGB"))
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1)


class Folder(Dataset[torch.Tensor]):
    """The PNG files of a folder."""

    def __init__(self, folder: Path) -> None:
        self.files = sorted(folder.glob("*.png"))

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> torch.Tensor:
        return decoded(self.files[index])


def best_epoch(loader: Iterable[object], images: int) -> float:
    """Microseconds an image."""
    best = float("inf")
    for epoch in range(ARGUMENTS.epochs + 1):
        started = time.perf_counter()
        seen = 0
        for minibatch in loader:
            tensor = minibatch[0] if isinstance(minibatch, (list, tuple)) else minibatch
            seen += len(tensor)
        seconds = time.perf_counter() - started
        if epoch > 0:
            best = min(best, seconds / max(seen, 1))
    return best * 1e6


def write_tars(files: list[Path], folder: Path) -> list[str]:
    paths = []
    for first in range(0, len(files), IMAGES_PER_TAR):
        path = folder / f"{first:06}.tar"
        with tarfile.open(path, "w") as tar:
            for file in files[first : first + IMAGES_PER_TAR]:
                tar.add(file, arcname=file.name)
        paths.append(str(path))
    return paths


def main() -> None:
    torch.set_num_threads(1)
    random.seed(0)
    for folder in ARGUMENTS.folders:
        images = Folder(folder)
        side = decoded(images.files[0]).shape[-1]
        loader = DataLoader(
            images,
            batch_size=ARGUMENTS.minibatch,
            shuffle=True,
            num_workers=ARGUMENTS.workers,
            persistent_workers=True,
        )
        print(f"loader/{side}\t{best_epoch(loader, len(images)):.4f}", flush=True)
        with tempfile.TemporaryDirectory() as scratch:
            tars = write_tars(images.files, Path(scratch))
            samples = (
                webdataset.WebDataset(tars, shardshuffle=len(tars))
                .shuffle(SHUFFLE_BUFFER)
                .map(lambda sample: (decoded(io.BytesIO(sample["png"])),))
                .batched(ARGUMENTS.minibatch)
            )
            loader = webdataset.WebLoader(samples, batch_size=None, num_workers=ARGUMENTS.workers)
            print(f"webdataset/{side}\t{best_epoch(loader, len(images)):.4f}", flush=True)


if __name__ == "__main__":
    main()
