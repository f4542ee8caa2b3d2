"""What all routes of one server share."""

from __future__ import annotations

from collections import OrderedDict
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


@dataclass(frozen=True)
class Server:
    """`keys_required` is False only for a server that is bound to loopback."""

    app: App
    model: ModelThread
    limits: Limits
    keys_required: bool
    replies: ReplyMemory = field(default_factory=ReplyMemory)


def server_of(request: Request) -> Server:
    found: Server = request.app.state.server
    return found


ServerDep = Annotated[Server, Depends(server_of)]
