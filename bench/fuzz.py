"""Spoiled files (tests/fuzz.py), each given to the intake in a process that may hang or die.

python -m bench.fuzz [--count 2000] [--first 0] [--verbose]

Ends with an error if one did anything but become a recording or a script that can be read, or a clear reason. A number that
failed names its file for ever: add it to tests/integration/test_fuzz.py.
"""

from __future__ import annotations

import argparse
import json
import queue
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter
from pathlib import Path
from typing import IO

from tests.fuzz import case, check

# tests.fuzz counts CPU seconds; this is for what does not even compute, on a busy machine too.
_PATIENCE_S = 60.0


class Worker:
    """A process that takes numbers and gives one line for each."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "bench.fuzz", "--worker"]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        self._lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._listen, daemon=True).start()
        self._answer()

    def ask(self, number: int) -> tuple[bool, str]:
        """Whether it ended as it should, and how."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{number}\n")
        self._process.stdin.flush()
        return self._answer()

    def end(self) -> None:
        self._process.kill()
        self._process.wait()

    def _answer(self) -> tuple[bool, str]:
        try:
            line = self._lines.get(timeout=_PATIENCE_S)
        except queue.Empty:
            self.end()
            return False, f"no answer after {_PATIENCE_S:.0f} s"
        if not line:
            return False, f"the process died with {self._process.wait()}"
        good, how = json.loads(line)
        return good, how

    def _listen(self) -> None:
        out: IO[str] | None = self._process.stdout
        assert out is not None
        for line in out:
            self._lines.put(line)
        self._lines.put("")


def work() -> None:
    print(json.dumps([True, "ready"]), flush=True)
    for line in sys.stdin:
        with tempfile.TemporaryDirectory(prefix="voicekit-fuzz-") as folder:
            try:
                answer = (True, check(case(int(line)), Path(folder)))
            except Exception:
                answer = (False, traceback.format_exc(limit=-6))
        print(json.dumps(answer), flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--verbose", action="store_true")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.worker:
        work()
        return 0
    ends: Counter[str] = Counter()
    worker, slowest, begun_s = Worker(), (0.0, 0), time.monotonic()
    for number in range(given.first, given.first + given.count):
        asked_s = time.monotonic()
        good, how = worker.ask(number)
        slowest = max(slowest, (round(time.monotonic() - asked_s, 2), number))
        ends[how.split(":")[0] if good else "failed"] += 1
        if given.verbose or not good:
            print(f"{number} {case(number).name} ({case(number).how}): {how}", flush=True)
        if how.startswith(("no answer", "the process died")):
            worker = Worker()
    worker.end()
    took_s = time.monotonic() - begun_s
    summary = {"files": given.count, **ends, "slowest_s": slowest[0], "slowest": slowest[1], "seconds": round(took_s, 1)}
    print(json.dumps(summary))
    return int(ends["failed"] > 0)


if __name__ == "__main__":
    sys.exit(main())
