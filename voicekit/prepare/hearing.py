"""What is found out about a recording before it is cut: whether it has to be cleaned, who speaks when, whose voice is wanted.

Each recording is asked about once; the answers, and cleaned sounds, are kept in the dataset's folder. Tidy recordings of one
speaker come out as they went in.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from voicekit import audio, manifest
from voicekit.errors import RecordingsError
from voicekit.models import Cleaning
from voicekit.ports import Diarizer, Separator, SpeakerEncoder, VoiceActivityDetector
from voicekit.prepare.diarized import by_most_speech, by_name, by_reference, likeness_of, overlaps, spans_of, summaries
from voicekit.prepare.folder import CLEANED, WORK
from voicekit.prepare.separated import background_of, cleaned, cleaning_for
from voicekit.prepare.sound import Heard, levels_of
from voicekit.prepare.spans import Span, merged
from voicekit.prepare.track import Track
from voicekit.prepare.turns import Turns
from voicekit.prepare.workbench import Listening, sha256_of
from voicekit.records import FloatArray, Recording, SpeakerTurn, Waveform
from voicekit.specs import PrepareSpec

_METHOD = "6"
TOLD_FROM_S = 5.0
"""Somebody who says whose recordings they are has speakers told apart in recordings of this length and more."""


@dataclass(frozen=True)
class _Speaker:
    """A speaker of some recording, and how much they sound like the reference (None without one)."""

    label: str
    speech_s: float
    cosine: float | None = None


@dataclass(frozen=True, kw_only=True)
class Speaker(_Speaker):
    """With the recording (path below what was given), and whether it is the wanted one."""

    recording: str
    wanted: bool


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
class Wanted:
    """Whose recordings these are: who sounds like the file `reference`, who is called `label`, or who speaks most."""

    reference: Path | None = None
    label: str = ""


WHO_SPEAKS_MOST = Wanted()


@dataclass(frozen=True)
class _Answer:
    """One journal line. `speech` is where anybody speaks; `wanted` is the label of the wanted speaker: "" where everybody who
    speaks is, "-" where nobody is."""

    key: str
    cleaning: Cleaning
    turns: tuple[SpeakerTurn, ...]
    wanted: str
    voices: tuple[_Speaker, ...] = ()
    speech: tuple[Span, ...] = ()


_NOBODY = "-"


def told_apart(duration_s: float, spec: PrepareSpec, wanted: bool = True) -> bool:
    """Whether speakers are told apart in a recording of this length; `wanted`: for somebody who says whom they want."""
    least_s = min(spec.diarize_from_s, TOLD_FROM_S) if wanted else spec.diarize_from_s
    return spec.num_speakers != 1 and duration_s >= least_s


class Hearing:
    """Listens to the recordings of the dataset in `folder`. Where somebody has `told` who speaks when, no diarizer is asked."""

    def __init__(
        self, spec: PrepareSpec, ears: Ears, folder: Path, whose: Wanted = WHO_SPEAKS_MOST, told: Turns | None = None
    ) -> None:
        self._spec, self._ears, self._whose, self._told = spec, ears, whose, told or {}
        self._work = folder / WORK
        wanted = sha256_of(whose.reference) if whose.reference else whose.label
        self._identity = " ".join([_METHOD, ears.identity, spec.digest(), wanted])
        self._answers = {a.key: a for a in manifest.read_journal(self._work / "heard.jsonl", _Answer)}

    def listening(self) -> Listening:
        return Listening(hashlib.sha256(self._identity.encode()).hexdigest()[:16], self._told_of, self.hear)

    def hear(self, recording: Recording, file: Path) -> Heard:
        """The recording in `file`, cleaned if it must be, and where its wanted speaker talks, if others do too."""
        key = self._key(recording)
        known = self._answers.get(key)
        clean = self._work / CLEANED / f"{key[:16]}.flac"
        if known is None or (known.cleaning is not Cleaning.NONE and not clean.is_file()):
            track = self._track(recording, file)
            wave = track.heard()
            speech = self._speech(wave)
            how = self._how(track, wave, speech)
            if how is not Cleaning.NONE:
                del wave
                self._clean(track, how, clean)
                # The file has fewer bits than what was written: the first time must give what every later one does.
                track = self._track(recording, clean)
                wave = track.heard()
                speech = self._speech(wave)
            known = self._asked(key, recording, how, wave, speech)
            manifest.append_record(self._work / "heard.jsonl", known)
            self._answers[key] = known
        else:
            track = self._track(recording, file if known.cleaning is Cleaning.NONE else clean)
        heard = Heard(track, known.speech, overlapped_spans=overlaps(known.turns))
        if not known.wanted:
            return heard
        mine = () if known.wanted == _NOBODY else spans_of(known.turns, known.wanted)
        return replace(heard, allowed_spans=mine)

    def speakers(self, recordings: Sequence[Recording]) -> list[Speaker]:
        """Everybody who was found in recordings of several speakers, the recordings in order, who speaks most first."""
        found: list[Speaker] = []
        for recording in recordings:
            answer = self._answers.get(self._key(recording))
            for voice in answer.voices if answer else ():
                wanted = answer is not None and answer.wanted in ("", voice.label)
                found.append(Speaker(**vars(voice), recording=recording.path, wanted=wanted))
        return found

    def _key(self, recording: Recording) -> str:
        told = self._told_of(recording)
        return hashlib.sha256(f"{self._identity} {recording.id}{told and ' '}{told}".encode()).hexdigest()

    def _told_of(self, recording: Recording) -> str:
        """What somebody said of a recording, as a part of keys; "" if nobody did."""
        return repr(self._told[recording.id]) if recording.id in self._told else ""

    def _track(self, recording: Recording, file: Path) -> Track:
        return Track(file, self._work, recording.sample_rate_hz)

    def _clean(self, track: Track, how: Cleaning, target: Path) -> None:
        separator = self._ears.denoiser() if how is Cleaning.DENOISE else self._ears.separator()
        with track:
            pieces = cleaned(lambda a, b: track.read(a, b)[None], track.num_samples, track.sample_rate_hz, separator)
            audio.write_flac_of(target, pieces)

    def _speech(self, wave: Waveform) -> tuple[Span, ...]:
        return tuple(merged(self._ears.vad().speech_spans(wave)))

    def _asked(self, key: str, recording: Recording, how: Cleaning, wave: Waveform, speech: tuple[Span, ...]) -> _Answer:
        told = self._told.get(recording.id)
        turns = self._turns(wave, speech) if told is None else told
        known = summaries(turns)
        likeness = likeness_of(wave, turns, self._ears.speaker(), *self._reference) if self._whose.reference is not None else {}
        found = tuple(_Speaker(s.speaker, s.speech_s, likeness.get(s.speaker)) for s in known)
        heard = told is None
        wanted = self._wanted(recording, turns, likeness, len(known)) if heard else self._wanted_of_told(turns, likeness)
        return _Answer(key, how, turns, wanted, found, speech)

    @cached_property
    def _reference(self) -> tuple[Waveform, FloatArray]:
        assert self._whose.reference is not None
        wave = audio.read(self._whose.reference)
        return wave, self._ears.speaker().embed(wave)

    def _how(self, track: Track, wave: Waveform, speech: Sequence[Span]) -> Cleaning:
        if self._spec.cleaning != "auto":
            return Cleaning(self._spec.cleaning)
        return cleaning_for(background_of(wave, levels_of(track), speech))

    def _turns(self, wave: Waveform, speech: Sequence[Span]) -> tuple[SpeakerTurn, ...]:
        if not told_apart(wave.duration_s, self._spec, self._whose != WHO_SPEAKS_MOST):
            return ()
        return self._ears.diarizer().diarize(wave, self._spec.num_speakers or None, speech)

    def _wanted(self, recording: Recording, turns: tuple[SpeakerTurn, ...], likeness: Mapping[str, float], count: int) -> str:
        if self._whose.reference is not None and count:
            try:
                found = by_reference(likeness)
            except RecordingsError:
                return _NOBODY  # the recording's clips say so, one by one
            return found if count > 1 else ""
        label = self._whose.label
        if label and count and (count > 1 or not self._is_told_of(label)):
            found = by_name(turns, label, recording.path)
            return found if count > 1 else ""
        return by_most_speech(turns) if count > 1 else ""

    def _is_told_of(self, label: str) -> bool:
        """Whether somebody said of another recording that this speaker speaks in it: nobody knows the name of a voice."""
        return any(turn.speaker == label for turns in self._told.values() for turn in turns)

    def _wanted_of_told(self, turns: tuple[SpeakerTurn, ...], likeness: Mapping[str, float]) -> str:
        """Names in files hold for all recordings: whoever is wanted may not speak in this one."""
        label = self._whose.label
        try:
            if self._whose.reference is not None:
                return by_reference(likeness)
            return by_most_speech([t for t in turns if label in ("", t.speaker)])
        except RecordingsError:
            return _NOBODY
