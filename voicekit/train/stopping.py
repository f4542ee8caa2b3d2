"""Looks at what is not learned from: which state was the best so far, and when to end. Pure functions of the looks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

HELD_OUT = "held-out"


class Look(NamedTuple):
    """After `step` steps: `speech_loss` in nats per speech token of the held-out examples, `text_drift` the mean
    KL(base || adapted) in nats over their text tokens."""

    step: int
    speech_loss: float
    text_drift: float


def best(looks: Sequence[Look], max_text_drift: float) -> Look:
    """The lowest speech loss among those within `max_text_drift` (0: all); if none is, the one that drifted least."""
    within = [look for look in looks if not max_text_drift or look.text_drift <= max_text_drift]
    if within:
        return min(within, key=lambda look: look.speech_loss)
    return min(looks, key=lambda look: look.text_drift)


def is_over(looks: Sequence[Look], patience: int, max_text_drift: float) -> bool:
    """Whether the last `patience` looks (0: never) brought nothing better."""
    if not patience or not looks:
        return False
    return len(looks) - 1 - looks.index(best(looks, max_text_drift)) >= patience
