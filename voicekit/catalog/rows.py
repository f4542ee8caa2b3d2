"""Records <-> rows. Pure: no session, no query."""

from __future__ import annotations

import math
from datetime import UTC, datetime

from voicekit.catalog.tables import ClipRow, DatasetRow, EvaluationRow, MetricRow, RecordingRow, RunRow, VoiceRow
from voicekit.records import Clip, Dataset, Evaluation, Metric, Recording, TrainingRun, Voice


def recording_row(r: Recording) -> RecordingRow:
    return RecordingRow(
        id=r.id,
        path=r.path,
        sample_rate_hz=r.sample_rate_hz,
        num_samples=r.num_samples,
        channels=r.channels,
        language=r.language,
        speaker_id=r.speaker_id,
        consent_id=r.consent_id,
    )


def recording_of(row: RecordingRow) -> Recording:
    return Recording(
        id=row.id,
        path=row.path,
        sample_rate_hz=row.sample_rate_hz,
        num_samples=row.num_samples,
        channels=row.channels,
        language=row.language,
        speaker_id=row.speaker_id,
        consent_id=row.consent_id,
    )


def dataset_row(dataset: Dataset, name: str) -> DatasetRow:
    held_out = set(dataset.held_out_ids)
    clips = [_clip_row(dataset.id, position, clip, clip.id in held_out) for position, clip in enumerate(dataset.clips)]
    return DatasetRow(id=dataset.id, name=name, spec_hash=dataset.spec_hash, speech_s=dataset.speech_s, clips=clips)


def _clip_row(dataset_id: str, position: int, clip: Clip, held_out: bool) -> ClipRow:
    return ClipRow(
        dataset_id=dataset_id,
        id=clip.id,
        position=position,
        recording_id=clip.recording_id,
        start_sample=clip.start_sample,
        num_samples=clip.num_samples,
        duration_s=clip.duration_s,
        text=clip.transcript.text,
        verdict=clip.verdict,
        reason=clip.reason,
        held_out=held_out,
    )


def run_row(run: TrainingRun) -> RunRow:
    return RunRow(
        id=run.id,
        dataset_id=run.dataset_id,
        base_model=run.base_model,
        base_revision=run.base_revision,
        spec_hash=run.spec_hash,
        code_revision=run.code_revision,
        seed=run.seed,
        state=run.state,
        steps=run.steps,
        seconds=run.seconds,
        loss_first=run.loss_first,
        loss_last=run.loss_last,
        trainable_parameters=run.trainable_parameters,
        started_at=run.started_at,
        finished_at=run.finished_at,
    )


def run_of(row: RunRow) -> TrainingRun:
    return TrainingRun(
        id=row.id,
        dataset_id=row.dataset_id,
        base_model=row.base_model,
        base_revision=row.base_revision,
        spec_hash=row.spec_hash,
        code_revision=row.code_revision,
        seed=row.seed,
        state=row.state,
        steps=row.steps,
        seconds=row.seconds,
        loss_first=_measured(row.loss_first),
        loss_last=_measured(row.loss_last),
        trainable_parameters=row.trainable_parameters,
        started_at=row.started_at,
        finished_at=row.finished_at,
    )


def evaluation_row(evaluation: Evaluation) -> EvaluationRow:
    metrics = [
        MetricRow(evaluation_id=evaluation.id, name=name, position=position, value=m.value, low=m.low, high=m.high, n=m.n)
        for position, (name, m) in enumerate(evaluation.metrics.items())
    ]
    return EvaluationRow(
        id=evaluation.id,
        run_id=evaluation.run_id,
        seed=evaluation.seed,
        passed=evaluation.passed,
        reasons=list(evaluation.reasons),
        advice=list(evaluation.advice),
        for_checking=evaluation.for_checking,
        added_at=datetime.now(UTC).isoformat(),
        metrics=metrics,
    )


def evaluation_of(row: EvaluationRow) -> Evaluation:
    metrics = {m.name: Metric(_measured(m.value), _measured(m.low), _measured(m.high), m.n) for m in row.metrics}
    return Evaluation(
        id=row.id,
        run_id=row.run_id,
        seed=row.seed,
        metrics=metrics,
        passed=row.passed,
        reasons=tuple(row.reasons),
        advice=tuple(row.advice),
        for_checking=row.for_checking,
    )


def voice_row(voice: Voice) -> VoiceRow:
    return VoiceRow(
        slug=voice.slug,
        version=voice.version,
        speaker=voice.speaker,
        run_id=voice.run_id,
        evaluation_id=voice.evaluation_id,
        dataset_id=voice.dataset_id,
        base_model=voice.base_model,
        folder=voice.folder,
        adapter_sha256=voice.adapter_sha256,
        prompt_sha256=voice.prompt_sha256,
        decoder_sha256=voice.decoder_sha256,
        job_id=voice.job_id,
        state=voice.state,
        created_at=voice.created_at,
        language=voice.language,
        consent_id=voice.consent_id,
        owner=voice.owner,
        tags=list(voice.tags),
        description=voice.description,
        consent_cosine=voice.consent_cosine,
        revoked_at=voice.revoked_at,
    )


def voice_of(row: VoiceRow) -> Voice:
    return Voice(
        slug=row.slug,
        version=row.version,
        speaker=row.speaker,
        run_id=row.run_id,
        evaluation_id=row.evaluation_id,
        dataset_id=row.dataset_id,
        base_model=row.base_model,
        folder=row.folder,
        adapter_sha256=row.adapter_sha256,
        prompt_sha256=row.prompt_sha256,
        decoder_sha256=row.decoder_sha256,
        job_id=row.job_id,
        state=row.state,
        created_at=row.created_at,
        language=row.language,
        consent_id=row.consent_id,
        owner=row.owner,
        tags=tuple(row.tags),
        description=row.description,
        consent_cosine=row.consent_cosine,
        revoked_at=row.revoked_at,
    )


def _measured(value: float | None) -> float:
    return math.nan if value is None else value
