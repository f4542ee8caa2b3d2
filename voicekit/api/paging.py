"""Lists in pages: `after` is the cursor that the page before gave as `next`."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Annotated, Any, TypeVar

from fastapi import Query

from voicekit.api.errors import ApiError

T = TypeVar("T")
PageSize = Annotated[int, Query(ge=1, le=100, description="How many at most.")]
After = Annotated[str, Query(max_length=300, description="The `next` of the page before.")]


def cursor(key: str) -> str:
    return base64.urlsafe_b64encode(key.encode()).decode().rstrip("=")


def key_of(after: str) -> str:
    """The inverse of `cursor`; "" for the first page."""
    try:
        return base64.urlsafe_b64decode(after + "=" * (-len(after) % 4)).decode()
    except (binascii.Error, ValueError):
        raise ApiError(400, "bad_cursor", "`after` is not a cursor.", "Use the `next` of the page before.", "after") from None


def page(
    items: Sequence[T], key: Callable[[T], str], show: Callable[[T], dict[str, Any]], limit: int, after: str
) -> dict[str, Any]:
    """One page of items that are sorted by `key`. What came or went meanwhile shifts nothing."""
    last = key_of(after)
    rest = [item for item in items if not after or key(item) > last]
    shown = rest[:limit]
    return made_page([show(item) for item in shown], key(shown[-1]) if len(rest) > limit else "")


def made_page(data: list[dict[str, Any]], last: str) -> dict[str, Any]:
    """`last` is the key of the last item if there are more, else ""."""
    return {"object": "list", "data": data, "next": cursor(last) if last else None}
