"""Handlers that leave no error standing: what went wrong is said in one place of the page, until the next thing is done there."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from functools import wraps
from typing import Any

from studio_app.markup import problem
from studio_app.shell import Updates
from voicekit.errors import VoicekitError


def answering(handler: Callable[..., Any], told: Any, *notes: Any) -> Callable[..., Any]:
    """`handler` (a function or a generator of Updates) with its VoicekitError shown in the widget `told`. What it answers clears
    `told` and the `notes`, other widgets for messages, unless it says something there itself."""
    clean: Updates = dict.fromkeys((told, *notes), "")

    if inspect.isgeneratorfunction(handler):

        @wraps(handler)
        def one_by_one(*args: Any) -> Iterator[Updates]:
            before = clean
            try:
                for shown in handler(*args):
                    yield {**before, **shown}
                    before = {}
            except VoicekitError as error:
                yield {**before, told: problem(error)}

        return one_by_one

    @wraps(handler)
    def at_once(*args: Any) -> Updates:
        try:
            return {**clean, **handler(*args)}
        except VoicekitError as error:
            return {**clean, told: problem(error)}

    return at_once


def together(*widgets: Sequence[Any]) -> list[Any]:
    """All of these, each once, in their order."""
    return list(dict.fromkeys(widget for some in widgets for widget in some))
