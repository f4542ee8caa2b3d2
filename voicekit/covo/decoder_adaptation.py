"""Fit a few decoder weights to one speaker: how the voice colours the latents, never how tokens are read.

Only what the speaker condition reaches is trained (condition, modulation and output layers); token embedding, token
projection, attention and feed-forward stay as they are, so that intelligibility cannot drift far.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from voicekit.covo.decoder import Token2Latent, flow_loss
from voicekit.errors import BaseModelError, TrainingError
from voicekit.files import beside
from voicekit.ports import OnProgress, Progress
from voicekit.records import FloatArray, IntArray, VoicePrompt
from voicekit.specs import TrainSpec
from voicekit.timebase import LATENTS_PER_TOKEN, TOKEN_HZ
from voicekit.train.precision import half

TRAINED = ("cond_proj", "modulation_layer", "output_layer")
CROP_TOKENS = 75
BATCH = 6
SPEAKER_NOISE = 0.03
TIMES_DRAWN = 20
FILE = "decoder.safetensors"

Spoken = tuple[IntArray, FloatArray]


def adapt_decoder(
    model: Token2Latent, clips: Sequence[Spoken], prompt: VoicePrompt, spec: TrainSpec, folder: Path, report: OnProgress
) -> Path | None:
    """Train on the speaker's clips (codes int64 [N], normalised latents float32 [4N, 64]); the file of changed weights.

    None when spec.decoder_steps is 0. A finished file is returned as it is.
    """
    out = folder / FILE
    if spec.decoder_steps == 0 or out.exists():
        return out if out.exists() and spec.decoder_steps else None
    tuned = copy.deepcopy(model).train()
    weights = {k: p for k, p in tuned.named_parameters() if any(part in k for part in TRAINED)}
    for name, p in tuned.named_parameters():
        p.requires_grad_(name in weights)
    rng, device = np.random.default_rng(spec.seed), next(tuned.parameters()).device
    adamw = torch.optim.AdamW(weights.values(), spec.decoder_learning_rate, weight_decay=0.0)
    for step in range(spec.decoder_steps):
        rate = min(1.0, (step + 1) / 10) * 0.5 * (1 + np.cos(np.pi * step / spec.decoder_steps))
        for group in adamw.param_groups:
            group["lr"] = spec.decoder_learning_rate * rate
        with half(device):
            loss = flow_loss(tuned, _batch(clips, prompt, rng, device))
        adamw.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(weights.values(), 1.0)
        adamw.step()
        value = float(loss.detach())
        if not np.isfinite(value):
            raise TrainingError("Fitting the decoder diverged.", "Lower train.decoder_learning_rate in the recipe.")
        if step % 10 == 9:
            report(Progress("decoder", (step + 1) / spec.decoder_steps, values={"flow_loss": value}))
    with beside(out) as part:
        save_file({k: p.detach().half().contiguous() for k, p in weights.items()}, part)
    return out


def drawn_from_s(steps: int) -> float:
    """So much speech that each second of it is drawn about TIMES_DRAWN times; to analyse more costs more than it gives."""
    return steps * BATCH * CROP_TOKENS / TOKEN_HZ / TIMES_DRAWN


def with_weights(model: Token2Latent, file: Path) -> Token2Latent:
    """A copy of the decoder with the changed weights of `file`."""
    changed = load_file(file)
    unknown = sorted(set(changed) - set(model.state_dict()))
    if unknown:
        raise BaseModelError(f"{file} holds weights this base's decoder does not have: {unknown[:3]}.", "Make the voice again.")
    tuned = copy.deepcopy(model)
    tuned.load_state_dict({k: v.float() for k, v in changed.items()}, strict=False)
    return tuned.eval().requires_grad_(False)


def _batch(clips: Sequence[Spoken], prompt: VoicePrompt, rng: np.random.Generator, device: torch.device) -> dict[str, Tensor]:
    """Crops with a hidden tail of 70-100 %; every tenth crop has no token condition."""
    rows = []
    for _ in range(BATCH):
        codes, latents = clips[int(rng.integers(len(clips)))]
        start = int(rng.integers(max(1, len(codes) - CROP_TOKENS + 1)))
        codes = codes[start : start + CROP_TOKENS]
        rows.append((codes, latents[LATENTS_PER_TOKEN * start :][: LATENTS_PER_TOKEN * len(codes)]))
    longest = max(len(c) for c, _ in rows)
    frames, width = LATENTS_PER_TOKEN * longest, rows[0][1].shape[1]
    tokens = np.zeros((BATCH, longest), np.int64)
    latents = np.zeros((BATCH, frames, width), np.float32)
    hidden, real = np.zeros((BATCH, frames), bool), np.zeros((BATCH, frames), bool)
    for i, (codes, x) in enumerate(rows):
        tokens[i, : len(codes)], latents[i, : len(x)], real[i, : len(x)] = codes, x, True
        hidden[i, int(len(x) * rng.uniform(0.0, 0.3)) :] = True
    speaker = prompt.speaker + SPEAKER_NOISE * rng.standard_normal((BATCH, len(prompt.speaker)))
    arrays = {
        "tokens": tokens,
        "latents": latents,
        "hidden": hidden,
        "real": real,
        "speaker": speaker.astype(np.float32),
        "noise": rng.standard_normal(latents.shape).astype(np.float32),
        "t": rng.uniform(0, 1, BATCH).astype(np.float32),
        "keep": (rng.uniform(0, 1, BATCH) < 0.9).astype(np.float32),
    }
    return {k: torch.from_numpy(v).to(device) for k, v in arrays.items()}
