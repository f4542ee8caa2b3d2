"""What the chat model hears: user audio -> log-mel segments -> encoder -> 8x adapter -> frames that replace placeholders."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import WhisperFeatureExtractor
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from voicekit.covo.features import at_16k, num_tokens
from voicekit.records import FloatArray
from voicekit.timebase import MODEL_RATE_HZ, SAMPLES_PER_LATENT

ENCODER_RATE_HZ = 16_000
ENCODER_SAMPLES_PER_FRAME = 160
RESAMPLE_WIDTH = 6
RESAMPLE_ROLLOFF = 0.99


def num_frames(num_samples_24k: int, adapter_stages: int = 3) -> int:
    """Placeholders for so many samples: whole 10 ms frames, halved by the encoder and by each stage, always rounding up."""
    frames = num_samples_24k // SAMPLES_PER_LATENT
    for _ in range(adapter_stages + 1):
        frames = -(-frames // 2)
    return frames


class AdapterStage(nn.Module):
    """[B, T, C] -> [B, ceil(T / 2), out]."""

    def __init__(self, channels: int, hidden: int, out: int) -> None:
        super().__init__()
        self.conv1d = nn.Conv1d(channels, channels, kernel_size=3, stride=2, padding=1)
        self.linear1 = nn.Linear(channels, hidden)
        self.linear2 = nn.Linear(hidden, out)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.conv1d(x.transpose(1, 2))).transpose(1, 2)
        return self.linear2(F.relu(self.linear1(x)))


class AudioAdapter(nn.Module):
    """Encoder frames at 50 Hz [B, T, channels] -> frames of the language model's width at 50 Hz / 2^stages."""

    def __init__(self, channels: int, hidden: int, out: int, stages: int = 3) -> None:
        super().__init__()
        widths = [channels] * (stages - 1) + [out]
        self.downsample_layers = nn.ModuleList(AdapterStage(channels, hidden, width) for width in widths)

    def forward(self, x: Tensor) -> Tensor:
        for stage in self.downsample_layers:
            x = stage(x)
        return x


@lru_cache(maxsize=1)
def _resample_kernel() -> tuple[Tensor, int, int]:
    """Kernels [2, 1, K] of the two output phases, the stride, and the padding at either side."""
    common = math.gcd(MODEL_RATE_HZ, ENCODER_RATE_HZ)
    old, new = MODEL_RATE_HZ // common, ENCODER_RATE_HZ // common
    cutoff = min(old, new) * RESAMPLE_ROLLOFF
    width = math.ceil(RESAMPLE_WIDTH * old / cutoff)
    taps = torch.arange(-width, width + old, dtype=torch.float64) / old
    phases = -torch.arange(new, dtype=torch.float64) / new
    t = ((taps[None] + phases[:, None]) * cutoff).clamp(-RESAMPLE_WIDTH, RESAMPLE_WIDTH)
    window = torch.cos(t * math.pi / RESAMPLE_WIDTH / 2) ** 2
    return (torch.sinc(t) * window * cutoff / old).float()[:, None], old, width


def to_encoder_rate(samples_24k: Tensor) -> Tensor:
    """float32 [T] at 24 kHz -> [ceil(2T / 3)] at 16 kHz: a Hann-windowed sinc of width 6, as the base was trained with.

    Other resamplers differ by several per cent of the adapted frames, because the log-mel's top bands follow the filter's edge.
    """
    kernel, stride, width = _resample_kernel()
    padded = F.pad(samples_24k[None, None], (width, width + stride))
    out = F.conv1d(padded, kernel.to(padded), stride=stride)
    return out.transpose(1, 2).reshape(-1)[: math.ceil(samples_24k.shape[0] * ENCODER_RATE_HZ / MODEL_RATE_HZ)]


@lru_cache(maxsize=4)
def _extractor(num_mels: int) -> WhisperFeatureExtractor:
    return WhisperFeatureExtractor(feature_size=num_mels)


def log_mel_segments(samples_24k: FloatArray, num_mels: int, segment_frames: int) -> Tensor:
    """float32 [S, num_mels, segment_frames]: the audio cut into segments, each zero-padded to its full length."""
    samples = samples_24k[: samples_24k.shape[0] // SAMPLES_PER_LATENT * SAMPLES_PER_LATENT]
    samples = np.pad(samples, (0, -samples.shape[0] % (2 * SAMPLES_PER_LATENT))).astype(np.float32)
    step = segment_frames * SAMPLES_PER_LATENT
    length = segment_frames * ENCODER_SAMPLES_PER_FRAME
    segments = [
        to_encoder_rate(torch.from_numpy(samples[start : start + step])).numpy() for start in range(0, samples.shape[0], step)
    ]
    if not segments:
        return torch.zeros(0, num_mels, segment_frames)
    made = _extractor(num_mels)(segments, sampling_rate=ENCODER_RATE_HZ, max_length=length, return_tensors="pt")
    return made["input_features"].float()


def frames_of(encoder: WhisperEncoder, mel: Tensor) -> Tensor:
    """The encoder on log-mel [B, mels, T] of any even T up to its segment, as the input is and not padded: [B, T / 2, D]."""
    x = F.gelu(encoder.conv2(F.gelu(encoder.conv1(mel)))).transpose(1, 2)
    x = x + encoder.embed_positions.weight[: x.shape[1]].to(x)
    for layer in encoder.layers:
        out = layer(x, None)
        x = out[0] if isinstance(out, tuple) else out
    return encoder.layer_norm(x)


@torch.inference_mode()
def whisper_frames(encoder: WhisperEncoder, samples_24k: FloatArray) -> Tensor:
    """Frames float32 [2N, D] at 50 Hz of mono samples [T], N = ceil(T / 960); at most 30 s."""
    samples = np.pad(at_16k(samples_24k), (0, ENCODER_SAMPLES_PER_FRAME))
    mel = _extractor(encoder.num_mel_bins)(
        samples, sampling_rate=ENCODER_RATE_HZ, padding="do_not_pad", truncation=False, return_tensors="pt"
    )["input_features"]
    return frames_of(encoder, mel[..., : 4 * num_tokens(len(samples_24k))].to(encoder.conv1.weight))[0].float()
