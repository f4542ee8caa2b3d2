"""Two versions of a dataset, side by side."""

from __future__ import annotations

from dataclasses import dataclass

from voicekit.prepare.decisions import place_of
from voicekit.records import Clip, Dataset, Verdict


@dataclass(frozen=True)
class Change:
    """A clip that both versions have, before and after."""

    before: Clip
    after: Clip


@dataclass(frozen=True)
class Comparison:
    """What the second dataset has other than the first. `speech_s` is that of each, (before, after)."""

    first: str
    second: str
    added: tuple[Clip, ...]
    removed: tuple[Clip, ...]
    text: tuple[Change, ...]
    verdict: tuple[Change, ...]
    speech_s: tuple[float, float]

    @property
    def same(self) -> bool:
        return self.first == self.second


def compare(first: Dataset, second: Dataset) -> Comparison:
    """Clips are the same where they are the same stretch of the same recording, whatever they sound like after cleaning."""
    before = {(c.recording_id, *place_of(c)): c for c in first.clips}
    after = {(c.recording_id, *place_of(c)): c for c in second.clips}
    both = [Change(before[place], clip) for place, clip in after.items() if place in before]
    return Comparison(
        first=first.id,
        second=second.id,
        added=tuple(c for place, c in after.items() if place not in before),
        removed=tuple(c for place, c in before.items() if place not in after),
        text=tuple(c for c in both if c.before.transcript.text != c.after.transcript.text),
        verdict=tuple(c for c in both if c.before.verdict is not c.after.verdict),
        speech_s=(_speech_s(first), _speech_s(second)),
    )


def _speech_s(dataset: Dataset) -> float:
    return round(sum(c.duration_s for c in dataset.clips if c.verdict is Verdict.ACCEPTED), 3)
