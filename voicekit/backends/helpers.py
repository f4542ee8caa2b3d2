"""Processes that answer one question at a time: for libraries that let no other thread of Python work beside them.

A helper is `python -m MODULE`, where the module ends with `serve`. It goes when its input is closed, so also when the process
that asks is killed.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable
from contextlib import suppress
from typing import Any

_ENDS_WITHIN_S = 5.0


class HelperLostError(Exception):
    """No helper could answer: none may be started, or one died."""


class Helpers:
    """Up to `most` processes of `module`, each started when a question finds no idle one."""

    def __init__(self, module: str, most: int) -> None:
        self._module, self._most = module, most
        self._room = threading.BoundedSemaphore(max(1, most))
        self._idle: list[_Helper] = []
        self.running = False

    def ask(self, question: object) -> Any:
        """Waits while all are busy. Raises HelperLostError; the next question is given to another one."""
        if self._most < 1:
            raise HelperLostError
        self.running = True
        with self._room:
            try:
                helper = self._idle.pop()
            except IndexError:
                helper = _Helper(self._module)
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

    def ask(self, question: object) -> Any:
        pipe_in, pipe_out = self._process.stdin, self._process.stdout
        assert pipe_in is not None and pipe_out is not None
        try:
            pickle.dump(question, pipe_in)
            pipe_in.flush()
            return pickle.load(pipe_out)
        except (OSError, EOFError, pickle.UnpicklingError):
            self._ended()
            raise HelperLostError from None


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


def serve(answer: Callable[[Any], object]) -> None:
    """The helper's side: until there are no more questions. What is printed meanwhile goes to stderr."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it is for whoever asks, who then closes the pipe
    with os.fdopen(os.dup(1), "wb") as out:
        os.dup2(2, 1)
        while True:
            try:
                question = pickle.load(sys.stdin.buffer)
            except EOFError:
                return
            pickle.dump(answer(question), out)
            out.flush()
