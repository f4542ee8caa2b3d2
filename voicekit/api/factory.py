"""The FastAPI application of one App."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.responses import RedirectResponse
from fastapi_offline import FastAPIOffline
from starlette.concurrency import run_in_threadpool

from voicekit import __version__
from voicekit.api import chat, consents, errors, health, jobs, making, speech, uploads, voices
from voicekit.api.auth import KeyGate
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


def make_api(app: App, keys_required: bool = True, limits: Limits | None = None, entrance: str = PAGES) -> FastAPI:
    """Keys may be left out only by a server that is bound to loopback. A browser at the bare address is sent to `entrance`."""
    limits = limits or Limits()
    server = Server(app, ModelThread(limits.sessions, app.turn), limits, keys_required)

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
        responses={"4XX": {"model": ErrorBody, "description": "What is wrong, and what to do."}},
    )
    api.state.server = server
    api.add_middleware(BodyLimit, limits=limits)
    api.add_middleware(KeyGate, server=server)
    api.add_middleware(RequestLog)
    errors.install(api)
    for part in (speech, chat, making, voices, consents, uploads, jobs, health):
        api.include_router(part.router)

    @api.get("/", include_in_schema=False)
    async def arrived() -> RedirectResponse:  # pyright: ignore[reportUnusedFunction]
        return RedirectResponse(entrance)

    return api
