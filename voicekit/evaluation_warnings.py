"""What everybody who meets a voice has to be told of its numbers, whatever the gate decided."""

from __future__ import annotations

import math
from collections.abc import Mapping

from voicekit.records import Metric

UNDERSTOOD_WER = 0.25
"""Beyond this word error rate listeners lose the sense; a voice that has more is warned about in every interface."""

_UNKNOWN = Metric(math.nan, math.nan, math.nan, 0)


def warnings(metrics: Mapping[str, Metric]) -> tuple[str, ...]:
    """What whoever uses the voice has to know, whatever the gate decided."""
    wer, base = metrics.get("wer", _UNKNOWN), metrics.get("base_wer", _UNKNOWN)
    if "cer" not in metrics:
        if not _all_known(wer.value):
            return ()
        return (
            "The words misheard of this version were counted by an earlier judge, which knew the sentences: too few. "
            "Measure it again: voicekit evaluate NAME.",
        )
    if not _all_known(wer.value) or wer.value <= UNDERSTOOD_WER:
        return ()
    ends = wer.shown_interval(0, 100.0)
    spread = f" (95 %: {ends[0]} % to {ends[1]} %)" if ends else ""
    return (
        f"People will hardly understand this voice: a recogniser that knows none of the sentences mishears {_percent(wer.value)} "
        f"of its words{spread}, and {_percent(base.value)} of the un-tuned base's. Up to {_percent(UNDERSTOOD_WER)} can be "
        "followed.",
    )


def _all_known(*values: float) -> bool:
    return all(math.isfinite(value) for value in values)


def _percent(value: float) -> str:
    return f"{100 * value:.0f} %" if math.isfinite(value) else "an unknown share"
