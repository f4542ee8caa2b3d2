"""Removing removes everything that only it used, says what it removed, and leaves no trace in the home or its database."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import time
from collections.abc import Generator, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.api_house import ADA, BERT, ApiHouse, client, served, spoken
from tests.browser.house import House, recordings
from tests.fake_engines import fake_recipe, fake_recordings
from tests.inline_worker import inline_app
from voicekit import audio, wiring
from voicekit.app import App
from voicekit.audio_formats import encode
from voicekit.cli import run
from voicekit.consent import statement
from voicekit.errors import ConsentNotFound, JobNotFound, UsageError, VoiceNotFound
from voicekit.records import JobState

SAID = statement("en").lower().replace(".", "")


@pytest.fixture
def app(tmp_path: Path) -> Generator[App, None, None]:
    with closing(House(tmp_path / "home")) as house:
        yield house.app


def traces(home: Path, *words: str) -> list[str]:
    """Wherever in a home one of these words is, in a name or inside a file; the catalog is read row by row, and byte by byte."""
    found: list[str] = []
    for file in (p for p in home.rglob("*") if p.is_file()):
        inside = file.read_bytes()
        for word in words:
            if word in file.relative_to(home).as_posix() or word.encode() in inside:
                found.append(f"{word} in {file.relative_to(home)}")
    return found


def rows(home: Path) -> dict[str, int]:
    """How many rows each table has, but for the schema's own."""
    with closing(sqlite3.connect(home / "catalog.db")) as catalog:
        names = [n for (n,) in catalog.execute("SELECT name FROM sqlite_master WHERE type = 'table'") if n != "alembic_version"]
        return {n: count for n in names if (count := catalog.execute(f"SELECT count(*) FROM {n}").fetchone()[0])}


def consent_sound(folder: Path, pitch: int = 6, text: str = SAID) -> Path:
    file = folder / f"yes-{pitch}.wav"
    audio.write_wav(file, spoken(text, pitch))
    return file


def test_nothing_is_left_of_a_voice_that_the_studio_made(app: App, tmp_path: Path) -> None:
    """Its draft with all recordings stayed behind, and its consents, one of them rejected."""
    draft = app.drafts.new()
    app.drafts.change(draft.id, name="annabella", recipe="smoke")
    app.drafts.add(draft.id, sorted(recordings(tmp_path / "r").iterdir()))
    rejected = app.consent_for_draft(draft.id, "Annabella Example", "en", consent_sound(tmp_path, text="the old house"))
    assert not rejected.words_ok
    kept = app.consent_for_draft(draft.id, "Annabella Example", "en", consent_sound(tmp_path))
    with pytest.raises(ConsentNotFound):
        app.consent(rejected.id)
    app.casting.listen(draft.id, lambda _: None)
    app.reviewer.make(draft.id, lambda _: None)
    job = app.submit("annabella", app.drafts.recordings(draft.id), recipe="smoke", consent_id=kept.id)
    app.drafts.change(draft.id, job_id=job.id)
    assert [*app.watch(job.id, 0.1)][-1].version == 1
    foreseen = app.removal_of("annabella")
    removed = app.remove("annabella")
    assert removed == foreseen and removed.versions == ("annabella@1",) and removed.num_files > 60
    assert (removed.jobs, removed.drafts, removed.consents) == ((job.id,), (draft.id,), (kept.id,))
    assert rows(app.home) == {}
    assert traces(app.home, "annabella", "Annabella", draft.id, kept.id, rejected.id, job.id[:16]) == []
    assert [p.name for p in app.home.rglob("*") if p.is_file() and not p.name.startswith("catalog.db")] == []
    words = removed.in_words("Removed annabella")
    assert words.startswith("Removed annabella: 1 version, 1 job, 1 unfinished voice, 1 consent, ") and "MB" in words


def test_what_others_use_too_stays(app: App, tmp_path: Path) -> None:
    given = app.add_consent("", "Anna", "en", consent_sound(tmp_path))
    folder = fake_recordings(tmp_path / "r")
    for name in ("anna", "bert"):
        app.create(name, folder, recipe=fake_recipe(), consent_id=given.id)
    other = app.drafts.new()
    app.drafts.change(other.id, name="bert")
    assert app.remove("anna").consents == () and app.consent(given.id).speaker == "Anna"
    assert [v.slug for v in app.voices()] == ["bert"] and (app.home / app.voices()[0].folder / "adapter").is_dir()
    assert app.drafts.get(other.id) and len(list(folder.iterdir())) == 11, "what lies outside of the home is its owner's"
    app.drafts.change(other.id, name="cora")
    assert app.remove("bert").consents == (given.id,) and [d.name for d in app.drafts.all()] == ["cora"]


def test_an_unfinished_voice_that_two_voices_were_made_of_goes_with_the_last_one(tmp_path: Path) -> None:
    app = inline_app(tmp_path / "home")
    draft = app.drafts.new()
    app.drafts.add(draft.id, sorted(fake_recordings(tmp_path / "r").iterdir()))
    for name in ("anna", "bert"):
        job = app.submit(name, app.drafts.recordings(draft.id), recipe=fake_recipe())
        app.drafts.change(draft.id, name=name, job_id=job.id)
        app.work()
    assert app.remove("anna").drafts == () and app.drafts.get(draft.id).name == "bert"
    assert app.remove("bert").drafts == (draft.id,)
    assert rows(app.home) == {} and traces(app.home, draft.id, "anna", "bert") == []


def test_an_unfinished_voice_goes_with_the_consent_that_only_it_had(app: App, tmp_path: Path) -> None:
    draft = app.drafts.new()
    app.drafts.add(draft.id, sorted(recordings(tmp_path / "r", count=2).iterdir()))
    given = app.consent_for_draft(draft.id, "Anna", "en", consent_sound(tmp_path))
    removed = app.remove_draft(draft.id)
    assert removed.drafts == (draft.id,) and removed.consents == (given.id,)
    assert traces(app.home, draft.id, given.id) == [] and rows(app.home) == {}


def test_an_unfinished_voice_stays_while_a_job_makes_a_voice_of_it(tmp_path: Path) -> None:
    app = inline_app(tmp_path / "home")
    draft = app.drafts.new()
    app.drafts.add(draft.id, sorted(recordings(tmp_path / "r", count=2).iterdir()))
    job = app.submit("anna", app.drafts.recordings(draft.id), recipe=fake_recipe())
    app.drafts.change(draft.id, job_id=job.id)
    with pytest.raises(UsageError, match="being made"):
        app.remove_draft(draft.id)
    app.cancel(job.id)
    assert app.remove_draft(draft.id).drafts == (draft.id,)


@pytest.mark.parametrize("state", [JobState.QUEUED, JobState.CANCELLED, JobState.FAILED])
def test_a_job_that_made_nothing_is_removed_with_all_it_used(tmp_path: Path, state: JobState) -> None:
    app = inline_app(tmp_path / "home")
    given = app.add_consent("", "Anna", "en", consent_sound(tmp_path))
    job = app.submit("anna", fake_recordings(tmp_path / "r"), recipe=fake_recipe(), consent_id=given.id)
    work = app.home / "work" / job.id[:16]
    (work / "prepare").mkdir(parents=True)
    (work / "job.json").write_text(json.dumps({"name": "anna", "id": job.id}))
    log = app.home / "work" / "logs" / f"{job.id[:16]}.log"
    log.parent.mkdir()
    log.write_text("anna was here")
    if state is not JobState.QUEUED:
        app.cancel(job.id)
    removed = app.remove_job(job.id)
    assert removed.jobs == (job.id,) and removed.consents == (given.id,)
    assert traces(app.home, job.id[:16], given.id, "anna was here") == [] and rows(app.home) == {}
    with pytest.raises(JobNotFound, match="There is no job"):
        app.remove_job(job.id)


def test_the_voice_that_a_removed_job_made_stays(tmp_path: Path) -> None:
    app = inline_app(tmp_path / "home")
    given = app.add_consent("", "Anna", "en", consent_sound(tmp_path))
    job = app.submit("anna", fake_recordings(tmp_path / "r"), recipe=fake_recipe(), consent_id=given.id)
    app.work()
    assert app.remove_job(job.id).consents == ()
    assert app.consent(given.id) and app.say("anna", "hello", tmp_path / "a.wav").is_file()
    assert app.remove("anna").consents == (given.id,) and rows(app.home) == {}


def test_a_removal_that_was_cut_off_is_done_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = inline_app(tmp_path / "home")
    given = app.add_consent("", "Anna", "en", consent_sound(tmp_path))
    app.create("anna", fake_recordings(tmp_path / "r"), recipe=fake_recipe(), consent_id=given.id)
    real = type(app._catalog).remove_voice
    monkeypatch.setattr(type(app._catalog), "remove_voice", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        app.remove("anna")
    monkeypatch.setattr(type(app._catalog), "remove_voice", real)
    app.remove("anna")
    assert rows(app.home) == {} and traces(app.home, "anna", given.id) == []


def test_what_is_not_there_is_said_and_nothing_happens(tmp_path: Path) -> None:
    app = inline_app(tmp_path / "home")
    draft = app.drafts.new()
    app.drafts.change(draft.id, name="anna")
    for removal in (app.remove, app.removal_of):
        with pytest.raises(VoiceNotFound):
            removal("anna")
    assert app.drafts.get(draft.id).name == "anna", "an unfinished voice alone is no voice"


def test_the_command_line_says_what_it_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    app = inline_app(tmp_path / "home")
    monkeypatch.setattr(wiring, "open_app", lambda: app)
    job = app.submit("anna", fake_recordings(tmp_path / "r"), recipe=fake_recipe())
    app.work()
    assert run(["remove", "anna", "--json"]) == 0
    told = capsys.readouterr()
    assert json.loads(told.out)["versions"] == ["anna@1"] and "Removed anna: 1 version, 1 job, " in told.err
    assert run(["jobs", "remove", job.id]) == 2 and "no job" in capsys.readouterr().err
    app.submit("anna", tmp_path / "r", recipe=fake_recipe())
    assert run(["jobs", "remove", job.id[:12]]) == 0 and "1 job" in capsys.readouterr().err
    assert rows(app.home) == {}


def test_removing_a_consent_that_is_not_there_takes_back_no_voice(tmp_path: Path) -> None:
    """A voice without a consent names none: neither does whoever clicks twice."""
    app = inline_app(tmp_path / "home")
    app.create("anna", fake_recordings(tmp_path / "r"), recipe=fake_recipe())
    before = app.versions("anna")
    for removal in (app.remove_consent, app.removal_of_consent):
        for name in ("", "consent-of-nobody"):
            with pytest.raises(ConsentNotFound):
                removal(name)
    assert app.versions("anna") == before


@pytest.fixture
def http(house: ApiHouse) -> Iterator[httpx.Client]:
    with served(house.app()) as address, client(address, house.key(ADA)) as found:
        yield found


def sent(house: ApiHouse) -> list[tuple[str, Any]]:
    return [("recordings", (p.name, p.read_bytes())) for p in sorted(house.recordings.iterdir())]


def handed_in(house: ApiHouse) -> list[str]:
    return sorted(p.name for folder in ("recordings", "uploads") for p in (house.home / folder).glob("*"))


def given_over(http: httpx.Client, pitch: int = 6) -> str:
    files = {"recording": ("yes.wav", encode(spoken(SAID, pitch).mono(), "wav"))}
    return http.post("/v1/audio/voice_consents", data={"speaker": "Ada"}, files=files).json()["id"]


@pytest.mark.parametrize(
    ("data", "more", "status"),
    [
        ({"name": "bert"}, [], 409),
        ({"name": "new", "consent_id": "another"}, [], 422),
        ({"name": "new", "speaker": "ann"}, [("reference", ("a.wav", b"RIFF"))], 400),
        ({"name": "new"}, [("script", ("a.exe", b"x"))], 415),
        ({"name": "new"}, [("reference", ("a.txt", b"x"))], 415),
    ],
)
def test_a_refused_creation_leaves_nothing_of_what_was_sent(
    http: httpx.Client, house: ApiHouse, data: dict[str, str], more: list[Any], status: int
) -> None:
    asked = {**data, **({"consent_id": given_over(http, pitch=1)} if "consent_id" in data else {})}
    refused = http.post("/v1/audio/voices", data=asked, files=[*sent(house), *more])
    assert refused.status_code == status, refused.text
    assert handed_in(house) == []


def test_the_same_request_again_keeps_one_copy_of_what_was_sent(http: httpx.Client, house: ApiHouse) -> None:
    for _ in range(2):
        assert http.post("/v1/audio/voices", data={"name": "new"}, files=sent(house)).status_code == 202
    assert len(handed_in(house)) == 1


def test_a_cancelled_creation_is_removed_with_its_uploads(http: httpx.Client, house: ApiHouse) -> None:
    uploads = [http.post("/v1/uploads", files={"file": file}).json()["id"] for _, file in sent(house)]
    given = given_over(http)
    asked = {"name": "new", "upload_ids": uploads, "consent_id": given}
    job = http.post("/v1/audio/voices", data=asked, headers={"Idempotency-Key": "make-it-once"}).json()["job"]["id"]
    assert http.post(f"/v1/jobs/{job}/cancel").json()["state"] == "cancelled"
    gone = http.delete(f"/v1/jobs/{job}")
    removed = gone.json()["removed"]
    assert gone.json()["object"] == "job.deleted" and removed["jobs"] == [job] and removed["consents"] == [given]
    assert sorted(removed["uploads"]) == sorted(uploads)
    assert http.get(f"/v1/jobs/{job}").status_code == 404 and http.get("/v1/uploads").json()["data"] == []
    assert handed_in(house) == [] and traces(house.home, job, given, *uploads) == []
    with client(str(http.base_url), house.key(BERT)) as other:
        assert other.delete(f"/v1/jobs/{job}").status_code == 404


def test_a_name_of_which_only_jobs_are_left_is_removed_too(http: httpx.Client, house: ApiHouse) -> None:
    job = http.post("/v1/audio/voices", data={"name": "new"}, files=sent(house)).json()["job"]["id"]
    with client(str(http.base_url), house.key(BERT)) as other:
        assert other.delete("/v1/audio/voices/new").status_code == 404
    gone = http.delete("/v1/audio/voices/new").json()
    assert gone["versions"] == 0 and gone["removed"]["jobs"] == [job]
    assert handed_in(house) == [] and traces(house.home, job) == []


def test_consents_of_others_are_not_withdrawn(http: httpx.Client, house: ApiHouse) -> None:
    given = given_over(http)
    with client(str(http.base_url), house.key(BERT)) as other:
        assert other.delete(f"/v1/audio/voice_consents/{given}").status_code == 404
    assert http.delete(f"/v1/audio/voice_consents/{given}").json()["removed"]["consents"] == [given]
    assert http.delete(f"/v1/audio/voice_consents/{given}").status_code == 404


def test_what_a_killed_server_left_goes_when_the_next_one_starts(house: ApiHouse) -> None:
    used, old, new = (house.home / "recordings" / name for name in ("used", "old", "new"))
    lost, app = house.home / "uploads" / "upload-lost", house.app()
    for folder in (used, old, new, lost):
        shutil.copytree(house.recordings, folder)
    app.submit("new", used, recipe=fake_recipe())
    long_ago = time.time() - 2 * 86_400
    for folder in (used, old, lost):
        os.utime(folder, (long_ago, long_ago))
    with served(app):
        assert handed_in(house) == ["new", "used"]
