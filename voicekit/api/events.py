"""Server-sent events, and streams whose first item is there before the answer's status is sent."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from typing import Any, TypeVar

T = TypeVar("T")
EVENT_STREAM = "text/event-stream"
DONE = "data: [DONE]\n\n"
ALIVE = ": alive\n\n"


def event(data: dict[str, Any], name: str = "", event_id: str = "") -> str:
    """One event; the data is one line of JSON."""
    head = (f"id: {event_id}\n" if event_id else "") + (f"event: {name}\n" if name else "")
    return f"{head}data: {json.dumps(data, ensure_ascii=False)}\n\n"


async def started(items: AsyncGenerator[T, None]) -> AsyncGenerator[T, None]:
    """The same items, the first one made already: what fails at once fails with a proper status."""
    try:
        first = await anext(items)
    except StopAsyncIteration:
        return _rest([], items)
    return _rest([first], items)


async def _rest(first: list[T], items: AsyncGenerator[T, None]) -> AsyncGenerator[T, None]:
    try:
        for item in first:
            yield item
        async for item in items:
            yield item
    finally:
        await items.aclose()
