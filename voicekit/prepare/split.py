"""Which recordings are held out for evaluation."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping


def held_out_recordings(seconds: Mapping[str, float], ratio: float) -> frozenset[str]:
    """About `ratio` of the speech, in whole recordings: at least one of them, never all; none of a single recording.

    `seconds` is the accepted speech of each recording id. The choice depends on ids and lengths alone, and adding a recording
    seldom moves another one.
    """
    if len(seconds) < 2 or ratio <= 0:
        return frozenset()
    wanted_s = ratio * sum(seconds.values())
    in_order = sorted(seconds, key=lambda i: hashlib.sha256(f"held out {i}".encode()).digest())
    chosen: list[str] = []
    chosen_s = 0.0
    for recording in in_order:
        left_s = wanted_s - chosen_s
        if left_s > 0 and seconds[recording] <= 1.5 * left_s and len(chosen) < len(seconds) - 1:
            chosen.append(recording)
            chosen_s += seconds[recording]
    return frozenset(chosen or [min(in_order, key=lambda i: seconds[i])])
