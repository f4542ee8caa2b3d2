"""The records of the service around voices: jobs and workers, consents, keys, uploads. Others import them from `records`."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

# After this a worker is taken for dead, and others go on with its jobs.
WORKER_SILENT_S = 30.0


class JobState(StrEnum):
    """REFUSED is finished too: the voice is there, and the gate kept it a draft."""

    QUEUED = "queued"
    RUNNING = "running"
    FINISHED = "finished"
    REFUSED = "refused"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def over(self) -> bool:
        """Nothing happens any more until somebody asks for it."""
        return self not in (JobState.QUEUED, JobState.RUNNING)


@dataclass(frozen=True)
class JobFault:
    """Why a job failed: the error's stable code, what happened, what to do."""

    code: str
    problem: str
    remedy: str


@dataclass(frozen=True)
class JobStatus:
    """A voice being made, as every door shows it.

    `id` is the creation job's (a hash of all inputs), `owner` "" is this machine's user. `step` is a key of App.steps()
    ("" before the first), `fraction` 0..1 of that step, `done` the finished steps. `losses` is the training curve as far as
    it goes: (step, speech loss in nats per token); `numbers` are the latest ones of a training step, by name. `samples` are
    audio files below VOICEKIT_HOME that were spoken during training. `version` is the finished voice's, 0 until then.
    `attempt` counts the retries, `queue` is the kind of device that the job waits for.
    """

    id: str
    name: str
    owner: str
    state: JobState
    step: str
    fraction: float
    message: str
    done: tuple[str, ...]
    losses: tuple[tuple[int, float], ...]
    samples: tuple[str, ...]
    fault: JobFault | None
    version: int
    created_at: str
    updated_at: str
    attempt: int = 1
    queue: str = "cpu"
    numbers: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True)
class QueuedJob:
    """A job's status with what its steps are carried out from (`request`, see voicekit.creation.Request)."""

    status: JobStatus
    request: dict[str, Any] = field(hash=False)


@dataclass(frozen=True)
class Consent:
    """Somebody's recorded permission. `speaker` is who consents, `recording` a path below VOICEKIT_HOME, `heard` what was
    understood; `voice_ok` is None until the voice was compared with recordings (then `cosine` says how alike)."""

    id: str
    owner: str
    speaker: str
    statement: str
    language: str
    recording: str
    words_ok: bool
    heard: str
    voice_ok: bool | None
    cosine: float
    created_at: str

    @property
    def holds(self) -> bool:
        return self.words_ok and self.voice_ok is True


class ConsentKind(StrEnum):
    """What stands behind a voice: nobody's word yet, a speaker's own, or recordings that no person spoke."""

    NONE = "none"
    SPOKEN = "spoken"
    SYNTHETIC = "synthetic"


@dataclass(frozen=True)
class ConsentState:
    """Whether a permission covers one version of a voice. `says` is a sentence or two for people, shown wherever the voice is;
    `remedy` what to do where it does not hold."""

    kind: ConsentKind
    holds: bool
    says: str
    remedy: str = ""


@dataclass(frozen=True)
class ApiKey:
    """A key of the HTTP API; only the hash of the secret is kept. Revoked from `revoked_at` on ("" = valid)."""

    id: str
    name: str
    owner: str
    scopes: tuple[str, ...]
    sha256: str
    created_at: str
    revoked_at: str = ""


@dataclass(frozen=True)
class Upload:
    """A file that was uploaded before it is used. `path` is below VOICEKIT_HOME."""

    id: str
    owner: str
    path: str
    name: str
    num_bytes: int
    created_at: str


@dataclass(frozen=True)
class KeptAnswer:
    """What an idempotency key was answered with; `status` 0 while the first request is still being worked on. `request` is the
    hash of what was sent, "" where a version before 0.11 kept it."""

    key: str
    owner: str
    route: str
    status: int
    body: str
    created_at: str
    request: str = ""


@dataclass(frozen=True)
class Worker:
    """A process that carries out jobs. `seen_at` is its last sign of life."""

    id: str
    host: str
    pid: int
    queue: str
    seen_at: str
