"""Who asks, and what they may do. A key is sent as `Authorization: Bearer vk_...`; only its hash is stored.

Without keys (a server bound to loopback) everything belongs to the local user, and requests must come from this machine's
own programs: a web page of another origin, or a name that merely resolves to loopback, is turned away.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import urlsplit

from fastapi import Depends, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.concurrency import run_in_threadpool

from voicekit.api.errors import ApiError
from voicekit.api.server import ServerDep

SCOPES = {
    "read": "see voices, jobs and consents",
    "write": "make, change and remove voices, jobs and consents",
    "speak": "have voices speak and answer",
}
LOOPBACK = {"127.0.0.1", "localhost", "::1"}
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


def needs(scope: str) -> Callable[..., Coroutine[Any, Any, Caller]]:
    """A dependency: the caller, who must have this scope."""

    async def caller(
        request: Request, server: ServerDep, sent: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)]
    ) -> Caller:
        if not server.keys_required:
            _check_local(request)
            return Caller(None, tuple(SCOPES))
        if sent is None:
            raise ApiError(401, "no_key", "The request has no key.", "Send: Authorization: Bearer KEY (voicekit keys create).")
        key = await run_in_threadpool(server.app.key_of, sent.credentials)
        if key is None or key.revoked_at:
            raise ApiError(401, "wrong_key", "The key is not known, or was revoked.", "Make one: voicekit keys create NAME.")
        request.state.key_id = key.id
        if scope not in key.scopes:
            raise ApiError(403, "missing_scope", f"The key may not {SCOPES[scope]}.", f"Use a key with the scope {scope!r}.")
        return Caller(key.owner, key.scopes)

    caller.__dict__["scope"] = scope
    return caller


def _check_local(request: Request) -> None:
    origin = request.headers.get("origin")
    for name in (request.url.hostname, urlsplit(origin).hostname if origin else None):
        if name is not None and name not in LOOPBACK:
            raise ApiError(
                403,
                "not_local",
                "A server without keys answers programs of its own machine only.",
                "Serve with keys: voicekit serve --keys, and voicekit keys create NAME.",
            )


Reader = Annotated[Caller, Depends(needs("read"))]
Writer = Annotated[Caller, Depends(needs("write"))]
Speaker = Annotated[Caller, Depends(needs("speak"))]
