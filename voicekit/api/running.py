"""Serving the API from this process until it is told to stop."""

from __future__ import annotations

import socket
from collections.abc import Callable

import uvicorn
from fastapi import FastAPI

from voicekit.api.auth import LOOPBACK
from voicekit.api.factory import PAGES, make_api
from voicekit.api.logs import log_to_stderr
from voicekit.app import App

_STOPPING_S = 10


def keys_required(host: str, wanted: bool) -> bool:
    """Only what this machine alone can reach may do without keys."""
    return wanted or host not in LOOPBACK


class _Announcing(uvicorn.Server):
    """Says when requests are answered, not before."""

    ready: Callable[[], None]

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self.ready()


def serve(
    app: App,
    host: str,
    port: int,
    keys: bool,
    ready: Callable[[], None],
    also: Callable[[FastAPI], None] | None = None,
    entrance: str = PAGES,
) -> None:
    """`also` mounts more under the same address, whose first page is `entrance`; `ready` is called when it listens. Requests
    under way may end at a stop."""
    log_to_stderr()
    api = make_api(app, keys_required(host, keys), entrance=entrance)
    if also is not None:
        also(api)
    config = uvicorn.Config(
        api,
        host=host,
        port=port,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_STOPPING_S,
    )
    server = _Announcing(config)
    server.ready = ready
    server.run()
