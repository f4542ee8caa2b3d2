"""Workers that are killed, steps that die, jobs that are cancelled: what comes out, on SQLite and on PostgreSQL."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from sqlalchemy import create_engine, inspect, text

from tests.databases import KINDS, empty_database
from tests.fake_engines import fake_recipe, fake_recordings
from tests.fake_worker import fake_app
from voicekit.app import App
from voicekit.backends.durable import overwrite_removed
from voicekit.catalog.store import SqlCatalog
from voicekit.catalog.units import beside
from voicekit.creation import STEPS
from voicekit.records import JobState, JobStatus

WORKER = Path(__file__).parents[1] / "fake_worker.py"
# Generous: what takes a second on a free machine takes many on a busy one.
PATIENCE_S = 180.0


@dataclass
class Works:
    """A home, its database, and the workers that were started there."""

    home: Path
    url: str
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def app(self) -> App:
        return fake_app(self.home, self.url)

    def start(self, device: str = "cpu") -> subprocess.Popen[bytes]:
        command = [sys.executable, str(WORKER), "work", str(self.home), self.url, device]
        # The locks of devices lie in the temporary folder: here each test has its own devices.
        environment = {**os.environ, "TMPDIR": str(self.home)}
        with (self.home / f"said-{device}.txt").open("a") as said:
            self.workers.append(subprocess.Popen(command, env=environment, stderr=said))
        return self.workers[-1]

    def queues(self) -> list[str]:
        """Of the workers that gave a sign of life."""
        return sorted(worker.queue for worker in SqlCatalog(self.url).workers())

    def kill(self) -> None:
        for worker in self.workers:
            worker.kill()
            worker.wait()

    def ask(self, what: str) -> Path:
        file = self.home / what
        file.touch()
        return file

    def until(self, true: Callable[[], object], what: str) -> None:
        end_s = time.monotonic() + PATIENCE_S
        while not true():
            assert time.monotonic() < end_s, f"waited in vain: {what}"
            time.sleep(0.05)

    def reached(self, what: str) -> None:
        file = self.home / f"paused-{what}"
        self.until(lambda: file.exists() and file.read_text(), what)

    def gone(self, what: str) -> None:
        """The process that paused there has noticed that its worker is dead."""
        state = Path("/proc", (self.home / f"paused-{what}").read_text(), "status")
        self.until(lambda: not state.exists() or "State:\tZ" in state.read_text(), f"the end of what paused at {what}")

    def over(self, job_id: str) -> JobStatus:
        self.until(lambda: self.app.job(job_id).state.over, "the end of the job")
        return self.app.job(job_id)

    def calls(self) -> Counter[str]:
        return Counter((self.home / "calls.txt").read_text().splitlines())


@pytest.fixture(scope="session")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fake_recordings(tmp_path_factory.mktemp("given") / "recordings")


@pytest.fixture(params=KINDS)
def works(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Works]:
    home = tmp_path / "home"
    home.mkdir()
    with empty_database(request, home) as url:
        works = Works(home, url)
        yield works
        works.kill()


def test_a_worker_killed_in_every_step_changes_nothing(works: Works, recordings: Path, tmp_path: Path) -> None:
    plain = fake_app(tmp_path / "plain", f"sqlite:///{tmp_path / 'plain' / 'catalog.db'}")
    unbroken = plain.create("anna", recordings, recipe=fake_recipe()).voice
    job = works.app.submit("anna", recordings, recipe=fake_recipe(), publish=True)
    # Alternately before a step's work and after it, when its files are there and it is not finished yet.
    moments = ["prepare", "tokens-end", "chat", "decoder-end", "evaluate", "register", "register-end"]
    pauses = [works.ask(f"pause-{moment}") for moment in moments]
    for moment, pause in zip(moments, pauses, strict=True):
        worker = works.start()
        works.reached(moment)
        assert works.app.job(job.id).state is JobState.RUNNING
        os.kill(worker.pid, signal.SIGKILL)
        worker.wait()
        works.gone(moment)
        pause.unlink()
    works.start()
    status = works.over(job.id)
    assert (status.state, status.version, status.done) == (JobState.FINISHED, 1, tuple(STEPS))
    # What was done when the worker died in the last moment is a voice in the catalog already: it is not registered again.
    assert {step: works.calls()[f"{step} begins"] for step in STEPS} == dict.fromkeys(STEPS, 2)
    assert {step: works.calls()[f"{step} ends"] for step in STEPS} == {**dict.fromkeys(STEPS, 1), "register": 0}
    (voice,) = works.app.versions("anna")
    for part in ("job_id", "dataset_id", "adapter_sha256", "prompt_sha256", "decoder_sha256", "state", "version"):
        assert getattr(voice, part) == getattr(unbroken, part), part


def test_a_dead_step_is_a_fault_and_a_cancelled_job_stops(works: Works, recordings: Path) -> None:
    app = works.app
    works.ask("die-chat")
    pause = works.ask("pause-decoder")
    job = app.submit("anna", recordings, recipe=fake_recipe())
    works.start()
    failed = works.over(job.id)
    assert failed.state is JobState.FAILED and failed.step == "chat" and failed.done == ("prepare", "tokens")
    assert failed.fault is not None and failed.fault.code == "out_of_resources" and "killed" in failed.fault.problem
    assert app.retry(job.id).state is JobState.QUEUED
    works.reached("decoder")
    assert app.cancel(job.id).state is JobState.CANCELLED
    time.sleep(5.0)
    pause.unlink()
    time.sleep(1.0)
    assert app.job(job.id).state is JobState.CANCELLED and works.calls()["decoder ends"] == 0
    app.submit("anna", recordings, recipe=fake_recipe())
    status = works.over(job.id)
    assert (status.state, status.attempt, status.fault) == (JobState.FINISHED, 3, None)
    assert status.losses and all((works.home / sample).is_file() for sample in status.samples)
    assert {step: works.calls()[f"{step} ends"] for step in STEPS} == dict.fromkeys(STEPS, 1)
    assert app.show("anna").voice.state.value == "draft" and app.publish("anna").state.value == "published"


@pytest.mark.parametrize("moment", ["prepare", "over"])
def test_nothing_is_left_of_a_removed_voice_in_what_workers_keep(works: Works, recordings: Path, moment: str) -> None:
    """Removed while a step of it is carried out, and afterwards."""
    pause = works.ask("pause-prepare")
    worker = works.start()
    job = works.app.submit("annabella", recordings, recipe=fake_recipe())
    works.reached("prepare")
    assert found_in(works, job.id), "the worker keeps what it does"
    if moment == "over":
        pause.unlink()
        assert works.over(job.id).version == 1
    assert works.app.remove("annabella").jobs == (job.id,)
    pause.unlink(missing_ok=True)
    worker.terminate()
    worker.wait(PATIENCE_S)
    assert found_in(works, job.id, "annabella", str(recordings)) == []
    left = [f.name for f in works.home.rglob("*") if f.is_file() and not f.name.startswith(("catalog.db", "jobs.db"))]
    assert sorted(set(left) - {"paused-prepare", "calls.txt", "said-cpu.txt"}) == []


def found_in(works: Works, *words: str) -> list[str]:
    """Wherever one of these words is, in a row of any table, or in the bytes of a file of the home."""
    bodies = {str(f.relative_to(works.home)): f.read_bytes() for f in works.home.rglob("*") if f.is_file()}
    url, schema = beside(works.url)
    for address, where in ((works.url, None), (url, None if url.startswith("sqlite") else schema)):
        engine = create_engine(address)
        with engine.connect() as connection:
            for table in inspect(engine).get_table_names(schema=where):
                rows = connection.execute(text(f'SELECT * FROM {f"{where}." if where else ""}"{table}"')).all()
                bodies[f"table {table}"] = repr(rows).encode()
        engine.dispose()
    return [f"{word} in {place}" for place, body in bodies.items() for word in words if word.encode() in body]


def test_deleted_rows_are_overwritten_in_a_file_of_sqlite(tmp_path: Path) -> None:
    """Whatever the system's SQLite was built to do."""
    with closing(sqlite3.connect(tmp_path / "jobs.db")) as connection:
        connection.executescript("PRAGMA secure_delete = OFF; CREATE TABLE said (words TEXT);")
        connection.execute("INSERT INTO said VALUES ('annabella was here')")
        connection.commit()
        connection.execute("DELETE FROM said")
        connection.commit()
    assert b"annabella" in (tmp_path / "jobs.db").read_bytes()
    overwrite_removed(tmp_path / "jobs.db")
    assert b"annabella" not in (tmp_path / "jobs.db").read_bytes()


def test_one_job_a_gpu(works: Works, recordings: Path) -> None:
    first = works.start("cuda:0")
    works.until(lambda: works.queues() == ["gpu"], "the worker's sign of life")
    app = works.app
    jobs = [app.submit(name, recordings, recipe=fake_recipe()) for name in ("anna", "berta")]
    assert [app.job(job.id).queue for job in jobs] == ["gpu", "gpu"]
    pause = works.ask("pause-chat")
    works.reached("chat")
    # Its own device has room for one; the same device takes no second worker; a processor does not take what is for a GPU.
    second, processor = works.start("cuda"), works.start("cpu")
    assert second.wait(PATIENCE_S) == 1
    assert "Another worker uses this device already." in (works.home / "said-cuda.txt").read_text()
    works.until(lambda: works.queues() == ["cpu", "gpu"], "the processor's sign of life")
    time.sleep(3.0)
    assert sorted(app.job(job.id).state for job in jobs) == [JobState.QUEUED, JobState.RUNNING]
    assert works.calls()["prepare begins"] == 1
    # Another device takes the other job at once.
    works.start("cuda:1")
    works.until(lambda: all(app.job(job.id).state is JobState.RUNNING for job in jobs), "both jobs at work")
    pause.unlink()
    assert [works.over(job.id).state for job in jobs] == [JobState.FINISHED, JobState.FINISHED]
    # A worker that ends frees its device.
    for worker in (first, processor):
        worker.terminate()
        assert worker.wait(PATIENCE_S) == 0
    works.start("cuda:0")
    works.until(lambda: works.queues() == ["gpu", "gpu"], "the device's next worker")
