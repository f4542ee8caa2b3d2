"""What an open connection may keep a server waiting for: a request's head, the rest of a refused body, a reader who stops."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass
from typing import ClassVar, cast

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

_PROBES = 3


@dataclass(frozen=True)
class Connections:
    """Durations in seconds. `head_s`: a request's head is there; `rest_s`: what still comes of a body that was answered already
    is taken; `unread_s`: somebody who reads nothing is waited for; `silent_s`: a peer that is gone is noticed."""

    head_s: float = 15.0
    rest_s: float = 10.0
    unread_s: float = 60.0
    silent_s: int = 60


class TimedProtocol(H11Protocol):
    """Uvicorn's protocol, which by itself waits for ever for a first request, for a body's rest, and for a reader."""

    limits: ClassVar[Connections] = Connections()
    _late: asyncio.TimerHandle | None = None
    _unread: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        _notice_when_gone(transport.get_extra_info("socket"), self.limits.silent_s)
        self._expect(self.limits.head_s)

    def connection_lost(self, exc: Exception | None) -> None:
        self._expect(None)
        self._read_on()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        # Uvicorn says that the cycle is there; before the first request it is not.
        asked = cast("RequestResponseCycle | None", self.cycle)
        if asked is not None and not asked.response_complete:
            self._expect(None)  # the application waits for the body in its own way
        elif self._late is None:
            self._expect(self.limits.head_s)

    def on_response_complete(self) -> None:
        self._expect(self.limits.rest_s if self.conn.their_state is h11.SEND_BODY else None)
        super().on_response_complete()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._unread = self.loop.call_later(self.limits.unread_s, self.transport.abort)

    def resume_writing(self) -> None:
        self._read_on()
        super().resume_writing()

    def _expect(self, within_s: float | None) -> None:
        if self._late is not None:
            self._late.cancel()
        self._late = None if within_s is None else self.loop.call_later(within_s, self.transport.abort)

    def _read_on(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None


def protocol_with(limits: Connections) -> type[TimedProtocol]:
    return type("Protocol", (TimedProtocol,), {"limits": limits})


def _notice_when_gone(connection: socket.socket, silent_s: int) -> None:
    """A machine that was switched off says no goodbye: the system asks for it, and gives up what it does not acknowledge."""
    if connection.family not in (socket.AF_INET, socket.AF_INET6):
        return
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    every_s = max(1, silent_s // (_PROBES + 1))
    for name, value in (
        ("TCP_KEEPIDLE", every_s), ("TCP_KEEPINTVL", every_s), ("TCP_KEEPCNT", _PROBES), ("TCP_USER_TIMEOUT", 1000 * silent_s),
    ):  # fmt: skip
        if hasattr(socket, name):
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
