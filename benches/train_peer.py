"""What pgtrain's steps are measured against: ProGAN, or with `--network style` the style-based GAN, in eager PyTorch,
written the usual way.

Nearest upsampling before a convolution, average pooling behind one, leaky_relu, torch.optim.Adam, autograd; the weights
of D need no gradient while G is trained, and each step ends with zero_grad(set_to_none=True). One step is what one step
of pgtrain is: D on a minibatch of reals and as many fakes with gradient penalty (WGAN-GP, drift; or the non-saturating
loss with R1 at the scores that are there), the average of G's weights, then G. Prints `name<TAB>milliseconds` per line, the best of the steps timed:

    step/32         one whole step at 32 px, per image; D/32 and G/32 its two halves
    mean/32         the mean of all steps, per image

With `--values FILE` nothing is timed: the losses of one step with the weights and inputs of FILE (safetensors, written
by `cargo bench -p pg-training`) are printed as `value/NAME<TAB>value`, so that both can be seen to compute the same.

    train_peer.py --threads 2 --fmap-base 8192 --fmap-max 512 --minibatch 16 --levels 4,8,16,32
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

parser = argparse.ArgumentParser(description="Times ProGAN's training step in eager PyTorch.")
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--fmap-base", type=int, default=8192)
parser.add_argument("--fmap-max", type=int, default=512)
parser.add_argument("--latent-size", type=int, default=512)
parser.add_argument("--channels", type=int, default=3)
parser.add_argument("--minibatch", type=int, default=16)
parser.add_argument("--levels", default="4,8,16,32", help="resolutions in pixels")
parser.add_argument("--network", choices=["progressive", "style"], default="progressive")
parser.add_argument("--seconds", type=float, default=5.0, help="to spend on a level after its warm-up")
parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32", help="bf16 is torch.autocast")
parser.add_argument("--device", default="cpu")
parser.add_argument("--values", type=Path, metavar="FILE.safetensors")
ARGUMENTS = parser.parse_args()
os.environ["OMP_NUM_THREADS"] = str(ARGUMENTS.threads)

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import style_peer

STDDEV_GROUP = 4
LAMBDA, DRIFT = 10.0, 0.001
R1_GAMMA = 10.0
STYLE = ARGUMENTS.network == "style"


def feature_maps(stage: int) -> int:
    return min(ARGUMENTS.fmap_base >> stage, ARGUMENTS.fmap_max)


class Conv(nn.Module):
    """A convolution with equalised learning rate."""

    def __init__(self, inputs: int, outputs: int, kernel: int, gain: float = 2**0.5) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.scale = gain / (inputs * kernel * kernel) ** 0.5
        self.padding = kernel // 2

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.weight * self.scale, self.bias, padding=self.padding)


class Dense(nn.Module):
    """A dense layer with equalised learning rate."""

    def __init__(self, inputs: int, outputs: int, gain: float = 2**0.5, bias: int | None = None) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs))
        self.bias = nn.Parameter(torch.zeros(outputs if bias is None else bias))
        self.scale = gain / inputs**0.5

    def forward(self, x: Tensor) -> Tensor:
        y = F.linear(x, self.weight * self.scale)
        if self.bias.numel() != y.shape[1]:  # one bias per map of 4x4
            return y.view(len(y), -1, 4, 4) + self.bias.view(1, -1, 1, 1)
        return y + self.bias


def pixel_norm(x: Tensor) -> Tensor:
    return x * torch.rsqrt((x * x).mean(dim=1, keepdim=True) + 1e-8)


def minibatch_stddev(x: Tensor) -> Tensor:
    n, c, h, w = x.shape
    group = min(STDDEV_GROUP, n)
    y = x.view(group, n // group, c, h, w)
    y = y - y.mean(dim=0, keepdim=True)
    y = torch.sqrt((y * y).mean(dim=0) + 1e-8).mean(dim=(1, 2, 3), keepdim=True)
    return torch.cat([x, y.repeat(group, 1, h, w)], dim=1)


def levels(resolution: int) -> list[int]:
    return [1 << log2 for log2 in range(2, resolution.bit_length())]


class Generator(nn.Module):
    def __init__(self, resolution: int) -> None:
        super().__init__()
        maps = feature_maps
        self.dense = Dense(ARGUMENTS.latent_size, maps(1) * 16, gain=2**0.5 / 4, bias=maps(1))
        self.first = Conv(maps(1), maps(1), 3)
        self.up, self.keep, self.to_rgb = nn.ModuleDict(), nn.ModuleDict(), nn.ModuleDict()
        for px in levels(resolution):
            stage = px.bit_length() - 2
            if px > 4:
                self.up[str(px)] = Conv(maps(stage - 1), maps(stage), 3)
                self.keep[str(px)] = Conv(maps(stage), maps(stage), 3)
            self.to_rgb[str(px)] = Conv(maps(stage), ARGUMENTS.channels, 1, gain=1.0)

    def forward(self, latents: Tensor, px: int) -> Tensor:
        x = pixel_norm(F.leaky_relu(self.dense(pixel_norm(latents)), 0.2))
        x = pixel_norm(F.leaky_relu(self.first(x), 0.2))
        for level in levels(px)[1:]:
            x = F.interpolate(x, scale_factor=2, mode="nearest")
            x = pixel_norm(F.leaky_relu(self.up[str(level)](x), 0.2))
            x = pixel_norm(F.leaky_relu(self.keep[str(level)](x), 0.2))
        return self.to_rgb[str(px)](x)


class Discriminator(nn.Module):
    def __init__(self, resolution: int) -> None:
        super().__init__()
        maps = feature_maps
        self.from_rgb, self.keep, self.down = nn.ModuleDict(), nn.ModuleDict(), nn.ModuleDict()
        for px in levels(resolution):
            stage = px.bit_length() - 2
            self.from_rgb[str(px)] = Conv(ARGUMENTS.channels, maps(stage), 1)
            if px > 4:
                self.keep[str(px)] = Conv(maps(stage), maps(stage), 3)
                self.down[str(px)] = Conv(maps(stage), maps(stage - 1), 3)
        self.last = Conv(maps(1) + 1, maps(1), 3)
        self.dense = Dense(maps(1) * 16, maps(0))
        self.score = Dense(maps(0), 1, gain=1.0)

    def forward(self, images: Tensor, px: int) -> Tensor:
        x = F.leaky_relu(self.from_rgb[str(px)](images), 0.2)
        for level in reversed(levels(px)[1:]):
            x = F.leaky_relu(self.keep[str(level)](x), 0.2)
            if STYLE:
                x = style_peer.blur(x)
            x = F.leaky_relu(F.avg_pool2d(self.down[str(level)](x), 2), 0.2)
        x = F.leaky_relu(self.last(minibatch_stddev(x)), 0.2)
        x = F.leaky_relu(self.dense(x.flatten(1)), 0.2)
        return self.score(x).flatten()


class Trainer:
    """Both networks at one level."""

    def __init__(self, px: int) -> None:
        self.px = px
        self.device = torch.device(ARGUMENTS.device)
        made = (lambda: style_peer.StyleGenerator(px, ARGUMENTS, feature_maps, Conv, Dense)) if STYLE else (lambda: Generator(px))
        self.generator = made().to(self.device)
        self.average = made().to(self.device).requires_grad_(False)
        self.discriminator = Discriminator(px).to(self.device)
        adam = {"lr": 0.001, "betas": (0.0, 0.99), "eps": 1e-8}
        self.g_adam = torch.optim.Adam(self.generator.parameters(), **adam)
        self.d_adam = torch.optim.Adam(self.discriminator.parameters(), **adam)

    def autocast(self) -> torch.autocast:
        bf16 = ARGUMENTS.precision == "bf16"
        return torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=bf16)

    def d_loss(
        self, reals: Tensor, latents: Tensor, mix: Tensor, **style: object
    ) -> tuple[Tensor, dict[str, Tensor]]:
        with self.autocast():
            with torch.no_grad():
                fakes = self.generator(latents, self.px, **style).float()
            if STYLE:
                return self.d_loss_with_r1(reals.requires_grad_(True), fakes)
            real_scores = self.discriminator(reals, self.px).float()
            fake_scores = self.discriminator(fakes, self.px).float()
            mixed = torch.lerp(reals, fakes, mix.view(-1, 1, 1, 1)).requires_grad_(True)
            score = self.discriminator(mixed, self.px).float().sum()
        gradient = torch.autograd.grad(score, mixed, create_graph=True)[0]
        norm = gradient.square().sum(dim=(1, 2, 3)).sqrt()
        penalty = LAMBDA * (norm - 1.0).square()
        loss = (fake_scores - real_scores + penalty + DRIFT * real_scores.square()).mean()
        return loss, {"real": real_scores.mean(), "fake": fake_scores.mean(), "gradient_norm": norm.mean()}

    def d_loss_with_r1(self, reals: Tensor, fakes: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        real_scores = self.discriminator(reals, self.px).float()
        fake_scores = self.discriminator(fakes, self.px).float()
        gradient = torch.autograd.grad(real_scores.sum(), reals, create_graph=True)[0]
        squared = gradient.square().sum(dim=(1, 2, 3))
        loss = (F.softplus(fake_scores) + F.softplus(-real_scores) + R1_GAMMA / 2 * squared).mean()
        norm = squared.detach().sqrt().mean()
        return loss, {"real": real_scores.mean(), "fake": fake_scores.mean(), "gradient_norm": norm}

    def g_loss(self, latents: Tensor, **style: object) -> Tensor:
        with self.autocast():
            scores = self.discriminator(self.generator(latents, self.px, **style), self.px).float()
            return F.softplus(-scores).mean() if STYLE else -scores.mean()

    def step(self, reals: Tensor) -> tuple[float, float]:
        """Seconds of both halves."""
        n = len(reals)
        started = time.perf_counter()
        reals = reals.to(self.device).float() * (1 / 127.5) - 1.0
        latents = torch.randn(n, ARGUMENTS.latent_size, device=self.device)
        loss, _ = self.d_loss(reals, latents, torch.rand(n, device=self.device))
        loss.backward()
        self.d_adam.step()
        self.d_adam.zero_grad(set_to_none=True)
        with torch.no_grad():
            for average, weight in zip(self.average.parameters(), self.generator.parameters(), strict=True):
                average.lerp_(weight, 0.001)
        loss.item()
        middle = time.perf_counter()
        self.discriminator.requires_grad_(False)
        loss = self.g_loss(torch.randn(n, ARGUMENTS.latent_size, device=self.device))
        loss.backward()
        self.g_adam.step()
        self.g_adam.zero_grad(set_to_none=True)
        self.discriminator.requires_grad_(True)
        loss.item()
        return middle - started, time.perf_counter() - middle


def measure(px: int) -> None:
    trainer = Trainer(px)
    n = ARGUMENTS.minibatch
    reals = torch.randint(256, (n, ARGUMENTS.channels, px, px), dtype=torch.uint8)
    for _ in range(2):
        trainer.step(reals)
    best: dict[str, float] = {}
    started, steps = time.perf_counter(), 0
    while time.perf_counter() < started + ARGUMENTS.seconds or steps == 0:
        d, g = trainer.step(reals)
        steps += 1
        for name, seconds in (("step", d + g), ("D", d), ("G", g)):
            best[name] = min(best.get(name, seconds), seconds)
    best["mean"] = (time.perf_counter() - started) / steps
    for name, seconds in best.items():
        print(f"{name}/{px}\t{seconds * 1e3 / n:.5f}", flush=True)


def read_safetensors(path: Path) -> dict[str, Tensor]:
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    tensors = {}
    for name, entry in header.items():
        if name != "__metadata__":
            start, end = (8 + length + offset for offset in entry["data_offsets"])
            kind = {"F32": torch.float32, "U8": torch.uint8}[entry["dtype"]]
            tensors[name] = torch.frombuffer(bytearray(data[start:end]), dtype=kind).view(entry["shape"])
    return tensors


def norm_of(gradients: Sequence[Tensor | None]) -> Tensor:
    """Of all that are there; layers above the level in use have none."""
    return sum(g.square().sum() for g in gradients if g is not None).sqrt()


def values(path: Path) -> None:
    tensors = read_safetensors(path)
    reals = tensors["input.reals"]
    px = reals.shape[-1]
    trainer = Trainer(px)
    named = {
        "generator": {"first": "r0004.conv", "dense": "r0004.dense", "up": "conv0_up", "keep": "conv1"},
        "discriminator": {"last": "r0004.conv", "dense": "r0004.dense", "score": "r0004.score"}
        | {"keep": "conv0", "down": "conv1_down"},
    }
    style: list[dict[str, object]] = [{}, {}]
    if STYLE:
        style_peer.load(trainer.generator, tensors)
        del named["generator"]
        layers = 2 * (px.bit_length() - 2)
        noise = [[tensors[f"input.{step}_noise{layer}"] for layer in range(layers)] for step in "dg"]
        style = [{"noise": pictures, "mixing": 0.0} for pictures in noise]
    for network, names in named.items():
        for name, parameter in getattr(trainer, network).named_parameters():
            parts = name.split(".")
            if len(parts) == 3:  # up.32.weight
                layer = f"r{int(parts[1]):04}.{names.get(parts[0], parts[0])}"
            else:
                layer = names[parts[0]]
            stored = tensors[f"{network}.{layer}.{parts[-1]}"]
            parameter.data.copy_(stored)
    reals = reals.float() * (1 / 127.5) - 1.0
    loss, parts = trainer.d_loss(reals, tensors["input.d_latents"], tensors["input.mix"], **style[0])
    gradients = torch.autograd.grad(loss, list(trainer.discriminator.parameters()), allow_unused=True)
    found = {"d_loss": loss, **parts, "d_weight_gradient": norm_of(gradients)}
    loss = trainer.g_loss(tensors["input.g_latents"], **style[1])
    gradients = torch.autograd.grad(loss, list(trainer.generator.parameters()), allow_unused=True)
    found |= {"g_loss": loss, "g_weight_gradient": norm_of(gradients)}
    for name, value in found.items():
        print(f"value/{name}\t{value.item():.9g}")


def main() -> None:
    torch.set_num_threads(ARGUMENTS.threads)
    torch.manual_seed(0)
    if ARGUMENTS.values is not None:
        values(ARGUMENTS.values)
        return
    for px in ARGUMENTS.levels.split(","):
        measure(int(px))


if __name__ == "__main__":
    sys.exit(main())
