"""Many voices for a decoder that was given few: its own prompts, mixtures of their speakers, and speakers nearby."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from voicekit import audio
from voicekit.errors import UsageError
from voicekit.records import FloatArray, VoicePrompt

if TYPE_CHECKING:
    from voicekit.covo.base import Base

# How far from known speakers: noise against their own root mean square.
NEAREST, FARTHEST = 0.3, 1.4
LOUDEST = 1.3


def voice_prompts(own: Sequence[VoicePrompt], count: int, seed: int) -> list[VoicePrompt]:
    """`count` voices: the own prompts first, then invented ones, which have a speaker embedding and no known prefix.

    An embedding is a mixture of two own ones and noise on the entries that are in use; it keeps about their length.
    """
    rng = np.random.default_rng(seed)
    made = list(own[:count])
    while len(made) < count:
        made.append(without_prefix(_nearby([p.speaker for p in own], rng), own[0]))
    return made


def without_prefix(speaker: FloatArray, like: VoicePrompt) -> VoicePrompt:
    """A voice that is said by its embedding alone."""
    return VoicePrompt(np.zeros(0, np.int64), np.zeros((0, like.latents.shape[1]), np.float32), speaker.astype(np.float32))


def _nearby(known: Sequence[FloatArray], rng: np.random.Generator) -> FloatArray:
    first, second = (known[int(rng.integers(len(known)))] for _ in range(2))
    weight = rng.uniform()
    mixed = weight * first + (1 - weight) * second
    used = np.any([speaker != 0 for speaker in known], axis=0)
    level = float(np.sqrt((mixed[used] ** 2).mean())) if used.any() else 0.0
    if level == 0.0:
        used, level = np.ones(len(mixed), bool), 0.5  # a base whose prompts say nothing of the speaker
    made = mixed + used * rng.standard_normal(len(mixed)) * level * rng.uniform(NEAREST, FARTHEST)
    longest = LOUDEST * level * np.sqrt(used.sum())
    return (made * min(1.0, longest / float(np.linalg.norm(made)))).astype(np.float32)


def given_prompts(base: Base, places: Sequence[Path]) -> list[VoicePrompt]:
    """Voice prompts from files or folders: stored ones (.safetensors), and of recordings the speaker alone, one a file."""
    found: list[VoicePrompt] = []
    for place in places:
        files = sorted(p for p in place.rglob("*") if p.is_file()) if place.is_dir() else [place]
        stored = [p for p in files if p.suffix == ".safetensors"]
        recorded = [p for p in files if p.suffix.lower() in audio.SUFFIXES]
        if not stored and not recorded:
            raise UsageError(f"There is no voice in {place}.", "Give voice prompts (.safetensors) or recordings.")
        found += [base.read_prompt(p) for p in stored]
        found += [without_prefix(base.speaker_of([audio.read(p)]), base.neutral_prompt()) for p in recorded]
    return found
