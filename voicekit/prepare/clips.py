"""One recording -> its clips: found, cut, cleaned, aligned, graded."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from voicekit import audio
from voicekit.ports import Aligner, Transcriber, VoiceActivityDetector
from voicekit.prepare import grade, segment
from voicekit.prepare.segment import Span
from voicekit.prepare.spoken import normalise, spoken_form, spoken_tokens
from voicekit.records import Clip, FloatArray, Grades, Recording, Transcript, Verdict, Waveform, Word
from voicekit.specs import PrepareSpec
from voicekit.timebase import MODEL_RATE_HZ, samples_to_seconds, seconds_to_samples

FADE_S = 0.005
CLIPS = "clips"


@dataclass(frozen=True)
class Tools:
    """What cuts and judges. Aligners are asked in order; the first that can answer does."""

    vad: VoiceActivityDetector
    aligners: Sequence[Aligner]
    transcriber: Transcriber | None = None


@dataclass(frozen=True)
class Piece:
    """A stretch of a recording with what is said in it, in seconds of the recording."""

    start_s: float
    end_s: float
    text: str
    source: str


def clips_of(recording: Recording, wave: Waveform, text: str | None, spec: PrepareSpec, tools: Tools, folder: Path) -> list[Clip]:
    """Every clip of a recording, accepted or rejected; the audio is written below `folder`/clips.

    `text` is None when the script does not know the recording: then the transcriber says what is said, if there is one.
    """
    mono = wave.mono()
    mono = mono - mono.mean(dtype=np.float64).astype(np.float32)
    spans = tools.vad.speech_spans(Waveform(mono[None], wave.sample_rate_hz))
    region = segment.trim(spans, wave.duration_s)
    if region is None:
        return [refused(recording, "no speech in it", text or "")]
    if text is None and tools.transcriber is None:
        return [refused(recording, "the script has no text for it")]
    if text is not None and not spoken_form(text, recording.language):
        return [refused(recording, "its text in the script is empty", text)]
    if text is None:
        pieces = _unscripted(mono, wave.sample_rate_hz, spans, spec, tools)
    elif region[1] - region[0] <= spec.max_clip_s:
        pieces = [Piece(*region, normalise(text), "script")]
    else:
        pieces = _scripted(mono, wave.sample_rate_hz, region, text, recording.language, spec, tools)
        if not pieces:
            return [refused(recording, f"script does not match: it cannot be followed over {region[1] - region[0]:.0f} s", text)]
    noise = grade.noise_power(mono, wave.sample_rate_hz, spans)
    return [_clip(recording, mono, piece, spans, noise, spec, tools, folder) for piece in pieces]


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


def clip_id(recording: Recording, start_sample: int, num_samples: int, spec_hash: str) -> str:
    """Short, and equal for equal stretches of equal files under equal specs (another spec makes another sound of them)."""
    place = f"{recording.id}\0{recording.path}\0{start_sample}\0{num_samples}\0{spec_hash}"
    return hashlib.sha256(place.encode(errors="surrogatepass")).hexdigest()[:16]


def _scripted(
    mono: FloatArray, rate_hz: int, region: Span, text: str, language: str, spec: PrepareSpec, tools: Tools
) -> list[Piece]:
    """A long scripted recording in pieces cut at pauses; [] if the script cannot be followed."""
    stretch = mono[seconds_to_samples(region[0], rate_hz) : seconds_to_samples(region[1], rate_hz)]
    aligned = align(Waveform(stretch[None], rate_hz), text, language, tools.aligners)
    if aligned is None:
        return []
    words = [replace(w, start_s=w.start_s + region[0], end_s=w.end_s + region[0]) for w in aligned[0]]
    pieces: list[Piece] = []
    for first, after in segment.cut_at_words(words, spec.max_clip_s):
        edges = segment.clip_edges(words, first, after, region)
        pieces.append(Piece(*edges, " ".join(w.text for w in words[first:after]), "script"))
    return pieces


def _unscripted(mono: FloatArray, rate_hz: int, spans: Sequence[Span], spec: PrepareSpec, tools: Tools) -> list[Piece]:
    assert tools.transcriber is not None
    pieces: list[Piece] = []
    for start_s, end_s in segment.cut_at_pauses(spans, spec.max_clip_s, samples_to_seconds(len(mono), rate_hz)):
        samples = mono[seconds_to_samples(start_s, rate_hz) : seconds_to_samples(end_s, rate_hz)]
        said = tools.transcriber.transcribe(Waveform(samples[None], rate_hz))
        pieces.append(Piece(start_s, end_s, normalise(said), tools.transcriber.name))
    return pieces


def _clip(
    recording: Recording,
    mono: FloatArray,
    piece: Piece,
    spans: Sequence[Span],
    noise_power: float,
    spec: PrepareSpec,
    tools: Tools,
    folder: Path,
) -> Clip:
    rate_hz = recording.sample_rate_hz
    start = seconds_to_samples(piece.start_s, rate_hz)
    samples = mono[start : seconds_to_samples(piece.end_s, rate_hz)]
    duration_s = samples_to_seconds(len(samples), rate_hz)
    speech = segment.inside(spans, piece.start_s, piece.end_s)
    name = clip_id(recording, start, len(samples), spec.digest())
    cleaned = clean(samples, rate_hz, spec.target_lufs)
    file = f"{CLIPS}/{name}.flac"
    audio.write_flac(folder / file, cleaned)

    nothing = "no speech in it" if not speech else "" if piece.text else "no words were heard in it"
    fits = duration_s <= spec.max_clip_s and not nothing
    aligned = align(cleaned, piece.text, recording.language, tools.aligners) if fits else None
    words, match = aligned if aligned else ((), 0.0)
    words = _within_speech(words, speech)
    num_words = len(spoken_form(piece.text, recording.language).split())
    grades = grade.measure(samples, rate_hz, speech, noise_power, num_words, match)
    verdict, reason = (Verdict.REJECTED, nothing) if nothing else grade.judge(grades, duration_s, spec, aligned is not None)
    return Clip(
        id=name,
        recording_id=recording.id,
        recording=recording.path,
        sample_rate_hz=rate_hz,
        start_sample=start,
        num_samples=len(samples),
        audio=file,
        duration_s=round(cleaned.duration_s, 4),
        transcript=Transcript(piece.text, words, piece.source),
        grades=grades,
        verdict=verdict,
        reason=reason,
    )


def clean(samples: FloatArray, sample_rate_hz: int, target_lufs: float) -> Waveform:
    """24 kHz mono at the target loudness, with edges that do not click."""
    wave = audio.normalise_loudness(audio.resample(Waveform(samples[None], sample_rate_hz), MODEL_RATE_HZ), target_lufs)
    faded = wave.samples.copy()
    length = min(seconds_to_samples(FADE_S, MODEL_RATE_HZ), wave.num_samples // 2)
    ramp = np.linspace(0.0, 1.0, length, dtype=np.float32)
    faded[:, :length] *= ramp
    faded[:, wave.num_samples - length :] *= ramp[::-1]
    return Waveform(faded, MODEL_RATE_HZ)


def align(wave: Waveform, text: str, language: str, aligners: Sequence[Aligner]) -> tuple[tuple[Word, ...], float] | None:
    """The written words of `text` with times, and the script match; None if no aligner can tell.

    A written token may be several spoken words ("1984") or none (a dash, which goes to the word before it).
    """
    tokens = spoken_tokens(text, language)
    spoken = [word for _, words in tokens for word in words]
    if not spoken:
        return None
    for aligner in aligners:
        found = aligner.align(wave, " ".join(spoken))
        if found is not None and len(found[0]) == len(spoken):
            return _written(tokens, found[0]), found[1]
    return None


def _written(tokens: Sequence[tuple[str, tuple[str, ...]]], spoken: Sequence[Word]) -> tuple[Word, ...]:
    words: list[Word] = []
    waiting: list[str] = []
    position = 0
    for token, said in tokens:
        if not said:
            if words:
                words[-1] = replace(words[-1], text=f"{words[-1].text} {token}")
            else:
                waiting.append(token)
            continue
        group = spoken[position : position + len(said)]
        position += len(said)
        confidence = sum(w.confidence for w in group) / len(group)
        text = " ".join([*waiting, token])
        words.append(Word(text, round(group[0].start_s, 3), round(group[-1].end_s, 3), round(confidence, 3)))
        waiting = []
    return tuple(words)


def _within_speech(words: Sequence[Word], speech: Sequence[Span]) -> tuple[Word, ...]:
    """The last word ends with the speech: aligners tend to give it the silence behind it."""
    if not words or not speech:
        return tuple(words)
    last = words[-1]
    end_s = round(max(min(last.end_s, speech[-1][1]), last.start_s), 3)
    return (*words[:-1], replace(last, end_s=end_s))
