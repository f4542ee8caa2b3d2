"""How much a request may bring, and the guard that stops reading when it is more."""

from __future__ import annotations

from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

MB = 1_000_000


@dataclass(frozen=True)
class Limits:
    """Sizes of a whole request in bytes; durations in seconds of sound."""

    json_bytes: int = 32 * MB
    upload_bytes: int = 2_000 * MB
    question_s: float = 60.0
    files: int = 1000
    sessions: int = 32


class BodyLimit:
    """Middleware: 413 for a body that says it is too large, or turns out to be."""

    def __init__(self, app: ASGIApp, limits: Limits) -> None:
        self._app, self._limits = app, limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        multipart = headers.get("content-type", "").startswith("multipart/")
        most = self._limits.upload_bytes if multipart else self._limits.json_bytes
        announced = headers.get("content-length", "0")
        count = int(announced) if announced.isdecimal() else 0

        async def counting() -> MutableMapping[str, Any]:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if max(count, received) > most:
                raise HTTPException(413, f"The request is larger than {most // MB} MB")
            return message

        received = 0
        await self._app(scope, counting, send)
