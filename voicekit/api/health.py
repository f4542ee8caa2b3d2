"""Is the process alive, can it answer, and which models it has."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from voicekit import __version__
from voicekit.api.auth import Reader
from voicekit.api.server import ServerDep
from voicekit.errors import VoicekitError

router = APIRouter(tags=["health"])


@router.get("/health")
async def alive() -> dict[str, str]:
    """The process answers."""
    return {"status": "ok", "version": __version__}


@router.get("/health/ready", responses={503: {"description": "Not yet, or no more."}})
async def ready(server: ServerDep) -> JSONResponse:
    """Requests can be served: the catalog can be read, and the worker that this server started carries out jobs."""
    try:
        await run_in_threadpool(server.app.voices)
        code = "" if await run_in_threadpool(server.has_worker) else "no_worker"
    except VoicekitError as error:
        code = error.code
    if code:
        return JSONResponse({"status": "unavailable", "code": code}, 503, {"Retry-After": "2"})
    return JSONResponse({"status": "ok"})


@router.get("/v1/models")
async def models(caller: Reader, server: ServerDep) -> dict[str, Any]:
    """The names that `model` may have: `voicekit`, or the base of the voice that is asked."""
    voices = await run_in_threadpool(server.app.voices)
    names = ["voicekit", *sorted({v.base_model for v in voices if caller.owns(v.owner)})]
    return {"object": "list", "data": [{"id": n, "object": "model", "created": 0, "owned_by": "voicekit"} for n in names]}
