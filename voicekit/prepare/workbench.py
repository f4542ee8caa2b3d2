"""What decisions need of the recordings: stretches cut anew, texts found in a sound, voices compared; each done once."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np

from voicekit import audio, manifest
from voicekit.errors import InputError, RecordingsError
from voicekit.ports import SpeakerEncoder
from voicekit.prepare.align import Alignment, align
from voicekit.prepare.band import ALIKE_THERE, NARROW_HZ, narrowed
from voicekit.prepare.clips import Tools, clip_of
from voicekit.prepare.decisions import Place
from voicekit.prepare.folder import WORK
from voicekit.prepare.grade import judge
from voicekit.prepare.intake import find_audio
from voicekit.prepare.matching import differences
from voicekit.prepare.pieces import NOT_BY_GRADES, Piece
from voicekit.prepare.sound import Heard, Sound, listen
from voicekit.prepare.speakers import compared, similarities
from voicekit.prepare.spoken import num_words
from voicekit.prepare.track import Track
from voicekit.prepare.unsaid import doubt
from voicekit.records import Clip, FloatArray, Recording, Verdict, Waveform, Word
from voicekit.specs import PrepareSpec
from voicekit.timebase import samples_to_seconds

_LINE_CLIPS = 10  # tell what a telephone line lets pass

# Part of every journal's keys: raise it when the same input would make other clips.
METHOD = "6"


@dataclass(frozen=True)
class Listening:
    """Finds out about a recording before it is cut: who talks when, a cleaned sound, cues. `name` and `key` of a recording say
    all that the answer depends on beside its bytes."""

    name: str
    key: Callable[[Recording], str]
    hear: Callable[[Recording, Path], Heard]


@dataclass(frozen=True)
class Instruments:
    """Everything that listens, opened when it is needed. `speaker` None: voices are not compared."""

    tools: Callable[[], Tools]
    speaker: Callable[[], SpeakerEncoder] | None = None
    listening: Listening | None = None

    def heard(self, recording: Recording, file: Path, work: Path) -> Heard:
        """The recording in `file` listened to; what is needed meanwhile lies in `work`."""
        if self.listening:
            return self.listening.hear(recording, file)
        return Heard(Track(file, work, recording.sample_rate_hz))

    def key(self, recording: Recording) -> str:
        return f"{self.listening.name} {self.listening.key(recording)}" if self.listening else ""


@dataclass(frozen=True)
class _Cut:
    key: str
    clip: Clip


@dataclass(frozen=True)
class _Aligned:
    key: str
    words: tuple[Word, ...]
    match: float | None


@dataclass(frozen=True)
class _Embedded:
    key: str
    vector: tuple[float, ...]


class Workbench:
    """An edits.Bench over the dataset in `folder`, cut from `source` (a folder, a zip or a file of recordings)."""

    def __init__(
        self, folder: Path, source: Path, recordings: Sequence[Recording], spec: PrepareSpec, instruments: Instruments
    ) -> None:
        self._folder, self._source, self._spec, self._instruments = folder, source, spec, instruments
        self._recordings = {r.path: r for r in recordings}
        self._work = folder / WORK
        self._sound: tuple[str, Sound] | None = None
        self._cuts = {c.key: c.clip for c in manifest.read_journal(self._work / "cuts.jsonl", _Cut)}
        self._alignments = {a.key: a for a in manifest.read_journal(self._work / "aligned.jsonl", _Aligned)}

    def cut(self, place: Place, text: str, source: str) -> Clip:
        """A stretch of a recording as a clip of its own."""
        path, start, count = place
        recording = self._recordings.get(path)
        if recording is None:
            raise InputError(f"The recording {path} is no longer known.", "Prepare the recordings again.")
        tools, engine_key = self._instruments.tools(), self._instruments.key(recording)
        key = _key(
            METHOD, manifest.to_json(recording), start, count, text, source, self._spec.digest(), engine_key, *tools.names()
        )
        known = self._cuts.get(key)
        if known is None or not (self._folder / known.audio).is_file():
            sound = self._listened(recording)
            start_s, end_s = (samples_to_seconds(n, recording.sample_rate_hz) for n in (start, start + count))
            known = clip_of(sound, Piece(start_s, end_s, text, source), self._spec, tools, self._folder)
            manifest.append_record(self._work / "cuts.jsonl", _Cut(key, known))
            self._cuts[key] = known
        return known

    def align(self, clip: Clip, text: str, best: bool) -> Alignment | None:
        """The words of a text in a clip, and how well they match."""
        tools = self._instruments.tools()
        key = _key(METHOD, self._digest(clip), text, best, self._spec.language, *tools.names())
        known = self._alignments.get(key)
        if known is None:
            found = align(audio.read(self._folder / clip.audio), text, self._spec.language, tools.aligners, best)
            known = _Aligned(key, *found) if found else _Aligned(key, (), None)
            manifest.append_record(self._work / "aligned.jsonl", known)
            self._alignments[key] = known
        return None if known.match is None else (known.words, known.match)

    def judged(self, clip: Clip, original: Clip, aligned: bool) -> Clip:
        """A clip with another text or other words than `original`, graded and judged anew by them: whoever changed the text may
        be wrong, and says so by a verdict if the machine is."""
        text, said, language = clip.transcript.text, clip.transcript, self._spec.language
        heard, heard_match = original.transcript.heard, clip.grades.heard_match
        if heard:
            differing, share = differences(text, heard, language)
            said, heard_match = replace(said, heard=heard, differences=differing), round(share, 4)
        before, now = (num_words(c.transcript.text, language) for c in (original, clip))
        pace = original.grades.speaking_rate_wps * now / before if before else clip.grades.speaking_rate_wps
        grades = replace(clip.grades, heard_match=heard_match, speaking_rate_wps=round(pace, 3))
        clip = replace(clip, transcript=said, grades=grades)
        if original.reason in NOT_BY_GRADES:
            return clip
        if unclear := doubt(text):
            return replace(clip, verdict=Verdict.REJECTED, reason=unclear)
        verdict, reason = judge(grades, clip.duration_s, self._spec, aligned, said)
        return replace(clip, verdict=verdict, reason=reason)

    def compare(self, clips: Sequence[Clip], reference: str = "") -> list[Clip]:
        """The clips with their likeness to the rest, or to the sound of the wanted speaker in the file `reference`."""
        sounding = [c for c in clips if self._sounds(c)]
        if self._instruments.speaker is None or len(sounding) < (1 if reference else 2):
            return list(clips)
        encoder = self._instruments.speaker()
        vectors = np.stack([self._embedded(encoder, self._folder / c.audio) for c in sounding])
        counted = np.array([c.verdict is Verdict.ACCEPTED for c in sounding])
        found = self._to_reference(encoder, Path(reference), sounding, vectors) if reference else None
        found = similarities(vectors, counted) if found is None else found
        if found is None:
            return list(clips)
        by_id = {c.id: float(value) for c, value in zip(sounding, found, strict=True)}
        return compared(clips, [by_id.get(c.id) for c in clips], self._spec, bool(reference))

    def _to_reference(self, encoder: SpeakerEncoder, reference: Path, clips: Sequence[Clip], vectors: FloatArray) -> FloatArray:
        """Cosine of each clip (unit rows float32 [N, D]) to the reference; of a telephone call, to the reference as that would
        have passed it, and as if it were one in full band."""
        found = vectors @ self._embedded(encoder, reference)
        by_recording: dict[str, list[int]] = {}
        for number, clip in enumerate(clips):
            by_recording.setdefault(clip.recording_id, []).append(number)
        for numbers in by_recording.values():
            if np.median([clips[n].grades.bandwidth_hz or np.inf for n in numbers]) <= NARROW_HZ:
                call = self._through_line(encoder, reference, [self._folder / clips[n].audio for n in numbers])
                found[numbers] = found[numbers] if call is None else vectors[numbers] @ call - ALIKE_THERE
        return found.astype(np.float32)

    def _through_line(self, encoder: SpeakerEncoder, reference: Path, clips: Sequence[Path]) -> FloatArray | None:
        """The reference as the line of these clips would have passed it; None if that changes nothing."""
        key = _key(encoder.name, sha256_of(reference), "through the line of", *(sha256_of(c) for c in clips))
        if key not in self._voices:
            waves = [audio.read(c) for c in clips[:_LINE_CLIPS]]
            line = Waveform(np.concatenate([w.mono() for w in waves])[None], waves[0].sample_rate_hz)
            passed = narrowed(audio.read(reference), line)
            vector = () if passed is None else tuple(round(float(x), 5) for x in encoder.embed(passed))
            manifest.append_record(self._work / "speakers.jsonl", _Embedded(key, vector))
            self._voices[key] = vector
        return np.array(self._voices[key], np.float32) if self._voices[key] else None

    def listen_ahead(self, clip: Clip) -> None:
        """What `compare` will ask about a clip."""
        if self._instruments.speaker is not None and self._sounds(clip):
            self._embedded(self._instruments.speaker(), self._folder / clip.audio)

    def _sounds(self, clip: Clip) -> bool:
        return bool(clip.audio) and clip.duration_s >= self._spec.min_clip_s

    @cached_property
    def _voices(self) -> dict[str, tuple[float, ...]]:
        return {e.key: e.vector for e in manifest.read_journal(self._work / "speakers.jsonl", _Embedded)}

    def _embedded(self, encoder: SpeakerEncoder, file: Path) -> FloatArray:
        key = _key(encoder.name, sha256_of(file))
        if key not in self._voices:
            vector = tuple(round(float(x), 5) for x in encoder.embed(audio.read(file)))
            manifest.append_record(self._work / "speakers.jsonl", _Embedded(key, vector))
            self._voices[key] = vector
        return np.array(self._voices[key], np.float32)

    def _digest(self, clip: Clip) -> str:
        return sha256_of(self._folder / clip.audio)

    def _listened(self, recording: Recording) -> Sound:
        if self._sound is None or self._sound[0] != recording.path:
            heard = self._instruments.heard(recording, self._file(recording), self._work)
            self._sound = recording.path, listen(recording, heard, self._instruments.tools().vad)
        return self._sound[1]

    def _file(self, recording: Recording) -> Path:
        root = find_audio(self._source, self._work)[0]
        path = root / recording.path
        if not path.is_file() or sha256_of(path) != recording.id:
            problem = f"{recording.path} is gone, or not the recording any more that the clips were cut from."
            raise RecordingsError(problem, "Put it back, or prepare the recordings again.")
        return path


def sha256_of(path: Path) -> str:
    """Hash of a sound's file, remembered while the file stays as it is."""
    stat = path.stat()
    return _sha256(str(path), stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=100_000)
def _sha256(path: str, size: int, mtime_ns: int) -> str:
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _key(*parts: object) -> str:
    return hashlib.sha256("\0".join(str(p) for p in parts).encode(errors="surrogatepass")).hexdigest()
