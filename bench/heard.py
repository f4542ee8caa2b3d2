"""What benches of recognisers share: clips with their texts, sounds without speech, and errors over many clips."""

from __future__ import annotations

import csv
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from voicekit import audio
from voicekit.evaluate import statistics
from voicekit.evaluate.text import text_errors
from voicekit.records import Metric, Waveform

RATE_HZ = 16_000
GOLDEN = Path(__file__).parents[1] / "tests" / "golden"


@dataclass(frozen=True, eq=False)
class Said:
    """A clip and what is said in it."""

    wave: Waveform
    text: str
    language: str = "en"


@dataclass(frozen=True)
class Score:
    """Error rates over all words and characters, and seconds of sound per second of the processor's time."""

    wer: Metric
    cer: Metric
    real_time: float


def ljspeech(folder: Path, language: str = "en") -> list[Said]:
    """The clips of a folder in LJSpeech's form; the last column is what is said."""
    with (folder / "metadata.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file, delimiter="|", quoting=csv.QUOTE_NONE))
    found = {path.stem: path for path in folder.rglob("*") if path.suffix in audio.SUFFIXES}
    return [Said(audio.read(found[row[0]]), row[-1], language) for row in rows]


def languages() -> dict[str, list[Said]]:
    """The natural clips in languages other than English that come with the tests."""
    folders = sorted(path for path in (GOLDEN / "languages").iterdir() if path.is_dir())
    return {folder.name: ljspeech(folder, folder.name) for folder in folders}


def measured(hear: Callable[[Waveform, str], str], clips: Sequence[Said], seed: int = 0) -> Score:
    """How a recogniser hears clips."""
    began = time.process_time()
    heard = [hear(clip.wave, clip.language) for clip in clips]
    spent_s = time.process_time() - began
    errors = [text_errors(clip.text, text, clip.language) for clip, text in zip(clips, heard, strict=True)]
    return Score(
        statistics.rate([e.word_errors for e in errors], [e.num_words for e in errors], seed),
        statistics.rate([e.character_errors for e in errors], [e.num_characters for e in errors], seed),
        sum(clip.wave.duration_s for clip in clips) / max(spent_s, 1e-6),
    )


def in_noise(clip: Said, snr_db: float, seed: int) -> Said:
    """The clip with white noise so far below its mean power."""
    samples = clip.wave.samples
    noise = np.random.default_rng(seed).standard_normal(samples.shape)
    level = np.sqrt(np.mean(np.square(samples))) * 10 ** (-snr_db / 20)
    return Said(Waveform((samples + level * noise).astype(np.float32), clip.wave.sample_rate_hz), clip.text, clip.language)


def without_speech(seconds: float = 20.0) -> dict[str, Waveform]:
    """Sounds in which nobody speaks: silence, noises, and notes that are plucked."""
    draw, count = np.random.default_rng(0), int(seconds * RATE_HZ)
    white = draw.standard_normal(count)
    spectrum = np.fft.rfft(draw.standard_normal(count))
    pink = np.fft.irfft(spectrum / np.sqrt(np.maximum(np.arange(len(spectrum)), 20)), count)
    time_s = np.arange(count) / RATE_HZ
    hum = sum(np.sin(2 * np.pi * 50 * harmonic * time_s) / harmonic for harmonic in range(1, 8))
    made = {"silence": np.zeros(count), "white noise": white, "pink noise": pink, "hum": hum, "music": _tune(time_s, draw)}
    return {name: Waveform((0.1 * x / max(float(np.std(x)), 1e-9)).astype(np.float32)[None], RATE_HZ) for name, x in made.items()}


def _tune(time_s: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    samples = np.zeros(len(time_s))
    for number, note in enumerate(draw.integers(0, 24, int(2 * time_s[-1]))):
        since_s = time_s - number / 2
        envelope = np.where(since_s >= 0, np.exp(-3 * np.maximum(since_s, 0)), 0.0)
        samples += envelope * sum(np.sin(2 * np.pi * 220 * 2 ** (note / 12) * h * time_s) / h for h in range(1, 6))
    return samples


def percent(metric: Metric) -> str:
    """A rate with its interval, in percent: 4.2 (2.1 to 6.8)."""
    return f"{100 * metric.value:.1f} ({100 * metric.low:.1f} to {100 * metric.high:.1f})"
