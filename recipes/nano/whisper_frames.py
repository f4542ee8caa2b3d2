"""Whisper base's encoder as a source of frames: 24 kHz samples -> float32 [2N, 512] at 50 Hz, two frames a speech token.

Structure and weights are OpenAI's (MIT); the weights are read from CTranslate2's float16 file (`recipes.embedded.whisper
--float16`). Unlike Whisper itself, a clip is not padded to 30 s: positions are cut to its length, so that it costs what it lasts.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from recipes.embedded.whisper import variables
from voicekit.covo.features import num_tokens
from voicekit.records import FloatArray
from voicekit.timebase import MODEL_RATE_HZ, SAMPLES_PER_TOKEN
from voicekit.train.precision import has_fast_bfloat16

WIDTH, LAYERS, HEADS, MELS = 512, 6, 8, 80
LONGEST_S = 30.0
_RATE_HZ = 16_000


class _Layer(nn.Module):
    """Attention and feed-forward, each behind its norm."""

    def __init__(self) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.qkv, self.out = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.fc1, self.fc2 = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (part.unflatten(-1, (HEADS, -1)).transpose(1, 2) for part in self.qkv(self.norm1(x)).chunk(3, -1))
        x = x + self.out(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))
        return x + self.fc2(F.gelu(self.fc1(self.norm2(x))))


class WhisperFrames(nn.Module):
    """Log-mel [B, 80, 4N] at 100 Hz -> frames [B, 2N, 512] at 50 Hz, after the last norm."""

    positions: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(MELS, WIDTH, 3, padding=1)
        self.conv2 = nn.Conv1d(WIDTH, WIDTH, 3, stride=2, padding=1)
        self.layers = nn.ModuleList(_Layer() for _ in range(LAYERS))
        self.norm = nn.LayerNorm(WIDTH)
        self.register_buffer("positions", torch.zeros(1500, WIDTH))
        self._mel: Any = None

    def forward(self, mel: Tensor) -> Tensor:
        x = F.gelu(self.conv2(F.gelu(self.conv1(mel)))).transpose(1, 2)
        x = x + self.positions[: x.shape[1]]
        for layer in self.layers:
            x = layer(x)
        return self.norm(x)

    @torch.inference_mode()
    def of(self, samples_24k: FloatArray) -> FloatArray:
        """Frames float32 [2N, 512] of mono samples [T] at 24 kHz, at most 30 s; N = ceil(T / 960)."""
        mel = torch.from_numpy(self.log_mel(samples_24k))[None]
        with torch.autocast("cpu", torch.bfloat16, enabled=has_fast_bfloat16(mel.device)):  # twice as fast, 1 % away
            return self(mel)[0].float().numpy()

    def log_mel(self, samples_24k: FloatArray) -> FloatArray:
        """Whisper's log-mel float32 [80, 4N] of mono samples [T]."""
        import soxr
        from faster_whisper.feature_extractor import FeatureExtractor  # type: ignore[import-not-found]

        self._mel = self._mel or FeatureExtractor(feature_size=MELS)
        tokens = num_tokens(len(samples_24k))
        padded = np.pad(samples_24k, (0, tokens * SAMPLES_PER_TOKEN - len(samples_24k)))
        mel = self._mel(np.asarray(soxr.resample(padded, MODEL_RATE_HZ, _RATE_HZ), np.float32), padding=_RATE_HZ // 100)
        return np.ascontiguousarray(mel[:, : 4 * tokens], np.float32)


def load_whisper(model: Path) -> WhisperFrames:
    """The frozen encoder of a CTranslate2 float16 `model.bin`."""
    found = {
        name.removeprefix("encoder/"): torch.from_numpy(value.astype(np.float32))
        for name, value in variables(model.read_bytes())
        if name.startswith("encoder/")
    }
    pairs = {"norm": "layer_norm", "conv1": "conv1", "conv2": "conv2"}
    for n in range(LAYERS):
        parts = {"norm1": "self_attention/layer_norm", "norm2": "ffn/layer_norm", "qkv": "self_attention/linear_0",
                 "out": "self_attention/linear_1", "fc1": "ffn/linear_0", "fc2": "ffn/linear_1"}  # fmt: skip
        pairs |= {f"layers.{n}.{ours}": f"layer_{n}/{theirs}" for ours, theirs in parts.items()}
    state = {"positions": found["position_encodings/encodings"]}
    for ours, theirs in pairs.items():
        names = ("gamma", "beta") if "norm" in ours else ("weight", "bias")
        state |= {f"{ours}.{kind}": found[f"{theirs}/{name}"] for kind, name in zip(("weight", "bias"), names, strict=True)}
    made = WhisperFrames()
    made.load_state_dict(state)
    return made.eval().requires_grad_(False)
