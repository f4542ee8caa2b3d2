"""The FastAPI application of one App."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from fastapi import FastAPI

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


def make_api(app: App, keys_required: bool = True, limits: Limits | None = None) -> FastAPI:
    """Keys may be left out only by a server that is bound to loopback."""
    limits = limits or Limits()
    server = Server(app, ModelThread(limits.sessions, app.turn), limits, keys_required)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None, None]:
        yield
        server.model.shut()

    # The interactive pages load scripts from elsewhere: the document alone is served.
    api = FastAPI(
        title="voicekit",
        version=__version__,
        description=_ABOUT,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        responses={"4XX": {"model": ErrorBody, "description": "What is wrong, and what to do."}},
    )
    api.state.server = server
    api.add_middleware(BodyLimit, limits=limits)
    api.add_middleware(KeyGate, server=server)
    api.add_middleware(RequestLog)
    errors.install(api)
    for part in (speech, chat, making, voices, consents, uploads, jobs, health):
        api.include_router(part.router)
    return api
