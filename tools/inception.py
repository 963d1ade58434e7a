"""Inception networks as ONNX files for pgeval: building, calibrating, exporting, checking.

The part of export_inception.py that needs torch; call that program. The architecture is torch-fidelity's
(`FeatureExtractorInceptionV3`, which is the network of TensorFlow's graph of 2015-12-05) or torchvision's.

Written against torch 2.11.0, torchvision 0.26.0, torch-fidelity 0.4.0, onnx 1.23.2 and onnxruntime 1.32.0.
"""

import hashlib
import io
import pickle
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
import torch_fidelity
import torchvision
from PIL import Image, UnidentifiedImageError
from torch import nn
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
from torch_fidelity.interpolate_compat_tensorflow import interpolate_bilinear_2d_like_tensorflow1x

from support import Refusal, image_files, partial_file

SIDE = 299
# Old enough for every ONNX Runtime that pgeval loads.
OPSET = 17
# ONNX Runtime's features and logits against torch's: length of the difference over length, of every image.
TOLERANCE = 1e-4
# They go through the network as one batch in train mode, which takes about 30 MB an image.
MOST_CALIBRATION_IMAGES = 128


@dataclass(frozen=True)
class Architecture:
    """What differs between the networks."""

    title: str
    classes: int
    # As published; the file name carries the start of the file's SHA-256.
    weights: str
    weights_sha256: str
    # The graph begins with (x - centre) / centre, x = 0..255.
    centre: float


ARCHITECTURES = {
    "fid": Architecture(
        title="Inception v3 of FID (TensorFlow 2015-12-05)",
        classes=1008,
        weights="pt_inception-2015-12-05-6726825d.pth",
        weights_sha256="6726825d",
        centre=128.0,
    ),
    # Its weights want -1..1: torchvision's `transform_input` undoes ImageNet's means and deviations.
    "torchvision": Architecture(
        title="Inception v3 of torchvision",
        classes=1000,
        weights="inception_v3_google-0cc3c7bd.pth",
        weights_sha256="0cc3c7bd",
        centre=127.5,
    ),
}


@dataclass(frozen=True)
class Weights:
    """Parameters, and where they come from."""

    state: dict[str, torch.Tensor]
    name: str
    sha256: str


@dataclass(frozen=True)
class Feeding:
    """How the network wants its images, for pgeval: a resize recipe, and what 0 and 255 become."""

    resize: str
    range: tuple[float, float]


# Architectures.


class _Untrained(FeatureExtractorInceptionV3):
    """torch-fidelity's network as initialised: the constructor would download weights and load them."""

    def __init__(self) -> None:
        nothing = io.BytesIO()
        torch.save({}, nothing)
        nothing.seek(0)
        super().__init__("pgkit", ["2048", "logits_unbiased"], feature_extractor_weights_path=nothing)

    def load_state_dict(self, *_arguments: object, **_named: object) -> None:
        """Leaves everything as it is."""


def blank(architecture: str) -> nn.Module:
    """The network of another package, initialised by torch's generator."""
    if architecture == "fid":
        return _Untrained()
    # Published weights include the auxiliary classifier.
    return torchvision.models.inception_v3(weights=None, aux_logits=True, init_weights=False).eval()


def with_weights(architecture: str, weights: Weights) -> nn.Module:
    """The network of another package, with these parameters."""
    network = blank(architecture)
    wanted = {name: value.shape for name, value in network.state_dict().items()}
    # Files from before PyTorch 0.4.1 do not count batches; in evaluation nothing reads the count.
    uncounted = {name for name in wanted if name.endswith("num_batches_tracked")}
    found = {name: value.shape for name, value in weights.state.items()}
    for name in sorted((wanted.keys() | found.keys()) - uncounted):
        if wanted.get(name) != found.get(name):
            title = ARCHITECTURES[architecture].title
            raise Refusal(
                f"{weights.name}: {name} is {shape_text(found.get(name))}, expected "
                f"{shape_text(wanted.get(name))} for {title}; see --architecture"
            )
    nn.Module.load_state_dict(network, weights.state, strict=False)
    return network


def shape_text(shape: torch.Size | None) -> str:
    return "absent" if shape is None else f"[{','.join(map(str, shape))}]"


class Exported(nn.Module):
    """From resized pixels, 0..255, to features and to class scores without their bias."""

    def __init__(self, network: nn.Module, centre: float) -> None:
        super().__init__()
        # In both packages the parts are defined in the order in which an image passes them.
        aside = {"AuxLogits", "dropout", "fc"}
        self.body = nn.Sequential(*(part for name, part in network.named_children() if name not in aside))
        self.classifier = network.fc.weight
        self.centre = centre

    def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        features = self.body((pixels - self.centre) / self.centre).flatten(1)
        return features, features.mm(self.classifier.T)


# Weights.


def read_weights(path: Path, architecture: str, any_weights: bool) -> Weights:
    """The published file, or any with `any_weights`."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        published = ARCHITECTURES[architecture].weights
        raise Refusal(f"{path}: {error.strerror}; expected the published weights, {published}") from None
    sha256 = hashlib.sha256(raw).hexdigest()
    expected = ARCHITECTURES[architecture].weights_sha256
    if not (any_weights or sha256.startswith(expected)):
        raise Refusal(
            f"{path}: its SHA-256 starts with {sha256[:8]}, expected {expected}: not the published weights, "
            "or damaged; --any-weights takes it all the same"
        )
    try:
        state = torch.load(io.BytesIO(raw), map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, LookupError, ValueError, AttributeError):
        # torch's own words speak of pickle's inside, or advise to run what the file says.
        found = f"found {len(raw)} bytes of something else; fetch the file again"
        raise Refusal(f"{path}: expected tensors by name as torch.save writes them, {found}") from None
    if not (isinstance(state, dict) and all(isinstance(value, torch.Tensor) for value in state.values())):
        raise Refusal(f"{path}: expected tensors by name, found a {type(state).__name__} of something else")
    return Weights(state, path.name, sha256)


def random_weights(architecture: str, seed: int, folders: list[Path]) -> tuple[Weights, bytes]:
    """Torch's default initialisation, calibrated on the images of `folders` if any; and as a file."""
    torch.manual_seed(seed)
    network = blank(architecture)
    name = f"random, seed {seed}"
    if folders:
        files = calibration_files(folders)
        calibrate(network, ARCHITECTURES[architecture], files)
        name += f", calibrated on {len(files)} images"
    state = dict(network.state_dict())
    written = io.BytesIO()
    torch.save(state, written)
    raw = written.getvalue()
    return Weights(state, name, hashlib.sha256(raw).hexdigest()), raw


def calibration_files(folders: list[Path]) -> list[Path]:
    """All images, or as many as there may be, evenly spaced."""
    files = [file for folder in folders for file in image_files(folder)]
    count = min(len(files), MOST_CALIBRATION_IMAGES)
    return [files[index * len(files) // count] for index in range(count)]


def calibrate(network: nn.Module, architecture: Architecture, files: list[Path]) -> None:
    """Sets the statistics of every BatchNorm to those of one pass; as initialised, activations vanish."""
    normalisations = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    for normalisation in normalisations:
        normalisation.momentum = 1.0
    pixels = torch.cat([resized(file) for file in files])
    exported = Exported(network, architecture.centre)
    exported.train()
    with torch.no_grad():
        exported(pixels)
    exported.eval()


def resized(file: Path) -> torch.Tensor:
    """`[1,3,299,299]`, 0..255, by the resize of TensorFlow 1."""
    try:
        with Image.open(file) as image:
            pixels = np.asarray(image.convert("RGB"))
    except (OSError, UnidentifiedImageError, SyntaxError) as error:
        raise Refusal(f"{file}: cannot be read as an image ({error})") from None
    planes = torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float()
    return interpolate_bilinear_2d_like_tensorflow1x(planes, size=(SIDE, SIDE), align_corners=False)


# Export.


def export(network: nn.Module, architecture: str, weights: Weights, feeding: Feeding, out: Path) -> list[str]:
    """Writes `out` and compares it with `network`; what to tell the user."""
    facts = ARCHITECTURES[architecture]
    exported = Exported(network, facts.centre).eval()
    with partial_file(out) as partial:
        model = onnx_model(exported)
        onnx.helper.set_model_props(model, properties(facts, weights, feeding))
        onnx.checker.check_model(model, full_check=True)
        onnx.save(model, partial)
        worst = differences(exported, partial)
        for (batch, name), difference in worst.items():
            if not difference <= TOLERANCE:
                raise Refusal(
                    f"{out}: {name} of a batch of {batch} differ from torch's by {difference:.1e} relative, "
                    f"expected at most {TOLERANCE:.0e}; nothing was written"
                )
    raw = out.read_bytes()
    shown = ", ".join(f"{name} {difference:.1e} (batch {batch})" for (batch, name), difference in worst.items())
    return [
        f"{out}: {len(raw)} bytes, SHA-256 {hashlib.sha256(raw).hexdigest()}",
        f"ONNX Runtime against torch, relative, at most {TOLERANCE:.0e} allowed: {shown}",
    ]


def onnx_model(exported: Exported) -> onnx.ModelProto:
    """The graph; the exporter folds every BatchNorm into its convolution."""
    written = io.BytesIO()
    with warnings.catch_warnings():
        # The newer exporter needs onnxscript and gives the same graph.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            exported,
            (torch.zeros(2, 3, SIDE, SIDE),),
            written,
            input_names=["input"],
            output_names=["features", "logits"],
            dynamic_axes={name: {0: "N"} for name in ("input", "features", "logits")},
            opset_version=OPSET,
            dynamo=False,
        )
    model = onnx.load_from_string(written.getvalue())
    # Says where in which file a node was made: of no use, and different on every machine.
    for node in model.graph.node:
        node.ClearField("doc_string")
    return model


def properties(architecture: Architecture, weights: Weights, feeding: Feeding) -> dict[str, str]:
    packages = {"torch": torch, "torch-fidelity": torch_fidelity, "torchvision": torchvision}
    versions = ", ".join(f"{name} {package.__version__}" for name, package in packages.items())
    return {
        "pg.input_size": str(SIDE),
        "pg.resize": feeding.resize,
        "pg.range": range_text(feeding.range),
        "pg.features": "features",
        "pg.logits": "logits",
        "pg.architecture": architecture.title,
        "pg.weights": weights.name,
        "pg.weights_sha256": weights.sha256,
        "pg.exporter": f"pgkit export_inception.py, {versions}",
    }


def range_text(ends: tuple[float, float]) -> str:
    return f"[{ends[0]:g},{ends[1]:g}]"


def differences(exported: Exported, model: Path) -> dict[tuple[int, str], float]:
    """The greatest of every batch and output, on random pixels."""
    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    generator = np.random.default_rng(1)
    found = {}
    for batch in (1, 3):
        pixels = generator.integers(0, 256, (batch, 3, SIDE, SIDE)).astype(np.float32)
        with torch.no_grad():
            wanted = exported(torch.from_numpy(pixels))
        names = ("features", "logits")
        for name, ours, theirs in zip(names, session.run(list(names), {"input": pixels}), wanted, strict=True):
            found[batch, name] = relative_difference(ours, theirs.numpy())
    return found


def relative_difference(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Of `[n,d]` each: the greatest |ours - theirs| / |theirs| of a row."""
    ours, theirs = ours.astype(np.float64), theirs.astype(np.float64)
    length = np.linalg.norm(theirs, axis=1)
    return float((np.linalg.norm(ours - theirs, axis=1) / np.maximum(length, 1e-30)).max())
