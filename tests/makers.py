"""Builders shared by the tests: small, deterministic, without files or weights unless a folder is given.

A test names only the values it is about.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.fake_base import FakeBase as FakeBase
from tests.fake_base import codes_of as codes_of
from tests.fake_base import pitch_hz as pitch_hz
from tests.tiny import write_tiny_base
from voicekit.ports import BaseModel, Tokenized
from voicekit.records import (
    Clip,
    Dataset,
    Evaluation,
    Grades,
    Metric,
    Recording,
    RunState,
    TrainingRun,
    Transcript,
    Verdict,
    Voice,
    VoiceState,
    Waveform,
)


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def tokenized(base: BaseModel, *waves: Waveform) -> list[Tokenized]:
    """Clips with the speech tokens that a base hears in them."""
    return [(wave, base.encode_speech(wave)) for wave in waves]


def recording(name: str = "a.wav", **changes: object) -> Recording:
    made = Recording(id=sha(name), path=name, sample_rate_hz=48_000, num_samples=480_000, channels=1, language="en")
    return replace(made, **changes)  # type: ignore[arg-type]


def clip(number: int = 0, of: Recording | None = None, **changes: object) -> Clip:
    source = of or recording()
    made = Clip(
        id=f"{source.path}-{number:03d}",
        recording_id=source.id,
        recording=source.path,
        sample_rate_hz=source.sample_rate_hz,
        start_sample=96_000 * number,
        num_samples=96_000,
        audio=f"audio/{source.path}-{number:03d}.wav",
        duration_s=2.0,
        transcript=Transcript(f"sentence number {number}"),
        grades=Grades(snr_db=30.0, loudness_lufs=-23.0, clipped_ratio=0.0, speaking_rate_wps=2.5, script_match=0.9),
        verdict=Verdict.ACCEPTED,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def dataset(*recordings: Recording, name: str = "dataset") -> Dataset:
    """Two accepted clips of each recording; the last recording is held out. `name` stands for the content."""
    sources = recordings or (recording("a.wav"), recording("b.wav"))
    clips = tuple(clip(number, source) for source in sources for number in range(2))
    held_out = tuple(c.id for c in clips if c.recording_id == sources[-1].id)
    train = tuple(c.id for c in clips if c.id not in held_out)
    return Dataset(sha(name), sha("prepare spec"), clips, train, held_out, speech_s=2.0 * len(clips))


def run(of: Dataset | None = None, name: str = "run", **changes: object) -> TrainingRun:
    made = TrainingRun(
        id=sha(name)[:32],
        dataset_id=(of or dataset()).id,
        base_model="nano",
        base_revision="0123456789ab",
        spec_hash=sha("train spec"),
        code_revision="0.1.0",
        seed=0,
        state=RunState.FINISHED,
        steps=140,
        seconds=61.5,
        loss_first=4.5,
        loss_last=2.25,
        trainable_parameters=123_456,
        started_at="2026-01-02T03:04:05+00:00",
        finished_at="2026-01-02T03:05:06+00:00",
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def evaluation(of: TrainingRun | None = None, name: str = "evaluation", **changes: object) -> Evaluation:
    metrics = {"retention": Metric(0.98, 0.95, 1.0, 120), "speaker_cosine": Metric(0.81, 0.79, 0.83, 40)}
    made = Evaluation(sha(name)[:32], (of or run()).id, seed=0, metrics=metrics, passed=True, reasons=())
    return replace(made, **changes)  # type: ignore[arg-type]


def voice(of: TrainingRun | None = None, by: Evaluation | None = None, **changes: object) -> Voice:
    source = of or run()
    made = Voice(
        slug="anna",
        version=1,
        speaker="anna",
        run_id=source.id,
        evaluation_id=(by or evaluation(source)).id,
        dataset_id=source.dataset_id,
        base_model=source.base_model,
        folder="voices/anna/v1",
        adapter_sha256=sha("adapter"),
        prompt_sha256=sha("prompt"),
        state=VoiceState.PUBLISHED,
        created_at="2026-01-02T03:06:07+00:00",
        job_id=sha("job"),
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def tiny_base(folder: Path, seed: int = 0, **card: Any) -> Path:
    """A complete base directory with very small random weights; `card` changes entries of base.json."""
    return write_tiny_base(folder, seed, **card)
