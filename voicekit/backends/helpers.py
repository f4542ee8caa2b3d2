"""Processes that answer one question at a time: for libraries that let no other thread of Python work beside them.

A helper is `python -m MODULE`, where the module ends with `serve`. It goes when nobody asks it for a while, and when its input is
closed, so also when the process that asks is killed.
"""

from __future__ import annotations

import os
import pickle
import select
import signal
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable
from contextlib import suppress
from functools import cached_property
from typing import Any

_ENDS_WITHIN_S = 5.0
_IDLE_S = 30.0


class HelperLostError(Exception):
    """No helper could answer: none may be started, or one died."""


class Helpers:
    """Up to `most` processes of `module`, each started when a question finds no idle one."""

    def __init__(self, module: str, most: int) -> None:
        self._module, self._most = module, most
        self._room = threading.BoundedSemaphore(max(1, most))
        self._idle: list[_Helper] = []
        self.running = False

    def ask(self, question: tuple[object, ...]) -> Any:
        """Waits while all are busy. Raises HelperLostError; the next question is given to a new one."""
        if self._most < 1:
            raise HelperLostError
        self.running = True
        with self._room:
            while self._idle:
                with suppress(HelperLostError, IndexError):  # it may have gone for want of questions
                    return self._asked(self._idle.pop(), question)
            return self._asked(_Helper(self._module), question)

    def _asked(self, helper: _Helper, question: tuple[object, ...]) -> Any:
        answer = helper.ask(question)
        self._idle.append(helper)
        return answer


class _Helper:
    def __init__(self, module: str) -> None:
        paths = os.pathsep.join(path or os.getcwd() for path in sys.path)
        environment = {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", module], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
            )
        except OSError:
            raise HelperLostError from None
        self._ended = weakref.finalize(self, _end, self._process)

    def ask(self, question: tuple[object, ...]) -> Any:
        pipe_in, pipe_out = self._process.stdin, self._process.stdout
        assert pipe_in is not None and pipe_out is not None
        try:
            pickle.dump(question, pipe_in)
            pipe_in.flush()
            return pickle.load(pipe_out)
        except (OSError, EOFError, pickle.UnpicklingError):
            self._ended()
            raise HelperLostError from None


class Anywhere:
    """Asks questions here, or, while one is being asked here, in up to `processes` helpers of `module`: who asks them one by one
    starts no process. `open_here` makes what answers, and the helpers answer the same. Several threads may ask."""

    def __init__(self, module: str, processes: int, open_here: Callable[[], Callable[..., Any]]) -> None:
        self._helpers = Helpers(module, processes if processes > 1 else 0)
        self._open_here, self._here = open_here, threading.Lock()

    def ask(self, *question: object) -> Any:
        if self._helpers.running or not self._here.acquire(blocking=False):
            try:
                return self._helpers.ask(question)
            except HelperLostError:
                self._here.acquire()
        try:
            return self._answer(*question)
        finally:
            self._here.release()

    @cached_property
    def _answer(self) -> Callable[..., Any]:
        return self._open_here()


def _end(process: subprocess.Popen[bytes]) -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with suppress(OSError):
                pipe.close()
    try:
        process.wait(_ENDS_WITHIN_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def serve(answer: Callable[..., object]) -> None:
    """The helper's side: `answer` is called with each question, until there are no more. What is printed goes to stderr."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it is for whoever asks, who then closes the pipe
    with os.fdopen(os.dup(1), "wb") as out:
        os.dup2(2, 1)
        while select.select([sys.stdin], [], [], _IDLE_S)[0]:
            try:
                question = pickle.load(sys.stdin.buffer)
            except EOFError:
                return
            pickle.dump(answer(*question), out)
            out.flush()
