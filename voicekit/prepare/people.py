"""Who is the same person in different recordings: one numbering of everybody who was found in any of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from voicekit.records import FloatArray

# Of the embedded encoder: one speaker has cosine 0.8 to 1, two have 0.4 to 0.7.
ALIKE = 0.72


@dataclass(frozen=True)
class FoundVoice:
    """A speaker of one recording: `label` is what they are called there, `is_name` whether somebody wrote that (a diarizer's
    labels mean nothing beyond its recording); `embedding` is a unit row float32 [D], zeros where nothing is heard."""

    recording: str
    label: str
    is_name: bool
    speech_s: float
    embedding: FloatArray


@dataclass
class _Person:
    name: str
    recordings: set[str]
    speech_s: float
    total: FloatArray

    def likeness(self, voice: FoundVoice) -> float:
        """Cosine to the mean of the voices so far; -1 for who cannot be the same: another name, or beside them in a recording."""
        if (self.name and voice.is_name and self.name != voice.label) or voice.recording in self.recordings:
            return -1.0
        return float(self.total @ voice.embedding) / max(float(np.linalg.norm(self.total)), 1e-9)


def people_of(voices: Sequence[FoundVoice]) -> list[str]:
    """What each is called in all recordings: the name that somebody wrote, or "speaker N", who speaks most first.

    Who speaks longest is looked at first: short voices join the person whom they resemble most, from ALIKE on.
    """
    people: list[_Person] = []
    of = [-1] * len(voices)
    for index in sorted(range(len(voices)), key=lambda i: (-voices[i].speech_s, voices[i].recording, voices[i].label)):
        of[index] = _joined(people, voices[index])
    order = sorted(range(len(people)), key=lambda p: -people[p].speech_s)
    number = {person: place for place, person in enumerate(order, 1)}
    return [people[p].name or f"speaker {number[p]}" for p in of]


def _joined(people: list[_Person], voice: FoundVoice) -> int:
    """The person whose voice this is; one that was not known yet is added."""
    name = voice.label if voice.is_name else ""
    named = next((p for p, person in enumerate(people) if name and person.name == name), None)
    found = named if named is not None else max(range(len(people)), key=lambda p: people[p].likeness(voice), default=-1)
    if found < 0 or (named is None and people[found].likeness(voice) < ALIKE):
        people.append(_Person(name, {voice.recording}, voice.speech_s, voice.embedding.copy()))
        return len(people) - 1
    person = people[found]
    person.name = person.name or name
    person.recordings.add(voice.recording)
    person.speech_s += voice.speech_s
    person.total = person.total + voice.embedding
    return found
