"""The style-based networks (arXiv:1812.04948) in eager PyTorch, written the usual way, for train_peer.py.

Nearest upsampling, convolution, depthwise blur; noise, bias, leaky_relu, instance norm by mean and variance, style; the
discriminator is ProGAN's with a blur before each convolution that halves.
"""

from argparse import Namespace
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LR_MULTIPLIER = 0.01
MIXING = 0.9


def blur(x: Tensor) -> Tensor:
    row = torch.tensor([0.25, 0.5, 0.25], device=x.device, dtype=x.dtype)
    kernel = row.outer(row)[None, None].repeat(x.shape[1], 1, 1, 1)
    return F.conv2d(x, kernel, padding=1, groups=x.shape[1])


class MappingLayer(nn.Module):
    def __init__(self, size: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(size, size) / LR_MULTIPLIER)
        self.bias = nn.Parameter(torch.zeros(size))
        self.scale = (2 / size) ** 0.5 * LR_MULTIPLIER

    def forward(self, x: Tensor) -> Tensor:
        return F.leaky_relu(F.linear(x, self.weight * self.scale, self.bias * LR_MULTIPLIER), 0.2)


class Epilogue(nn.Module):
    """Noise, bias, rectifier, instance norm, style."""

    def __init__(self, maps: int, size: int, dense: type[nn.Module]) -> None:
        super().__init__()
        self.noise = nn.Parameter(torch.zeros(maps))
        self.bias = nn.Parameter(torch.zeros(maps))
        self.style = dense(size, 2 * maps, gain=1.0)

    def forward(self, x: Tensor, w: Tensor, noise: Tensor | None) -> Tensor:
        if noise is None:
            noise = torch.randn(len(x), 1, x.shape[2], x.shape[3], device=x.device, dtype=x.dtype)
        x = x + noise * self.noise.view(1, -1, 1, 1)
        x = F.leaky_relu(x + self.bias.view(1, -1, 1, 1), 0.2)
        x = x - x.mean(dim=(2, 3), keepdim=True)
        x = x * torch.rsqrt(x.square().mean(dim=(2, 3), keepdim=True) + 1e-8)
        scale, shift = self.style(w)[:, :, None, None].chunk(2, dim=1)
        return x * (scale + 1) + shift


class StyleGenerator(nn.Module):
    def __init__(
        self,
        resolution: int,
        arguments: Namespace,
        maps: Callable[[int], int],
        conv: type[nn.Module],
        dense: type[nn.Module],
    ) -> None:
        super().__init__()
        size = arguments.latent_size
        self.mapping = nn.ModuleList(MappingLayer(size) for _ in range(8))
        self.register_buffer("average", torch.zeros(size))
        self.constant = nn.Parameter(torch.ones(1, maps(1), 4, 4))
        self.convs, self.epilogues, self.to_rgb = nn.ModuleDict(), nn.ModuleDict(), nn.ModuleDict()
        self.names = []
        for px in [1 << log2 for log2 in range(2, resolution.bit_length())]:
            stage = px.bit_length() - 2
            first = "const" if px == 4 else "conv0_up"
            second = "conv" if px == 4 else "conv1"
            for name, inputs in ((first, maps(stage - 1)), (second, maps(stage))):
                key = f"r{px:04}_{name}"
                self.names.append(key)
                self.epilogues[key] = Epilogue(maps(stage), size, dense)
                if name != "const":
                    self.convs[key] = conv(inputs, maps(stage), 3)
            self.to_rgb[str(px)] = conv(maps(stage), arguments.channels, 1, gain=1.0)

    def map(self, latents: Tensor) -> Tensor:
        w = latents * torch.rsqrt(latents.square().mean(dim=1, keepdim=True) + 1e-8)
        for layer in self.mapping:
            w = layer(w)
        return w

    def forward(self, latents: Tensor, px: int, noise: list[Tensor] | None = None, mixing: float = MIXING) -> Tensor:
        names = self.names[: 2 * (px.bit_length() - 2)]
        w = self.map(latents)
        with torch.no_grad():
            self.average.lerp_(w.mean(dim=0), 0.005)
        styles = [w] * len(names)
        if torch.rand(()) < mixing:
            start = int(torch.randint(1, len(names), ()))
            styles = [w] * start + [self.map(torch.randn_like(latents))] * (len(names) - start)
        x = self.constant.expand(len(latents), -1, -1, -1)
        for index, name in enumerate(names):
            if name in self.convs:
                up = name.endswith("conv0_up")
                if up:
                    x = F.interpolate(x, scale_factor=2, mode="nearest")
                conv = self.convs[name]
                x = F.conv2d(x, conv.weight * conv.scale, padding=1)
                if up:
                    x = blur(x)
            x = self.epilogues[name](x, styles[index], None if noise is None else noise[index])
        return self.to_rgb[str(px)](x)


def load(generator: StyleGenerator, tensors: dict[str, Tensor]) -> None:
    """Weights by the names of pgkit's snapshots."""
    stored = {name.removeprefix("generator."): t for name, t in tensors.items() if name.startswith("generator.")}
    for k, layer in enumerate(generator.mapping):
        layer.weight.data.copy_(stored[f"mapping.dense{k}.weight"])
        layer.bias.data.copy_(stored[f"mapping.dense{k}.bias"])
    generator.constant.data.copy_(stored["r0004.const.value"])
    for key, epilogue in generator.epilogues.items():
        name = key.replace("_", ".", 1)
        if key in generator.convs:
            generator.convs[key].weight.data.copy_(stored[f"{name}.weight"])
        epilogue.bias.data.copy_(stored[f"{name}.bias"])
        epilogue.noise.data.copy_(stored[f"{name}.noise"])
        epilogue.style.weight.data.copy_(stored[f"{name}.style.weight"])
        epilogue.style.bias.data.copy_(stored[f"{name}.style.bias"])
    for px, conv in generator.to_rgb.items():
        conv.weight.data.copy_(stored[f"r{int(px):04}.to_rgb.weight"])
        conv.bias.data.copy_(stored[f"r{int(px):04}.to_rgb.bias"])
