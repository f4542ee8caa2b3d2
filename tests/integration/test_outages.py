"""A database that is away in the middle of things, on SQLite and on PostgreSQL: nothing is lost, nothing is betrayed."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.api_house import client, served, spoken
from tests.databases import KINDS
from tests.fake_engines import fake_recipe, fake_recordings
from tests.fake_worker import fake_app
from tests.integration.test_api_promises import until
from tests.integration.test_job_workers import PATIENCE_S, Works
from tests.outages import Database, database
from voicekit.audio_formats import encode
from voicekit.catalog.store import SqlCatalog
from voicekit.consent import statement
from voicekit.creation import STEPS
from voicekit.errors import UsageError
from voicekit.ports import Progress
from voicekit.records import WORKER_SILENT_S, JobState
from voicekit.removal import GATHERED, UPLOADS
from voicekit.timebase import utc
from voicekit.workplace import Patience

WAITS = "does not answer"


@pytest.fixture(params=KINDS)
def away(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    (tmp_path / "home").mkdir()
    with database(request.param, tmp_path / "home") as found:
        yield found


@pytest.fixture
def works(away: Database, tmp_path: Path) -> Iterator[Works]:
    works = Works(tmp_path / "home", away.url)
    yield works
    works.kill()


def said(works: Works) -> str:
    return (works.home / "said-cpu.txt").read_text()


def test_a_database_that_is_away_in_the_middle_of_a_step_fails_no_job(works: Works, away: Database, tmp_path: Path) -> None:
    job = works.app.submit("anna", fake_recordings(tmp_path / "recordings"), recipe=fake_recipe())
    pause = works.ask("pause-chat")
    worker = works.start()
    works.reached("chat")
    log = works.app.job_log(job.id)
    away.leave()
    works.until(lambda: WAITS in said(works), "the worker's word that it waits")
    pause.unlink()  # the step goes on, and cannot write how it gets on
    log_file = next((works.home / "work" / "logs").iterdir())
    works.until(lambda: WAITS in log_file.read_text().removeprefix(log), "the step's word that it waits")
    assert worker.poll() is None
    away.come_back()
    status = works.over(job.id)
    assert (status.state, status.attempt, status.fault, status.done) == (JobState.FINISHED, 1, None, tuple(STEPS))
    assert {step: works.calls()[f"{step} begins"] for step in STEPS} == dict.fromkeys(STEPS, 1)
    assert worker.poll() is None
    for text in (said(works), works.app.job_log(job.id)):
        assert "Traceback" not in text and "127.0.0.1" not in text and "sqlite:" not in text


def test_an_idle_worker_outlives_its_database(works: Works, away: Database, tmp_path: Path) -> None:
    worker = works.start()
    works.until(works.queues, "the worker's sign of life")
    away.leave()
    works.until(lambda: WAITS in said(works), "the worker's word that it waits")
    away.come_back()
    job = works.app.submit("anna", fake_recordings(tmp_path / "recordings"), recipe=fake_recipe())
    assert works.over(job.id).state is JobState.FINISHED and worker.poll() is None


def test_a_worker_that_waits_for_its_database_can_be_stopped(works: Works, away: Database) -> None:
    worker = works.start()
    works.until(works.queues, "the worker's sign of life")
    away.leave()
    works.until(lambda: WAITS in said(works), "the worker's word that it waits")
    worker.terminate()
    assert worker.wait(PATIENCE_S) == 0 and "Traceback" not in said(works)


def test_a_worker_waits_for_a_database_that_is_away_when_it_starts(works: Works, away: Database, tmp_path: Path) -> None:
    job = works.app.submit("anna", fake_recordings(tmp_path / "recordings"), recipe=fake_recipe())
    away.leave()
    worker = works.start()
    works.until(lambda: WAITS in said(works), "the worker's word that it waits")
    away.come_back()
    assert works.over(job.id).state is JobState.FINISHED and worker.poll() is None


def test_two_workers_that_could_not_be_seen_do_not_take_each_other_for_dead(works: Works, away: Database, tmp_path: Path) -> None:
    """After an outage longer than WORKER_SILENT_S every sign of life is old."""
    home = tmp_path / "home"
    job = works.app.submit("anna", fake_recordings(tmp_path / "recordings"), recipe=fake_recipe())
    pause = works.ask("pause-chat")
    first = works.start()
    works.reached("chat")
    second = works.start()
    works.until(lambda: len(works.queues()) == 2, "two workers")
    catalog = SqlCatalog(away.url)
    announced = {worker.id: worker.seen_at for worker in catalog.workers()}
    works.until(lambda: all(w.seen_at > announced[w.id] for w in catalog.workers()), "another sign of life of both")
    away.leave()
    works.until(lambda: said(works).count(WAITS) >= 2, "the word of both")
    away.come_back()
    for worker in catalog.workers():  # as old as after a long time
        catalog.keep_worker(worker.id, utc(ago_s=2 * WORKER_SILENT_S))
    pause.unlink()
    assert works.over(job.id).state is JobState.FINISHED
    assert {step: works.calls()[f"{step} begins"] for step in STEPS} == dict.fromkeys(STEPS, 1), home
    assert first.poll() is None and second.poll() is None


def test_a_voice_that_is_made_here_and_now_waits_for_its_database_too(away: Database, tmp_path: Path) -> None:
    app, said = fake_app(tmp_path / "home", away.url), list[str]()

    def comes_back(text: str) -> None:
        said.append(text)
        away.come_back()

    app.wait_for_catalog(Patience(math.inf, comes_back))
    seen: list[str] = []

    def report(event: Progress) -> None:
        if event.step == "chat" and "chat" not in seen:
            away.leave()
        seen.append(event.step)

    made = app.create("anna", fake_recordings(tmp_path / "recordings"), recipe=fake_recipe(), report=report)
    assert made.voice.slug == "anna" and len(said) == 1 and WAITS in said[0]
    assert set(STEPS) <= set(seen) and app.jobs()[0].state is JobState.FINISHED


@pytest.mark.parametrize("path", ["/v1/audio/voices", "/v1/jobs", "/v1/uploads", "/v1/audio/speech", "/health/ready"])
def test_who_asks_meanwhile_is_told_to_come_again(away: Database, tmp_path: Path, path: str) -> None:
    app = fake_app(tmp_path / "home", away.url)
    posts: dict[str, Any] = {
        "/v1/uploads": {"files": {"file": ("a.wav", b"RIFFxxxx")}},
        "/v1/audio/speech": {"json": {"voice": "ada", "input": "hello"}},
    }
    with served(app, keys_required=False) as address, client(address) as http:
        assert http.get("/v1/jobs").status_code == 200

        def ask() -> httpx.Response:
            return http.post(path, **posts[path]) if path in posts else http.get(path)

        away.leave()
        answer = ask()
        assert answer.status_code == 503 and answer.headers["retry-after"]
        assert answer.json().get("error", answer.json())["code"] == "catalog_away"
        for inside in ("127.0.0.1", "sqlite", "postgres", "psycopg", str(tmp_path), "OperationalError", "locked"):
            assert inside not in answer.text
        assert not list((tmp_path / "home").glob("uploads/*")), "what could not be noted is not kept"
        away.come_back()
        assert ask().status_code in (200, 201, 404)


@pytest.mark.parametrize("path", ["/v1/audio/voices", "/v1/audio/voice_consents", "/v1/uploads"])
def test_what_was_sent_meanwhile_does_not_stay(away: Database, tmp_path: Path, path: str) -> None:
    """Recordings of a voice that could not be noted lay in the home for ever."""
    app, home = fake_app(tmp_path / "home", away.url), tmp_path / "home"
    sound = encode(spoken(statement("en").lower()).mono(), "wav")
    sent: dict[str, dict[str, Any]] = {
        "/v1/audio/voices": {"data": {"name": "anna"}, "files": {"recordings": ("a.wav", sound)}},
        "/v1/audio/voice_consents": {"data": {"speaker": "Anna"}, "files": {"recording": ("a.wav", sound)}},
        "/v1/uploads": {"files": {"file": ("a.wav", sound)}},
    }
    with served(app, keys_required=False) as address, client(address) as http:
        assert http.get("/v1/jobs").status_code == 200
        away.leave()
        answer = http.post(path, **sent[path])
        assert answer.status_code == 503 and answer.headers["retry-after"], answer.text
        away.come_back()
        kept = [home / GATHERED, home / UPLOADS, home / "consents"]
        until(lambda: not [file for folder in kept for file in folder.rglob("*") if file.is_file()], "that nothing of it is left")
        assert http.post(path, **sent[path]).status_code in (201, 202), "and then it is taken"


def test_keys_cannot_be_looked_up_meanwhile(away: Database, tmp_path: Path) -> None:
    app = fake_app(tmp_path / "home", away.url)
    secret = app.create_key("a test")[1]
    with served(app) as address, client(address, secret) as http:
        assert http.get("/v1/jobs").status_code == 200
        away.leave()
        answer = http.get("/v1/jobs")
        assert answer.status_code == 503 and answer.json()["error"]["code"] == "catalog_away"
        away.come_back()
        assert http.get("/v1/jobs").status_code == 200


@pytest.mark.parametrize("text", ["a\0b", "half \ud800"])
def test_a_text_that_no_database_keeps_is_refused_in_words(away: Database, text: str) -> None:
    """NUL was a failure on PostgreSQL, half of a character on both."""
    catalog = SqlCatalog(away.url)
    for call in (lambda: catalog.whole_job_id(text + "xxxxxxxx"), lambda: catalog.consent(text), lambda: catalog.upload(text)):
        try:
            assert call() in (None, text + "xxxxxxxx")  # SQLite keeps NUL
        except UsageError as error:
            assert "cannot be stored" in error.problem
