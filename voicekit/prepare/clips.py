"""One recording -> its clips: found, cut, cleaned, aligned, graded."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from voicekit import audio
from voicekit.ports import Aligner, Quality, Transcriber, VoiceActivityDetector
from voicekit.prepare import grade, spoken
from voicekit.prepare.align import align, within_speech
from voicekit.prepare.folder import SOUNDS
from voicekit.prepare.matching import differences
from voicekit.prepare.pieces import SILENT, NothingToCutError, Piece, pieces_of
from voicekit.prepare.sound import Heard, Sound, listen
from voicekit.prepare.spans import inside, total_s
from voicekit.prepare.spoken import normalise, primary
from voicekit.prepare.unsaid import cleaned, doubt
from voicekit.records import Clip, FloatArray, Grades, Recording, Transcript, Verdict, Waveform
from voicekit.specs import PrepareSpec
from voicekit.timebase import MODEL_RATE_HZ, samples_to_seconds, seconds_to_samples
from voicekit.verbalization import written

FADE_S = 0.005
_ONE_AT_A_TIME = threading.Lock()  # for what predicts quality


@dataclass(frozen=True)
class Tools:
    """What cuts and judges. Aligners are asked in order; the first that can answer does.

    `transcriber` says what is said where no script does; what `second_opinion` hears is compared with the script; `quality`
    predicts how good a clip sounds.
    """

    vad: VoiceActivityDetector
    aligners: Sequence[Aligner]
    transcriber: Transcriber | None = None
    second_opinion: Transcriber | None = None
    quality: Quality | None = None

    def knowing(self, language: str) -> Tools:
        """Without the aligners that do not know the language."""
        able = [a for a in self.aligners if primary(language) in _languages_of(a, language)]
        return replace(self, aligners=able)

    def names(self) -> list[str]:
        """What the clips depend on."""
        every = (self.vad, *self.aligners, self.transcriber, self.second_opinion, self.quality)
        return [getattr(tool, "name", type(tool).__name__) for tool in every]


def clips_of(
    recording: Recording, heard: Heard, text: str | None, spec: PrepareSpec, tools: Tools, folder: Path
) -> list[Callable[[], Clip]]:
    """What makes every clip of a recording, accepted or rejected; the audio is written below `folder`/clips. Several threads may
    make one each.

    `text` is None when the script does not know the recording: then the transcriber says what is said, if there is one. Where
    another than the wanted speaker talks, or two at once, the clips are there but rejected.
    """
    sound = listen(recording, heard, tools.vad)
    try:
        pieces = pieces_of(sound, text, spec, tools.aligners, tools.transcriber)
    except NothingToCutError as error:
        return [partial(refused, recording, str(error), text or "")]
    return [partial(clip_of, sound, piece, spec, tools, folder) for piece in pieces]


def refused(recording: Recording, reason: str, text: str = "") -> Clip:
    """The record of a recording of which no clip could be made."""
    return Clip(
        id=clip_id(recording, 0, 0, ""),
        recording_id=recording.id,
        recording=recording.path,
        sample_rate_hz=recording.sample_rate_hz,
        start_sample=0,
        num_samples=0,
        audio="",
        duration_s=0.0,
        transcript=Transcript(normalise(text)),
        grades=Grades(0.0, audio.SILENCE_LUFS, 0.0, 0.0, 0.0),
        verdict=Verdict.REJECTED,
        reason=reason,
    )


def _languages_of(aligner: Aligner, wanted: str) -> Sequence[str]:
    """Those that it names, or those of a base model; one that says nothing is taken to know the wanted one."""
    spoken = getattr(getattr(aligner, "info", None), "languages", (wanted,))
    return getattr(aligner, "languages", [primary(tag) for tag in spoken])


def clip_id(recording: Recording, start_sample: int, num_samples: int, spec_hash: str) -> str:
    """Short, and equal for equal stretches of equal files under equal specs (another spec makes another sound of them)."""
    place = f"{recording.id}\0{recording.path}\0{start_sample}\0{num_samples}\0{spec_hash}"
    return hashlib.sha256(place.encode(errors="surrogatepass")).hexdigest()[:16]


def clip_of(sound: Sound, piece: Piece, spec: PrepareSpec, tools: Tools, folder: Path) -> Clip:
    """One piece of a recording as a clip: its audio written, its words found, its verdict given."""
    recording, rate_hz = sound.recording, sound.recording.sample_rate_hz
    start, samples = seconds_to_samples(piece.start_s, rate_hz), sound.between(piece.start_s, piece.end_s)
    duration_s = samples_to_seconds(len(samples), rate_hz)
    speech = inside(sound.speech, piece.start_s, piece.end_s)
    name = clip_id(recording, start, len(samples), spec.digest())
    cleaned = clean(samples, rate_hz, spec.target_lufs)
    file = f"{SOUNDS}/{name}.flac"
    audio.write_flac(folder / file, cleaned)

    text = _heard(samples, recording, tools) if piece.text is None else piece.text
    nothing = SILENT if not speech else piece.reason or doubt(text) or ("" if text else "no words were heard in it")
    fits = duration_s <= spec.max_clip_s and not nothing
    aligned = align(cleaned, text, recording.language, tools.aligners) if fits else None
    words, match = aligned if aligned else ((), 0.0)
    num_words = spoken.num_words(text, recording.language)
    both_s = total_s(inside(sound.both, piece.start_s, piece.end_s))
    said, heard_match = _said(text, piece.source, cleaned if fits else None, recording.language, tools)
    said = replace(said, words=within_speech(words, speech))
    grades = grade.measure(samples, rate_hz, speech, sound.noise_power, num_words, match, both_s / max(duration_s, 1e-9))
    grades = replace(grades, heard_match=heard_match, predicted_mos=_mos(cleaned, tools) if fits else None)
    judged = grade.judge(grades, duration_s, spec, aligned is not None, said)
    verdict, reason = (Verdict.REJECTED, nothing) if nothing else judged
    return Clip(
        id=name,
        recording_id=recording.id,
        recording=recording.path,
        sample_rate_hz=rate_hz,
        start_sample=start,
        num_samples=len(samples),
        audio=file,
        duration_s=round(cleaned.duration_s, 4),
        transcript=said,
        grades=grades,
        verdict=verdict,
        reason=reason,
    )


def _heard(samples: FloatArray, recording: Recording, tools: Tools) -> str:
    wave = Waveform(samples[None], recording.sample_rate_hz)
    if tools.transcriber is None:
        return ""
    heard = tools.transcriber.transcribe(wave, recording.language)
    return written(cleaned(heard, subtitles=True)[0], recording.language)


def _said(text: str, source: str, wave: Waveform | None, language: str, tools: Tools) -> tuple[Transcript, float | None]:
    """A text and where it comes from, beside it what a transcriber hears, and how far they agree (None: nobody was asked)."""
    plain = Transcript(text, (), source)
    if wave is None or tools.second_opinion is None or source == tools.second_opinion.name:
        return plain, None
    heard = normalise(tools.second_opinion.transcribe(wave, language))
    differing, share = differences(text, heard, language)
    return replace(plain, heard=heard, differences=differing), round(share, 4)


def _mos(wave: Waveform, tools: Tools) -> float | None:
    if tools.quality is None:
        return None
    with _ONE_AT_A_TIME:
        found = tools.quality.predict(wave)
    return None if found is None else round(found, 3)


def clean(samples: FloatArray, sample_rate_hz: int, target_lufs: float) -> Waveform:
    """24 kHz mono at the target loudness, with edges that do not click."""
    wave = audio.normalise_loudness(audio.resample(Waveform(samples[None], sample_rate_hz), MODEL_RATE_HZ), target_lufs)
    faded = wave.samples.copy()
    length = min(seconds_to_samples(FADE_S, MODEL_RATE_HZ), wave.num_samples // 2)
    ramp = np.linspace(0.0, 1.0, length, dtype=np.float32)
    faded[:, :length] *= ramp
    faded[:, wave.num_samples - length :] *= ramp[::-1]
    return Waveform(faded, MODEL_RATE_HZ)
