"""Speech tokenizer: a WavLM-style encoder with one VQ layer, 25 tokens a second (report, section 2).

Trained with CTC (what is said), reconstruction (how it sounds, given the speaker) and pitch losses. Its reader, a short
stack after the VQ layer, gives back letters from tokens alone; the same head aligns a script to audio.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

from voicekit.covo.features import NUM_MELS, log_mel
from voicekit.instrument_ports import Reading
from voicekit.records import FloatArray, IntArray, Word

ALPHABET = " abcdefghijklmnopqrstuvwxyz'"
BLANK = 0
SYMBOLS = len(ALPHABET) + 1


@dataclass(frozen=True)
class SpeechTokenizerConfig:
    hidden: int = 256
    heads: int = 4
    ffn: int = 768
    kernel: int = 15
    encoder_layers: int = 6
    reader_layers: int = 2
    num_codes: int = 1024
    code_dim: int = 32
    max_window_tokens: int = 400


class Rotary(nn.Module):
    """Rotary position embedding, rotate-half form, over the whole head dimension."""

    inv_freq: Tensor

    def __init__(self, head_dim: int, theta: float = 10_000.0) -> None:
        super().__init__()
        freq = 1.0 / theta ** (torch.arange(0, head_dim, 2).float() / head_dim)
        self.register_buffer("inv_freq", freq, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """x [B, H, T, D] -> the same, rotated by position."""
        angle = torch.arange(x.shape[-2], device=x.device).float()[:, None] * self.inv_freq[None].float()
        cos, sin = angle.cos().to(x.dtype), angle.sin().to(x.dtype)
        left, right = x.chunk(2, dim=-1)
        return torch.cat([left * cos - right * sin, right * cos + left * sin], dim=-1)


class Block(nn.Module):
    """Attention, depthwise convolution and feed-forward, each pre-normed and residual."""

    def __init__(self, config: SpeechTokenizerConfig) -> None:
        super().__init__()
        d = config.hidden
        self.heads = config.heads
        self.norm_attn = nn.LayerNorm(d)
        self.qkv = nn.Linear(d, 3 * d)
        self.out = nn.Linear(d, d)
        self.rotary = Rotary(d // config.heads)
        self.norm_conv = nn.LayerNorm(d)
        self.conv_in = nn.Linear(d, 2 * d)
        self.conv = nn.Conv1d(d, d, config.kernel, padding=config.kernel // 2, groups=d)
        self.conv_norm = nn.LayerNorm(d)
        self.conv_out = nn.Linear(d, d)
        self.norm_ffn = nn.LayerNorm(d)
        self.fc1 = nn.Linear(d, config.ffn)
        self.fc2 = nn.Linear(config.ffn, d)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """x [B, T, D], mask bool [B, T] (True = real frame)."""
        b, t, d = x.shape
        q, k, v = self.qkv(self.norm_attn(x)).view(b, t, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
        score = (self.rotary(q) * (d // self.heads) ** -0.5) @ self.rotary(k).transpose(-1, -2)
        y = score.masked_fill(~mask[:, None, None, :], -1e4).softmax(-1) @ v
        x = x + self.out(y.transpose(1, 2).reshape(b, t, d))
        y = F.glu(self.conv_in(self.norm_conv(x)), dim=-1) * mask[..., None]
        y = self.conv(y.transpose(1, 2)).transpose(1, 2)
        x = x + self.conv_out(F.silu(self.conv_norm(y)))
        return x + self.fc2(F.silu(self.fc1(self.norm_ffn(x))))


class Quantizer(nn.Module):
    """One VQ layer on unit-length vectors. The codebook follows its inputs by moving averages (training only)."""

    codebook: Tensor
    count: Tensor
    total: Tensor

    def __init__(self, num_codes: int, dim: int) -> None:
        super().__init__()
        self.register_buffer("codebook", F.normalize(torch.randn(num_codes, dim), dim=-1))
        self.register_buffer("count", torch.ones(num_codes), persistent=False)
        self.register_buffer("total", torch.zeros(num_codes, dim), persistent=False)

    def indices(self, z: Tensor) -> Tensor:
        return (F.normalize(z.float(), dim=-1) @ self.codebook.T).argmax(-1)

    def lookup(self, codes: Tensor) -> Tensor:
        return self.codebook[codes]


class SpeechTokenizer(nn.Module):
    """Mel frames [B, 4N, 80] -> codes [B, N] -> letters, mel and pitch."""

    def __init__(self, config: SpeechTokenizerConfig) -> None:
        super().__init__()
        self.config = config
        d = config.hidden
        self.conv1 = nn.Conv1d(NUM_MELS, d, 5, stride=2, padding=2)
        self.conv2 = nn.Conv1d(d, d, 5, stride=2, padding=2)
        self.encoder = nn.ModuleList(Block(config) for _ in range(config.encoder_layers))
        self.encoder_norm = nn.LayerNorm(d)
        self.to_code = nn.Linear(d, config.code_dim)
        self.quantizer = Quantizer(config.num_codes, config.code_dim)
        self.from_code = nn.Linear(config.code_dim, d)
        self.reader = nn.ModuleList(Block(config) for _ in range(config.reader_layers))
        self.reader_norm = nn.LayerNorm(d)
        self.ctc = nn.Linear(d, 2 * SYMBOLS)

    def hidden(self, mel: Tensor, mask: Tensor) -> Tensor:
        """mel [B, 4N, 80] (log power), mask bool [B, N] -> [B, N, D] before the VQ layer. Removes each channel's mean."""
        frames = mask.repeat_interleave(4, dim=1)[..., None].to(mel.dtype)
        mean = (mel * frames).sum(1, keepdim=True) / frames.sum(1, keepdim=True)
        x = ((mel - mean) * frames / 3.0).transpose(1, 2)
        x = F.gelu(self.conv2(F.gelu(self.conv1(x)))).transpose(1, 2)
        for block in self.encoder:
            x = block(x, mask)
        return self.encoder_norm(x)

    def read_logits(self, code_vectors: Tensor, mask: Tensor) -> Tensor:
        """Code vectors [B, N, C] -> CTC logits [B, 2N, SYMBOLS]: two letter slots a token, or fast speech would not fit."""
        x = self.from_code(code_vectors)
        for block in self.reader:
            x = block(x, mask)
        logits = self.ctc(self.reader_norm(x))
        return logits.view(logits.shape[0], -1, SYMBOLS)

    @torch.inference_mode()
    def encode(self, samples_24k: FloatArray) -> IntArray:
        """Codes int64 [N] of mono samples [T] at 24 kHz, N = ceil(T / 960). Long audio goes through overlapping windows."""
        mel = log_mel(samples_24k)
        total, window = mel.shape[0] // 4, self.config.max_window_tokens
        if total == 0:
            return np.zeros(0, np.int64)
        overlap = window // 8
        out = np.zeros(total, np.int64)
        start = 0
        while True:
            stop = min(total, start + window)
            codes = self._encode_window(mel[4 * start : 4 * stop])
            skip = overlap // 2 if start else 0
            out[start + skip : stop] = codes[skip:]
            if stop == total:
                return out
            start = stop - overlap

    def _encode_window(self, mel: FloatArray) -> IntArray:
        x = torch.from_numpy(mel)[None].to(self.conv1.weight)
        mask = torch.ones(1, mel.shape[0] // 4, dtype=torch.bool, device=x.device)
        return self.quantizer.indices(self.to_code(self.hidden(x, mask)))[0].cpu().numpy()

    @torch.inference_mode()
    def emissions(self, tokens: IntArray) -> FloatArray:
        """Log probabilities float32 [2N, SYMBOLS] of letters at 50 Hz, from tokens alone; symbol 0 is the CTC blank."""
        codes = torch.as_tensor(tokens, device=self.quantizer.codebook.device)[None]
        mask = torch.ones_like(codes, dtype=torch.bool)
        logits = self.read_logits(self.quantizer.lookup(codes).to(self.ctc.weight), mask)
        return logits[0].float().log_softmax(-1).cpu().numpy()

    def read(self, tokens: IntArray) -> str:
        """What the tokens say: lower-case letters, apostrophes and single spaces."""
        if len(tokens) == 0:
            return ""
        return greedy_text(self.emissions(tokens).argmax(-1))

    def align(self, samples_24k: FloatArray, text: str) -> tuple[tuple[Word, ...], float] | None:
        """Words of `text` (letters, apostrophes, spaces) with times, and how well they match; None if it cannot fit."""
        from voicekit.covo.ctc_alignment import align_words

        return align_words(self.emissions(self.encode(samples_24k)), text)

    def read_words(self, samples_24k: FloatArray, text: str) -> tuple[Reading, ...] | None:
        """How surely each word of `text` is said; None if it cannot fit."""
        from voicekit.covo.ctc_alignment import read_words

        return read_words(self.emissions(self.encode(samples_24k)), text)

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.json").write_text(json.dumps(asdict(self.config), indent=1))
        save_file({k: v.contiguous() for k, v in self.state_dict().items()}, folder / "model.safetensors")

    @classmethod
    def load(cls, folder: Path, device: str = "cpu") -> SpeechTokenizer:
        model = cls(SpeechTokenizerConfig(**json.loads((folder / "config.json").read_text())))
        model.load_state_dict({k: v.float() for k, v in load_file(folder / "model.safetensors").items()})
        return model.eval().requires_grad_(False).to(device)


def greedy_text(symbols: IntArray) -> str:
    """CTC best path: repeats merged, blanks dropped, spaces single."""
    keep = np.flatnonzero(np.diff(symbols, prepend=-1) != 0)
    letters = "".join(ALPHABET[s - 1] for s in symbols[keep] if s != BLANK)
    return " ".join(letters.split())


def text_symbols(text: str) -> list[int]:
    """Symbols of a text; letters outside the alphabet are dropped."""
    return [ALPHABET.index(c) + 1 for c in " ".join(text.lower().split()) if c in ALPHABET]
