"""One JSON line a request on stderr. What users say, send and hear is never in it: routes, sizes, times and ids are."""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import MutableMapping
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from voicekit.api.errors import ApiError, ClientGone, answer, unknown
from voicekit.api.server import Traffic

_log = logging.getLogger("voicekit.api")
# What nginx writes for a client that did not wait.
_CLIENT_GONE = 499
_COUNTED = "/v1/"


class JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        fields: dict[str, Any] = getattr(record, "fields", {})
        return json.dumps({"at": at, "level": record.levelname.lower(), "event": record.getMessage(), **fields})


def log_to_stderr() -> None:
    """For a server process; tests and embedding programs configure logging as they like. Uvicorn's words come as lines of the
    same form; what the parser of forms says stands in the answer."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    for log, level in ((_log, logging.INFO), (logging.getLogger("uvicorn"), logging.WARNING)):
        log.handlers[:] = [handler]
        log.setLevel(level)
        log.propagate = False
    logging.getLogger("python_multipart").setLevel(logging.CRITICAL)


def log_worker(text: str) -> None:
    """What happened to the worker beside the server."""
    _log.warning("worker", extra={"fields": {"said": text}})


class RequestLog:
    """Middleware: gives each request an id (`X-Request-Id` of the answer), counts it as traffic and logs how it went."""

    def __init__(self, app: ASGIApp, traffic: Traffic) -> None:
        self._app, self._traffic = app, traffic

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began_s = time.perf_counter()
        state: MutableMapping[str, Any] = scope.setdefault("state", {})
        state["request_id"] = uuid4().hex
        seen = {"status": 0, "bytes_in": 0, "bytes_out": 0}

        async def received() -> Message:
            message = await receive()
            seen["bytes_in"] += len(message.get("body", b""))
            return message

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                seen["status"] = message["status"]
                message = {**message, "headers": [*message["headers"], (b"x-request-id", state["request_id"].encode())]}
            seen["bytes_out"] += len(message.get("body", b""))
            await send(message)

        counted = int(scope["path"].startswith(_COUNTED))
        try:
            if self._traffic.stopping and counted:
                stopping = ApiError(503, "stopping", "The server is being stopped.", "Try again in a moment.")
                await answer(Request(scope), stopping)(scope, received, sent)
                return
            self._traffic.under_way += counted
            try:
                await self._app(scope, received, sent)
            finally:
                self._traffic.under_way -= counted
        except (ClientGone, ClientDisconnect):
            seen["status"] = _CLIENT_GONE
        except Exception as error:
            # Not raised again: the server would print it with its message. A reply cut short ends without its end mark.
            failed = unknown(Request(scope), error)
            if not seen["status"]:
                await failed(scope, receive, sent)
        finally:
            route = getattr(scope.get("route"), "path", "")
            facts = {"id": state["request_id"], "method": scope["method"], "route": route, **seen}
            took_ms = round(1000 * (time.perf_counter() - began_s), 1)
            _log.info("request", extra={"fields": {**facts, "ms": took_ms, "key": state.get("key_id", "")}})
