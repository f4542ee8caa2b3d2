"""Protocols of what hears recordings: where speech is, who speaks, what is said, how it sounds. See `voicekit.ports`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol, runtime_checkable

from voicekit.records import FloatArray, Heard, SpeakerTurn, Waveform, Word


class VoiceActivityDetector(Protocol):
    def speech_spans(self, wave: Waveform) -> list[tuple[float, float]]:
        """(start_s, end_s) of every stretch of speech, in order, not overlapping."""
        ...


class Aligner(Protocol):
    def align(self, wave: Waveform, text: str, language: str = "en") -> tuple[tuple[Word, ...], float] | None:
        """One Word for each space-separated word of `text`, and a script match in 0..1; None if this aligner cannot.

        Where words are not spaced (Chinese, Japanese, Thai) each character is given as a word. `language` is BCP-47.

        An aligner with an attribute `languages` is asked only about texts of these. Several threads may ask at once.
        """
        ...


class Reading(NamedTuple):
    """How surely a word is in a sound, 0..1: a letter of it in the mean, and that it is parted from the word before it."""

    letters: float
    parted: float


@runtime_checkable
class Reader(Protocol):
    """Hears letters, so that it can say of any words whether they are there; an Aligner may be one too."""

    def read_words(self, wave: Waveform, text: str) -> tuple[Reading, ...] | None:
        """One Reading for each space-separated word of `text`; None if this reader cannot tell."""
        ...


@runtime_checkable
class LanguageDetector(Protocol):
    """Hears which language is spoken; an Aligner may be one too."""

    def detect_language(self, wave: Waveform) -> tuple[str, float]:
        """BCP-47 and how sure that is, 0..1, of the first 30 s; ("", 0.0) for silence."""
        ...


class Transcriber(Protocol):
    """One that cannot hear a language raises LanguageError. Several threads may ask at once."""

    name: str

    def transcribe(self, wave: Waveform, language: str | None = None) -> str:
        """The text of an utterance, as it is written; "" where nobody speaks. Cheaper than `hear`, which knows times too."""
        ...

    def hear(self, wave: Waveform, language: str | None = None) -> Heard:
        """The text with its words' times in seconds of `wave`, in order; nothing for silence.

        `language` is BCP-47; None: the transcriber finds out (one that knows a single language takes it for that).
        """
        ...


class SpeakerEncoder(Protocol):
    name: str

    def embed(self, wave: Waveform) -> FloatArray:
        """Unit-length float32 [D]: equal speakers have cosine near 1."""
        ...


class PitchTracker(Protocol):
    def track(self, wave: Waveform) -> FloatArray:
        """F0 in Hz, float32 [T], one value every 10 ms; 0 where there is no voice."""
        ...


class Separator(Protocol):
    """Takes away what is not speech. The same sound gives the same result.

    Longer sound is given in blocks of `block_s` seconds that overlap by `overlap_s` and are cross-faded
    (voicekit.prepare.separated), so that memory does not grow with its length. What is made of the first `warm_up_s` of a
    block is not used but at the very beginning: a network that only knows the past is no good before it has heard some.
    """

    name: str
    block_s: float
    overlap_s: float
    warm_up_s: float

    def separate(self, wave: Waveform) -> Waveform:
        """The speech alone in a block: samples of the same shape [C, T] at the same rate, each sample at its own time."""
        ...


class Diarizer(Protocol):
    """Tells speakers apart."""

    name: str

    def diarize(
        self, wave: Waveform, num_speakers: int | None = None, speech: Sequence[tuple[float, float]] | None = None
    ) -> tuple[SpeakerTurn, ...]:
        """Who spoke when, by start; turns of different speakers may overlap. () without speech.

        `num_speakers` is how many there are, and `speech` where anybody speaks (start_s, end_s), if that is known. Names are
        labels that hold inside one recording.
        """
        ...


class Quality(Protocol):
    """Predicts how people would rate a recording."""

    name: str

    def predict(self, wave: Waveform) -> float | None:
        """Mean opinion score 1..5; None if this instrument cannot tell (no predictor, silence)."""
        ...
