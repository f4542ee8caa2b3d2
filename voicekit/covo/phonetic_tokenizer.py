"""A speech tokenizer that hears through the base's own audio encoder: phonemes and melody in one VQ layer at 25 Hz.

The frames of a Whisper encoder (50 Hz, not trained further) and the melody relative to the speaker's own median go through a few
convolutions to unit vectors, whose nearest of a codebook is the token (van den Oord et al., 2017; unit vectors in few
dimensions after Yu et al., 2022). Tokens that are taught by what is said are the idea of CosyVoice (Du et al., 2024). A reader
gives letters back from tokens alone. `recipes.nano.phonetic_training` trains it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from voicekit.covo.adapter import whisper_frames
from voicekit.covo.features import num_tokens
from voicekit.covo.token_reader import TokenReader
from voicekit.covo.vocoder import LOG_F0, VOICING, quick_analyse
from voicekit.instrument_ports import Reading
from voicekit.records import FloatArray, IntArray, Word
from voicekit.timebase import SAMPLES_PER_TOKEN

KIND = "phonetic"
MELODY = 3  # relative log F0, voicing, loudness
F0_SCALE = 5.0  # of log F0 relative to the speaker's median
WINDOW_TOKENS, OVERLAP_TOKENS = 700, 50  # of the encoder, which hears at most 30 s at once
LOUDNESS = 0  # the first envelope coefficient
_LOUD_SHARE = 0.7


@dataclass(frozen=True)
class EncoderSizes:
    """Of what makes tokens of frames. `frame_width` is that of the base's audio encoder."""

    num_codes: int = 1024
    code_dim: int = 16
    hidden: int = 256
    kernel: int = 5
    encoder_blocks: int = 3
    frame_width: int = 512


@dataclass(frozen=True)
class PhoneticConfig(EncoderSizes):
    """With those of the reader of tokens."""

    reader_hidden: int = 192
    reader_layers: int = 3
    kind: str = KIND


class Block(nn.Module):
    """Norm, convolution over time, a mixing of channels; residual. x [B, T, D]."""

    def __init__(self, hidden: int, kernel: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(hidden)
        self.conv = nn.Conv1d(hidden, hidden, kernel, padding=kernel // 2)
        self.mix = nn.Linear(hidden, hidden)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.mix(F.silu(self.conv(self.norm(x).transpose(1, 2))).transpose(1, 2))


class Codebook(nn.Module):
    """Unit vectors [codes, dim]."""

    vectors: Tensor

    def __init__(self, codes: int, dim: int) -> None:
        super().__init__()
        self.register_buffer("vectors", F.normalize(torch.randn(codes, dim), dim=-1))

    def nearest(self, z: Tensor) -> Tensor:
        """Unit vectors [..., dim] -> codes int64 [...]."""
        return (z.float() @ self.vectors.T).argmax(-1)


class PhoneticEncoder(nn.Module):
    """Frames [B, 2N, frame_width] and melody [B, 2N, 3] -> unit vectors -> codes [B, N]."""

    frame_mean: Tensor
    frame_std: Tensor

    def __init__(self, sizes: EncoderSizes, codebook: Callable[[int, int], Codebook] = Codebook) -> None:
        super().__init__()
        d, k = sizes.hidden, sizes.kernel
        self.register_buffer("frame_mean", torch.zeros(sizes.frame_width))
        self.register_buffer("frame_std", torch.ones(sizes.frame_width))
        self.from_frames = nn.Conv1d(sizes.frame_width, d, 4, stride=2, padding=1)
        self.from_melody = nn.Linear(2 * MELODY, d)
        self.encoder = nn.Sequential(*(Block(d, k) for _ in range(sizes.encoder_blocks)))
        self.to_code = nn.Sequential(nn.LayerNorm(d), nn.Linear(d, sizes.code_dim))
        self.codebook = codebook(sizes.num_codes, sizes.code_dim)

    def normal_frames(self, frames: Tensor) -> Tensor:
        return ((frames.float() - self.frame_mean) / self.frame_std).to(self.from_melody.weight)

    def vectors(self, frames: Tensor, melody: Tensor) -> Tensor:
        """Normalised frames [B, 2N, frame_width], melody [B, 2N, 3] -> unit vectors float32 [B, N, code_dim]."""
        x = self.from_frames(frames.transpose(1, 2)).transpose(1, 2)
        x = x + self.from_melody(melody.to(x).reshape(len(melody), -1, 2 * MELODY))
        return F.normalize(self.to_code(self.encoder(x)).float(), dim=-1)


class PhoneticTokenizer(PhoneticEncoder):
    """Sound -> codes -> letters. The audio encoder is the base's, and is not stored here."""

    def __init__(self, config: PhoneticConfig, audio_encoder: WhisperEncoder | None = None) -> None:
        super().__init__(config)
        self.config = config
        self.reader = TokenReader(config.num_codes, config.reader_hidden, config.reader_layers)
        # In a tuple, so that its weights are not taken for this module's own.
        self._audio_encoder: tuple[WhisperEncoder, ...] = (audio_encoder,) if audio_encoder is not None else ()

    @torch.inference_mode()
    def encode(self, samples_24k: FloatArray) -> IntArray:
        """Codes int64 [N] of mono samples [T] at 24 kHz, N = ceil(T / 960). The melody is relative to the median of them all, so
        that they should be one speaker's. Long audio goes through overlapping windows."""
        total = num_tokens(len(samples_24k))
        if total == 0:
            return np.zeros(0, np.int64)
        melody = torch.from_numpy(melody_of(quick_analyse(samples_24k, bands=False)))[None].to(self.frame_mean)
        out = np.zeros(total, np.int64)
        start = 0
        while True:
            stop = min(total, start + WINDOW_TOKENS)
            window = samples_24k[start * SAMPLES_PER_TOKEN : stop * SAMPLES_PER_TOKEN]
            frames = self.normal_frames(whisper_frames(self._audio_encoder[0], window)[None].to(self.frame_mean))
            codes = self.codebook.nearest(self.vectors(frames, melody[:, 2 * start : 2 * stop]))[0].cpu().numpy()
            skip = OVERLAP_TOKENS // 2 if start else 0
            out[start + skip : stop] = codes[skip:]
            if stop == total:
                return out
            start = stop - OVERLAP_TOKENS

    def read(self, tokens: IntArray) -> str:
        """What the tokens say: lower-case letters, apostrophes and single spaces."""
        return self.reader.read(tokens)

    def align(self, samples_24k: FloatArray, text: str) -> tuple[tuple[Word, ...], float] | None:
        """Words of `text` (letters, apostrophes, spaces) with times, and how well they match; None if it cannot fit."""
        from voicekit.covo.ctc_alignment import align_words

        return align_words(self.reader.emissions(self.encode(samples_24k)), text)

    def read_words(self, samples_24k: FloatArray, text: str) -> tuple[Reading, ...] | None:
        """How surely each word of `text` is said; None if it cannot fit."""
        from voicekit.covo.ctc_alignment import read_words

        return read_words(self.reader.emissions(self.encode(samples_24k)), text)

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.json").write_text(json.dumps(asdict(self.config), indent=1) + "\n")
        save_file({k: v.detach().contiguous().cpu() for k, v in self.state_dict().items()}, folder / "model.safetensors")

    @classmethod
    def load(cls, folder: Path, audio_encoder: WhisperEncoder | None = None, device: str = "cpu") -> PhoneticTokenizer:
        """`audio_encoder` is the base's; without it nothing can be encoded."""
        model = cls(PhoneticConfig(**json.loads((folder / "config.json").read_text())), audio_encoder)
        model.load_state_dict({k: v.float() for k, v in load_file(folder / "model.safetensors").items()})
        return model.eval().requires_grad_(False).to(device)


def median_log_f0(raw_latents: FloatArray) -> float:
    """Of the voiced frames of raw WORLD latents [M, 64]; of all if none is voiced."""
    voiced = raw_latents[:, VOICING] > 0.5
    return float(np.median(raw_latents[voiced if voiced.any() else slice(None), LOG_F0]))


def melody_of(raw_latents: FloatArray) -> FloatArray:
    """Raw WORLD latents [4N, 64] -> float32 [2N, 3] at 50 Hz: relative log F0 (0 where unvoiced), voicing, loudness."""
    voicing = raw_latents[:, VOICING].astype(np.float32)
    pitch = F0_SCALE * (raw_latents[:, LOG_F0].astype(np.float32) - median_log_f0(raw_latents)) * voicing
    loud = raw_latents[:, LOUDNESS].astype(np.float32)
    loud = (loud - np.quantile(loud, _LOUD_SHARE)) / 3
    return np.stack([np.clip(pitch, -4, 4), voicing, np.maximum(loud, -3)], -1).reshape(-1, 2, MELODY).mean(1)
