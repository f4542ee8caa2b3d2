"""Flow-matching decoder: speech tokens and a voice prompt -> latents at 100 Hz (released structure and weight names).

Conditional flow matching on a diffusion transformer; prompt latents are given as a known prefix, the speaker embedding
modulates every block, classifier-free guidance drops the token features alone.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from voicekit.records import FloatArray, IntArray, VoicePrompt
from voicekit.timebase import LATENTS_PER_TOKEN

SIGMA_MIN = 1e-5


@dataclass(frozen=True)
class DecoderConfig:
    num_codes: int = 1024
    token_dim: int = 128
    hidden: int = 192
    heads: int = 4
    ffn: int = 768
    blocks: int = 4
    latents: int = 64
    speaker_dim: int = 128
    conv_kernel: int = 31
    conv_groups: int = 16
    time_dim: int = 256
    rope_theta: float = 50_000.0
    grid_points: int = 5
    guidance: float = 0.5
    temperature: float = 0.5
    speaker_pitch: bool = False  # the speaker embedding says the median pitch, and the tokens say theirs relative to it


class Before(NamedTuple):
    """What was spoken just before and follows the prompt as known prefix: tokens [K], latents [4K, 64], and how many tokens of
    the speech came before these."""

    tokens: IntArray
    latents: FloatArray
    place: int


class Rotary(nn.Module):
    inv_freq: Tensor

    def __init__(self, head_dim: int, theta: float) -> None:
        super().__init__()
        self.register_buffer("inv_freq", 1.0 / theta ** (torch.arange(0, head_dim, 2).float() / head_dim))

    def forward(self, x: Tensor) -> Tensor:
        """x [B, H, T, D], rotate-half form."""
        angle = torch.arange(x.shape[-2], device=x.device).float()[:, None] * self.inv_freq.float()
        cos, sin = angle.cos().to(x.dtype), angle.sin().to(x.dtype)
        left, right = x.chunk(2, dim=-1)
        return torch.cat([left * cos - right * sin, right * cos + left * sin], dim=-1)


class Attention(nn.Module):
    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        d = config.hidden
        self.heads = config.heads
        self.q_proj = nn.Linear(d, d, bias=False)
        self.k_proj = nn.Linear(d, d, bias=False)
        self.v_proj = nn.Linear(d, d, bias=False)
        self.o_proj = nn.Linear(d, d)
        self.rotary = Rotary(d // config.heads, config.rope_theta)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        b, t, d = x.shape
        q, k, v = (p(x).view(b, t, self.heads, -1).transpose(1, 2) for p in (self.q_proj, self.k_proj, self.v_proj))
        seen = None if mask is None else mask[:, None, None, :]
        y = F.scaled_dot_product_attention(self.rotary(q), self.rotary(k), v, attn_mask=seen)
        return self.o_proj(y.transpose(1, 2).reshape(b, t, d))


class FeedForward(nn.Module):
    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.fc1 = nn.Linear(config.hidden, config.ffn)
        self.fc2 = nn.Linear(config.ffn, config.hidden)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(x), approximate="tanh"))


class DiTBlock(nn.Module):
    """Six modulation chunks in the order shift, scale, gate (attention), shift, scale, gate (feed-forward)."""

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        d = config.hidden
        self.attn = Attention(config)
        self.ffn = FeedForward(config)
        self.norm1 = nn.LayerNorm(d, eps=1e-6, elementwise_affine=False)
        self.norm2 = nn.LayerNorm(d, eps=1e-6, elementwise_affine=False)
        self.modulation_layer = nn.Sequential(nn.SiLU(), nn.Linear(d, 6 * d))

    def forward(self, x: Tensor, cond: Tensor, mask: Tensor | None) -> Tensor:
        shift_a, scale_a, gate_a, shift_f, scale_f, gate_f = self.modulation_layer(cond)[:, None].chunk(6, dim=-1)
        x = x + gate_a * self.attn(self.norm1(x) * (1 + scale_a) + shift_a, mask)
        return x + gate_f * self.ffn(self.norm2(x) * (1 + scale_f) + shift_f)


class OutputLayer(nn.Module):
    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(config.hidden)
        self.adaLN_modulation = nn.Sequential(nn.SiLU(), nn.Linear(config.hidden, 2 * config.hidden))
        self.linear = nn.Linear(config.hidden, config.latents)

    def forward(self, x: Tensor, cond: Tensor) -> Tensor:
        shift, scale = self.adaLN_modulation(cond)[:, None].chunk(2, dim=-1)
        return self.linear(self.norm(x) * (1 + scale) + shift)


class TimeEmbedder(nn.Module):
    """Sinusoids (cosines first, longest period 10,000) -> Linear, SiLU, Linear."""

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.dim = config.time_dim
        self.mlp = nn.Sequential(nn.Linear(config.time_dim, config.hidden), nn.SiLU(), nn.Linear(config.hidden, config.hidden))

    def forward(self, t: Tensor) -> Tensor:
        half = self.dim // 2
        freq = torch.exp(-np.log(10_000.0) * torch.arange(half, device=t.device).float() / half)
        angle = t.float()[:, None] * freq
        return self.mlp(torch.cat([angle.cos(), angle.sin()], dim=-1).to(next(self.mlp.parameters()).dtype))


class ConvEmbed(nn.Module):
    """Grouped convolution over time as position embedding, residual."""

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        d, k = config.hidden, config.conv_kernel
        self.conv = nn.Conv1d(d, d, k, padding=k // 2, groups=config.conv_groups)

    def forward(self, x: Tensor) -> Tensor:
        return x + F.gelu(self.conv(x.transpose(1, 2))).transpose(1, 2)


class Token2Latent(nn.Module):
    """The vector field and its sampler. Latents are normalised (mean 0, variance 1 a channel) everywhere in here."""

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.config = config
        d = config.hidden
        self.token_embedding = nn.Embedding(config.num_codes, config.token_dim)
        up = nn.ConvTranspose1d(d, d, 8, stride=LATENTS_PER_TOKEN, padding=2)
        self.token_proj = nn.Sequential(nn.Linear(config.token_dim, d), up)
        self.transformer_input_proj = nn.Linear(d + 2 * config.latents, d)
        self.time_embedder = TimeEmbedder(config)
        self.cond_proj = nn.Linear(d + config.speaker_dim, d)
        self.conv_embed = ConvEmbed(config)
        self.blocks = nn.ModuleList(DiTBlock(config) for _ in range(config.blocks))
        self.output_layer = OutputLayer(config)

    def token_features(self, tokens: Tensor) -> Tensor:
        """tokens int64 [B, N] -> [B, 4N, D]."""
        x = self.token_proj[0](self.token_embedding(tokens))
        return self.token_proj[1](x.transpose(1, 2)).transpose(1, 2)

    def forward(
        self, features: Tensor, known: Tensor, x: Tensor, t: Tensor, speaker: Tensor, mask: Tensor | None = None
    ) -> Tensor:
        """The velocity [B, M, 64] at time t [B] of x [B, M, 64]; known latents are zero where unknown."""
        h = self.transformer_input_proj(torch.cat([features, known, x], dim=-1))
        h = self.conv_embed(h)
        cond = self.cond_proj(torch.cat([self.time_embedder(t), speaker], dim=-1))
        for block in self.blocks:
            h = block(h, cond, mask)
        return self.output_layer(h, cond)

    @torch.inference_mode()
    def sample(
        self,
        tokens: IntArray,
        prompt: VoicePrompt,
        before: Before | None = None,
    ) -> FloatArray:
        """Normalised latents float32 [4N, 64] of `tokens` int64 [N]; the prompt's frames are cut off again.

        The ODE starts at noise of a fixed seed that belongs to a frame's place in the speech, so that a frame starts where it
        would if all were decoded at once.
        """
        if len(tokens) == 0:
            return np.zeros((0, self.config.latents), np.float32)
        heads = [prompt.tokens, *([before[0]] if before else [])]
        known_rows = [prompt.latents[: LATENTS_PER_TOKEN * len(prompt.tokens)], *([before[1]] if before else [])]
        ids = np.concatenate([*heads, tokens])
        first = LATENTS_PER_TOKEN * (len(ids) - len(tokens))
        noise = self._noise(len(prompt.tokens), before.place if before else 0, len(ids))
        return self._latents(ids, np.concatenate(known_rows)[:first], prompt.speaker, noise)[first:]

    @torch.inference_mode()
    def sample_behind(self, tokens: IntArray, prompt: VoicePrompt, noise: FloatArray | None = None) -> FloatArray:
        """Normalised latents float32 [4 (P + N) - M, 64] behind the prompt's M latents, which need not be four a token."""
        ids = np.concatenate([prompt.tokens, tokens])
        if noise is None:
            noise = self._noise(len(prompt.tokens), 0, len(ids))
        return self._latents(ids, prompt.latents, prompt.speaker, noise)[len(prompt.latents) :]

    def _noise(self, prompt: int, place: int, tokens: int) -> FloatArray:
        """float32 [4 tokens, 64] where the first `prompt` tokens are the prompt's, the next those of the speech from `place`."""
        shape = (LATENTS_PER_TOKEN * (place + tokens), self.config.latents)
        drawn = (np.random.default_rng(0).standard_normal(shape) * self.config.temperature).astype(np.float32)
        head = LATENTS_PER_TOKEN * prompt
        return np.concatenate([drawn[:head], drawn[head + LATENTS_PER_TOKEN * place :]])

    def _latents(self, tokens: IntArray, prefix: FloatArray, speaker: FloatArray, noise: FloatArray) -> FloatArray:
        """Latents float32 [4N, 64] of tokens [N], the first of which are known as `prefix`."""
        frames = LATENTS_PER_TOKEN * len(tokens)
        like = self.cond_proj.weight
        if frames == 0:
            return np.zeros((0, self.config.latents), np.float32)
        ids = torch.from_numpy(tokens.astype(np.int64))[None].to(like.device)
        known = like.new_zeros(1, frames, self.config.latents)
        known[0, : len(prefix)] = torch.from_numpy(prefix[:frames]).to(like)
        x = self._solve(
            self.token_features(ids), known, torch.from_numpy(noise)[None].to(like), torch.from_numpy(speaker)[None].to(like)
        )
        return x[0].float().cpu().numpy()

    def _solve(self, features: Tensor, known: Tensor, x: Tensor, speaker: Tensor) -> Tensor:
        """Midpoint method on an even grid of `grid_points` from 0 to 1."""
        grid = torch.linspace(0, 1, self.config.grid_points, device=x.device)
        for t0, t1 in pairwise(grid):
            step = t1 - t0
            middle = x + 0.5 * step * self._velocity(features, known, x, t0, speaker)
            x = x + step * self._velocity(features, known, middle, t0 + 0.5 * step, speaker)
        return x

    def _velocity(self, features: Tensor, known: Tensor, x: Tensor, t: Tensor, speaker: Tensor) -> Tensor:
        a = self.config.guidance
        if a == 0.0:
            return self(features, known, x, t.expand(1), speaker)
        both = torch.cat([features, torch.zeros_like(features)])
        v = self(both, known.expand(2, -1, -1), x.expand(2, -1, -1), t.expand(2), speaker.expand(2, -1))
        return v[:1] + a * (v[:1] - v[1:])

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.json").write_text(json.dumps(asdict(self.config), indent=1))
        weights = {f"token2latent.{k}": v.contiguous() for k, v in self.state_dict().items()}
        save_file(weights, folder / "model.safetensors")

    @classmethod
    def load(cls, folder: Path, device: str = "cpu") -> Token2Latent:
        """The decoder of a `token2wav` folder."""
        from voicekit.covo.token2wav import load_token2wav, token2wav_in

        return load_token2wav(token2wav_in(folder), device).decoder


def flow_loss(model: Token2Latent, batch: dict[str, Tensor]) -> Tensor:
    """Conditional flow matching on the hidden tail: mean squared error of the velocity.

    batch: tokens [B, N], latents [B, 4N, 64] (x1), noise (x0), t [B], hidden bool [B, 4N] (the tail to be made),
    real bool [B, 4N] (not padding), keep [B] (0 drops the token condition), speaker [B, S]; optionally known
    [B, 4N, 64], what is shown of the latents instead of x1.
    """
    x1, x0, t = batch["latents"], batch["noise"], batch["t"][:, None, None]
    xt = t * x1 + (1 - (1 - SIGMA_MIN) * t) * x0
    target = x1 - (1 - SIGMA_MIN) * x0
    hidden = batch["hidden"][..., None]
    features = model.token_features(batch["tokens"]) * batch["keep"][:, None, None]
    guess = model(features, batch.get("known", x1) * ~hidden, xt.to(x1), batch["t"], batch["speaker"], batch["real"])
    wanted = hidden & batch["real"][..., None]
    return (((guess - target).float() ** 2) * wanted).sum() / (wanted.sum() * x1.shape[-1])
