"""Many speakers from one manifest, several workers on this machine, one of which is killed on the way.

python -m bench.onboard [--speakers 50] [--workers 2] [--database URL] [--work DIR]

Every speaker is a real job (all steps, durable, in processes of their own) on the fake base of the tests, so that what is
measured is the machinery and not the training. Every tenth speaker has too little to learn from and must fail with a
reason. Ends with an error unless every other voice is there exactly once, the second run makes nothing again, and the
killed worker's job was finished by the others.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tests.fake_engines import FAKE_RECIPE, fake_recordings
from tests.fake_worker import fake_app
from voicekit.app import App
from voicekit.onboarding import OnboardSummary, RowResult
from voicekit.records import JobState

WORKER = Path(__file__).parents[1] / "tests" / "fake_worker.py"
TOO_LITTLE_EVERY = 10


def write_manifest(folder: Path, speakers: int) -> Path:
    """So many folders of recordings, and the manifest that names them."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "little.toml").write_text(FAKE_RECIPE, encoding="utf-8")
    path = folder / "manifest.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["name", "recordings", "recipe", "tags"])
        for number in range(speakers):
            name = f"speaker-{number:03d}"
            few = number % TOO_LITTLE_EVERY == TOO_LITTLE_EVERY - 1
            fake_recordings(folder / name, count=1 if few else 10, pitch=3 + number % 5)
            rows.writerow([name, name, "little.toml", "bench;fake"])
    return path


class Crew:
    """Workers; the first is killed when a quarter of the voices is there, and another takes its place."""

    def __init__(self, home: Path, url: str, count: int) -> None:
        self._command = [sys.executable, str(WORKER), "work", str(home), url]
        self._workers = [self._one() for _ in range(count)]
        self._killed = False

    def _one(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(self._command)

    def watch(self, rows: Sequence[RowResult]) -> None:
        over = sum(row.state.over for row in rows)
        if not self._killed and over >= len(rows) // 4:
            self._killed = True
            os.kill(self._workers[0].pid, signal.SIGKILL)
            self._workers[0].wait()
            self._workers[0] = self._one()
            print(f"killed a worker after {over} of {len(rows)}", file=sys.stderr, flush=True)

    def stop(self) -> None:
        for worker in self._workers:
            worker.terminate()
        for worker in self._workers:
            worker.wait()


def check(app: App, home: Path, first: OnboardSummary, second: OnboardSummary) -> None:
    failed = [row for row in first.rows if row.state is JobState.FAILED]
    assert len(failed) == len(first.rows) // TOO_LITTLE_EVERY and all(row.reason for row in failed), failed
    voices = {v.slug: app.versions(v.slug) for v in app.voices()}
    assert len(voices) == first.count(JobState.FINISHED) == len(first.rows) - len(failed)
    assert all(len(versions) == 1 for versions in voices.values())
    assert [row.version for row in second.rows] == [row.version for row in first.rows]
    calls = Counter((home / "calls.txt").read_text(encoding="utf-8").splitlines())
    assert calls["evaluate ends"] in (len(voices), len(voices) + 1), calls


def measure(speakers: int, workers: int, database: str, work: Path) -> dict[str, float]:
    home = work / "home"
    home.mkdir(parents=True, exist_ok=True)
    url = database or f"sqlite:///{home / 'catalog.db'}"
    manifest = write_manifest(work / "speakers", speakers)
    app, crew = fake_app(home, url), Crew(home, url, workers)
    try:
        begun_s = time.monotonic()
        first = app.onboard(manifest, crew.watch)
        first_s = time.monotonic() - begun_s
        begun_s = time.monotonic()
        second = app.onboard(manifest, crew.watch)
        second_s = time.monotonic() - begun_s
    finally:
        crew.stop()
    check(app, home, first, second)
    return {
        "speakers": speakers,
        "workers": workers,
        "finished": first.count(JobState.FINISHED),
        "failed": first.count(JobState.FAILED),
        "first_run_s": round(first_s, 1),
        "second_run_s": round(second_s, 1),
        "voices_per_minute": round(60 * speakers / first_s, 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--speakers", type=int, default=50)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--database", default="", help="an empty database; default: SQLite")
    parser.add_argument("--work", type=Path, help="where to work; default: a temporary folder")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        print(json.dumps(measure(given.speakers, given.workers, given.database, given.work or Path(temporary))))


if __name__ == "__main__":
    main()
