"""The part of compare_torch_fidelity.py that needs packages; call that program.

Written against torch-fidelity 0.4.0, clean-fid 0.1.35 and pytorch-fid 0.3.0.
"""

import argparse
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from cleanfid import fid as clean_fid
from PIL import Image, ImageDraw
from safetensors.numpy import load_file
from torch import nn
from torch_fidelity.datasets import ImagesPathDataset
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
from torch_fidelity.metric_isc import isc_features_to_metric
from torch_fidelity.metric_kid import kid_features_to_metric
from torch_fidelity.metric_prc import prc_features_to_metric
from torch_fidelity.utils import get_featuresdict_from_dataset

import inception
from inception import Feeding, Weights, relative_difference
from support import Refusal, image_files

IMAGES = 64
IMAGE_SIDE = 128
BOUND = 1e-3
SPLITS = (10, 2)
# Scores by random class weights hardly differ between images: the Inception score would be 1.0 whatever happens.
CLASS_WEIGHT_GAIN = 20.0
BATCH = 16

# pytorch-fid's own command, which otherwise downloads its weights. Arguments: weights, then its own.
PYTORCH_FID = """
import sys
import torch, pytorch_fid.inception, pytorch_fid.fid_score
state = torch.load(sys.argv.pop(1), weights_only=True)
pytorch_fid.inception.load_state_dict_from_url = lambda *a, **k: state
pytorch_fid.fid_score.main()
"""


@dataclass
class Row:
    """One number of both programs, or the difference of many."""

    name: str
    theirs: float | None
    ours: float | None
    difference: float


class Table:
    def __init__(self) -> None:
        self.rows: list[Row] = []

    def arrays(self, name: str, theirs: np.ndarray, ours: np.ndarray) -> None:
        if theirs.shape != ours.shape:
            raise Refusal(f"{name}: pgeval wrote {list(ours.shape)}, expected {list(theirs.shape)}")
        self.add(Row(name, None, None, relative_difference(ours, theirs)))

    def relative(self, name: str, theirs: float, ours: float) -> None:
        self.add(Row(name, theirs, ours, abs(ours - theirs) / max(abs(theirs), 1e-30)))

    def absolute(self, name: str, theirs: float, ours: float) -> None:
        self.add(Row(name, theirs, ours, abs(ours - theirs)))

    def either(self, name: str, theirs: float, ours: float) -> None:
        """Absolute or relative, whichever is less."""
        self.add(Row(name, theirs, ours, abs(ours - theirs) / max(abs(theirs), 1.0)))

    def add(self, row: Row) -> None:
        if not self.rows:
            print("| | peer | pgeval | difference | |\n|---|---|---|---|---|")
        self.rows.append(row)
        theirs, ours = ("" if value is None else f"{value:.7g}" for value in (row.theirs, row.ours))
        verdict = "ok" if row.difference <= BOUND else f"ABOVE {BOUND:g}"
        print(f"| {row.name} | {theirs} | {ours} | {row.difference:.1e} | {verdict} |", flush=True)

    def outside(self) -> list[str]:
        # So written, a difference that is not a number is outside.
        return [row.name for row in self.rows if not row.difference <= BOUND]


# Images.


def smooth_noise(generator: np.random.Generator, fading: float) -> np.ndarray:
    """Octaves of colour noise, `[side,side,3]`, about 0..255; with more `fading` smoother."""
    total = np.full((IMAGE_SIDE, IMAGE_SIDE, 3), 128.0)
    for octave in range(1, 8):
        cells = 2**octave
        mixed = generator.normal(size=(cells, cells, 3)) @ generator.normal(size=(3, 3))
        planes = [Image.fromarray(plane.astype(np.float32)) for plane in np.moveaxis(mixed, 2, 0)]
        grown = [np.asarray(plane.resize((IMAGE_SIDE, IMAGE_SIDE), Image.Resampling.BICUBIC)) for plane in planes]
        total += 60.0 * fading**octave * np.stack(grown, axis=2)
    return total


def picture(generator: np.random.Generator, fading: float, shapes: int) -> Image.Image:
    image = Image.fromarray(smooth_noise(generator, fading).clip(0, 255).astype(np.uint8))
    draw = ImageDraw.Draw(image)
    for _ in range(shapes):
        x, y, width, height = generator.integers(4, IMAGE_SIDE // 2, 4)
        box = [(x, y), (x + width, y + height)]
        colour = tuple(int(value) for value in generator.integers(0, 256, 3))
        draw.ellipse(box, fill=colour) if generator.random() < 0.5 else draw.rectangle(box, fill=colour)
    return image


def make_images(folder: Path, seed: int, fading: float, shapes: int) -> Path:
    folder.mkdir(exist_ok=True)
    generator = np.random.default_rng(seed)
    for index in range(IMAGES):
        picture(generator, fading, shapes).save(folder / f"{index:04}.png")
    return folder


def checked(real: Path, fake: Path) -> int:
    """The number of images a side."""
    sides = [image_files(folder) for folder in (real, fake)]
    if len(sides[0]) != len(sides[1]):
        raise Refusal(f"{fake}: {len(sides[1])} images, expected {len(sides[0])} as in {real}")
    sizes = {}
    for file in sides[0] + sides[1]:
        with Image.open(file) as image:
            sizes.setdefault(image.size, file)
    if len(sizes) > 1:
        (first, other) = list(sizes.items())[:2]
        raise Refusal(f"{other[1]}: {other[0]} pixels, expected {first[0]} as {first[1]}: the peers want one size")
    return len(sides[0])


# pgeval.


class Answer(dict):
    """What pgeval said, by name."""

    def __missing__(self, name: str) -> None:
        raise Refusal(f"pgeval gave no {name!r}, only {', '.join(map(repr, self)) or 'nothing'}")


@dataclass(frozen=True)
class Pgeval:
    program: Path
    onnxruntime: Path | None
    work: Path

    def run(self, *arguments: object) -> str:
        command = [str(self.program), *map(str, arguments)]
        if self.onnxruntime:
            command += ["--onnxruntime", str(self.onnxruntime)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        except OSError as error:
            raise Refusal(f"{self.program}: cannot be run ({error.strerror})") from None
        if done.returncode != 0:
            raise Refusal(f"{' '.join(command)}: exit status {done.returncode}: {done.stderr.strip()[-500:]}")
        return done.stdout

    def json(self, *arguments: object) -> Answer:
        said = self.run(*arguments, "--json")
        try:
            return json.loads(said, object_hook=Answer)
        except json.JSONDecodeError:
            raise Refusal(f"pgeval {arguments[0]} --json: expected one JSON object, found {said[:100]!r}") from None

    def described(self, images: Path, *arguments: object) -> Answer:
        out = self.work / "described.pgstats"
        out.unlink(missing_ok=True)
        self.run("stats", images, "--no-swd", "-o", out, *arguments)
        if not out.is_file():
            raise Refusal(f"pgeval stats: ended well but wrote no {out}")
        return Answer(load_file(out))


# The peers.


def torch_fidelity_features(network: nn.Module, folder: Path) -> dict[str, torch.Tensor]:
    dataset = ImagesPathDataset(image_files(folder))
    return get_featuresdict_from_dataset(dataset, network, BATCH, cuda=False, save_cpu_ram=True, verbose=False)


def clean_fid_features(network: nn.Module, folder: Path) -> np.ndarray:
    """With clean-fid's loader and resize; the network in the place of the one it downloads."""
    exported = inception.Exported(network, inception.ARCHITECTURES["fid"].centre).eval()
    return clean_fid.get_folder_features(
        str(folder),
        lambda pixels: exported(pixels)[0],
        num_workers=0,
        batch_size=BATCH,
        device=torch.device("cpu"),
        mode="clean",
        verbose=False,
    )


def pytorch_fid(weights: Path, *arguments: object) -> str:
    command = [sys.executable, "-c", PYTORCH_FID, str(weights), "--device", "cpu", "--num-workers", "0"]
    done = subprocess.run([*command, *map(str, arguments)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Refusal(f"pytorch-fid: exit status {done.returncode}: {done.stderr.strip()[-500:]}")
    return done.stdout


# Comparisons.


@dataclass(frozen=True)
class Case:
    pgeval: Pgeval
    network: nn.Module
    real: Path
    fake: Path
    count: int
    table: Table


def against_torch_fidelity(case: Case, model: Path) -> None:
    table, how = case.table, ("--model", model, "--resize", "tf1-bilinear")
    theirs = {}
    for name, folder in (("real", case.real), ("fake", case.fake)):
        theirs[name] = torch_fidelity_features(case.network, folder)
        ours = case.pgeval.described(folder, *how)
        for ours_name, theirs_name in (("features", "2048"), ("logits", "logits_unbiased")):
            label = f"torch-fidelity {ours_name} {name}"
            table.arrays(label, theirs[name][theirs_name].numpy(), ours[f"network.{ours_name}"])
    real, fake = theirs["real"]["2048"], theirs["fake"]["2048"]

    statistics = [fid_features_to_statistics(features) for features in (real, fake)]
    wanted = fid_statistics_to_metric(*statistics, verbose=False)["frechet_inception_distance"]
    table.relative("torch-fidelity FID", wanted, case.pgeval.json("fid", case.real, case.fake, *how)["value"])

    for splits in SPLITS:
        wanted = isc_features_to_metric(theirs["fake"]["logits_unbiased"], splits=splits, shuffle=False)
        found = case.pgeval.json("is", case.fake, *how, "--splits", splits)
        table.relative(f"torch-fidelity IS, {splits} splits", wanted["inception_score_mean"], found["value"])
        table.either(f"torch-fidelity IS, {splits} splits, deviation", wanted["inception_score_std"], found["std"])

    subset = {"kid_subsets": 1, "kid_subset_size": case.count, "verbose": False}
    wanted = kid_features_to_metric(real, fake, **subset)["kernel_inception_distance_mean"]
    found = case.pgeval.json("kid", case.real, case.fake, *how, "--subsets", 1, "--subset-size", case.count)
    table.either("torch-fidelity KID", wanted, found["value"])

    wanted = prc_features_to_metric(fake, real, verbose=False)
    for found in case.pgeval.json("pr", case.real, case.fake, *how)["metrics"]:
        name = found["metric"]
        table.absolute(f"torch-fidelity {name}", wanted[name], found["value"])


def against_clean_fid(case: Case, model: Path) -> None:
    how = ("--model", model, "--resize", "pil-bicubic")
    theirs = {}
    for name, folder in (("real", case.real), ("fake", case.fake)):
        theirs[name] = clean_fid_features(case.network, folder)
        case.table.arrays(
            f"clean-fid features {name}", theirs[name], case.pgeval.described(folder, *how)["network.features"]
        )
    wanted = clean_fid.fid_from_feats(theirs["real"], theirs["fake"])
    case.table.relative("clean-fid FID", wanted, case.pgeval.json("fid", case.real, case.fake, *how)["value"])


def against_pytorch_fid(case: Case, weights: Path, model: Path) -> None:
    """pgeval takes the recipe and the range from the file here."""
    moments = case.pgeval.work / "real.npz"
    moments.unlink(missing_ok=True)
    pytorch_fid(weights, "--save-stats", case.real, moments)
    ours = case.pgeval.described(case.real, "--model", model)["network.features"]
    with np.load(moments) as file:
        case.table.arrays(
            "pytorch-fid mean of features real", file["mu"][None], ours.mean(axis=0, dtype=np.float64)[None]
        )
    wanted = float(pytorch_fid(weights, moments, case.fake).rpartition("FID:")[2])
    found = case.pgeval.json("fid", moments, case.fake, "--model", model)["value"]
    case.table.relative("pytorch-fid FID, real.npz", wanted, found)


def weights_for(options: argparse.Namespace, folders: list[Path]) -> Weights:
    if options.weights:
        return inception.read_weights(options.weights, "fid", any_weights=True)
    weights, _ = inception.random_weights("fid", options.seed, folders)
    weights.state["fc.weight"] *= CLASS_WEIGHT_GAIN
    return weights


def compare(options: argparse.Namespace, work: Path) -> int:
    real = options.real or make_images(work / "real", 2 * options.seed, fading=0.75, shapes=3)
    fake = options.fake or make_images(work / "fake", 2 * options.seed + 1, fading=0.85, shapes=2)
    count = checked(real, fake)
    weights = weights_for(options, [real, fake])
    weights_file = work / "weights.pth"
    torch.save(weights.state, weights_file)
    network = inception.with_weights("fid", weights)
    models = {}
    for recipe, pixel_range in (("tf1-bilinear", (0.0, 255.0)), ("torch-bilinear", (0.0, 256.0))):
        models[recipe] = work / f"{recipe}.onnx"
        for line in inception.export(network, "fid", weights, Feeding(recipe, pixel_range), models[recipe]):
            print(line)
    print(f"{count} images a side, weights: {weights.name}\n")
    case = Case(Pgeval(options.pgeval.absolute(), options.onnxruntime, work), network, real, fake, count, Table())
    against_torch_fidelity(case, models["tf1-bilinear"])
    against_clean_fid(case, models["tf1-bilinear"])
    against_pytorch_fid(case, weights_file, models["torch-bilinear"])
    outside = case.table.outside()
    print(f"\n{len(outside)} of {len(case.table.rows)} outside the bound of {BOUND:g}", *outside, sep="\n  ")
    return 1 if outside else 0
