"""Slow work in a thread, so that a page can show how far it is."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from queue import Queue
from threading import Thread

from voicekit.errors import VoicekitError
from voicekit.ports import OnProgress, Progress

_log = logging.getLogger("voicekit.studio")


def watched(work: Callable[[OnProgress], object], problem: str, remedy: str) -> Iterator[Progress]:
    """The progress of `work` until it is done; it goes on where nobody looks any more.

    Raises the VoicekitError that ended it; anything else becomes one of `problem` (its end is the fault's words) and `remedy`.
    """
    news: Queue[Progress | VoicekitError | None] = Queue()

    def run() -> None:
        try:
            work(news.put)
            news.put(None)
        except VoicekitError as error:
            news.put(error)
        except Exception as error:
            _log.exception(problem)
            news.put(VoicekitError(f"{problem}: {error}.", remedy))

    Thread(target=run, daemon=True).start()
    while (event := news.get()) is not None:
        if isinstance(event, VoicekitError):
            raise event
        yield event
