"""A speech tokenizer of phonemes and melody at 25 Hz, and the network that speaks its tokens in a given voice.

Whisper frames (50 Hz, frozen encoder) and the melody relative to the speaker's own -> convolutions -> one VQ layer (after
van den Oord et al., 2017; unit vectors in few dimensions after Yu et al., 2022) -> convolutions -> phonemes, Whisper's frames
again, and, told who speaks, WORLD latents. Supervised tokens are the idea of CosyVoice (Du et al., 2024).
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from recipes.nano.phones import PHONES
from voicekit.covo.phonetic_tokenizer import (
    F0_SCALE,
    LOUDNESS,
    Block,
    Codebook,
    EncoderSizes,
    PhoneticEncoder,
    median_log_f0,
    melody_of,
)
from voicekit.covo.vocoder import LOG_F0, NUM_LATENTS, VOICING
from voicekit.files import beside
from voicekit.records import FloatArray

SPEAKER_DIM = 2 * LOG_F0 + 1
_LOUD_SHARE = 0.7  # of the frames, which describe a speaker


@dataclass(frozen=True)
class PhoneticConfig(EncoderSizes):
    """With those of what is behind the tokens while they are learned."""

    reader_blocks: int = 3
    speaking_blocks: int = 2


class TrainedCodebook(Codebook):
    """A codebook that follows its inputs by moving averages."""

    count: Tensor
    total: Tensor

    def __init__(self, codes: int, dim: int) -> None:
        super().__init__(codes, dim)
        self.register_buffer("count", torch.ones(codes))
        self.register_buffer("total", torch.zeros(codes, dim))


class Phonetic(PhoneticEncoder):
    """The tokenizer (frames -> codes), the reader (codes -> hidden, phonemes) and the speaker of its codes (-> WORLD)."""

    codebook: TrainedCodebook
    latent_mean: Tensor
    latent_std: Tensor

    def __init__(self, config: PhoneticConfig) -> None:
        super().__init__(config, TrainedCodebook)
        self.config = config
        d, k = config.hidden, config.kernel
        self.register_buffer("latent_mean", torch.zeros(NUM_LATENTS))
        self.register_buffer("latent_std", torch.ones(NUM_LATENTS))
        self.from_code = nn.Linear(config.code_dim, d)
        self.reader = nn.Sequential(*(Block(d, k) for _ in range(config.reader_blocks)))
        self.read_norm = nn.LayerNorm(d)
        self.phones = nn.Linear(d, 2 * len(PHONES))
        self.frames = nn.Linear(d, 2 * config.frame_width)
        self.speaker = nn.Linear(SPEAKER_DIM, d)
        self.spread = nn.Linear(d, 2 * d)
        self.speaking = nn.Sequential(*(Block(d, k) for _ in range(config.speaking_blocks)))
        self.latents = nn.Sequential(nn.LayerNorm(d), nn.Linear(d, 2 * NUM_LATENTS))

    def read(self, vectors: Tensor) -> Tensor:
        """Code vectors [B, N, code_dim] -> hidden [B, N, D]."""
        scale = self.config.code_dim**0.5
        return self.read_norm(self.reader(self.from_code((scale * vectors).to(self.from_code.weight))))

    def speak(self, hidden: Tensor, speaker: Tensor) -> Tensor:
        """hidden [B, N, D], speaker [B, 125] -> normalised latents [B, 4N, 64]: F0 relative to the median, voicing as logit."""
        x = self.spread(hidden + self.speaker(speaker.to(hidden))[:, None])
        x = self.speaking(x.reshape(len(x), -1, self.config.hidden))
        return self.latents(x).reshape(len(x), -1, NUM_LATENTS)

    @torch.inference_mode()
    def unquantised(self, frames: np.ndarray, raw_latents: np.ndarray) -> Tensor:
        """Unit vectors [1, N, code_dim] of Whisper frames [2N, 512] and the WORLD latents [4N, 64] that go with them."""
        melody = torch.from_numpy(melody_of(raw_latents.astype(np.float32)))[None]
        return self.vectors(self.normal_frames(torch.from_numpy(frames.astype(np.float32))[None]), melody)

    def encode(self, frames: np.ndarray, raw_latents: np.ndarray) -> np.ndarray:
        """Codes int64 [N] of the same."""
        return self.codebook.nearest(self.unquantised(frames, raw_latents))[0].numpy()

    @torch.inference_mode()
    def decode(self, codes: np.ndarray, speaker: FloatArray) -> FloatArray:
        """Raw WORLD latents [4N, 64] of codes [N] in the voice of a raw speaker description [125]."""
        return self.decode_vectors(self.codebook.vectors[torch.as_tensor(codes)][None], speaker)

    @torch.inference_mode()
    def decode_vectors(self, vectors: Tensor, speaker: FloatArray) -> FloatArray:
        """The same for vectors [1, N, code_dim] that need not be codes."""
        told = normal_speaker(torch.from_numpy(speaker)[None], self.latent_mean, self.latent_std)
        said = self.speak(self.read(vectors), told)[0].float()
        return raw_latents(said, self.latent_mean, self.latent_std, float(speaker[-1]))

    def save(self, folder: Path) -> None:
        with beside(folder / "model.safetensors") as tmp:
            save_file({k: v.float().contiguous() for k, v in self.state_dict().items()}, tmp)
        with beside(folder / "config.json") as tmp:
            tmp.write_text(json.dumps(asdict(self.config), indent=1))

    @classmethod
    def load(cls, folder: Path) -> Phonetic:
        model = cls(PhoneticConfig(**json.loads((folder / "config.json").read_text())))
        model.load_state_dict(load_file(folder / "model.safetensors"))
        return model.eval().requires_grad_(False)


def normal_speaker(raw: Tensor, latent_mean: Tensor, latent_std: Tensor) -> Tensor:
    """Raw descriptions [B, 125] -> what a decoder is told."""
    mean, std = latent_mean[:LOG_F0], latent_std[:LOG_F0]
    parts = [(raw[:, :LOG_F0] - mean) / std, 2 * (raw[:, LOG_F0:-1] / std - 1), 3 * (raw[:, -1:] - latent_mean[LOG_F0])]
    return torch.cat(parts, -1)


def raw_latents(said: Tensor, latent_mean: Tensor, latent_std: Tensor, median: float) -> FloatArray:
    """What a decoder says [4N, 64] (F0 relative to the speaker's median, voicing as logit) -> raw WORLD latents."""
    out = said * latent_std + latent_mean
    out[:, LOG_F0] = said[:, LOG_F0] / F0_SCALE + median
    out[:, VOICING] = said[:, VOICING].sigmoid()
    return out.numpy()


def describe(raw_latents: FloatArray) -> FloatArray:
    """A speaker as float32 [125]: mean and deviation of envelope and bands over the louder frames, median log F0."""
    latents = raw_latents.astype(np.float32)
    loud = latents[:, LOUDNESS] >= np.quantile(latents[:, LOUDNESS], 1 - _LOUD_SHARE)
    part = latents[loud, :LOG_F0]
    return np.concatenate([part.mean(0), part.std(0), [median_log_f0(latents)]]).astype(np.float32)
