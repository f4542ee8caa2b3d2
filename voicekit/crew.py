"""Several things at once, where a machine has several cores."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class Crew:
    """Threads for tasks that spend their time outside Python; with one worker a task is done where it is given.

    Leaving the context, tasks that have not begun are dropped, and those under way are waited for.
    """

    def __init__(self, workers: int) -> None:
        self._threads = ThreadPoolExecutor(workers, "voicekit-crew") if workers > 1 else None

    def give(self, task: Callable[[], T]) -> Future[T]:
        if self._threads is not None:
            return self._threads.submit(task)
        done: Future[T] = Future()
        done.set_result(task())
        return done

    def each(self, do: Callable[[T], R], things: Iterable[T]) -> Iterator[R]:
        """What `do` makes of each, in order."""
        return map(do, things) if self._threads is None else self._threads.map(do, things)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._threads is not None:
            self._threads.shutdown(wait=True, cancel_futures=True)
