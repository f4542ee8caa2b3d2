"""Voices that are made by workers: what doors ask for and see. The catalog holds every job; a worker takes it from there.

A job's id hashes what its voice is made from, so that asking twice is asking once. `attempt` counts retries: whatever
still works for an earlier attempt, or for a job that was cancelled, finds that its word is not wanted any more.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from voicekit.creation import STEPS
from voicekit.engines import Engines
from voicekit.errors import JobNotFound, NameTaken, StepCrashed, UsageError
from voicekit.ports import Catalog
from voicekit.records import WORKER_SILENT_S, JobFault, JobState, JobStatus, QueuedJob, Voice, VoiceState, Worker
from voicekit.request import Request
from voicekit.timebase import utc
from voicekit.workplace import alone, log_file, process_runs

OPEN = (JobState.QUEUED, JobState.RUNNING)
AGAIN = (JobState.FAILED, JobState.CANCELLED)
# The queue of what a foreground process makes by itself: no worker takes from it.
HERE = "here"
_LOG_BYTES = 200_000


class Jobs:
    """The jobs of a catalog."""

    def __init__(self, home: Path, catalog: Catalog, engines: Engines) -> None:
        self._home = home
        self._catalog = catalog
        self._engines = engines

    def submit(self, request: Request, new_version: bool = False) -> JobStatus:
        """Put a job into the queue; one that failed or was cancelled goes on, any other is found as it is."""
        job_id = request.job_id(self._engines.base_revision(request.base))
        made = self._check_name(request, job_id, new_version)
        known = self._catalog.job(job_id)
        if known is None:
            status = new_job(job_id, request, self._queue(), made)
            self._catalog.add_job(QueuedJob(status, request.as_json()))
        elif known.status.state in AGAIN or (known.status.state.over and made is None):
            self._requeue(known.status)
        return self.get(job_id)

    def get(self, job_id: str) -> JobStatus:
        return self._known(job_id).status

    def list(self, owner: str | None, state: JobState | None, limit: int, before: str) -> list[JobStatus]:
        return [self._settled(status) for status in self._catalog.jobs(owner, state, limit, before)]

    def watch(self, job_id: str, every_s: float) -> Iterator[JobStatus]:
        """The status whenever it changed, until the job is over."""
        last: JobStatus | None = None
        while last is None or not last.state.over:
            status = self.get(job_id)
            if status != last:
                yield status
                last = status
            if not status.state.over:
                time.sleep(every_s)

    def cancel(self, job_id: str) -> JobStatus:
        """Stop a job; what its finished steps made is kept for a retry. A job that is over stays as it is."""
        whole = self.get(job_id).id
        self._catalog.cancel_job(whole, utc())
        return self.get(whole)

    def retry(self, job_id: str) -> JobStatus:
        """Go on with a failed or cancelled job at the step that was not finished."""
        status = self.get(job_id)
        if status.state not in AGAIN:
            raise UsageError(f"The job {job_id[:16]} is {status.state.value}.", "Only failed and cancelled jobs are tried again.")
        self._requeue(status)
        return self.get(status.id)

    def log(self, job_id: str) -> str:
        """The end of what was printed while the job was carried out; "" before it began."""
        file = log_file(self._home, self.get(job_id).id)
        if not file.exists():
            return ""
        with file.open("rb") as stream:
            stream.seek(max(0, file.stat().st_size - _LOG_BYTES))
            return stream.read().decode("utf-8", errors="replace")

    def steps(self) -> Sequence[str]:
        return tuple(STEPS)

    def log_file(self, job_id: str) -> Path:
        return log_file(self._home, job_id)

    def open(self, queue: str) -> bool:
        """Whether a queue has jobs that wait or run."""
        running = self._catalog.jobs(state=JobState.RUNNING, limit=1000)
        return bool(self._catalog.waiting_jobs(queue)) or any(s.queue == queue for s in running)

    def begin(self, job_id: str, attempt: int, step: str) -> bool:
        """A worker is about to carry out a step; False if the job is not wanted any more."""
        if not self.wanted(job_id, attempt):
            return False
        status = self.get(job_id)
        if status.step != step:
            status = replace(status, step=step, fraction=0.0, message="")
        return self._catalog.save_job(replace(status, state=JobState.RUNNING, updated_at=utc()), attempt, OPEN)

    def waiting(self, queue: str) -> Sequence[JobStatus]:
        """Queued jobs, the oldest first."""
        return self._catalog.waiting_jobs(queue)

    def wanted(self, job_id: str, attempt: int) -> bool:
        """False once the job was cancelled, removed, or is being tried again."""
        found = self._catalog.job(job_id)
        return found is not None and found.status.attempt == attempt and found.status.state in OPEN

    def fail(self, job_id: str, attempt: int, fault: JobFault) -> None:
        """The step at hand went wrong; nothing if the job was cancelled or tried again meanwhile."""
        if self.wanted(job_id, attempt):
            failed = replace(self.get(job_id), state=JobState.FAILED, fault=fault, message="", updated_at=utc())
            self._catalog.save_job(failed, attempt, OPEN)

    def _known(self, job_id: str) -> QueuedJob:
        found = self._catalog.job(self._catalog.whole_job_id(job_id))
        if found is None:
            raise JobNotFound(f"There is no job {job_id[:16]!r}.", "List them: voicekit jobs list.")
        return replace(found, status=self._settled(found.status))

    def _settled(self, status: JobStatus) -> JobStatus:
        """A process that was killed while it made a voice itself left a job that seems to run: nobody holds its name."""
        if status.queue != HERE or status.state is not JobState.RUNNING:
            return status
        try:
            with alone(self._home, status.name):
                fault = JobFault(StepCrashed.code, "The process that made the voice ended.", "Run it again, or retry the job.")
                failed = replace(status, state=JobState.FAILED, fault=fault, updated_at=utc())
                return failed if self._catalog.save_job(failed, status.attempt, OPEN) else status
        except UsageError:
            return status

    def _requeue(self, status: JobStatus) -> None:
        queued = replace(
            status,
            state=JobState.QUEUED,
            attempt=status.attempt + 1,
            queue=self._queue(),
            fraction=0.0,
            message="",
            fault=None,
            version=0,
            done=status.done if status.state in AGAIN else (),
            updated_at=utc(),
        )
        self._catalog.save_job(queued, status.attempt, [s for s in JobState if s.over])

    def _check_name(self, request: Request, job_id: str, new_version: bool) -> Voice | None:
        """The voice that this job made already, if it is there. NameTaken if the name is somebody's or something else's."""
        slug, versions = request.slug, self._catalog.versions(request.slug)
        busy = [s for s in self._catalog.jobs_of(slug) if s.state in OPEN and s.id != job_id]
        refuse_other_owners(slug, request.owner, [*versions, *busy])
        made = voice_of(job_id, versions, self._home)
        if made is not None:
            return made
        if busy:
            raise NameTaken(
                f"The voice {slug!r} is being made from other inputs, by job {busy[0].id[:16]}.",
                "Wait for that job, or cancel it.",
            )
        refuse_other_inputs(slug, versions, job_id, new_version)
        return None

    def _queue(self) -> str:
        """gpu if this machine or a worker that is awake has one."""
        return "gpu" if any(w.queue == "gpu" for w in self.awake()) else self._engines.queue()

    def awake(self) -> list[Worker]:
        """Workers that gave a sign of life not long ago; those of this machine only if their process is there."""
        since, here = utc(ago_s=WORKER_SILENT_S), socket.gethostname()
        seen = [w for w in self._catalog.workers() if w.seen_at >= since]
        return [w for w in seen if w.host != here or process_runs(w.pid)]


def voice_of(job_id: str, versions: Sequence[Voice], home: Path) -> Voice | None:
    """The version that a job has made, if its files are there."""
    return next((v for v in versions if v.job_id == job_id and (home / v.folder).exists()), None)


def refuse_other_owners(slug: str, owner: str, holders: Sequence[Voice | JobStatus]) -> None:
    """NameTaken if what bears the name is somebody else's."""
    if any(holder.owner != owner for holder in holders):
        raise NameTaken(f"The name {slug!r} belongs to somebody else.", "Choose another name.")


def refuse_other_inputs(slug: str, versions: Sequence[Voice], job_id: str, new_version: bool) -> None:
    """NameTaken if the name has a published voice of other inputs, and no new version of it was asked for."""
    if not new_version and any(v.state is VoiceState.PUBLISHED and v.job_id != job_id for v in versions):
        raise NameTaken(
            f"There is a voice {slug!r} already, made from other recordings or with other settings.",
            f"Choose another name, add --new-version, or remove it first: voicekit remove {slug}.",
        )


def new_job(job_id: str, request: Request, queue: str, made: Voice | None = None) -> JobStatus:
    """Queued; or finished already, when the voice was made without a worker."""
    state = JobState.QUEUED
    if made is not None:
        state = JobState.REFUSED if made.state is VoiceState.DRAFT else JobState.FINISHED
    return JobStatus(
        id=job_id,
        name=request.slug,
        owner=request.owner,
        state=state,
        step="" if made is None else "register",
        fraction=0.0 if made is None else 1.0,
        message="",
        done=() if made is None else tuple(STEPS),
        losses=(),
        samples=(),
        fault=None,
        version=0 if made is None else made.version,
        created_at=utc(),
        updated_at=utc(),
        queue=queue,
    )
