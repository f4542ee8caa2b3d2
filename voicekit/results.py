"""What the App's methods return, and the JSON the doors show of it. A number that could not be measured is null."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from voicekit.evaluation_warnings import warnings
from voicekit.models import ModelState
from voicekit.records import (
    Consent,
    ConsentState,
    Evaluation,
    JobStatus,
    Metric,
    Recording,
    TrainingRun,
    Voice,
    VoiceState,
    Waveform,
)

Json = dict[str, Any]


@dataclass(frozen=True)
class VoiceDetails:
    """A voice with its numbers and its lineage. `report` is the HTML page of its making, `notes` are remarks on its recordings
    and texts, `text_sources` says which file each recording's text is from, by its path."""

    voice: Voice
    run: TrainingRun
    evaluation: Evaluation
    recordings: tuple[Recording, ...]
    clips_accepted: int
    clips_rejected: int
    speech_s: float
    report: Path
    consent: ConsentState
    notes: tuple[str, ...] = ()
    text_sources: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def published(self) -> bool:
        """False for a draft: the gate refused it, or a consent is missing."""
        return self.voice.state is VoiceState.PUBLISHED

    def as_json(self) -> Json:
        """The object that `create --json` prints."""
        run, evaluation = self.run, self.evaluation
        return {
            "voice": self.voice.slug,
            "version": self.voice.version,
            "state": self.voice.state.value,
            "consent": consent_json(self.consent),
            "clips": {"accepted": self.clips_accepted, "rejected": self.clips_rejected},
            "speech_s": round(self.speech_s, 3),
            "training": {
                "steps": run.steps,
                "seconds": round(run.seconds, 2),
                "loss_first": _number(run.loss_first),
                "loss_last": _number(run.loss_last),
                "trainable_parameters": run.trainable_parameters,
            },
            "evaluation": evaluation_json(evaluation),
            "passed": evaluation.passed,
            "reasons": list(evaluation.reasons),
            "advice": list(evaluation.advice),
            "warnings": list(warnings(evaluation.metrics)),
            "notes": list(self.notes),
            "report": str(self.report),
        }

    def lineage_json(self) -> Json:
        """Where the voice comes from: what `show --json` adds."""
        return {
            **{key: value for key, value in asdict(self.voice).items() if key not in ("slug", "version", "state")},
            "base_revision": self.run.base_revision,
            "spec_hash": self.run.spec_hash,
            "code_revision": self.run.code_revision,
            "seed": self.run.seed,
            "recordings": [{"path": r.path, "sha256": r.id, "text_from": self.text_sources.get(r.path)} for r in self.recordings],
            "notes": list(self.notes),
        }


@dataclass(frozen=True)
class Removed:
    """What a removal deleted: versions as `ada@2`, the rest by id. `revoked` are versions that stay but lost their consent."""

    versions: tuple[str, ...] = ()
    jobs: tuple[str, ...] = ()
    drafts: tuple[str, ...] = ()
    consents: tuple[str, ...] = ()
    uploads: tuple[str, ...] = ()
    revoked: tuple[str, ...] = ()
    num_files: int = 0
    num_bytes: int = 0

    def as_json(self) -> Json:
        return asdict(self)

    def in_words(self, begins: str, revokes: str = "Revoked") -> str:
        """A sentence that says all of it, such as "Removed ada: 2 versions, 1 consent, 214 files (35.2 MB)."."""
        counted = (
            (len(self.versions), "version"),
            (len(self.jobs), "job"),
            (len(self.drafts), "unfinished voice"),
            (len(self.consents), "consent"),
            (len(self.uploads), "upload"),
        )
        parts = [f"{count} {name}{'' if count == 1 else 's'}" for count, name in counted if count]
        if self.num_files:
            parts.append(f"{self.num_files} file{'' if self.num_files == 1 else 's'} ({self.num_bytes / 1e6:.1f} MB)")
        revoked = f" {revokes}, because nobody consents to it any more: {', '.join(self.revoked)}." if self.revoked else ""
        return f"{begins}: {', '.join(parts) or 'nothing was left of it'}.{revoked}"


def evaluation_json(evaluation: Evaluation) -> Json:
    """Every metric as `name`, and its 95 % interval as `name_ci`: [low, high]."""
    out: Json = {}
    for name, metric in evaluation.metrics.items():
        out[name] = _number(metric.value)
        out[f"{name}_ci"] = [_number(metric.low), _number(metric.high)]
    return out


def consent_json(state: ConsentState) -> Json:
    """How it stands with the permission for a voice, as every interface shows it."""
    return {"kind": state.kind.value, "holds": state.holds, "says": state.says}


def stored_consent_json(given: Consent) -> Json:
    """A consent that is kept; `voice_ok` and `cosine` are null until it was compared with recordings."""
    return {**asdict(given), "cosine": _number(given.cosine)}


def voice_json(voice: Voice, consent: ConsentState) -> Json:
    return {
        "voice": voice.slug,
        "version": voice.version,
        "state": voice.state.value,
        "consent": consent_json(consent),
        "language": voice.language,
        "base_model": voice.base_model,
        "created_at": voice.created_at,
    }


def job_json(job: JobStatus) -> Json:
    return {**asdict(job), "state": job.state.value}


@dataclass(frozen=True, eq=False)
class Answer:
    """What a voice said, 24 kHz mono, and the file it was written to. `first_audio_ms` is None if it said nothing.

    `real_time_factor` is seconds of speech made per second of work.
    """

    text: str
    wave: Waveform
    audio: Path | None
    first_audio_ms: float | None
    real_time_factor: float

    def as_json(self) -> Json:
        return {
            "text": self.text,
            "audio": "" if self.audio is None else str(self.audio),
            "first_audio_ms": None if self.first_audio_ms is None else round(self.first_audio_ms, 1),
            "real_time_factor": _number(round(self.real_time_factor, 3)),
        }


@dataclass(frozen=True)
class DemoAnswer:
    question: str
    answer: Answer


@dataclass(frozen=True)
class DemoShown:
    """The voice of the bundled speaker, three answers in it, and a copy of its report."""

    details: VoiceDetails
    answers: tuple[DemoAnswer, ...]
    report: Path


@dataclass(frozen=True)
class Check:
    """One line of the doctor. `optional`: voicekit works without it. `remedy` says what to do if it is not ok."""

    name: str
    ok: bool
    detail: str
    remedy: str = ""
    optional: bool = False


def model_json(state: ModelState) -> Json:
    """The object that `models list --json` prints of a model."""
    known = state.model
    return {
        "name": known.name,
        "step": known.step.value,
        "licence": known.licence,
        "megabytes": known.megabytes,
        "gated": known.gated,
        "page": known.page,
        "package": known.package,
        "installed": state.installed,
        "ready": state.ready,
        "folder": None if known.bundled else str(state.folder),
        "missing": list(state.missing),
        "brings": known.brings,
        "embedded": str(state.instead),
    }


@dataclass(frozen=True)
class BasePart:
    """A part of a base model. Not `there`: `means` says what cannot be done, `remedy` where to put it. `fault` is why a part that
    is there cannot be used; `extra` are stored names that nothing uses."""

    name: str
    there: bool
    parameters: int = 0
    size_bytes: int = 0
    dtypes: tuple[str, ...] = ()
    sizes: dict[str, int] = field(default_factory=dict[str, int])
    note: str = ""
    means: str = ""
    fault: str = ""
    remedy: str = ""
    extra: tuple[str, ...] = ()


@dataclass(frozen=True)
class BaseReport:
    """A base directory looked at: `layout` is voicekit or released. `not_kept` is what converting it left behind."""

    folder: Path
    name: str
    licence: str
    layout: str
    parts: tuple[BasePart, ...]
    not_kept: tuple[str, ...] = ()

    @property
    def usable(self) -> bool:
        """No part that is there has a fault."""
        return not any(part.fault for part in self.parts)

    def as_json(self) -> Json:
        return {**asdict(self), "folder": str(self.folder), "usable": self.usable}


@dataclass(frozen=True)
class DistilledPart:
    """A part that was learned from a base's own decoder: the `folder` of the base that has it now, and what was measured."""

    folder: Path
    part: str
    metrics: dict[str, Metric]

    def as_json(self) -> Json:
        numbers = {
            name: {"value": _number(m.value), "low": _number(m.low), "high": _number(m.high), "n": m.n}
            for name, m in self.metrics.items()
        }
        return {"folder": str(self.folder), "part": self.part, "metrics": numbers}


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None
