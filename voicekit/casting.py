"""Whose voice the recordings of a draft are of: who speaks in them, to be heard, and who of them is wanted."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from voicekit import audio, manifest
from voicekit.drafts import Draft, Drafts, Found
from voicekit.engines import Engines
from voicekit.errors import RecordingsError, UsageError
from voicekit.ports import OnProgress
from voicekit.prepare.hearing import TOLD_FROM_S as TOLD_FROM_S
from voicekit.prepare.intake import input_files
from voicekit.preparing import SpeakerSample as SpeakerSample
from voicekit.preparing import find_speakers
from voicekit.specs import PrepareSpec
from voicekit.storage import tree_sha256

_FOUND = "found.json"
_LEAST_S = 1.0


@dataclass(frozen=True)
class PassedOver:
    """A recording in which nobody was looked for or found, and why."""

    recording: str
    reason: str


@dataclass(frozen=True)
class Person:
    """Somebody who speaks in one or several recordings, by what they are called in all of them; their longest speech first."""

    name: str
    speakers: tuple[SpeakerSample, ...]

    @property
    def speech_s(self) -> float:
        return sum(s.speech_s for s in self.speakers)

    @property
    def longest(self) -> SpeakerSample:
        return self.speakers[0]


@dataclass(frozen=True)
class SpeakersHeard:
    """Everybody who was found, recording by recording, who speaks most first. So many recordings were `listened` to: those of at
    least `from_s`, and those whose turns somebody wrote; the others are `passed_over`."""

    speakers: tuple[SpeakerSample, ...] = ()
    listened: int = 0
    from_s: float = 0.0
    passed_over: tuple[PassedOver, ...] = ()

    @property
    def people(self) -> tuple[Person, ...]:
        """Everybody once, who speaks most first."""
        names = list(dict.fromkeys(s.person for s in self.speakers))
        found = [
            Person(name, tuple(sorted((s for s in self.speakers if s.person == name), key=lambda s: (-s.speech_s, s.recording))))
            for name in names
        ]
        return tuple(sorted(found, key=lambda person: -person.speech_s))

    @property
    def several(self) -> tuple[SpeakerSample, ...]:
        """The speakers of recordings in which there is more than one."""
        crowded = [s.recording for s in self.speakers]
        return tuple(s for s in self.speakers if crowded.count(s.recording) > 1)


@dataclass(frozen=True)
class _Kept:
    inputs: str
    heard: SpeakersHeard


class Casting:
    """The speakers of the drafts in one home. `spec_of` gives the settings with which a draft's recordings are prepared."""

    def __init__(self, drafts: Drafts, engines: Engines, spec_of: Callable[[str], PrepareSpec]) -> None:
        self._drafts, self._engines, self._spec_of = drafts, engines, spec_of

    def from_s(self, draft_id: str) -> float:
        """How long a recording is in which speakers are told apart without being asked to."""
        return self._spec_of(draft_id).diarize_from_s

    def found(self, draft_id: str) -> SpeakersHeard | None:
        """What `listen` found in the recordings as they are now; None if it was not asked since they changed."""
        path = self._folder(draft_id) / _FOUND
        kept = manifest.read_record(path, _Kept) if path.is_file() else None
        if kept is None or kept.inputs != self._inputs(draft_id):
            return None
        # Before 0.11 nobody was known beyond their recording: they are asked about once more.
        return kept.heard if all(s.person for s in kept.heard.speakers) else None

    def listen(self, draft_id: str, report: OnProgress, from_s: float | None = None) -> SpeakersHeard:
        """Find out who speaks in recordings of `from_s` and more (by default those in which it is done without being asked).

        Recordings that were listened to before are not again. Raises RecordingsError when none can be read.
        """
        inputs = self._inputs(draft_id)
        spec = self._spec_of(draft_id).model_copy(update={"max_failed_ratio": 1.0})
        least_s = spec.diarize_from_s if from_s is None else from_s
        folder = self._folder(draft_id)
        found = find_speakers(self._engines, self._drafts.recordings(draft_id), folder, spec, report, from_s=least_s)
        heard_in = {s.recording for s in found}
        heard = SpeakersHeard(tuple(found), len(heard_in), least_s, self._passed_over(draft_id, heard_in, least_s))
        manifest.write_record(folder / _FOUND, _Kept(inputs, heard))
        return heard

    def choose(self, draft_id: str, recording: str, speaker: str) -> Draft:
        """One of those who were found is the wanted speaker: their sample says so, in every recording."""
        heard = self.found(draft_id) or SpeakersHeard()
        who = next((s for s in heard.speakers if (s.recording, s.speaker) == (recording, speaker)), None)
        if who is None:
            raise UsageError("The recordings have changed meanwhile.", "Find out anew who speaks, then choose.")
        return self._drafts.set_reference(draft_id, self.sample(draft_id, who), f"{who.person} in {who.recording}")

    def choose_reference(self, draft_id: str, given: Path) -> Draft:
        """Whoever speaks in this file is the wanted speaker."""
        length_s = _length_s(given)
        if length_s < _LEAST_S:
            raise RecordingsError(f"{given.name} is only {length_s:.1f} s long.", "Give some seconds of the speaker alone.")
        return self._drafts.set_reference(draft_id, given, given.name)

    def choose_who_speaks_most(self, draft_id: str) -> Draft:
        """Nobody is named: of every recording, who speaks most in it."""
        return self._drafts.set_reference(draft_id, None)

    def sample(self, draft_id: str, who: SpeakerSample) -> Path:
        """Some seconds of a speaker alone (wav)."""
        return self._folder(draft_id) / who.sample

    def _passed_over(self, draft_id: str, heard_in: Collection[str], least_s: float) -> tuple[PassedOver, ...]:
        """Nothing is left unheard in silence."""

        def reason(found: Found) -> str:
            if found.fault:
                return f"cannot be used: {found.fault}"
            return f"shorter than {least_s:g} s" if found.duration_s < least_s else "no speech was found in it"

        recordings = self._drafts.material(draft_id).recordings
        return tuple(PassedOver(r.path, reason(r)) for r in recordings if r.path not in heard_in)

    def _folder(self, draft_id: str) -> Path:
        return self._drafts.recordings(draft_id).parent / "speakers"

    def _inputs(self, draft_id: str) -> str:
        folder = self._drafts.recordings(draft_id)
        return tree_sha256(folder, of=input_files(folder)) if folder.exists() else ""


def _length_s(sound: Path) -> float:
    facts = audio.probe(sound)
    return facts.num_samples / facts.sample_rate_hz if facts.sample_rate_hz else 0.0
