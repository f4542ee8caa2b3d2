"""Who asks, and what they may do. A key is sent as `Authorization: Bearer vk_...`; only its hash is stored.

Without keys (a server bound to loopback) everything belongs to the local user, and requests must come from this machine's
own programs: a web page of another origin, or a name that merely resolves to loopback, is turned away (voicekit.loopback).
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Request, Security
from fastapi.security import HTTPBearer
from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Receive, Scope, Send

from voicekit.access import SCOPES
from voicekit.api.errors import ApiError, answer
from voicekit.api.server import Server, ServerDep
from voicekit.errors import VoicekitError
from voicekit.loopback import is_foreign
from voicekit.records import ApiKey

PROTECTED = "/v1/"
_bearer = HTTPBearer(auto_error=False, description="A key made with `voicekit keys create`.")


@dataclass(frozen=True)
class Caller:
    """`owner` is whose voices a request may see; None is the local user of a server without keys, who sees all."""

    owner: str | None
    scopes: tuple[str, ...]

    def owns(self, owner: str) -> bool:
        return self.owner is None or self.owner == owner

    @property
    def writes_as(self) -> str:
        """The owner of what the caller makes."""
        return self.owner or ""


class KeyGate:
    """Middleware: who has no key is turned away before anything of the request's body is read."""

    def __init__(self, app: ASGIApp, server: Server) -> None:
        self._app, self._server = app, server

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            request = Request(scope)
            try:
                if not self._server.keys_required:
                    _check_local(request)
                elif scope["path"].startswith(PROTECTED):
                    request.state.key = await self._key(request)
            except VoicekitError as error:
                await answer(request, error)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    async def _key(self, request: Request) -> ApiKey:
        kind, _, secret = request.headers.get("authorization", "").partition(" ")
        if kind.lower() != "bearer" or not secret.strip():
            raise ApiError(401, "no_key", "The request has no key.", "Send: Authorization: Bearer KEY (voicekit keys create).")
        key = await run_in_threadpool(self._server.app.key_of, secret.strip())
        if key is None:
            raise ApiError(401, "wrong_key", "The key is not known, or was revoked.", "Make one: voicekit keys create NAME.")
        request.state.key_id = key.id
        return key


def needs(scope: str) -> Callable[..., Coroutine[Any, Any, Caller]]:
    """A dependency: the caller, who must have this scope."""

    async def caller(request: Request, server: ServerDep, _: Annotated[object, Security(_bearer)]) -> Caller:
        if not server.keys_required:
            return Caller(None, tuple(SCOPES))
        key: ApiKey = request.state.key
        if scope not in key.scopes:
            raise ApiError(403, "missing_scope", f"The key may not {SCOPES[scope]}.", f"Use a key with the scope {scope!r}.")
        return Caller(key.owner, key.scopes)

    caller.__dict__["scope"] = scope
    return caller


def _check_local(request: Request) -> None:
    if is_foreign(request.method, request.headers):
        raise ApiError(
            403,
            "not_local",
            "A server without keys answers programs of its own machine only.",
            "Serve with keys: voicekit serve --keys, and voicekit keys create NAME.",
        )


Reader = Annotated[Caller, Depends(needs("read"))]
Writer = Annotated[Caller, Depends(needs("write"))]
Speaker = Annotated[Caller, Depends(needs("speak"))]
