"""Processes that answer: who asks alone needs none, who is many gets the same answers, and nobody is left behind."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from voicekit.backends.helpers import Anywhere, HelperLostError, Helpers

MODULE = """
import os, sys, time
from voicekit.backends.helpers import serve

def answer(text, seconds=0.0):
    print("said meanwhile")
    if text == "die":
        os._exit(3)
    time.sleep(seconds)
    return text.upper(), os.getpid()

if __name__ == "__main__":
    serve(answer)
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "shouting.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    return "shouting"


def test_helpers_are_used_again_and_are_no_more_than_they_may_be(module: str) -> None:
    helpers = Helpers(module, 2)
    first = helpers.ask(("a",))
    assert first[0] == "A" and helpers.ask(("b",)) == ("B", first[1])
    with ThreadPoolExecutor(5) as threads:
        found = list(threads.map(lambda n: helpers.ask((str(n), 0.05)), range(10)))
    assert [text for text, _ in found] == [str(n) for n in range(10)]
    assert len({pid for _, pid in found}) == 2


def test_one_that_dies_is_told_and_replaced(module: str) -> None:
    helpers = Helpers(module, 1)
    before = helpers.ask(("a",))[1]
    with pytest.raises(HelperLostError):
        helpers.ask(("die",))
    after = helpers.ask(("b",))
    assert after[0] == "B" and after[1] != before
    with pytest.raises(HelperLostError):
        Helpers("no_such_module_at_all", 1).ask(("a",))
    with pytest.raises(HelperLostError):
        Helpers(module, 0).ask(("a",))


def test_who_asks_alone_is_answered_here_and_many_everywhere(module: str) -> None:
    def here(text: str, seconds: float = 0.0) -> tuple[str, int]:
        time.sleep(seconds)
        return text.upper(), os.getpid()

    alone = Anywhere(module, 2, lambda: here)
    assert [alone.ask("a"), alone.ask("b")] == [("A", os.getpid()), ("B", os.getpid())]
    for processes, least in ((2, 2), (1, 1)):
        many = Anywhere(module, processes, lambda: here)
        with ThreadPoolExecutor(4) as threads:
            found = list(threads.map(lambda n, many=many: many.ask(str(n), 0.05), range(8)))
        assert [text for text, _ in found] == [str(n) for n in range(8)]
        assert least <= len({pid for _, pid in found}) <= processes + 1 and (processes > 1 or found[0][1] == os.getpid())


def test_they_end_when_nobody_asks_and_with_who_asks(module: str) -> None:
    code = "import voicekit.backends.helpers as h; h._IDLE_S = 0.2; h.serve(str.upper)"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path)}
    idle = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
    assert idle.stdin is not None and idle.stdout is not None
    pickle.dump(("a",), idle.stdin)
    idle.stdin.flush()
    assert pickle.load(idle.stdout) == "A"
    assert idle.wait(30) == 0
    helpers = Helpers(module, 1)
    pid = helpers.ask(("a",))[1]
    del helpers
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
