"""The tables, as SQLAlchemy models. Times are UTC in ISO 8601; lengths in seconds or samples as named.

Ids point backwards: voices -> evaluations -> runs -> datasets -> clips -> recordings. A dataset or a recording may be
shared by several voices. Word times stay in the dataset's manifest; the catalog holds what is asked for across voices.
Jobs, workers, consents, keys and uploads stand beside: they point at voices by name and may outlive them.
"""

from __future__ import annotations

import math
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, BigInteger, Enum, Float, ForeignKey, ForeignKeyConstraint, Index, MetaData, String, Text, false
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship
from sqlalchemy.types import TypeDecorator

from voicekit.records import JobState, RunState, Verdict, VoiceState

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_name)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class Real(TypeDecorator[float]):
    """A float that may be "not measured": NaN is stored as NULL, because SQLite keeps no NaN and PostgreSQL does."""

    impl = Float(53)
    cache_ok = True

    def process_bind_param(self, value: float | None, dialect: Dialect) -> float | None:
        return None if value is None or math.isnan(value) else float(value)

    def process_result_value(self, value: float | None, dialect: Dialect) -> float:
        return math.nan if value is None else float(value)


def _state(kind: type[StrEnum], name: str) -> Enum:
    """A short text with a CHECK, alike on every database (a native type would need ALTER TYPE to grow)."""
    return Enum(
        kind, name=name, native_enum=False, create_constraint=True, length=16, values_callable=lambda k: [m.value for m in k]
    )


class Base(DeclarativeBase):
    metadata = MetaData(naming_convention=NAMING)


class RecordingRow(Base):
    __tablename__ = "recordings"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    path: Mapped[str] = mapped_column(Text)
    sample_rate_hz: Mapped[int]
    num_samples: Mapped[int] = mapped_column(BigInteger)
    channels: Mapped[int]
    language: Mapped[str] = mapped_column(String(35))
    speaker_id: Mapped[str] = mapped_column(String(200))
    consent_id: Mapped[str] = mapped_column(String(200))


class DatasetRow(Base):
    __tablename__ = "datasets"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    spec_hash: Mapped[str] = mapped_column(String(64))
    speech_s: Mapped[float] = mapped_column(Real)
    clips: Mapped[list[ClipRow]] = relationship(order_by="ClipRow.position", cascade="all, delete-orphan", passive_deletes=True)


class ClipRow(Base):
    __tablename__ = "clips"

    dataset_id: Mapped[str] = mapped_column(ForeignKey("datasets.id", ondelete="CASCADE"), primary_key=True)
    id: Mapped[str] = mapped_column(Text, primary_key=True)
    position: Mapped[int]
    recording_id: Mapped[str] = mapped_column(ForeignKey("recordings.id"), index=True)
    start_sample: Mapped[int] = mapped_column(BigInteger)
    num_samples: Mapped[int] = mapped_column(BigInteger)
    duration_s: Mapped[float] = mapped_column(Real)
    text: Mapped[str] = mapped_column(Text)
    verdict: Mapped[Verdict] = mapped_column(_state(Verdict, "verdict"))
    reason: Mapped[str] = mapped_column(Text)
    held_out: Mapped[bool]


class RunRow(Base):
    __tablename__ = "runs"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    dataset_id: Mapped[str] = mapped_column(ForeignKey("datasets.id"), index=True)
    base_model: Mapped[str] = mapped_column(Text)
    base_revision: Mapped[str] = mapped_column(String(200))
    spec_hash: Mapped[str] = mapped_column(String(64))
    code_revision: Mapped[str] = mapped_column(String(200))
    seed: Mapped[int] = mapped_column(BigInteger)
    state: Mapped[RunState] = mapped_column(_state(RunState, "state"))
    steps: Mapped[int]
    seconds: Mapped[float] = mapped_column(Real)
    loss_first: Mapped[float | None] = mapped_column(Real)
    loss_last: Mapped[float | None] = mapped_column(Real)
    trainable_parameters: Mapped[int] = mapped_column(BigInteger)
    started_at: Mapped[str] = mapped_column(String(40))
    finished_at: Mapped[str] = mapped_column(String(40))


class EvaluationRow(Base):
    __tablename__ = "evaluations"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), index=True)
    seed: Mapped[int] = mapped_column(BigInteger)
    passed: Mapped[bool]
    reasons: Mapped[list[str]] = mapped_column(JSON)
    advice: Mapped[list[str]] = mapped_column(JSON)
    added_at: Mapped[str] = mapped_column(String(40))
    for_checking: Mapped[bool] = mapped_column(default=False, server_default=false())
    metrics: Mapped[list[MetricRow]] = relationship(
        order_by="MetricRow.position", cascade="all, delete-orphan", passive_deletes=True
    )


class MetricRow(Base):
    __tablename__ = "metrics"

    evaluation_id: Mapped[str] = mapped_column(ForeignKey("evaluations.id", ondelete="CASCADE"), primary_key=True)
    name: Mapped[str] = mapped_column(String(100), primary_key=True)
    position: Mapped[int]
    value: Mapped[float | None] = mapped_column(Real)
    low: Mapped[float | None] = mapped_column(Real)
    high: Mapped[float | None] = mapped_column(Real)
    n: Mapped[int]


class VoiceRow(Base):
    __tablename__ = "voices"
    __table_args__ = (
        ForeignKeyConstraint(["run_id"], ["runs.id"]),
        ForeignKeyConstraint(["evaluation_id"], ["evaluations.id"]),
        ForeignKeyConstraint(["dataset_id"], ["datasets.id"]),
        Index("ix_voices_job_id", "job_id"),
    )

    slug: Mapped[str] = mapped_column(String(40), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    speaker: Mapped[str] = mapped_column(String(200))
    run_id: Mapped[str] = mapped_column(String(64))
    evaluation_id: Mapped[str] = mapped_column(String(64))
    dataset_id: Mapped[str] = mapped_column(String(64))
    base_model: Mapped[str] = mapped_column(Text)
    folder: Mapped[str] = mapped_column(Text)
    adapter_sha256: Mapped[str] = mapped_column(String(64))
    prompt_sha256: Mapped[str] = mapped_column(String(64))
    decoder_sha256: Mapped[str] = mapped_column(String(64))
    job_id: Mapped[str] = mapped_column(String(64))
    state: Mapped[VoiceState] = mapped_column(_state(VoiceState, "state"))
    created_at: Mapped[str] = mapped_column(String(40))
    language: Mapped[str] = mapped_column(String(35))
    consent_id: Mapped[str] = mapped_column(String(200))
    owner: Mapped[str] = mapped_column(String(200), default="")
    tags: Mapped[list[str]] = mapped_column(JSON, default=list)
    description: Mapped[str] = mapped_column(Text, default="")
    consent_cosine: Mapped[float | None] = mapped_column(Float(53))
    revoked_at: Mapped[str] = mapped_column(String(40), default="", server_default="")


class JobRow(Base):
    """`sequence` orders jobs as they were asked for, also within one clock tick."""

    __tablename__ = "jobs"
    __table_args__ = (Index("ix_jobs_state", "state"), Index("ix_jobs_sequence", "sequence", unique=True))

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    sequence: Mapped[int] = mapped_column(BigInteger)
    name: Mapped[str] = mapped_column(String(40), index=True)
    owner: Mapped[str] = mapped_column(String(200), index=True)
    state: Mapped[JobState] = mapped_column(_state(JobState, "state"))
    attempt: Mapped[int]
    queue: Mapped[str] = mapped_column(String(40))
    step: Mapped[str] = mapped_column(String(40))
    fraction: Mapped[float] = mapped_column(Real)
    message: Mapped[str] = mapped_column(Text)
    done: Mapped[list[str]] = mapped_column(JSON)
    losses: Mapped[list[tuple[int, float]]] = mapped_column(JSON)
    numbers: Mapped[dict[str, float]] = mapped_column(JSON, server_default="{}")
    samples: Mapped[list[str]] = mapped_column(JSON)
    fault: Mapped[dict[str, str] | None] = mapped_column(JSON(none_as_null=True))
    version: Mapped[int]
    request: Mapped[dict[str, Any]] = mapped_column(JSON)
    created_at: Mapped[str] = mapped_column(String(40))
    updated_at: Mapped[str] = mapped_column(String(40))


class WorkerRow(Base):
    __tablename__ = "workers"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    host: Mapped[str] = mapped_column(String(255))
    pid: Mapped[int] = mapped_column(BigInteger)
    queue: Mapped[str] = mapped_column(String(40))
    seen_at: Mapped[str] = mapped_column(String(40))


class ConsentRow(Base):
    __tablename__ = "consents"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    owner: Mapped[str] = mapped_column(String(200), index=True)
    speaker: Mapped[str] = mapped_column(Text)
    statement: Mapped[str] = mapped_column(Text)
    language: Mapped[str] = mapped_column(String(35))
    recording: Mapped[str] = mapped_column(Text)
    words_ok: Mapped[bool]
    heard: Mapped[str] = mapped_column(Text)
    voice_ok: Mapped[bool | None]
    cosine: Mapped[float | None] = mapped_column(Real)
    created_at: Mapped[str] = mapped_column(String(40))


class ApiKeyRow(Base):
    __tablename__ = "api_keys"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    owner: Mapped[str] = mapped_column(String(200))
    scopes: Mapped[list[str]] = mapped_column(JSON)
    sha256: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[str] = mapped_column(String(40))
    revoked_at: Mapped[str] = mapped_column(String(40))


class UploadRow(Base):
    __tablename__ = "uploads"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    owner: Mapped[str] = mapped_column(String(200), index=True)
    path: Mapped[str] = mapped_column(Text)
    name: Mapped[str] = mapped_column(Text)
    num_bytes: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[str] = mapped_column(String(40))


class KeptAnswerRow(Base):
    """What a request with an Idempotency-Key was answered: the same key of the same owner on a route is one request."""

    __tablename__ = "idempotency_keys"

    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    owner: Mapped[str] = mapped_column(String(200), primary_key=True)
    route: Mapped[str] = mapped_column(String(200), primary_key=True)
    status: Mapped[int]
    body: Mapped[str] = mapped_column(Text)
    created_at: Mapped[str] = mapped_column(String(40))
    request: Mapped[str] = mapped_column(String(64), default="", server_default="")
