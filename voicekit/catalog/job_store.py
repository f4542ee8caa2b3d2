"""Jobs and the workers that carry them out. A change names what it expects to find: two processes never undo each other's."""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import asdict

from sqlalchemy import CursorResult, delete, select, update
from sqlalchemy.orm import Session

from voicekit.catalog.tables import JobRow, WorkerRow
from voicekit.catalog.units import Units
from voicekit.records import JobFault, JobState, JobStatus, QueuedJob, Worker

SHORTEST_ID = 8


class JobStore(Units):
    """ports.JobLog."""

    def add_job(self, job: QueuedJob) -> bool:
        """False if the job is known already; it is left as it is."""

        def work(session: Session) -> bool:
            if session.get(JobRow, job.status.id) is not None:
                return False
            s = job.status
            values = {**_changing(s), "request": job.request}
            session.add(JobRow(id=s.id, sequence=time.time_ns(), name=s.name, owner=s.owner, created_at=s.created_at, **values))
            return True

        return self._write(work)

    def job(self, job_id: str) -> QueuedJob | None:
        with self._unit() as session:
            row = session.get(JobRow, job_id)
            return None if row is None else QueuedJob(_status(row), row.request)

    def whole_job_id(self, start: str) -> str:
        """The one id that begins so, or `start` itself if there is none or several."""
        if len(start) < SHORTEST_ID:
            return start
        with self._unit() as session:
            found = list(session.scalars(select(JobRow.id).where(JobRow.id.startswith(start, autoescape=True)).limit(2)))
        return found[0] if len(found) == 1 else start

    def jobs(self, owner: str | None = None, state: JobState | None = None, limit: int = 50, before: str = "") -> list[JobStatus]:
        """The newest first; `before` continues after the job of that id, `owner` None means everybody's."""
        query = select(JobRow).order_by(JobRow.sequence.desc()).limit(limit)
        if owner is not None:
            query = query.where(JobRow.owner == owner)
        if state is not None:
            query = query.where(JobRow.state == state)
        if before:
            query = query.where(JobRow.sequence < select(JobRow.sequence).where(JobRow.id == before).scalar_subquery())
        with self._unit() as session:
            return [_status(row) for row in session.scalars(query)]

    def waiting_jobs(self, queue: str) -> list[JobStatus]:
        """Queued jobs of a queue, the oldest first."""
        query = select(JobRow).where(JobRow.state == JobState.QUEUED, JobRow.queue == queue).order_by(JobRow.sequence)
        with self._unit() as session:
            return [_status(row) for row in session.scalars(query)]

    def jobs_of(self, name: str) -> list[JobStatus]:
        """All jobs of a voice's name, the newest first."""
        query = select(JobRow).where(JobRow.name == name).order_by(JobRow.sequence.desc())
        with self._unit() as session:
            return [_status(row) for row in session.scalars(query)]

    def save_job(self, status: JobStatus, attempt: int, among: Collection[JobState]) -> bool:
        """Write a status if the stored job is at that attempt and in one of those states; False if it is not."""
        query = update(JobRow).where(JobRow.id == status.id, JobRow.attempt == attempt, JobRow.state.in_(list(among)))
        with self._unit() as session:
            return _count(session.execute(query.values(**_changing(status)))) == 1

    def cancel_job(self, job_id: str, now: str) -> bool:
        """False if it is over already."""
        running = [JobState.QUEUED, JobState.RUNNING]
        query = update(JobRow).where(JobRow.id == job_id, JobRow.state.in_(running))
        with self._unit() as session:
            return _count(session.execute(query.values(state=JobState.CANCELLED, updated_at=now))) == 1

    def requests(self) -> list[QueuedJob]:
        """Every job with what it was asked for, in the order in which they were."""
        with self._unit() as session:
            return [QueuedJob(_status(row), row.request) for row in session.scalars(select(JobRow).order_by(JobRow.sequence))]

    def remove_job(self, job_id: str) -> None:
        with self._unit() as session:
            session.execute(delete(JobRow).where(JobRow.id == job_id))

    def see_worker(self, worker: Worker) -> None:
        """Adds the worker, or notes its sign of life."""
        self._write(lambda session: session.merge(WorkerRow(**asdict(worker))))

    def keep_worker(self, worker_id: str, seen_at: str) -> bool:
        """A sign of life; False if the worker was declared dead meanwhile."""
        with self._unit() as session:
            return _count(session.execute(update(WorkerRow).where(WorkerRow.id == worker_id).values(seen_at=seen_at))) == 1

    def workers(self) -> list[Worker]:
        with self._unit() as session:
            rows = session.scalars(select(WorkerRow).order_by(WorkerRow.id))
            return [Worker(r.id, r.host, r.pid, r.queue, r.seen_at) for r in rows]

    def remove_worker(self, worker_id: str) -> bool:
        """False if somebody else removed it."""
        with self._unit() as session:
            return _count(session.execute(delete(WorkerRow).where(WorkerRow.id == worker_id))) == 1


def _count(result: object) -> int:
    assert isinstance(result, CursorResult)
    return int(result.rowcount)


def _changing(s: JobStatus) -> dict[str, object]:
    """The columns that change while a job is carried out."""
    return {
        "state": s.state,
        "attempt": s.attempt,
        "queue": s.queue,
        "step": s.step,
        "fraction": s.fraction,
        "message": s.message,
        "done": list(s.done),
        "losses": [list(point) for point in s.losses],
        "numbers": dict(s.numbers),
        "samples": list(s.samples),
        "fault": None if s.fault is None else asdict(s.fault),
        "version": s.version,
        "updated_at": s.updated_at,
    }


def _status(row: JobRow) -> JobStatus:
    return JobStatus(
        id=row.id,
        name=row.name,
        owner=row.owner,
        state=row.state,
        step=row.step,
        fraction=row.fraction,
        message=row.message,
        done=tuple(row.done),
        losses=tuple((int(step), float(loss)) for step, loss in row.losses),
        samples=tuple(row.samples),
        fault=None if row.fault is None else JobFault(**row.fault),
        version=row.version,
        created_at=row.created_at,
        updated_at=row.updated_at,
        attempt=row.attempt,
        queue=row.queue,
        numbers=tuple(row.numbers.items()),
    )
