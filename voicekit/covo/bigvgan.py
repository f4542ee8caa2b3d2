"""Causal BigVGAN (Lee et al., 2023), the released model's vocoder: latents at 100 Hz -> samples, with the released names.

Every convolution but the first looks back only. What still looks ahead: `conv_pre` by 3 latents, and each anti-aliased
activation by 5 samples of its own rate; `BigVGAN.look_ahead_latents` adds them up (13 latents, 130 ms, for the released sizes).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from voicekit.errors import BaseModelError
from voicekit.records import FloatArray

PRE_TAPS = POST_TAPS = 7
FILTER_TAPS = 12
# An activation doubles the rate, bends the wave and halves the rate again: its output n hears n - 5 ... n + 5.
FILTER_REACH = 5


@dataclass(frozen=True)
class BigVGANConfig:
    """Each of `rates` is one transposed convolution, which halves the channels; after it the mean of one residual stack for
    each of `kernels`, with the `dilations` of its place."""

    latents: int = 64
    channels: int = 1536
    rates: tuple[int, ...] = (5, 3, 2, 2, 2, 2)
    kernels: tuple[int, ...] = (3, 7, 11)
    dilations: tuple[tuple[int, ...], ...] = ((1, 3, 5), (1, 3, 5), (1, 3, 5))


def low_pass() -> Tensor:
    """float32 [1, 1, 12]: Kaiser-windowed sinc with its edge at a quarter of the doubled rate."""
    width, half = 0.3, FILTER_TAPS // 2
    attenuation = 2.285 * (half - 1) * np.pi * 4 * width + 7.95
    beta = 0.1102 * (attenuation - 8.7)  # Kaiser's rule above 50 dB
    t = torch.arange(-half, half, dtype=torch.float64) + 0.5
    taps = torch.kaiser_window(FILTER_TAPS, periodic=False, beta=float(beta), dtype=torch.float64) * torch.sinc(0.5 * t)
    return (taps / taps.sum()).float().view(1, 1, -1)


class Filter(nn.Module):
    filter: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("filter", low_pass())


class Down(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lowpass = Filter()


class SnakeBeta(nn.Module):
    """x + sin^2(a x) / b, with a and b stored as logarithms (Ziyin et al., 2020; BigVGAN, section 3.2)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.zeros(channels))
        self.beta = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        return x + torch.sin(x * self.alpha.exp()[:, None]) ** 2 / (self.beta.exp()[:, None] + 1e-9)


class Activation(nn.Module):
    """SnakeBeta at twice the rate, so that what it adds above the band is filtered away. [B, C, T] -> [B, C, T]."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.act = SnakeBeta(channels)
        self.upsample = Filter()
        self.downsample = Down()

    def forward(self, x: Tensor) -> Tensor:
        b, c, t = x.shape
        edge = FILTER_TAPS // 2 - 1
        rows = F.pad(x, (edge, edge), mode="replicate").view(b * c, 1, -1)
        cut = 3 * edge  # what the padding made, and the filter's delay
        doubled = 2 * F.conv_transpose1d(rows, self.upsample.filter, stride=2)[..., cut:-cut]
        bent = self.act(doubled.view(b, c, 2 * t))
        rows = F.pad(bent, (edge, edge + 1), mode="replicate").view(b * c, 1, -1)
        return F.conv1d(rows, self.downsample.lowpass.filter, stride=2).view(b, c, t)


class NormedConv(nn.Module):
    """A convolution whose weight is g v / |v| (old-style weight norm); `fold` makes it an ordinary one.

    The norm is over all but the first dimension, which is the output's, or the input's of a transposed convolution.
    """

    weight: Tensor

    def __init__(self, first: int, second: int, taps: int, out: int, dilation: int = 1) -> None:
        super().__init__()
        self.dilation = dilation
        self.weight_g = nn.Parameter(torch.ones(first, 1, 1))
        self.weight_v = nn.Parameter(torch.randn(first, second, taps))
        self.bias = nn.Parameter(torch.zeros(out))

    def fold(self) -> None:
        v = self.weight_v.detach()
        self.register_buffer("weight", self.weight_g.detach() * v / v.norm(dim=(1, 2), keepdim=True), persistent=False)
        del self.weight_g, self.weight_v

    def forward(self, x: Tensor) -> Tensor:
        """Causal: zeros are put before, none behind."""
        before = (self.weight.shape[2] - 1) * self.dilation
        return F.conv1d(F.pad(x, (before, 0)), self.weight, self.bias, dilation=self.dilation)


class ResidualStack(nn.Module):
    def __init__(self, channels: int, taps: int, dilations: tuple[int, ...]) -> None:
        super().__init__()
        self.convs1 = nn.ModuleList(NormedConv(channels, channels, taps, channels, d) for d in dilations)
        self.convs2 = nn.ModuleList(NormedConv(channels, channels, taps, channels) for _ in dilations)
        self.activations = nn.ModuleList(Activation(channels) for _ in range(2 * len(dilations)))

    def forward(self, x: Tensor) -> Tensor:
        for first, second, one, two in zip(self.convs1, self.convs2, self.activations[::2], self.activations[1::2], strict=True):
            x = x + second(two(first(one(x))))
        return x


class BigVGAN(nn.Module):
    """A vocoder (see `voicekit.covo.vocoder`). Call `fold` once the weights are there."""

    def __init__(self, config: BigVGANConfig) -> None:
        super().__init__()
        self.config = config
        widths = [config.channels // 2**i for i in range(len(config.rates) + 1)]
        self.conv_pre = NormedConv(widths[0], config.latents, PRE_TAPS, widths[0])
        self.ups = nn.ModuleList(
            nn.ModuleList([NormedConv(wide, narrow, 2 * rate, narrow)])
            for wide, narrow, rate in zip(widths, widths[1:], config.rates, strict=False)
        )
        self.resblocks = nn.ModuleList(
            ResidualStack(width, taps, dilations)
            for width in widths[1:]
            for taps, dilations in zip(config.kernels, config.dilations, strict=True)
        )
        self.activation_post = Activation(widths[-1])
        self.conv_post = NormedConv(1, widths[-1], POST_TAPS, 1)

    def fold(self) -> BigVGAN:
        for module in self.modules():
            if isinstance(module, NormedConv):
                module.fold()
        return self

    def forward(self, latents: Tensor) -> Tensor:
        """Raw latents [B, 64, M] -> samples [B, M * samples_per_latent] in -1..1."""
        x = F.conv1d(latents, self.conv_pre.weight, self.conv_pre.bias, padding=PRE_TAPS // 2)
        stacks = len(self.config.kernels)
        for i, rate in enumerate(self.config.rates):
            up = self.ups[i][0]  # type: ignore[index]
            x = F.conv_transpose1d(x, up.weight, up.bias, stride=rate)[..., :-rate]
            x = torch.stack([stack(x) for stack in self.resblocks[stacks * i : stacks * (i + 1)]]).mean(0)
        return torch.tanh(self.conv_post(self.activation_post(x)))[:, 0]

    @property
    def samples_per_latent(self) -> int:
        return prod(self.config.rates)

    @property
    def look_ahead_latents(self) -> int:
        """Latents behind one on which its samples depend."""
        reach = self.samples_per_latent - 1 + FILTER_REACH
        for rate in reversed(self.config.rates):
            reach = (reach + max(2 * len(d) for d in self.config.dilations) * FILTER_REACH) // rate
        return reach + PRE_TAPS // 2

    @property
    def context_latents(self) -> int:
        """Latents before one on which its samples depend: with so many given, they are what the whole would make."""
        reach = POST_TAPS - 1 + FILTER_REACH
        for rate in reversed(self.config.rates):
            stacks = zip(self.config.kernels, self.config.dilations, strict=True)
            reach += max(sum((k - 1) * (d + 1) + 2 * FILTER_REACH for d in dilations) for k, dilations in stacks)
            reach = -(-reach // rate) + 1
        return reach + PRE_TAPS // 2

    @torch.inference_mode()
    def synthesise(self, latents: FloatArray) -> FloatArray:
        """Audio float32 [samples_per_latent * M] in -1..1 of raw latents [M, 64]."""
        if len(latents) == 0:
            return np.zeros(0, np.float32)
        x = torch.from_numpy(np.ascontiguousarray(latents.T, np.float32))[None].to(self.conv_pre.weight)
        return self(x)[0].float().cpu().numpy()

    def analyse(self, samples_24k: FloatArray) -> FloatArray:
        raise BaseModelError(
            "This base's vocoder makes sound of latents, but not latents of sound: that half was not released.",
            "Learn that half from its decoder: voicekit base distill-prompts.",
        )
