"""Idempotency-Key on requests that make something: the same key again gives the same answer and makes nothing."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import Header
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from voicekit.api.auth import Caller
from voicekit.api.errors import ApiError
from voicekit.api.server import Server

IdempotencyKey = Annotated[
    str | None,
    Header(min_length=8, max_length=128, pattern="^[!-~]+$", description="The same key again: the same answer, made once."),
]


async def once(
    server: Server, caller: Caller, key: str | None, route: str, work: Callable[[], Awaitable[tuple[int, dict[str, Any]]]]
) -> JSONResponse:
    """Do the work, or answer as it was answered the first time. What failed may be tried again under the same key."""
    if key is None:
        status, body = await work()
        return JSONResponse(body, status)
    known = await run_in_threadpool(server.app.claim_answer, key, caller.writes_as, route)
    if known is not None:
        if known.status == 0:
            problem = "A request with this Idempotency-Key is being worked on."
            raise ApiError(409, "in_progress", problem, "Wait for its answer, or use another key.")
        return JSONResponse(json.loads(known.body), known.status, {"Idempotent-Replayed": "true"})
    async with _claimed(server, caller, key, route):
        status, body = await work()
        await run_in_threadpool(server.app.keep_answer, key, caller.writes_as, route, status, json.dumps(body))
    return JSONResponse(body, status)


@asynccontextmanager
async def _claimed(server: Server, caller: Caller, key: str, route: str) -> AsyncGenerator[None, None]:
    try:
        yield
    except BaseException:
        await run_in_threadpool(server.app.drop_answer, key, caller.writes_as, route)
        raise
