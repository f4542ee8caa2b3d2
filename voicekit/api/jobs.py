"""/v1/jobs: voices being made. Every change of a job can be listened to as server-sent events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from voicekit.api import shown
from voicekit.api.auth import Caller, Reader, Writer
from voicekit.api.errors import ApiError, body
from voicekit.api.events import ALIVE, EVENT_STREAM, event
from voicekit.api.paging import After, PageSize, key_of, made_page
from voicekit.api.server import Server, ServerDep
from voicekit.errors import JobNotFound, VoicekitError
from voicekit.records import JobState, JobStatus

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])
JobId = Annotated[str, Path(max_length=128)]
_LOOK_EVERY_S = 0.5
_ALIVE_EVERY = 30
_JOB = shown.example(shown.JOB_EXAMPLE)


def job_of(server: Server, caller: Caller, job_id: str) -> JobStatus:
    """Others' jobs are as if they were not there."""
    missing = JobNotFound(f"There is no job {job_id!r}.", "GET /v1/jobs lists yours.")
    try:
        status = server.app.job(job_id)
    except JobNotFound:
        raise missing from None
    if not caller.owns(status.owner):
        raise missing
    return status


@router.get("", responses=shown.example_page(shown.JOB_EXAMPLE))
def jobs(
    caller: Reader,
    server: ServerDep,
    state: Annotated[JobState | None, Query()] = None,
    limit: PageSize = 20,
    after: After = "",
) -> dict[str, Any]:
    """Your jobs, the newest first."""
    before = key_of(after) if after else ""
    if before:
        job_of(server, caller, before)
    found = server.app.jobs(caller.owner, state, limit + 1, before)
    more = len(found) > limit
    return made_page([shown.job(status) for status in found[:limit]], found[limit - 1].id if more else "")


@router.get("/{job_id}", responses=_JOB)
def job(job_id: JobId, caller: Reader, server: ServerDep) -> dict[str, Any]:
    """How a job stands."""
    return shown.job(job_of(server, caller, job_id))


@router.post("/{job_id}/cancel", responses=_JOB)
def cancel(job_id: JobId, caller: Writer, server: ServerDep) -> dict[str, Any]:
    """Stop a job; its finished steps are kept for a retry. One that is over stays as it is."""
    job_of(server, caller, job_id)
    return shown.job(server.app.cancel(job_id))


@router.post("/{job_id}/retry", responses=_JOB)
def retry(job_id: JobId, caller: Writer, server: ServerDep) -> dict[str, Any]:
    """Go on with a failed or cancelled job at the step that was not finished."""
    status = job_of(server, caller, job_id)
    if status.state not in (JobState.FAILED, JobState.CANCELLED):
        raise ApiError(409, "not_to_retry", f"The job is {status.state.value}.", "Only failed and cancelled jobs are retried.")
    return shown.job(server.app.retry(job_id))


_DELETED = {"object": "job.deleted", "id": "9b1c", "deleted": True, "removed": shown.REMOVED_EXAMPLE}


@router.delete("/{job_id}", responses=shown.example(_DELETED))
def remove(job_id: JobId, caller: Writer, server: ServerDep) -> dict[str, Any]:
    """Forget a job with its work, and the recordings, uploads and consent that only it used. One that runs is stopped first; a
    voice that it made stays."""
    status = job_of(server, caller, job_id)
    return shown.deleted("job", status.id, server.app.remove_job(status.id))


@router.get("/{job_id}/events", responses={200: {"description": "Events `job`.", "content": {EVENT_STREAM: {}}}})
async def events(job_id: JobId, caller: Reader, server: ServerDep, request: Request) -> StreamingResponse:
    """The job whenever it changed, as events named `job`; the stream ends when the job is over."""
    await run_in_threadpool(job_of, server, caller, job_id)
    return StreamingResponse(_changes(server, caller, job_id, request), media_type=EVENT_STREAM)


async def _changes(server: Server, caller: Caller, job_id: str, request: Request) -> AsyncIterator[str]:
    last: JobStatus | None = None
    looks = 0
    while not server.traffic.stopping and not await request.is_disconnected():
        try:
            status = await run_in_threadpool(job_of, server, caller, job_id)
        except VoicekitError as error:
            yield event(body(error, request), "error")
            return
        if status != last:
            last = status
            yield event(shown.job(status), "job", status.updated_at)
        elif looks % _ALIVE_EVERY == 0:
            yield ALIVE
        if status.state.over:
            return
        looks += 1
        await asyncio.sleep(_LOOK_EVERY_S)
