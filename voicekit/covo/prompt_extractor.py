"""Voice prompts of recordings, learned from the decoder's own speech: latents and a first speaker embedding.

Used by a base whose vocoder cannot analyse sound. The embedding is then fitted to the speaker's clips through the frozen decoder
(`fit_speaker`): what makes it likeliest to say these latents of these tokens.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F
from transformers.audio_utils import mel_filter_bank

from voicekit.covo.decoder import Token2Latent, flow_loss
from voicekit.covo.features import num_tokens
from voicekit.records import FloatArray, IntArray
from voicekit.timebase import LATENTS_PER_TOKEN, MODEL_RATE_HZ, SAMPLES_PER_LATENT, SAMPLES_PER_TOKEN

NUM_MELS, FFT_SAMPLES, LOG_FLOOR = 100, 1024, 1e-6
DILATIONS = (1, 2, 4, 8, 1, 2)
DIRECT_FRAMES = 5
LONG_TOKENS, MARGIN_TOKENS = 250, 8
# The rate is that of an embedding whose entries have a root mean square of 1.
FIT_STEPS, FIT_RATE, FIT_BATCH, FIT_TOKENS = 80, 0.1, 8, 50
STAY = 0.1
# Of the flow from noise (0) to speech (1): later the noisy latents themselves tell whose voice it is, and the embedding little.
EARLY = 0.2

Spoken = tuple[IntArray, FloatArray]


@dataclass(frozen=True)
class ExtractorConfig:
    latents: int
    speaker_dim: int
    hidden: int = 192
    blocks: int = 6
    has_direct: bool = False


class PromptExtractor(nn.Module):
    """Log-mel [B, 4N, 100] at 24 kHz -> normalised latents [B, 4N, L] and a speaker embedding [B, S].

    Latents are a linear map of a few frames (those learned before 0.10 have none), `direct`, and what the network adds to it.
    `used` [S] are the entries of the embedding that the base's own prompts use; the others stay 0. `level` is the root mean
    square of those that are used.
    """

    used: Tensor
    level: Tensor

    def __init__(self, config: ExtractorConfig) -> None:
        super().__init__()
        self.config = config
        d = config.hidden
        self.first = nn.Conv1d(NUM_MELS, d, 5, padding=2)
        self.blocks = nn.ModuleList(_Block(d, DILATIONS[i % len(DILATIONS)]) for i in range(config.blocks))
        self.to_latents = nn.Linear(d, config.latents)
        self.direct = nn.Linear(DIRECT_FRAMES * NUM_MELS + 1, config.latents, bias=False) if config.has_direct else None
        self.to_speaker = nn.Sequential(nn.Linear(2 * d, 2 * d), nn.GELU(), nn.Linear(2 * d, config.speaker_dim))
        self.register_buffer("used", torch.ones(config.speaker_dim))
        self.register_buffer("level", torch.ones(()))

    def forward(self, mel: Tensor) -> tuple[Tensor, Tensor]:
        x = F.gelu(self.first(_scaled(mel).transpose(1, 2)))
        for block in self.blocks:
            x = block(x)
        pooled = torch.cat([x.mean(-1), x.std(-1)], dim=-1)
        latents = self.to_latents(x.transpose(1, 2))
        if self.direct is not None:
            latents = latents + self.direct(direct_rows(mel))
        return latents, self.to_speaker(pooled) * self.used * self.level

    @torch.inference_mode()
    def latents(self, samples_24k: FloatArray) -> FloatArray:
        """Normalised latents float32 [4N, L] of mono samples [T], N = ceil(T / 960)."""
        mel = mel_24k(samples_24k)
        made: list[FloatArray] = []
        long, margin = LATENTS_PER_TOKEN * LONG_TOKENS, LATENTS_PER_TOKEN * MARGIN_TOKENS
        for start in range(0, len(mel), long):
            first = max(0, start - margin)
            some = self(self._given(mel[first : start + long + margin]))[0][0].float().cpu().numpy()
            made.append(some[start - first :][: min(long, len(mel) - start)])
        return np.concatenate(made) if made else np.zeros((0, self.config.latents), np.float32)

    @torch.inference_mode()
    def speaker(self, waves_24k: Sequence[FloatArray]) -> FloatArray:
        """A first speaker embedding float32 [S]: the mean over the clips by their length."""
        waves = [wave[: SAMPLES_PER_TOKEN * LONG_TOKENS] for wave in waves_24k if len(wave)]
        each = [self(self._given(mel_24k(wave)))[1][0].float().cpu().numpy() for wave in waves]
        return np.average(each, axis=0, weights=[len(wave) for wave in waves]).astype(np.float32)

    def _given(self, mel: FloatArray) -> Tensor:
        return torch.from_numpy(mel)[None].to(self.used)

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.json").write_text(json.dumps(asdict(self.config), indent=1) + "\n")
        save_file({k: v.detach().contiguous().cpu() for k, v in self.state_dict().items()}, folder / "model.safetensors")

    @classmethod
    def load(cls, folder: Path, device: str = "cpu") -> PromptExtractor:
        model = cls(ExtractorConfig(**json.loads((folder / "config.json").read_text())))
        model.load_state_dict({k: v.float() for k, v in load_file(folder / "model.safetensors").items()})
        return model.eval().requires_grad_(False).to(device)


class _Block(nn.Module):
    """Dilated convolution, then a linear layer, pre-normed and residual."""

    def __init__(self, d: int, dilation: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(1, d)
        self.conv = nn.Conv1d(d, d, 5, padding=2 * dilation, dilation=dilation)
        self.out = nn.Conv1d(d, d, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.out(F.gelu(self.conv(self.norm(x))))


def _scaled(mel: Tensor) -> Tensor:
    return (mel + 6.0) / 4.0


def direct_rows(mel: Tensor) -> Tensor:
    """Each frame with its neighbours and a 1: [B, M, 100] -> [B, M, 5 x 100 + 1]."""
    side = DIRECT_FRAMES // 2
    scaled = _scaled(mel)
    padded = torch.cat([scaled[:, :1]] * side + [scaled] + [scaled[:, -1:]] * side, dim=1)
    near = [padded[:, i : i + mel.shape[1]] for i in range(DIRECT_FRAMES)]
    return torch.cat([*near, torch.ones_like(scaled[:, :, :1])], dim=-1)


@lru_cache(maxsize=1)
def _filters() -> FloatArray:
    bank = mel_filter_bank(FFT_SAMPLES // 2 + 1, NUM_MELS, 20.0, MODEL_RATE_HZ / 2, MODEL_RATE_HZ, norm=None, mel_scale="htk")
    return bank.astype(np.float32)


def mel_24k(samples_24k: FloatArray) -> FloatArray:
    """Natural-log mel power float32 [4N, 100] at 100 Hz up to 12 kHz: a frame around the middle of each latent."""
    frames = LATENTS_PER_TOKEN * num_tokens(len(samples_24k))
    side = (FFT_SAMPLES - SAMPLES_PER_LATENT) // 2
    padded = np.pad(samples_24k, (side, side + frames * SAMPLES_PER_LATENT - len(samples_24k)))
    view = np.lib.stride_tricks.sliding_window_view(padded, FFT_SAMPLES)[::SAMPLES_PER_LATENT][:frames]
    power = np.abs(np.fft.rfft(view * np.hanning(FFT_SAMPLES).astype(np.float32), axis=1)).astype(np.float32) ** 2
    return np.log(power @ _filters() + LOG_FLOOR)


def fit_speaker(decoder: Token2Latent, clips: Sequence[Spoken], start: FloatArray, used: FloatArray, seed: int = 0) -> FloatArray:
    """The speaker embedding float32 [S] under which the frozen decoder says these clips best, sought from `start`.

    Clips are tokens int64 [N] and normalised latents [4N, L]; the flow-matching loss is taken early in the flow, and without any
    known prefix, which would tell of the speaker too. The decoder is as it was afterwards.
    """
    rng = np.random.default_rng(seed)
    like = decoder.cond_proj.weight
    mask = torch.from_numpy(used.astype(np.float32)).to(like)
    first = torch.from_numpy(start).to(like)
    level = ((first * mask) ** 2).sum().div(mask.sum()).sqrt().clamp(min=1e-3)
    moved = torch.zeros_like(first, requires_grad=True)
    adam = torch.optim.Adam([moved], FIT_RATE)
    for step in range(FIT_STEPS):
        adam.param_groups[0]["lr"] = FIT_RATE * 0.5 * (1 + np.cos(np.pi * step / FIT_STEPS))
        batch = _crops(clips, rng, like)
        batch["speaker"] = ((first + level * moved) * mask).expand(len(batch["tokens"]), -1)
        loss = flow_loss(decoder, batch) + STAY * (moved**2).mean()
        (moved.grad,) = torch.autograd.grad(loss, [moved])
        adam.step()
    return ((first + level * moved) * mask).detach().cpu().numpy().astype(np.float32)


def _crops(clips: Sequence[Spoken], rng: np.random.Generator, like: Tensor) -> dict[str, Tensor]:
    """FIT_BATCH crops for `flow_loss`, all of them hidden."""
    some = [clips[int(i)] for i in rng.choice(len(clips), FIT_BATCH)]
    width = min(FIT_TOKENS, *(len(codes) for codes, _ in some))
    tokens, latents = [], []
    for codes, known in some:
        start = int(rng.integers(len(codes) - width + 1))
        tokens.append(codes[start : start + width])
        latents.append(known[LATENTS_PER_TOKEN * start :][: LATENTS_PER_TOKEN * width].astype(np.float32))
    shape = (FIT_BATCH, LATENTS_PER_TOKEN * width, latents[0].shape[1])
    arrays = {
        "tokens": np.stack(tokens),
        "latents": np.stack(latents),
        "hidden": np.ones(shape[:2], bool),
        "real": np.ones(shape[:2], bool),
        "noise": rng.standard_normal(shape).astype(np.float32),
        "t": rng.uniform(0, EARLY, FIT_BATCH).astype(np.float32),
        "keep": np.ones(FIT_BATCH, np.float32),
    }
    return {k: torch.from_numpy(v).to(like.device) for k, v in arrays.items()}
