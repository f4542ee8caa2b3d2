"""Instruments for the fake base: each computes from the samples what it is asked, so that whole jobs run in a second or two."""

from __future__ import annotations

import csv
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from tests.fake_base import FakeBase, codes_of
from voicekit import audio
from voicekit.backends.dnsmos import NoQuality
from voicekit.engines import Engines
from voicekit.errors import MissingModel
from voicekit.models import states
from voicekit.ports import OnProgress
from voicekit.records import FloatArray, Heard, SpeakerTurn, Waveform
from voicekit.results import BaseReport, DistilledPart
from voicekit.specs import EvaluateSpec, HarvestSpec, PrepareSpec, Recipe, TrainSpec
from voicekit.timebase import MODEL_RATE_HZ

SENTENCES = (
    "the old house by the sea was empty",
    "seven grey birds sat on the wall",
    "she opened the door and looked out",
    "a cold wind came from the north",
    "nobody had seen the boat for days",
    "he wrote a long letter to his friend",
    "the garden was full of red apples",
    "they walked along the river at night",
    "my brother works in a small shop",
    "the train was late again this morning",
)


# As a file: what `fake_recipe()` makes.
FAKE_RECIPE = """
[prepare]
min_speech_s = 5.0
min_clip_s = 0.3
min_snr_db = -100.0
max_clipped_ratio = 1.0
min_srmr_db = -100.0

[train]
steps = 60
batch_tokens = 200
checkpoint_every = 20
decoder_steps = 2
harvest.enabled = false

[evaluate]
questions = 12
spoken = 6
min_retention = 0.8
"""


class FakeVad:
    """Speech is whatever is louder than nothing."""

    name = "fake vad"

    def speech_spans(self, wave: Waveform) -> list[tuple[float, float]]:
        return [(0.0, wave.duration_s)] if float(np.abs(wave.samples).max(initial=0.0)) > 1e-3 else []


class FakeEncoder:
    """A voice is its pitch: the energy in the bands of the fake base's eight pitches."""

    name = "fake encoder"

    def embed(self, wave: Waveform) -> FloatArray:
        frames = _frames(audio.resample(wave, MODEL_RATE_HZ).mono())
        bands = np.abs(np.fft.rfft(frames, axis=1))[:, 2:14].mean(axis=0) + 1e-6
        return (bands / np.linalg.norm(bands)).astype(np.float32)


class FakePitch:
    """The strongest tone between 75 and 325 Hz of every 40 ms, given every 10 ms."""

    def track(self, wave: Waveform) -> FloatArray:
        frames = _frames(audio.resample(wave, MODEL_RATE_HZ).mono())
        loudest = np.abs(np.fft.rfft(frames, axis=1))[:, 3:14].argmax(axis=1) + 3
        return np.repeat(25.0 * loudest, 4).astype(np.float32)


class FakeJudge:
    """Reads the tones."""

    name = "fake judge"

    def __init__(self, base: FakeBase) -> None:
        self._base = base

    def transcribe(self, wave: Waveform, language: str | None = None) -> str:
        at_24k = audio.resample(Waveform(wave.mono()[None], wave.sample_rate_hz), MODEL_RATE_HZ)
        return " ".join(self._base.read_speech(self._base.encode_speech(at_24k)).split())

    def hear(self, wave: Waveform, language: str | None = None) -> Heard:
        return Heard(self.transcribe(wave), language=language or "en")


def with_syllables(wave: Waveform) -> Waveform:
    """Louder and softer four times a second, as people speak; the tones stay what they are."""
    t = np.arange(wave.num_samples) / wave.sample_rate_hz
    envelope = 0.1 + 0.9 * np.square(np.sin(np.pi * 4 * t))
    return Waveform((wave.samples * envelope).astype(np.float32), wave.sample_rate_hz)


class AsItIs:
    """A separator that finds nothing to take away."""

    name = "fake separator"
    block_s, overlap_s, warm_up_s = 60.0, 2.0, 0.0

    def separate(self, wave: Waveform) -> Waveform:
        return wave


class OneSpeaker:
    """A diarizer to whom whatever is louder than nothing is one speaker."""

    name = "fake diarizer"

    def diarize(
        self, wave: Waveform, num_speakers: int | None = None, speech: Sequence[tuple[float, float]] | None = None
    ) -> tuple[SpeakerTurn, ...]:
        return tuple(SpeakerTurn("speaker 1", *span) for span in FakeVad().speech_spans(wave))


def _frames(samples: FloatArray) -> FloatArray:
    return samples[: len(samples) // 960 * 960].reshape(-1, 960)


def fake_engines(base: FakeBase) -> Engines:
    """Everything an App needs around one fake base, known as "fake"."""
    return Engines(
        find_base=lambda wanted: wanted,
        open_base=lambda _: base,
        device=lambda: "no device at all",
        vad=FakeVad,
        aligners=lambda opened: [opened],
        speaker_encoder=FakeEncoder,
        judge=lambda: FakeJudge(base),
        pitch=FakePitch,
        base_revision=lambda _: base.info.revision,
        queue=lambda: "cpu",
        denoiser=AsItIs,
        separator=lambda _: AsItIs(),
        diarizer=lambda _: OneSpeaker(),
        transcriber=lambda _: FakeJudge(base),
        quality=NoQuality,
        models=lambda: states(Path("nowhere"), ()),
        fetch_model=_no_network,
        check_base=_no_files,
        convert_base=_no_files,
        distil=_no_decoder,
    )


def _no_network(name: str, report: OnProgress) -> Path:
    raise MissingModel(f"{name} cannot be fetched here.", "It is a test.")


def fake_recordings(folder: Path, count: int = 10, pitch: int = 6) -> Path:
    """One wav a sentence, in a voice of that pitch (0..7), and their metadata.csv."""
    folder.mkdir(parents=True, exist_ok=True)
    speaker = FakeBase().voice("low")
    with (folder / "metadata.csv").open("w", newline="") as file:
        rows = csv.writer(file, delimiter="|")
        for number, text in enumerate(SENTENCES[:count]):
            wave = speaker.decode(np.array(codes_of(text, pitch), dtype=np.int64))
            audio.write_wav(folder / f"{number:03d}.wav", with_syllables(wave))
            rows.writerow([f"{number:03d}", text, text])
    return folder


def told_turns(folder: Path, others: Collection[str] = ("001",)) -> str:
    """RTTM of fake recordings: each is all "ann"'s, but `others` are "ben"'s."""
    lines: list[str] = []
    for file in sorted(folder.glob("*.wav")):
        who, length_s = "ben" if file.stem in others else "ann", audio.read(file).duration_s
        lines.append(f"SPEAKER {file.stem} 1 0 {length_s} <NA> <NA> {who} <NA> <NA>\n")
    return "".join(lines)


def fake_recipe(**train: object) -> Recipe:
    """Every step, as little as the fakes need."""
    spec = TrainSpec(steps=60, batch_tokens=200, checkpoint_every=20, decoder_steps=2, harvest=HarvestSpec(enabled=False))
    return Recipe(
        prepare=PrepareSpec(min_speech_s=5.0, min_clip_s=0.3, min_snr_db=-100.0, max_clipped_ratio=1.0, min_srmr_db=-100.0),
        train=spec.model_copy(update=train),
        evaluate=EvaluateSpec(questions=12, spoken=6, min_retention=0.8),
    )


def _no_files(*_: object) -> BaseReport:
    raise MissingModel("The fake base has no files.")


def _no_decoder(*_: object) -> DistilledPart:
    raise MissingModel("The fake base has no decoder.")


def with_base(engines: Engines, base: FakeBase) -> Engines:
    return replace(engines, open_base=lambda _: base)
