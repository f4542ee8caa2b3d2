"""What is said, in a hundred languages: faster-whisper (MIT) with a Whisper in CTranslate2's layout in a local folder."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from voicekit.audio import resample
from voicekit.backends.loading import loading
from voicekit.errors import LanguageError, MissingModel
from voicekit.prepare.spoken import primary
from voicekit.records import FloatArray, Heard, Waveform, Word

if TYPE_CHECKING:
    from faster_whisper import WhisperModel

RATE_HZ = 16_000
FILES = ("config.json", "model.bin", "tokenizer.json")
_BATCH = 8
# Of the silence about speech the first word would take all that is left.
_VAD = {"speech_pad_ms": 200, "min_silence_duration_ms": 160}
_BEAMS = 5
_SILENCE = 1e-4
_SHORTEST_S = 0.1
# The encoder takes 30 s at a time; what is shorter would be filled up. Clips of 2 s are heard as well in 12 s of it, at a third
# of the work; in 8 s words are added or repeated behind the last one.
_MEL_FRAMES_PER_S = 100
_SHORTEST_WINDOW, _AFTER_SPEECH = 12 * _MEL_FRAMES_PER_S, 2 * _MEL_FRAMES_PER_S
_LONGEST_UTTERANCE_S = 28.0
# As in Whisper's paper (arXiv 2212.04356, section 4.5): text that compresses like this may be a loop. It is one if nobody could
# say so much in that time. It is read again without repeating three words: the paper's next try, sampling, cannot be seeded here,
# and the same sound has to give the same text.
_MAX_COMPRESSION, _MAX_LETTERS_PER_S, _NO_REPEAT = 2.4, 25.0, 3
# Nobody speaks where the text is improbable and the model says so.
_MIN_LOG_PROB, _NO_SPEECH = -1.0, 0.6


class WhisperTranscriber:
    """A `Transcriber`. One thing at a time, with `threads` threads (0: as many as there are cores)."""

    def __init__(self, folder: Path, device: str = "cpu", threads: int = 0) -> None:
        missing = [name for name in FILES if not (folder / name).is_file()]
        if missing:
            # Without its tokenizer the library would ask the network for one.
            raise MissingModel(
                f"In {folder} there is no {', '.join(missing)}.",
                "Put a Whisper in CTranslate2's layout there: voicekit models list.",
            )
        with loading("faster-whisper", folder):
            from faster_whisper import BatchedInferencePipeline

            self.model: WhisperModel = _open(folder, device, threads)
            self._pipeline = BatchedInferencePipeline(self.model)
        self.one_at_a_time = threading.Lock()
        self.name = f"faster-whisper {folder.name}"

    @property
    def languages(self) -> tuple[str, ...]:
        return tuple(self.model.supported_languages)

    def transcribe(self, wave: Waveform, language: str | None = None) -> str:
        """The text of an utterance without times; longer sound is parted as in `hear`."""
        wanted = self._wanted(language)
        if wave.duration_s > _LONGEST_UTTERANCE_S:
            return self.hear(wave, language).text
        samples = samples_of(wave)
        if is_silent(samples) or len(speech := _from_first_to_last_word(samples)) == 0:
            return ""
        with self.one_at_a_time:
            return _joined(self._read(speech, wanted, word_timestamps=False))

    def hear(self, wave: Waveform, language: str | None = None) -> Heard:
        """With punctuation and case; without `language` it is detected on the first 30 s of speech.

        Speech is found first (silero), then read in batches of up to 30 s. What is a loop is read again alone.
        """
        wanted = self._wanted(language)
        samples = samples_of(wave)
        if is_silent(samples):
            return Heard("", language=wanted or "")
        with self.one_at_a_time:
            segments, info = self._pipeline.transcribe(
                samples,
                language=wanted,
                word_timestamps=True,
                vad_filter=True,
                vad_parameters=_VAD,
                batch_size=_BATCH,
                beam_size=_BEAMS,
                temperature=0.0,
            )
            read = list(segments)
            found = [better for segment in read for better in self._checked(samples, segment, info.language)]
        spoken = [word for segment in found for word in segment.words or ()]
        text = " ".join("".join(word.word for word in spoken).split())
        return Heard(text, _in_order(spoken, wave.duration_s), (info.language if read else wanted) or "")

    def _wanted(self, language: str | None) -> str | None:
        """LanguageError if the model does not know it."""
        wanted = primary(language) if language is not None else None
        if wanted is None or wanted in self.languages:
            return wanted
        only = len(self.languages) == 1
        remedy = "Take a model that does: voicekit models list." if only else f"It hears: {', '.join(self.languages)}."
        raise LanguageError(f"{self.name} does not hear {language!r}.", remedy)

    def _checked(self, samples: FloatArray, segment: Any, language: str) -> list[Any]:
        """A segment as it is; read again alone where it is a loop, and nothing where nobody speaks."""
        if segment.avg_logprob < _MIN_LOG_PROB and segment.no_speech_prob > _NO_SPEECH:
            return []
        if not _is_loop(segment):
            return [segment]
        start = int(segment.start * RATE_HZ)
        again = self._read(samples[start : int(segment.end * RATE_HZ)], language, word_timestamps=True, no_repeat=_NO_REPEAT)
        for part in again:
            for word in part.words or ():
                word.start, word.end = word.start + segment.start, word.end + segment.start
        return again

    def _read(self, samples: FloatArray, language: str | None, word_timestamps: bool, no_repeat: int = 0) -> list[Any]:
        """Segments of an utterance."""
        segments, _ = self.model.transcribe(
            samples,
            language=language,
            beam_size=_BEAMS,
            temperature=0.0,
            compression_ratio_threshold=None,
            log_prob_threshold=_MIN_LOG_PROB,
            no_speech_threshold=_NO_SPEECH,
            condition_on_previous_text=False,
            without_timestamps=True,
            word_timestamps=word_timestamps,
            no_repeat_ngram_size=no_repeat,
        )
        found = list(segments)
        if not no_repeat and any(map(_is_loop, found)):
            return self._read(samples, language, word_timestamps, _NO_REPEAT)
        return found


def _open(folder: Path, device: str, threads: int) -> WhisperModel:
    """The model with windows as long as what is heard."""
    from faster_whisper import WhisperModel

    class ShortWindows(WhisperModel):
        def encode(self, features: np.ndarray) -> Any:
            return super().encode(_cut_to_window(features))

    kind, _, number = device.partition(":")
    return ShortWindows(
        str(folder.absolute()),
        device=kind,
        device_index=int(number or 0),
        compute_type="int8" if kind == "cpu" else "float16",
        cpu_threads=threads,
        local_files_only=True,
    )


def _cut_to_window(features: np.ndarray) -> np.ndarray:
    """Of mel float32 [(B,) 80, T] that was filled up with zeros (no sound at all), as much as keeps every word, with silence
    after the sound: after zeros, words are invented."""
    batch = features if features.ndim == 3 else features[None]
    ends = [int(sounding[-1]) + 1 if len(sounding := np.flatnonzero(mel.any(axis=0))) else 0 for mel in batch]
    length = min(batch.shape[-1], max(_SHORTEST_WINDOW, (max(ends) + _AFTER_SPEECH) // 2 * 2))
    cut = batch[..., :length].copy()
    for mel, end in zip(cut, ends, strict=True):
        mel[:, end:] = mel.min()
    return np.ascontiguousarray(cut if features.ndim == 3 else cut[0])


def samples_of(wave: Waveform) -> FloatArray:
    """float32 [T] at 16 kHz, as Whisper takes it; nothing of less than 0.1 s."""
    if wave.duration_s < _SHORTEST_S:
        return np.zeros(0, np.float32)
    mono = Waveform(wave.mono()[None], wave.sample_rate_hz)
    return np.ascontiguousarray(resample(mono, RATE_HZ).samples[0], np.float32)


def is_silent(samples: FloatArray) -> bool:
    """Whether there is nothing to hear in float32 [T]."""
    return len(samples) == 0 or float(np.abs(samples).max()) < _SILENCE


def _from_first_to_last_word(samples: FloatArray) -> FloatArray:
    """Without the silence, noise or music around the speech, in which words would be invented; nothing without speech."""
    from faster_whisper.vad import VadOptions, get_speech_timestamps

    found = get_speech_timestamps(samples, VadOptions(**_VAD))
    return samples[found[0]["start"] : found[-1]["end"]] if found else samples[:0]


def _is_loop(segment: Any) -> bool:
    letters_per_s = len(segment.text) / max(segment.end - segment.start, 0.1)
    return segment.compression_ratio > _MAX_COMPRESSION and letters_per_s > _MAX_LETTERS_PER_S


def _joined(segments: Iterable[Any]) -> str:
    return " ".join(text for segment in segments if (text := " ".join(segment.text.split())))


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
