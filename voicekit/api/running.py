"""Serving the API from this process until it is told to stop."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable

import uvicorn
from fastapi import FastAPI

from voicekit.api.connections import protocol_with
from voicekit.api.factory import PAGES, make_api
from voicekit.api.limits import Limits
from voicekit.api.logs import log_to_stderr
from voicekit.api.server import Server
from voicekit.app import App
from voicekit.loopback import LOOPBACK

# Replies under way end by themselves; open pages of the studio never do.
_REPLIES_S, _PAGES_S = 120.0, 5
_LOOK_EVERY_S = 0.1


def keys_required(host: str, wanted: bool) -> bool:
    """Only what this machine alone can reach may do without keys."""
    return wanted or host not in LOOPBACK


class ApiServer(uvicorn.Server):
    """An API at an address. `ready` is called when it listens. Told to stop, it takes no more requests and lets those under way
    end, for at most `replies_s`; a second Ctrl-C does not wait."""

    def __init__(
        self,
        api: FastAPI,
        host: str,
        port: int,
        ready: Callable[[], None] = lambda: None,
        limits: Limits | None = None,
        replies_s: float = _REPLIES_S,
    ) -> None:
        super().__init__(
            uvicorn.Config(
                api,
                host=host,
                port=port,
                http=protocol_with((limits or Limits()).connections),
                log_config=None,
                log_level="warning",
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=_PAGES_S,
            )
        )
        self._api: Server = api.state.server
        self._ready, self._replies_s = ready, replies_s

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for listener in self.servers:
            listener.close()
        traffic, end_s = self._api.traffic, time.monotonic() + self._replies_s
        traffic.stopping = True
        while traffic.under_way and not self.force_exit and time.monotonic() < end_s:
            await asyncio.sleep(_LOOK_EVERY_S)
        await super().shutdown(sockets)


def serve(
    app: App,
    host: str,
    port: int,
    keys: bool,
    ready: Callable[[], None],
    also: Callable[[FastAPI], None] | None = None,
    entrance: str = PAGES,
    has_worker: Callable[[], bool] = lambda: True,
) -> None:
    """`also` mounts more under the same address, whose first page is `entrance`; `ready` is called when it listens. Requests
    under way may end at a stop. `has_worker` says whether the worker beside it is at work."""
    log_to_stderr()
    api = make_api(app, keys_required(host, keys), entrance=entrance, has_worker=has_worker)
    if also is not None:
        also(api)
    ApiServer(api, host, port, ready).run()
