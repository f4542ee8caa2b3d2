"""Whisper base's encoder, frozen, as the frames that everything in nano listens to: its ears and its speech tokenizer.

Structure and weights are OpenAI's (MIT); the weights are read from CTranslate2's float16 file (`recipes.embedded.whisper
--float16`). Frames are made by `voicekit.covo.adapter.whisper_frames`: 50 a second, two a speech token.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from transformers import WhisperConfig
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from recipes.embedded.whisper import variables
from recipes.nano.shape import ENCODER

WIDTH, LAYERS = int(ENCODER["d_model"]), int(ENCODER["encoder_layers"])
LONGEST_S = 30.0


def load_whisper(model: Path) -> WhisperEncoder:
    """The encoder of a CTranslate2 float16 `model.bin`, with as many positions as nano's segments have."""
    encoder = WhisperEncoder(WhisperConfig(**{**ENCODER, "max_source_positions": 1500}))
    encoder.load_state_dict(_weights(model))
    return encoder.eval().requires_grad_(False)


def _weights(model: Path) -> dict[str, Tensor]:
    """By transformers' names."""
    found = {
        name.removeprefix("encoder/"): torch.from_numpy(value.astype(np.float32))
        for name, value in variables(model.read_bytes())
        if name.startswith("encoder/")
    }
    made = {"embed_positions.weight": found["position_encodings/encodings"]}

    def take(ours: str, theirs: str, names: tuple[str, str] = ("weight", "bias")) -> None:
        made.update({f"{ours}.{kind}": found[f"{theirs}/{name}"] for kind, name in zip(("weight", "bias"), names, strict=True)})

    norm = ("gamma", "beta")
    take("conv1", "conv1")
    take("conv2", "conv2")
    take("layer_norm", "layer_norm", norm)
    for n in range(LAYERS):
        ours, theirs = f"layers.{n}", f"layer_{n}"
        weights, biases = (found[f"{theirs}/self_attention/linear_0/{kind}"].chunk(3) for kind in ("weight", "bias"))
        for part, weight, bias in zip("qkv", weights, biases, strict=True):
            made[f"{ours}.self_attn.{part}_proj.weight"] = weight
            if part != "k":  # Whisper's keys have no bias
                made[f"{ours}.self_attn.{part}_proj.bias"] = bias
        take(f"{ours}.self_attn.out_proj", f"{theirs}/self_attention/linear_1")
        take(f"{ours}.fc1", f"{theirs}/ffn/linear_0")
        take(f"{ours}.fc2", f"{theirs}/ffn/linear_1")
        take(f"{ours}.self_attn_layer_norm", f"{theirs}/self_attention/layer_norm", norm)
        take(f"{ours}.final_layer_norm", f"{theirs}/ffn/layer_norm", norm)
    return made
