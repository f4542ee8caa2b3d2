"""Model work on one thread, a piece at a time, in the order in which it was asked for.

Sessions take turns between the pieces of their replies. A model is therefore never entered twice at once, and what a session
gets does not depend on who else is talking. Nothing is made for a client that has gone.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from threading import Lock
from typing import Any, TypeVar

from starlette.requests import Request

from voicekit.api.errors import ApiError, ClientGone

T = TypeVar("T")
_END: Any = object()


class ModelThread:
    """`most_sessions` may wait and talk at once, `most_of_key` of them with one key; who comes then is told to come again.

    `turn` is held in every piece of work: the studio of the same server is in the same models.
    """

    def __init__(self, most_sessions: int, most_of_key: int, turn: Lock) -> None:
        self._most_sessions, self._most_of_key = most_sessions, most_of_key
        self._turn = turn
        self._sessions: Counter[str] = Counter()
        self._thread = _thread()

    @property
    def sessions(self) -> int:
        """How many wait and talk now."""
        return self._sessions.total()

    async def run(self, work: Callable[[], T], request: Request) -> T:
        """The result of one piece of work. ClientGone if nobody waits for it before it begins; what has begun is finished."""
        with self._session(request):
            async with _departure(request) as gone:
                piece = self._thread.submit(self._in_turn, work)
                if await _first(piece, gone) or not piece.cancel():
                    return await asyncio.wrap_future(piece)
                raise ClientGone

    async def iterate(self, begin: Callable[[], Iterator[T]], request: Request) -> AsyncGenerator[T, None]:
        """What an iterator gives, each item made when the listener asks for it; closed when the client goes away (ClientGone)."""
        with self._session(request):
            async with _departure(request) as gone:
                begun = self._thread.submit(self._in_turn, begin)
                try:
                    items = await _made(begun, gone)
                    while (item := await _made(self._thread.submit(self._in_turn, lambda: next(items, _END)), gone)) is not _END:
                        yield item
                finally:
                    # A piece that has begun cannot be stopped; the queue puts the closing behind it.
                    if not begun.cancel():
                        self._thread.submit(self._in_turn, lambda: _close(begun))

    def shut(self) -> None:
        """What waits is given up. A server that is started again begins with a new thread."""
        self._thread.shutdown(wait=False, cancel_futures=True)
        self._thread = _thread()

    def _in_turn(self, work: Callable[[], T]) -> T:
        with self._turn:
            return work()

    @contextmanager
    def _session(self, request: Request) -> Generator[None, None, None]:
        """A place among the sessions, for as long as the block lasts."""
        key: str = getattr(request.state, "key_id", "")
        if self.sessions >= self._most_sessions:
            raise ApiError(429, "busy", f"{self.sessions} requests are being answered already.", "Try again in a moment.")
        if key and self._sessions[key] >= self._most_of_key:
            problem = f"{self._sessions[key]} requests of this key are being answered already."
            raise ApiError(429, "busy", problem, "Wait for one of them, or try again in a moment.")
        self._sessions[key] += 1
        try:
            yield
        finally:
            self._sessions[key] -= 1
            if not self._sessions[key]:
                del self._sessions[key]


@asynccontextmanager
async def _departure(request: Request) -> AsyncGenerator[asyncio.Task[None], None]:
    """A task that is done when the client has gone. The request's body must have been read."""

    async def wait() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    task = asyncio.create_task(wait())
    try:
        yield task
    finally:
        task.cancel()


async def _made(piece: Future[T], gone: asyncio.Task[None]) -> T:
    """What a piece of work gives. It does not begin any more when its client has gone, or its request was given up."""
    try:
        if await _first(piece, gone):
            return piece.result()
    except asyncio.CancelledError:
        piece.cancel()
        raise
    piece.cancel()
    raise ClientGone


async def _first(piece: Future[T], gone: asyncio.Task[None]) -> bool:
    """Whether a piece of work is done; False if the client went away before."""
    done = asyncio.wrap_future(piece)
    done.add_done_callback(lambda ended: ended.cancelled() or ended.exception())  # who looks at `piece` sees its error
    waiting: set[asyncio.Future[Any]] = {done, gone}
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    return done.done()


def _thread() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, thread_name_prefix="voicekit-model")


def _close(begun: Future[Iterator[Any]]) -> None:
    """Let a generator free what it holds now instead of when it is collected; nothing if it never came to be."""
    if begun.cancelled() or begun.exception() is not None:
        return
    close = getattr(begun.result(), "close", None)
    if close is not None:
        close()
