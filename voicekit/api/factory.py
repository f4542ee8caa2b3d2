"""The FastAPI application of one App."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

from fastapi import Depends, FastAPI
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import RedirectResponse
from fastapi_offline import FastAPIOffline
from starlette.concurrency import run_in_threadpool

from voicekit import __version__
from voicekit.api import chat, consents, errors, health, jobs, making, speech, uploads, voices
from voicekit.api.auth import KeyGate
from voicekit.api.fields import only_known_fields
from voicekit.api.limits import BodyLimit, Limits
from voicekit.api.logs import RequestLog
from voicekit.api.model_thread import ModelThread
from voicekit.api.schemas import ErrorBody
from voicekit.api.server import Server
from voicekit.app import App

_ABOUT = """Voices made from recordings: have them speak and answer, make them, and see where they come from.

Speech and chat have OpenAI's shapes, so its client libraries work with `base_url` set to this server's `/v1`.
Errors have one shape; their `code` is stable and `remedy` says what to do."""


PAGES = "/docs"
_METHODS = ("GET", "POST", "PATCH", "DELETE")
_SHOWN = ("X-Request-Id", "Retry-After", "Idempotent-Replayed", "Voicekit-No-Effect")
# Fields of a form are held in memory, its files are not. A few more files than are allowed are counted, and refused in words.
_FIELD_BYTES, _SPARE = 16_384, 100


def make_api(
    app: App,
    keys_required: bool = True,
    limits: Limits | None = None,
    entrance: str = PAGES,
    has_worker: Callable[[], bool] = lambda: True,
) -> FastAPI:
    """Keys may be left out only by a server that is bound to loopback. A browser at the bare address is sent to `entrance`."""
    limits = limits or Limits()
    model = ModelThread(limits.sessions, limits.sessions_of_key, app.turn)
    server = Server(app, model, limits, keys_required, has_worker)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None, None]:
        await run_in_threadpool(app.forget_abandoned)
        yield
        server.model.shut()

    # FastAPI's own pages load their scripts from elsewhere; these bring them along, and ask nobody whether the document is valid.
    api = FastAPIOffline(
        title="voicekit",
        version=__version__,
        description=_ABOUT,
        lifespan=lifespan,
        docs_url=PAGES,
        redoc_url=None,
        swagger_ui_parameters={"validatorUrl": None},
        dependencies=[Depends(only_known_fields)],
        form_limits={"max_files": limits.files + _SPARE, "max_fields": limits.files + _SPARE, "max_part_size": _FIELD_BYTES},
        responses={"4XX": {"model": ErrorBody, "description": "What is wrong, and what to do."}},
    )
    api.state.server = server
    api.add_middleware(BodyLimit, limits=limits)
    api.add_middleware(KeyGate, server=server)
    api.add_middleware(RequestLog, traffic=server.traffic)
    if keys_required:
        # A key is no cookie: whichever page sends it was given it. Pages of a server without keys are its own alone.
        api.add_middleware(
            CORSMiddleware, allow_origins=["*"], allow_methods=_METHODS, allow_headers=["*"], expose_headers=_SHOWN
        )
    errors.install(api)
    for part in (speech, chat, making, voices, consents, uploads, jobs, health):
        api.include_router(part.router)

    @api.get("/", include_in_schema=False)
    async def arrived() -> RedirectResponse:  # pyright: ignore[reportUnusedFunction]
        return RedirectResponse(entrance)

    return api
