"""Model work on one thread, a piece at a time, in the order in which it was asked for.

Sessions take turns between the pieces of their replies. A model is therefore never entered twice at once, and what a session
gets does not depend on who else is talking.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Lock
from typing import Any, TypeVar

from voicekit.api.errors import ApiError

T = TypeVar("T")
_END: Any = object()


class ModelThread:
    """`most_sessions` may wait and talk at once; who comes then is told to come again.

    `turn` is held in every piece of work: the studio of the same server is in the same models.
    """

    def __init__(self, most_sessions: int, turn: Lock) -> None:
        self._most_sessions = most_sessions
        self._turn = turn
        self._sessions = 0
        self._thread = _thread()

    async def run(self, work: Callable[[], T]) -> T:
        """The result of one piece of work."""
        with self._session():
            return await self._run(work)

    async def iterate(self, begin: Callable[[], Iterator[T]]) -> AsyncGenerator[T, None]:
        """What an iterator gives, each item made when the listener asks for it; closed when the listener goes away."""
        with self._session():
            items = await self._run(begin)
            try:
                while (item := await self._run(lambda: next(items, _END))) is not _END:
                    yield item
            finally:
                # A cancelled wait leaves its piece running; the queue puts the closing behind it.
                self._thread.submit(self._in_turn, lambda: _close(items))

    def shut(self) -> None:
        """What waits is given up. A server that is started again begins with a new thread."""
        self._thread.shutdown(wait=False, cancel_futures=True)
        self._thread = _thread()

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._in_turn, work)

    def _in_turn(self, work: Callable[[], T]) -> T:
        with self._turn:
            return work()

    @contextmanager
    def _session(self) -> Generator[None, None, None]:
        if self._sessions >= self._most_sessions:
            raise ApiError(429, "busy", f"{self._sessions} requests are being answered already.", "Try again in a moment.")
        self._sessions += 1
        try:
            yield
        finally:
            self._sessions -= 1


def _thread() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, thread_name_prefix="voicekit-model")


def _close(items: Iterator[object]) -> None:
    close = getattr(items, "close", None)
    if close is not None:
        close()
