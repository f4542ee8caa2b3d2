"""A random Qwen2 of a few thousand weights, and examples for it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn
from transformers import Qwen2Config, Qwen2ForCausalLM

from voicekit.records import TrainingExample

TEXT_IDS, IDS = 40, 72


class TinyModel(nn.Module):
    """What the training loop needs of a chat model: an `llm`."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        self.llm = tiny_llm(seed)


def tiny_llm(seed: int = 0) -> Qwen2ForCausalLM:
    torch.manual_seed(seed)
    config = Qwen2Config(
        vocab_size=IDS,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        intermediate_size=48,
        tie_word_embeddings=False,
        max_position_embeddings=128,
    )
    return Qwen2ForCausalLM(config).eval()


def examples(lengths: Sequence[int], seed: int = 0, kl: bool = False) -> list[TrainingExample]:
    """Every fourth id is text, the rest speech; speech is learned, text held when `kl`."""
    rng = np.random.default_rng(seed)
    made: list[TrainingExample] = []
    for length in lengths:
        is_text = np.arange(length) % 4 == 0
        ids = np.where(is_text, rng.integers(TEXT_IDS, size=length), TEXT_IDS + np.arange(length) % 8)
        loss = np.where(is_text, 0.0, rng.choice([0.5, 1.0], size=length)).astype(np.float32)
        held = (is_text * 0.5 if kl else np.zeros(length)).astype(np.float32)
        made.append(TrainingExample(ids.astype(np.int64), loss, held, "pseudo_masked"))
    return made


def weights(llm: nn.Module) -> dict[str, torch.Tensor]:
    return {name: p.detach().clone() for name, p in llm.named_parameters()}
