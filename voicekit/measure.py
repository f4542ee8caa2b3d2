"""One evaluation of a voice: the clips of its dataset, questions, the gate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from voicekit import audio
from voicekit.engines import Engines
from voicekit.evaluate import Instruments, evaluate_voice, gate
from voicekit.ports import BaseModel, OnProgress, SpeakingModel
from voicekit.prepare import load_dataset
from voicekit.records import Evaluation, EvaluationRows, Question
from voicekit.specs import EvaluateSpec


@dataclass(frozen=True)
class Subject:
    """What is measured: a speaking voice with its adapter and the dataset that it was made from."""

    run_id: str
    base: BaseModel
    voice: SpeakingModel
    adapter: Path
    dataset: Path


def measure(
    subject: Subject,
    questions: Sequence[Question],
    spec: EvaluateSpec,
    engines: Engines,
    evaluation_id: str,
    report: OnProgress,
) -> tuple[Evaluation, EvaluationRows]:
    """Metrics and the gate's decision. Without `questions` the base's test questions are asked."""
    dataset = load_dataset(subject.dataset)
    clips = (*dataset.held_out(), *dataset.train())[: spec.spoken]
    metrics, rows = evaluate_voice(
        subject.base,
        subject.voice,
        subject.adapter,
        [(audio.read(subject.dataset / clip.audio), clip.transcript.text) for clip in clips],
        questions or subject.base.material.test,
        spec,
        Instruments(engines.speaker_encoder(), engines.judge(), engines.pitch(), engines.workers),
        report,
    )
    decision = gate(metrics, spec)
    evaluation = Evaluation(
        id=evaluation_id,
        run_id=subject.run_id,
        seed=spec.seed,
        metrics=metrics,
        passed=decision.passed,
        reasons=decision.reasons,
        advice=decision.advice,
        for_checking=spec.for_checking,
    )
    return evaluation, rows
