"""A speech tokenizer learned from a base's decoder: WavLM (Chen et al., 2022; transformers' code) and one VQ layer.

It hears either the waveform at 16 kHz through WavLM's own convolutions (`front` "wave", as pretrained ones do) or log-mel
frames through two strided convolutions ("mel": what little data is learned from fastest). The VQ layer is a projection to unit
length and a codebook; a token's logit is its cosine times a learned scale. A reader gives letters back from tokens alone.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from math import prod
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import WavLMConfig, WavLMModel

from voicekit.covo.features import MEL_RATE_HZ, NUM_MELS, at_16k, log_mel, num_tokens
from voicekit.covo.token_reader import TokenReader
from voicekit.records import FloatArray, IntArray, Word
from voicekit.timebase import SAMPLES_PER_TOKEN, TOKEN_HZ

KIND = "wavlm"
TOKEN_SAMPLES_16K = MEL_RATE_HZ // TOKEN_HZ
LONG_TOKENS, OVERLAP_TOKENS = 250, 50
FIRST_SCALE = 12.0
SIZES: dict[str, dict[str, Any]] = {
    "tiny": {"hidden_size": 192, "num_hidden_layers": 4, "num_attention_heads": 4, "intermediate_size": 576,
             "conv_dim": [192] * 7, "num_conv_pos_embeddings": 31, "num_conv_pos_embedding_groups": 16},
    "base": {},
}  # fmt: skip


@dataclass(frozen=True)
class DistilledConfig:
    """`wavlm` holds the fields of a WavLMConfig that are not the library's defaults."""

    num_codes: int
    code_dim: int
    front: str = "wave"
    wavlm: dict[str, Any] = field(default_factory=dict[str, Any])
    reader_hidden: int = 192
    reader_layers: int = 3
    kind: str = KIND


class MelFront(nn.Module):
    """Log-mel [B, 4N, 80] -> features [B, C, N], each channel's mean over time removed."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(NUM_MELS, channels, 5, stride=2, padding=2)
        self.conv2 = nn.Conv1d(channels, channels, 5, stride=2, padding=2)

    def forward(self, mel: Tensor) -> Tensor:
        x = ((mel - mel.mean(1, keepdim=True)) / 3.0).transpose(1, 2)
        return F.gelu(self.conv2(F.gelu(self.conv1(x))))


class DistilledTokenizer(nn.Module):
    """Sound of whole tokens -> logits over the codebook [B, N, num_codes]."""

    def __init__(self, config: DistilledConfig) -> None:
        super().__init__()
        self.config = config
        sizes = WavLMConfig(**config.wavlm)
        self.wavlm = WavLMModel(sizes)
        if config.front == "mel":
            self.wavlm.add_module("feature_extractor", MelFront(sizes.conv_dim[-1]))
        self.to_code = nn.Linear(sizes.hidden_size * self._frames_per_token(sizes), config.code_dim)
        self.codebook = nn.Parameter(F.normalize(torch.randn(config.num_codes, config.code_dim), dim=-1))
        self.scale = nn.Parameter(torch.tensor(FIRST_SCALE))
        self.reader = TokenReader(config.num_codes, config.reader_hidden, config.reader_layers)

    def _frames_per_token(self, sizes: WavLMConfig) -> int:
        return 1 if self.config.front == "mel" else TOKEN_SAMPLES_16K // prod(sizes.conv_stride)

    def logits(self, heard: Tensor) -> Tensor:
        """heard: log-mel [B, 4N, 80], or samples [B, 640 N] at 16 kHz, as `hearing` makes them."""
        if self.config.front == "wave":
            heard = self._levelled(heard)
        hidden = self.wavlm(heard).last_hidden_state
        frames = self._frames_per_token(self.wavlm.config)
        count = hidden.shape[1] // frames
        hidden = hidden[:, : count * frames].reshape(len(hidden), count, -1)
        return self.scale * F.normalize(self.to_code(hidden), dim=-1) @ F.normalize(self.codebook, dim=-1).T

    def _levelled(self, samples: Tensor) -> Tensor:
        """Zero mean and unit variance, padded so that each token has its frames."""
        sizes = self.wavlm.config
        mean, deviation = samples.mean(1, keepdim=True), samples.std(1, keepdim=True)
        stride, field_samples = 1, 1
        for kernel, step in zip(sizes.conv_kernel, sizes.conv_stride, strict=True):
            field_samples += (kernel - 1) * stride
            stride *= step
        side = max(0, field_samples - stride)
        return F.pad((samples - mean) / (deviation + 1e-7), (side // 2, side - side // 2))

    def hearing(self, samples_24k: FloatArray) -> FloatArray:
        """What `logits` takes of mono samples [T]: float32 [4N, 80] or [640 N], N = ceil(T / 960)."""
        if self.config.front == "mel":
            return log_mel(samples_24k)
        return at_16k(samples_24k)[: num_tokens(len(samples_24k)) * TOKEN_SAMPLES_16K]

    def encode(self, samples_24k: FloatArray) -> IntArray:
        """Codes int64 [N] of mono samples [T] at 24 kHz, N = ceil(T / 960): the likeliest ones."""
        return self.log_probs(samples_24k).argmax(-1).cpu().numpy()

    @torch.inference_mode()
    def log_probs(self, samples_24k: FloatArray) -> Tensor:
        """Of each code at each place, float32 [N, num_codes]. Long audio goes through overlapping windows."""
        total = num_tokens(len(samples_24k))
        out = torch.zeros(total, self.config.num_codes, device=self.codebook.device)
        start = 0
        while start < total:
            stop = min(total, start + LONG_TOKENS)
            heard = self.hearing(samples_24k[start * SAMPLES_PER_TOKEN : stop * SAMPLES_PER_TOKEN])
            logits = self.logits(torch.from_numpy(heard)[None].to(self.codebook))[0].float()
            skip = OVERLAP_TOKENS // 2 if start else 0
            out[start + skip : stop] = torch.log_softmax(logits[skip:], dim=-1)
            start = total if stop == total else stop - OVERLAP_TOKENS
        return out

    def read(self, tokens: IntArray) -> str:
        """What the tokens say, as far as the texts reached that the reader learned from."""
        return self.reader.read(tokens)

    def align(self, samples_24k: FloatArray, text: str) -> tuple[tuple[Word, ...], float] | None:
        """Words of `text` with times, and how well they match; None if it cannot fit."""
        from voicekit.covo.ctc_alignment import align_words

        return align_words(self.reader.emissions(self.encode(samples_24k)), text)

    def read_words(self, samples_24k: FloatArray, text: str) -> None:
        """None: it reads only what its texts reached."""

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.json").write_text(json.dumps(asdict(self.config), indent=1) + "\n")
        save_file({k: v.detach().contiguous().cpu() for k, v in self.state_dict().items()}, folder / "model.safetensors")

    @classmethod
    def load(cls, folder: Path, device: str = "cpu") -> DistilledTokenizer:
        model = cls(DistilledConfig(**json.loads((folder / "config.json").read_text())))
        model.load_state_dict({k: v.float() for k, v in load_file(folder / "model.safetensors").items()})
        return model.eval().requires_grad_(False).to(device)


def fresh(size: str, num_codes: int, token_embedding: Tensor, init: Path | None = None) -> DistilledTokenizer:
    """Untrained, of a `size` of SIZES with random weights, or around the WavLM in the folder `init`.

    The codebook starts at the decoder's own token embeddings [num_codes, C]: tokens that sound alike begin as neighbours.
    """
    if init is not None:
        given = WavLMConfig.from_pretrained(init, local_files_only=True)
        config = DistilledConfig(num_codes, token_embedding.shape[1], "wave", given.to_diff_dict())
    else:
        front = "mel" if size == "tiny" else "wave"
        # Spans are silenced in the sound instead (its masks come from a random state that no checkpoint keeps).
        sizes = {**SIZES[size], "layerdrop": 0.0, "mask_time_prob": 0.0, "apply_spec_augment": False}
        config = DistilledConfig(num_codes, token_embedding.shape[1], front, sizes)
    made = DistilledTokenizer(config)
    if init is not None:
        made.wavlm = WavLMModel.from_pretrained(init, local_files_only=True)
        made.wavlm.config.apply_spec_augment = False
    with torch.no_grad():
        centred = token_embedding.float() - token_embedding.float().mean(0)
        made.codebook.copy_(F.normalize(centred + 1e-6 * torch.randn_like(centred), dim=-1))
    return made
