"""What is found out about a recording before it is cut: whether it has to be cleaned, who speaks when, whose voice is wanted.

Each recording is asked about once; the answers, and cleaned sounds, are kept in the dataset's folder. Tidy recordings of one
speaker come out as they went in.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from voicekit import audio, manifest
from voicekit.errors import RecordingsError
from voicekit.models import Cleaning
from voicekit.ports import Diarizer, Separator, SpeakerEncoder, VoiceActivityDetector
from voicekit.prepare.diarized import by_most_speech, by_reference, overlaps, spans_of, summaries, voices_of
from voicekit.prepare.folder import WORK
from voicekit.prepare.separated import background_of, cleaned, cleaning_for
from voicekit.prepare.sound import Heard
from voicekit.prepare.workbench import Listening, sha256_of
from voicekit.records import Recording, SpeakerTurn, Waveform
from voicekit.specs import PrepareSpec

_METHOD = "1"


@dataclass(frozen=True)
class Ears:
    """What listens, each opened when a recording needs it. `identity` says which models they are."""

    identity: str
    vad: Callable[[], VoiceActivityDetector]
    denoiser: Callable[[], Separator]
    separator: Callable[[], Separator]
    diarizer: Callable[[], Diarizer]
    speaker: Callable[[], SpeakerEncoder]


@dataclass(frozen=True)
class _Answer:
    """One journal line. `wanted` is the label of the wanted speaker: "" where everybody who speaks is, "-" where nobody is."""

    key: str
    cleaning: Cleaning
    turns: tuple[SpeakerTurn, ...]
    wanted: str


_NOBODY = "-"


class Hearing:
    """Listens to the recordings of the dataset in `folder`. `reference` is a sound of the wanted speaker."""

    def __init__(self, spec: PrepareSpec, ears: Ears, folder: Path, reference: Path | None = None) -> None:
        self._spec, self._ears, self._reference = spec, ears, reference
        self._work = folder / WORK
        wanted = sha256_of(reference) if reference else ""
        self._identity = " ".join([_METHOD, ears.identity, spec.digest(), wanted])
        self._answers = {a.key: a for a in manifest.read_journal(self._work / "heard.jsonl", _Answer)}

    def listening(self) -> Listening:
        return Listening(hashlib.sha256(self._identity.encode()).hexdigest()[:16], lambda _: "", self.hear)

    def hear(self, recording: Recording, wave: Waveform) -> Heard:
        """The recording cleaned if it must be, and where its wanted speaker talks, if others do too."""
        key = hashlib.sha256(f"{self._identity} {recording.id}".encode()).hexdigest()
        known = self._answers.get(key)
        clean = self._work / "cleaned" / f"{key[:16]}.flac"
        if known is None or (known.cleaning is not Cleaning.NONE and not clean.is_file()):
            known, sound = self._asked(key, wave)
            if known.cleaning is not Cleaning.NONE:
                audio.write_flac(clean, sound)
            manifest.append_record(self._work / "heard.jsonl", known)
            self._answers[key] = known
        # The file has fewer bits than what was written: the first time must give what every later one does.
        sound = wave if known.cleaning is Cleaning.NONE else audio.read(clean)
        if not known.wanted:
            return Heard(sound, overlapped_spans=overlaps(known.turns))
        mine = () if known.wanted == _NOBODY else spans_of(known.turns, known.wanted)
        return Heard(sound, allowed_spans=mine, overlapped_spans=overlaps(known.turns))

    def _asked(self, key: str, wave: Waveform) -> tuple[_Answer, Waveform]:
        how = self._how(wave)
        sound = cleaned(wave, how, self._ears.denoiser(), self._ears.separator()) if how is not Cleaning.NONE else wave
        turns = self._turns(sound)
        return _Answer(key, how, turns, self._wanted(sound, turns)), sound

    def _how(self, wave: Waveform) -> Cleaning:
        if self._spec.cleaning != "auto":
            return Cleaning(self._spec.cleaning)
        return cleaning_for(background_of(wave, self._ears.vad().speech_spans(wave)))

    def _turns(self, sound: Waveform) -> tuple[SpeakerTurn, ...]:
        spec = self._spec
        if spec.num_speakers == 1 or sound.duration_s < spec.diarize_from_s:
            return ()
        return self._ears.diarizer().diarize(sound, spec.num_speakers or None)

    def _wanted(self, sound: Waveform, turns: tuple[SpeakerTurn, ...]) -> str:
        if len(summaries(turns)) < 2:
            return ""
        if self._reference is None:
            return by_most_speech(turns)
        encoder = self._ears.speaker()
        try:
            return by_reference(voices_of(sound, turns, encoder), encoder.embed(audio.read(self._reference)))
        except RecordingsError:
            return _NOBODY  # the recording's clips say so, one by one
