"""How much a request may bring, by route, and how long it may take to bring it; the guard that stops reading when it is more."""

from __future__ import annotations

import asyncio
import time
from collections.abc import MutableMapping
from dataclasses import dataclass, field
from typing import Any

from python_multipart.multipart import parse_options_header
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from voicekit.api.connections import Connections
from voicekit.api.errors import ApiError, Refused, answer

MB = 1_000_000
# The end of a form is looked for in so much of it: what stands behind is nobody's.
_LAST_BYTES = 4_096
CHAT, UPLOADS, VOICES, CONSENTS = "/v1/chat/completions", "/v1/uploads", "/v1/audio/voices", "/v1/audio/voice_consents"


@dataclass(frozen=True)
class Limits:
    """Sizes of a whole request in bytes; durations in seconds.

    Recordings and uploads may be as large as `upload_bytes`, a consent as `consent_bytes`, a conversation (its sounds are in it)
    as `json_bytes`, anything else as `small_bytes`. `json_parts` is how many values a JSON body may hold: to read a million
    takes seconds in which nobody else is answered. `sessions` replies are made at once, `sessions_of_key` of them for one key.
    A body may pause for `pause_s`, and comes with `slowest_bytes_per_s` on average.
    """

    json_bytes: int = 32 * MB
    small_bytes: int = 1 * MB
    upload_bytes: int = 2_000 * MB
    consent_bytes: int = 100 * MB
    json_parts: int = 300_000
    question_s: float = 60.0
    files: int = 1000
    sessions: int = 32
    sessions_of_key: int = 8
    pause_s: float = 30.0
    slowest_bytes_per_s: int = 4_000
    connections: Connections = field(default_factory=Connections)

    def bytes_of(self, method: str, path: str, multipart: bool) -> int:
        """The most that a request of this route may bring."""
        if not path.startswith("/v1/"):  # the studio, whose pages look at sizes themselves
            return self.upload_bytes if multipart else self.json_bytes
        if path == CHAT:
            return self.json_bytes
        sends_files = multipart and method == "POST"
        if sends_files and path in (UPLOADS, VOICES):
            return self.upload_bytes
        if sends_files and path == CONSENTS:
            return min(self.consent_bytes, self.upload_bytes)
        return min(self.small_bytes, self.json_bytes)


class BodyLimit:
    """Middleware: a body that says it is too large, turns out to be, or does not come, is answered before anything is done."""

    def __init__(self, app: ASGIApp, limits: Limits) -> None:
        self._app, self._limits = app, limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = _Body(scope, receive, self._limits)
        if body.announces_too_much:
            await answer(Request(scope), body.too_large())(scope, receive, send)
            return
        await self._app(scope, body.receive, send)


class _Body:
    """The body of one request as it comes."""

    def __init__(self, scope: Scope, receive: Receive, limits: Limits) -> None:
        headers = Headers(scope=scope)
        multipart = headers.get("content-type", "").lower().startswith("multipart/")
        announced = headers.get("content-length", "0")
        self._receive, self._limits = receive, limits
        self._is_json = not multipart and scope["path"].startswith("/v1/")
        self._most_bytes = limits.bytes_of(scope["method"], scope["path"], multipart)
        self._announced_bytes = int(announced) if announced.isdecimal() and len(announced) < 20 else 0
        self._waited_s = 0.0
        self._bytes, self._parts, self._whole = 0, 0, False
        boundary = parse_options_header(headers.get("content-type"))[1].get(b"boundary") if multipart else None
        self._end, self._tail = b"--%b--" % boundary if boundary else b"", b""

    @property
    def announces_too_much(self) -> bool:
        return self._announced_bytes > self._most_bytes

    async def receive(self) -> MutableMapping[str, Any]:
        if self._whole:
            return await self._receive()
        message = await self._next()
        data = message.get("body", b"")
        self._bytes += len(data)
        self._whole = message["type"] != "http.request" or not message.get("more_body", False)
        if self._bytes > self._most_bytes:
            raise Refused(self.too_large())
        self._check_end(data)
        if self._is_json:
            self._parts += sum(data.count(mark) for mark in (b",", b"[", b"{", b"&"))
            if self._parts > self._limits.json_parts:
                problem = f"The request has more than {self._limits.json_parts} parts."
                raise Refused(ApiError(413, "too_large", problem, "Send less at once."))
        return message

    def _check_end(self, data: bytes) -> None:
        """Of a form that breaks off the parser drops the last part without a word: a recording that nobody would miss."""
        self._tail = (self._tail + data[-_LAST_BYTES:])[-_LAST_BYTES:] if self._end else b""
        if self._whole and self._end not in self._tail:
            raise Refused(ApiError(400, "invalid_request", "The form breaks off before its end.", "Send it again, all of it."))

    async def _next(self) -> MutableMapping[str, Any]:
        """What comes next, if it comes in time. Only waiting counts: a server that is busy does not make a client slow."""
        left_s = self._limits.pause_s + self._bytes / self._limits.slowest_bytes_per_s - self._waited_s
        began_s = time.monotonic()
        try:
            message = await asyncio.wait_for(self._receive(), max(0.0, min(self._limits.pause_s, left_s)))
            self._waited_s += time.monotonic() - began_s
            return message
        except TimeoutError:
            problem = "The body of the request did not come in time."
            raise Refused(ApiError(408, "too_slow", problem, "Send it again, over a connection that holds.")) from None

    def too_large(self) -> ApiError:
        most = self._most_bytes
        allowed = f"{most // MB} MB" if most >= MB else f"{most} bytes"
        return ApiError(413, "too_large", f"The request is larger than {allowed}.", "Send less at once.")
