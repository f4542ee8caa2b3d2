"""nano's sizes, its prompt, and where each trained part is kept while the base is built."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

CONTROL = "voice: {speaker}"
TEXT_VOCABULARY = 2000
NUM_CODES = 1024
HIDDEN = 320
ADAPTER_HIDDEN = 384
SEGMENT_POSITIONS = 400

# Whisper base's encoder, with positions for segments of 8 s.
ENCODER = {
    "d_model": 512,
    "encoder_layers": 6,
    "encoder_attention_heads": 8,
    "encoder_ffn_dim": 2048,
    "num_mel_bins": 80,
    "max_source_positions": SEGMENT_POSITIONS,
    "activation_function": "gelu",
    "dropout": 0.0,
    "attention_dropout": 0.0,
    "activation_dropout": 0.0,
    "decoder_layers": 1,
    "vocab_size": 8,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "decoder_start_token_id": 1,
}


def llm_config(text_tokens: int) -> dict[str, Any]:
    """Qwen2 in miniature: `text_tokens` text ids, then the speech codes."""
    return {
        "vocab_size": text_tokens + NUM_CODES,
        "hidden_size": HIDDEN,
        "intermediate_size": 896,
        "num_hidden_layers": 6,
        "num_attention_heads": 8,
        "num_key_value_heads": 4,
        "max_position_embeddings": 2048,
        "rope_theta": 10_000.0,
        "rms_norm_eps": 1e-6,
        "tie_word_embeddings": False,
        "use_sliding_window": False,
        "attention_dropout": 0.0,
    }


@dataclass(frozen=True)
class Places:
    """Folders of one build: everything outside git's tracked files until it is packed."""

    work: Path

    @property
    def audio(self) -> Path:
        return self.work / "audio"

    @property
    def text(self) -> Path:
        return self.work / "text" / "tokenizer.json"

    @property
    def features(self) -> Path:
        return self.work / "features"

    @property
    def phonetic(self) -> Path:
        return self.work / "phonetic"

    @property
    def codes(self) -> Path:
        return self.work / "codes"

    @property
    def reading(self) -> Path:
        return self.work / "reading"

    @property
    def decoder(self) -> Path:
        return self.work / "decoder"

    @property
    def adapter(self) -> Path:
        return self.work / "adapter.pt"

    @property
    def chat(self) -> Path:
        return self.work / "chat"
