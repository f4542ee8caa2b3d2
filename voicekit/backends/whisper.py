"""What is said, in a hundred languages: faster-whisper (MIT) with a Whisper in CTranslate2's format in a local folder."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from voicekit.audio import resample
from voicekit.backends.loading import loading
from voicekit.errors import LanguageError, MissingModel
from voicekit.evaluate.text import spoken_words
from voicekit.prepare.spoken import primary
from voicekit.records import Heard, Waveform, Word

RATE_HZ = 16_000
FILES = ("config.json", "model.bin", "tokenizer.json")
_BATCH = 8
_SILENCE = 1e-4


class WhisperTranscriber:
    """A `Transcriber`. Speech is found first (silero, bundled with the library), then read in batches of 30 s, greedily."""

    def __init__(self, folder: Path, device: str = "cpu", threads: int = 0) -> None:
        missing = [name for name in FILES if not (folder / name).is_file()]
        if missing:
            # Without its tokenizer the library would ask the network for one.
            raise MissingModel(
                f"In {folder} there is no {', '.join(missing)}.",
                "Put a Whisper in CTranslate2's format there: voicekit models list.",
            )
        kind, _, number = device.partition(":")
        with loading("faster-whisper", folder):
            from faster_whisper import BatchedInferencePipeline, WhisperModel

            self._model: Any = WhisperModel(
                str(folder.absolute()),
                device=kind,
                device_index=int(number or 0),
                compute_type="int8" if kind == "cpu" else "float16",
                cpu_threads=threads,
                local_files_only=True,
            )
            self._pipeline: Any = BatchedInferencePipeline(self._model)
        self._one_at_a_time = threading.Lock()
        self.name = f"faster-whisper {folder.name}"

    @property
    def languages(self) -> tuple[str, ...]:
        return tuple(self._model.supported_languages)

    def transcribe(self, wave: Waveform) -> str:
        return " ".join(spoken_words(self.hear(wave).text))

    def hear(self, wave: Waveform, language: str | None = None) -> Heard:
        """With punctuation and case; without `language` it is detected on the first 30 s of speech. One at a time."""
        wanted = primary(language) if language is not None else None
        if wanted is not None and wanted not in self.languages:
            raise LanguageError(
                f"{self.name} does not hear {language!r}.",
                "Take a model that does: voicekit models list."
                if len(self.languages) == 1
                else f"It hears: {', '.join(self.languages)}.",
            )
        samples = resample(Waveform(wave.mono()[None], wave.sample_rate_hz), RATE_HZ).samples[0]
        if len(samples) == 0 or float(np.abs(samples).max()) < _SILENCE:
            return Heard("", language=wanted or "")
        with self._one_at_a_time:
            segments, info = self._pipeline.transcribe(
                np.ascontiguousarray(samples),
                language=wanted,
                word_timestamps=True,
                vad_filter=True,
                batch_size=_BATCH,
                beam_size=1,
                temperature=0.0,
            )
            found = list(segments)
        text = " ".join(said for segment in found if (said := " ".join(segment.text.split())))
        words = _in_order((word for segment in found for word in segment.words or ()), wave.duration_s)
        return Heard(text, words, (info.language if found else wanted) or "")


def _in_order(found: Iterable[Any], duration_s: float) -> tuple[Word, ...]:
    """Words as records; times that run backwards or beyond the end (they are guesses from attention) are pulled straight."""
    words: list[Word] = []
    for word in found:
        text = word.word.strip()
        start_s = min(max(round(float(word.start), 3), words[-1].start_s if words else 0.0), duration_s)
        end_s = min(max(round(float(word.end), 3), start_s), duration_s)
        if text:
            words.append(Word(text, start_s, end_s, round(float(word.probability), 4)))
    return tuple(words)
