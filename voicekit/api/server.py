"""What all routes of one server share."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request

from voicekit.api.limits import Limits
from voicekit.api.model_thread import ModelThread
from voicekit.app import App
from voicekit.records import Turn

_REPLIES_KEPT = 512


@dataclass
class ReplyMemory:
    """Spoken replies by id, so that a later request may name one as its history instead of sending it back."""

    _replies: OrderedDict[str, tuple[str, Turn]] = field(default_factory=OrderedDict[str, tuple[str, Turn]])

    def keep(self, reply_id: str, owner: str, turn: Turn) -> None:
        self._replies[reply_id] = (owner, turn)
        while len(self._replies) > _REPLIES_KEPT:
            self._replies.popitem(last=False)

    def find(self, reply_id: str, owner: str) -> Turn | None:
        kept = self._replies.get(reply_id)
        return kept[1] if kept is not None and kept[0] == owner else None


@dataclass
class Traffic:
    """The requests under way. Once `stopping`, no other is taken, and what only watches comes to its end."""

    under_way: int = 0
    stopping: bool = False


@dataclass(frozen=True)
class Server:
    """`keys_required` is False only for a server that is bound to loopback; `has_worker` says whether jobs are carried out, where
    that is this server's own affair; `cleaning` holds what is still to be done after requests that failed."""

    app: App
    model: ModelThread
    limits: Limits
    keys_required: bool
    has_worker: Callable[[], bool] = lambda: True
    traffic: Traffic = field(default_factory=Traffic)
    replies: ReplyMemory = field(default_factory=ReplyMemory)
    cleaning: set[asyncio.Task[None]] = field(default_factory=set[asyncio.Task[None]])


def server_of(request: Request) -> Server:
    found: Server = request.app.state.server
    return found


ServerDep = Annotated[Server, Depends(server_of)]
