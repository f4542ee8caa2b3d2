"""Idempotency-Key on requests that make something: the same request again gets the same answer and makes nothing; another
request with the same key is refused."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import Header, Request
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile

from voicekit.api.auth import Caller
from voicekit.api.errors import ApiError
from voicekit.api.server import Server
from voicekit.storage import combined_sha256

IdempotencyKey = Annotated[
    str | None,
    Header(min_length=8, max_length=128, pattern="^[!-~]+$", description="The same key again: the same answer, made once."),
]


async def once(
    server: Server,
    caller: Caller,
    key: str | None,
    route: str,
    request: Request,
    work: Callable[[], Awaitable[tuple[int, dict[str, Any]]]],
) -> JSONResponse:
    """Do the work, or answer as it was answered the first time. What failed may be tried again under the same key."""
    if key is None:
        status, body = await work()
        return JSONResponse(body, status)
    sent = await run_in_threadpool(_sha256, (await request.form()).multi_items())
    known = await run_in_threadpool(server.app.claim_answer, key, caller.writes_as, route, sent)
    if known is not None:
        if known.request not in ("", sent):  # "": kept by a voicekit that did not look at it
            problem = "This Idempotency-Key was used for another request."
            raise ApiError(422, "idempotency_key_reused", problem, "Use a new key for every new request.")
        if known.status == 0:
            problem = "A request with this Idempotency-Key is being worked on."
            raise ApiError(409, "in_progress", problem, "Wait for its answer, or use another key.")
        return JSONResponse(json.loads(known.body), known.status, {"Idempotent-Replayed": "true"})
    async with _claimed(server, caller, key, route):
        status, body = await work()
        await run_in_threadpool(server.app.keep_answer, key, caller.writes_as, route, sent, status, json.dumps(body))
    return JSONResponse(body, status)


@asynccontextmanager
async def _claimed(server: Server, caller: Caller, key: str, route: str) -> AsyncGenerator[None, None]:
    try:
        yield
    except BaseException:
        await run_in_threadpool(server.app.drop_answer, key, caller.writes_as, route)
        raise


def _sha256(form: Sequence[tuple[str, str | UploadFile]]) -> str:
    """Of the fields and files of a request, in whatever order they were sent."""
    parts: list[str] = []
    for name, value in form:
        if isinstance(value, str):
            parts.append(f"{name}={value}")
            continue
        value.file.seek(0)
        parts.append(f"{name}: {value.filename} {hashlib.file_digest(value.file, 'sha256').hexdigest()}")  # pyright: ignore[reportArgumentType]
        value.file.seek(0)
    return combined_sha256(sorted(parts))
