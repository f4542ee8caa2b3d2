"""Whether all clips are of one speaker: each compared with the rest, once all of them are there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from voicekit.prepare.grade import apart
from voicekit.records import Clip, FloatArray, Verdict
from voicekit.specs import PrepareSpec

_NEAREST = 0.5  # the share of clips that may belong to others before the wrong ones are taken for the speaker


def similarities(embeddings: FloatArray, counted: NDArray[np.bool_]) -> FloatArray | None:
    """Cosine of each clip (unit rows float32 [N, D]) to the mean of the main speaker's others: float32 [N].

    The main speaker's are, of the `counted` clips, the half nearest to the one that resembles most others best, so that a
    visitor's clips do not pull the mean towards themselves. None where there is nothing to compare with.
    """
    candidates = np.flatnonzero(counted)
    if len(candidates) < 2:
        return None
    among = embeddings[candidates]
    alike = among @ among.T
    centre = int(np.median(alike, axis=1).argmax())
    core = candidates[np.argsort(-alike[centre], kind="stable")[: max(2, int(np.ceil(_NEAREST * len(candidates))))]]
    means = np.repeat(embeddings[core].sum(axis=0)[None], len(embeddings), axis=0)
    means[core] -= embeddings[core]
    lengths = np.maximum(np.linalg.norm(means, axis=1), 1e-9)
    return ((embeddings * means).sum(axis=1) / lengths).astype(np.float32)


def compared(clips: Sequence[Clip], found: Sequence[float | None], spec: PrepareSpec, to_reference: bool = False) -> list[Clip]:
    """The clips with their similarities; accepted ones below the threshold become another speaker's."""
    known = [s for c, s in zip(clips, found, strict=True) if s is not None and c.verdict is Verdict.ACCEPTED]
    rest = [s for s in known if s >= spec.min_speaker_similarity]
    usual = f", the rest has {float(np.median(rest)):.2f}" if rest else ""
    against = " to the reference" if to_reference else ""
    out: list[Clip] = []
    for clip, value in zip(clips, found, strict=True):
        if value is None:
            out.append(clip)
            continue
        graded = replace(clip, grades=replace(clip.grades, speaker_similarity=round(float(value), 4)))
        if clip.verdict is Verdict.ACCEPTED and value < spec.min_speaker_similarity:
            shown = apart(float(value), spec.min_speaker_similarity, 2)
            reason = f"another speaker: similarity {shown}{against}{usual}"
            graded = replace(graded, verdict=Verdict.REJECTED, reason=reason)
        out.append(graded)
    return out
