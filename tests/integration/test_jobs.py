"""Jobs as the doors see them: asked for twice, of other people, failing, published; many at once from a manifest."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.fake_base import FakeBase
from tests.fake_engines import FAKE_RECIPE, fake_recipe, fake_recordings, told_turns
from tests.inline_worker import inline_app
from voicekit.app import App
from voicekit.errors import JobNotFound, ManifestError, NameTaken, NotPublishable, UsageError
from voicekit.ports import Progress
from voicekit.records import JobFault, JobState, JobStatus, Voice, VoiceState


@pytest.fixture(scope="session")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fake_recordings(tmp_path_factory.mktemp("given") / "recordings")


@pytest.fixture(scope="session")
def others(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fake_recordings(tmp_path_factory.mktemp("given") / "others", pitch=5)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def app(home: Path) -> App:
    return inline_app(home)


class FailingBase(FakeBase):
    """Training fails while `fault` is set."""

    fault: Exception | None = None

    def finetune(self, *args: Any, **kwargs: Any) -> Any:
        if self.fault is not None:
            raise self.fault
        return super().finetune(*args, **kwargs)


def submitted(app: App, recordings: Path, name: str = "anna", **options: Any) -> JobStatus:
    return app.submit(name, recordings, recipe=fake_recipe(), **options)


def made(app: App, recordings: Path, name: str = "anna", **options: Any) -> tuple[JobStatus, Voice]:
    job = submitted(app, recordings, name, **options)
    app.work()
    return app.job(job.id), app.versions(name)[-1]


def test_a_job_goes_through_its_steps_and_leaves_a_draft(app: App, recordings: Path) -> None:
    queued = submitted(app, recordings, owner="studio", tags=("calm", "low"))
    assert (queued.state, queued.step, queued.done, queued.version) == (JobState.QUEUED, "", (), 0)
    app.work()
    job = app.job(queued.id)
    assert (job.state, job.done, job.fraction, job.version) == (JobState.FINISHED, tuple(app.steps()), 1.0, 1)
    assert [step for step, _ in job.losses] == sorted({step for step, _ in job.losses}) and job.losses[-1][1] < 3.0
    (voice,) = app.versions("anna")
    assert (voice.state, voice.owner, voice.tags, voice.job_id) == (VoiceState.DRAFT, "studio", ("calm", "low"), job.id)


def test_asking_twice_is_asking_once(app: App, recordings: Path) -> None:
    first = submitted(app, recordings)
    assert submitted(app, recordings) == first and app.jobs() == [first]
    app.work()
    assert submitted(app, recordings) == app.job(first.id) and len(app.versions("anna")) == 1
    assert app.job(first.id[:12]).id == first.id
    app.remove("anna")
    with pytest.raises(JobNotFound):
        app.job(first.id)
    assert submitted(app, recordings).state is JobState.QUEUED


def test_a_voice_that_create_made_is_a_finished_job(app: App, recordings: Path) -> None:
    voice = app.create("anna", recordings, recipe=fake_recipe()).voice
    job = submitted(app, recordings)
    assert (job.state, job.version, job.id) == (JobState.FINISHED, 1, voice.job_id)


def test_what_create_makes_is_seen_among_the_jobs(home: Path, recordings: Path) -> None:
    base = FailingBase()
    app = inline_app(home, base)
    base.fault = ZeroDivisionError("oops")
    with pytest.raises(ZeroDivisionError):
        app.create("anna", recordings, recipe=fake_recipe())
    (failed,) = app.jobs()
    assert failed.state is JobState.FAILED and failed.done == ("prepare", "tokens") and failed.fault is not None
    base.fault = None
    seen: list[JobState] = []
    app.create("anna", recordings, recipe=fake_recipe(), report=lambda _: seen.append(app.job(failed.id).state))
    assert set(seen) == {JobState.RUNNING} and app.job(failed.id).state is JobState.FINISHED
    killed = replace(app.job(failed.id), state=JobState.RUNNING)
    app._catalog.save_job(killed, killed.attempt, list(JobState))  # pyright: ignore[reportPrivateUsage]
    assert app.jobs()[0].state is JobState.FAILED and app.retry(failed.id).queue == "cpu"


def test_a_name_is_one_voice_of_one_owner(app: App, recordings: Path, others: Path) -> None:
    job = submitted(app, recordings, owner="acme")
    for options in ({"owner": "acme"}, {"owner": "other"}, {}):
        with pytest.raises(NameTaken):
            submitted(app, others, **options)
    app.cancel(job.id)
    made(app, recordings, owner="other")
    with pytest.raises(NameTaken, match="somebody else"):
        submitted(app, others, owner="acme")
    with pytest.raises(NameTaken, match="somebody else"):
        app.create("anna", others, recipe=fake_recipe())


def test_the_newest_come_first_a_page_at_a_time(app: App, recordings: Path) -> None:
    ids = [submitted(app, recordings, f"voice-{i}", owner="a" if i % 2 else "b").id for i in range(5)][::-1]
    assert [j.id for j in app.jobs()] == ids
    page = app.jobs(limit=2)
    assert [j.id for j in page] == ids[:2] and [j.id for j in app.jobs(limit=2, before=page[-1].id)] == ids[2:4]
    app.cancel(ids[0])
    assert [j.id for j in app.jobs(state=JobState.CANCELLED)] == ids[:1]
    assert {j.owner for j in app.jobs(owner="a")} == {"a"}


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (MemoryError(), "out_of_resources", "memory"),
        (RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"), "out_of_resources", "Memory ran out"),
        (ZeroDivisionError("oops"), "voicekit_error", "ZeroDivisionError"),
    ],
)
def test_a_failed_step_says_why_and_is_retried_alone(
    home: Path, recordings: Path, error: Exception, code: str, says: str
) -> None:
    base = FailingBase()
    app = inline_app(home, base)
    base.fault = error
    job = submitted(app, recordings)
    app.work()
    failed = app.job(job.id)
    assert (failed.state, failed.step, failed.done, failed.version) == (JobState.FAILED, "chat", ("prepare", "tokens"), 0)
    assert failed.fault is not None and failed.fault.code == code and says in failed.fault.problem and failed.fault.remedy
    base.fault = None
    encoded = base.encode_speech
    base.encode_speech = lambda wave: pytest.fail("the tokens were there")  # type: ignore[method-assign]
    app.retry(job.id)
    assert app.job(job.id).state is JobState.QUEUED and app.job(job.id).fault is None
    base.encode_speech = encoded  # type: ignore[method-assign]
    app.work()
    assert app.job(job.id).state is JobState.FINISHED and app.job(job.id).attempt == 2
    with pytest.raises(UsageError, match="finished"):
        app.retry(job.id)


def test_what_works_for_an_attempt_that_is_over_changes_nothing(app: App, recordings: Path) -> None:
    job = submitted(app, recordings)
    cancelled = app.cancel(job.id)
    assert cancelled.state is JobState.CANCELLED and app.cancel(job.id) == cancelled
    app.retry(job.id)
    app._jobs.fail(job.id, 1, JobFault("x", "the first attempt", ""))  # pyright: ignore[reportPrivateUsage]
    assert app.job(job.id).state is JobState.QUEUED and not app._jobs.begin(job.id, 1, "prepare")  # pyright: ignore[reportPrivateUsage]


def test_changed_recordings_are_not_made_into_the_voice_that_was_asked_for(app: App, tmp_path: Path) -> None:
    given = fake_recordings(tmp_path / "given")
    job = submitted(app, given)
    (given / "000.wav").unlink()
    app.work()
    fault = app.job(job.id).fault
    assert fault is not None and "changed" in fault.problem


def test_the_gate_cannot_be_overruled(app: App, recordings: Path) -> None:
    job = app.submit("anna", recordings, recipe=fake_recipe(steps=1), publish=True)
    app.work()
    assert app.job(job.id).state is JobState.REFUSED
    with pytest.raises(NotPublishable, match="gate"):
        app.publish("anna")


def manifest(folder: Path, rows: list[dict[str, str]]) -> Path:
    path = folder / "manifest.csv"
    folder.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, ["name", "recordings", "recipe", "tags", "reference", "speaker", "turns"], restval="")
        table.writeheader()
        table.writerows(rows)
    return path


def test_a_manifest_is_checked_as_a_whole_before_anything_begins(app: App, tmp_path: Path, recordings: Path) -> None:
    path = manifest(
        tmp_path,
        [
            {"name": "anna", "recordings": str(recordings)},
            {"name": "anna", "recordings": str(recordings)},
            {"name": "No Name", "recordings": str(recordings)},
            {"name": "bea", "recordings": "nowhere"},
            {"name": "cleo", "recordings": str(recordings), "recipe": "unheard-of"},
            {"name": "", "recordings": str(recordings)},
            {"name": "dora", "recordings": str(recordings), "reference": "nowhere.wav"},
            {"name": "emma", "recordings": str(recordings), "turns": "nowhere.rttm"},
        ],
    )
    with pytest.raises(ManifestError) as caught:
        app.onboard(path)
    assert [f"  line {n}:" in caught.value.problem for n in range(2, 10)] == [False, *[True] * 7]
    assert app.jobs() == []
    path.write_text("name,recordings,colour\nanna,here,red\n")
    with pytest.raises(ManifestError, match="colour"):
        app.onboard(path)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ('ada,"' + "x" * 140_000 + "\n", "a quote may be opened and not closed"),
        ('ada,"here\nbea,there\n', "line 2: a quote is opened and not closed"),
        ("ada,here\nbea,there, and elsewhere\n", "line 3: it has more cells than there are columns"),
    ],
)
def test_a_manifest_that_is_written_wrongly_is_refused_with_its_line(rows: str, said: str, app: App, tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text(f"name,recordings\n{rows}")
    with pytest.raises(ManifestError, match=said):
        app.onboard(tmp_path / "m.csv")
    assert app.jobs() == []


def test_onboarding_goes_on_past_failures_and_a_second_run_does_what_is_missing(app: App, tmp_path: Path) -> None:
    folder = tmp_path / "speakers"
    for number, name in enumerate(("anna", "bea", "cleo")):
        fake_recordings(folder / name, pitch=4 + number)
    fake_recordings(folder / "dora", count=1)  # far too little to learn from
    recipe = folder / "little.toml"
    recipe.write_text(FAKE_RECIPE)
    names = ("anna", "bea", "cleo", "dora")
    path = manifest(folder, [{"name": n, "recordings": n, "recipe": "little.toml", "tags": "a; b"} for n in names])

    def working(_: object) -> None:
        app.work()

    summary = app.onboard(path, working, every_s=0.0)
    assert [row.state for row in summary.rows] == [JobState.FINISHED] * 3 + [JobState.FAILED]
    assert summary.rows[3].reason and summary.as_json()["finished"] == 3
    assert {v.slug for v in app.voices() if v.state is VoiceState.PUBLISHED and v.tags == ("a", "b")} == {"anna", "bea", "cleo"}
    before = {row.job_id: app.job(row.job_id) for row in summary.rows}
    again = app.onboard(path, working, every_s=0.0)
    assert [app.job(row.job_id) == before[row.job_id] for row in again.rows] == [True, True, True, False]
    assert app.job(again.rows[3].job_id).attempt == 2
    fake_recordings(folder / "dora", pitch=3)
    assert app.onboard(path, working, every_s=0.0).count(JobState.FINISHED) == 4


def test_onboarding_says_whose_voice_is_meant(app: App, tmp_path: Path) -> None:
    given = fake_recordings(tmp_path / "given")
    (tmp_path / "told.rttm").write_text(told_turns(given))
    (tmp_path / "little.toml").write_text(FAKE_RECIPE)
    row = {"recordings": "given", "recipe": "little.toml", "turns": "told.rttm"}
    named, heard = {**row, "name": "anna", "speaker": "ann"}, {**row, "name": "bea", "reference": "given/000.wav"}
    summary = app.onboard(manifest(tmp_path, [named, heard]), lambda _: app.work(), every_s=0.0)
    assert [r.state for r in summary.rows] == [JobState.FINISHED] * 2, summary.rows
    made = app.show("anna")
    assert (made.clips_accepted, made.clips_rejected) == (9, 1)


def test_live_numbers_reach_the_job(app: App, recordings: Path) -> None:
    """A base that reports what a real training reports: the curve is one line, also when an attempt repeats a part of it."""
    from voicekit.carrying import Live

    job = submitted(app, recordings)
    home = app._home  # pyright: ignore[reportPrivateUsage]
    live = Live(app._catalog, home, job)  # pyright: ignore[reportPrivateUsage]
    for step in (1, 2, 3, 2, 3, 4):
        live(Progress("chat", step / 10, "learning", {"step": step, "speech_loss": 5.0 - step}))
    live(Progress("chat", 0.5, sample=str(home / "work" / "a.wav")))
    status = app.job(job.id)
    assert status.losses == ((1, 4.0), (2, 3.0), (3, 2.0), (4, 1.0)) and status.samples == ("work/a.wav",)
    assert (status.step, status.fraction, status.message) == ("chat", 0.5, "learning")
