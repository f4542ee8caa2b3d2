"""Whose voice the recordings of a draft are of: who speaks in them, to be heard, and who of them is wanted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from voicekit import audio, manifest
from voicekit.drafts import Draft, Drafts
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
class SpeakersHeard:
    """Everybody who was found, recording by recording, who speaks most first. So many recordings were `listened` to: those of at
    least `from_s`, and those whose turns somebody wrote."""

    speakers: tuple[SpeakerSample, ...] = ()
    listened: int = 0
    from_s: float = 0.0

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
        return kept.heard if kept and kept.inputs == self._inputs(draft_id) else None

    def listen(self, draft_id: str, report: OnProgress, from_s: float | None = None) -> SpeakersHeard:
        """Find out who speaks in recordings of `from_s` and more (by default those in which it is done without being asked).

        Recordings that were listened to before are not again. Raises RecordingsError when none can be read.
        """
        inputs = self._inputs(draft_id)
        spec = self._spec_of(draft_id).model_copy(update={"max_failed_ratio": 1.0})
        least_s = spec.diarize_from_s if from_s is None else from_s
        folder = self._folder(draft_id)
        found = find_speakers(self._engines, self._drafts.recordings(draft_id), folder, spec, report, from_s=least_s)
        heard = SpeakersHeard(tuple(found), len({s.recording for s in found}), least_s)
        manifest.write_record(folder / _FOUND, _Kept(inputs, heard))
        return heard

    def choose(self, draft_id: str, recording: str, speaker: str) -> Draft:
        """One of those who were found is the wanted speaker: their sample says so, in every recording."""
        heard = self.found(draft_id) or SpeakersHeard()
        who = next((s for s in heard.speakers if (s.recording, s.speaker) == (recording, speaker)), None)
        if who is None:
            raise UsageError("The recordings have changed meanwhile.", "Find out anew who speaks, then choose.")
        return self._drafts.set_reference(draft_id, self.sample(draft_id, who), f"{who.speaker} in {who.recording}")

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

    def _folder(self, draft_id: str) -> Path:
        return self._drafts.recordings(draft_id).parent / "speakers"

    def _inputs(self, draft_id: str) -> str:
        folder = self._drafts.recordings(draft_id)
        return tree_sha256(folder, of=input_files(folder)) if folder.exists() else ""


def _length_s(sound: Path) -> float:
    facts = audio.probe(sound)
    return facts.num_samples / facts.sample_rate_hz if facts.sample_rate_hz else 0.0
