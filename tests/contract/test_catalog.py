"""The catalog's contract, on SQLite and on PostgreSQL."""

import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import text

from tests import makers
from tests.databases import KINDS, empty_database
from voicekit.catalog.store import SqlCatalog
from voicekit.errors import CatalogError, NameTaken
from voicekit.ports import DatasetSummary
from voicekit.records import Metric, RunState, Verdict, VoiceState


@pytest.fixture(params=KINDS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    with empty_database(request, tmp_path / "folder") as address:
        yield address


@pytest.fixture
def catalog(url: str) -> Iterator[SqlCatalog]:
    opened = SqlCatalog(url)
    yield opened
    opened.engine.dispose()


def register(
    catalog: SqlCatalog, slug: str, version: int = 1, recordings: tuple[str, ...] = ("a.wav", "b.wav"), **changes: object
):
    """A voice with its whole lineage; the dataset is named after its recordings, as content hashes are."""
    sources = tuple(makers.recording(name) for name in recordings)
    dataset = makers.dataset(*sources, name=" ".join(recordings))
    run = makers.run(dataset, name=f"{slug} {version}")
    evaluation = makers.evaluation(run, name=f"{slug} {version}")
    voice = replace(makers.voice(run, evaluation), slug=slug, version=version, **changes)
    catalog.add_recordings(sources)
    catalog.add_dataset(dataset, slug)
    catalog.add_run(run)
    catalog.add_evaluation(evaluation)
    catalog.add_voice(voice)
    return voice


def test_what_was_registered_comes_back_with_its_lineage(catalog: SqlCatalog) -> None:
    voice = register(catalog, "anna")
    assert catalog.voices() == [voice]
    assert catalog.versions("anna") == [voice]
    run = catalog.run(voice.run_id)
    assert run is not None and run == makers.run(makers.dataset(name="a.wav b.wav"), name="anna 1")
    assert catalog.evaluation(voice.evaluation_id) == makers.evaluation(run, name="anna 1")
    assert catalog.recordings_of(voice.dataset_id) == [makers.recording("a.wav"), makers.recording("b.wav")]
    assert catalog.summary_of(voice.dataset_id) == DatasetSummary(accepted=4, rejected=0, speech_s=8.0)


def test_rejected_clips_are_counted_apart(catalog: SqlCatalog) -> None:
    source = makers.recording()
    rejected = makers.clip(9, source, verdict=Verdict.REJECTED, reason="too quiet")
    dataset = makers.dataset(source)
    catalog.add_recordings([source])
    catalog.add_dataset(replace(dataset, clips=(*dataset.clips, rejected)), "anna")
    assert catalog.summary_of(dataset.id) == DatasetSummary(accepted=2, rejected=1, speech_s=4.0)


def test_unknown_things_are_absent_not_errors(catalog: SqlCatalog) -> None:
    assert catalog.voices() == [] and catalog.versions("nobody") == [] and catalog.recordings_of("none") == []
    assert catalog.run("none") is None and catalog.evaluation("none") is None and catalog.evaluations_of("none") == []
    assert catalog.summary_of("none") is None
    assert catalog.remove_voice("nobody") == 0


def test_adding_again_changes_nothing(catalog: SqlCatalog) -> None:
    voice = register(catalog, "anna")
    assert register(catalog, "anna") == voice
    assert catalog.versions("anna") == [voice]


def test_a_run_is_brought_up_to_date(catalog: SqlCatalog) -> None:
    register(catalog, "anna")
    started = makers.run(makers.dataset(name="a.wav b.wav"), name="later", state=RunState.RUNNING, loss_last=math.nan)
    catalog.add_run(started)
    found = catalog.run(started.id)
    assert found is not None and math.isnan(found.loss_last) and found.state is RunState.RUNNING
    finished = replace(started, state=RunState.FINISHED, loss_last=1.5)
    catalog.add_run(finished)
    assert catalog.run(started.id) == finished


def test_a_metric_that_could_not_be_measured_survives(catalog: SqlCatalog) -> None:
    voice = register(catalog, "anna")
    metrics = {"wer": Metric(math.nan, math.nan, math.nan, 0), "a": Metric(1.0, 0.5, 1.5, 3)}
    odd = makers.evaluation(name="odd", run_id=voice.run_id, metrics=metrics, passed=False, reasons=("ü: no", "b"), advice=("c",))
    catalog.add_evaluation(odd)
    found = catalog.evaluation(odd.id)
    assert found is not None and math.isnan(found.metrics["wer"].value) and math.isnan(found.metrics["wer"].high)
    assert (
        list(found.metrics) == ["wer", "a"]
        and found.metrics["a"] == metrics["a"]
        and found.reasons == ("ü: no", "b")
        and found.advice == ("c",)
    )
    assert [e.id for e in catalog.evaluations_of(voice.run_id)] == [voice.evaluation_id, odd.id]


def test_listing_shows_the_newest_published_version_else_the_newest_draft(catalog: SqlCatalog) -> None:
    register(catalog, "bert", 1, state=VoiceState.DRAFT)
    draft = register(catalog, "bert", 2, state=VoiceState.DRAFT)
    register(catalog, "anna", 1)
    published = register(catalog, "anna", 2)
    register(catalog, "anna", 3, state=VoiceState.DRAFT)
    assert catalog.voices() == [published, draft]
    assert [v.version for v in catalog.versions("anna")] == [1, 2, 3]


def test_a_version_is_never_overwritten_by_another_voice(catalog: SqlCatalog) -> None:
    first = register(catalog, "anna")
    with pytest.raises(NameTaken):
        catalog.add_voice(replace(first, run_id=makers.sha("other")[:32]))
    assert catalog.versions("anna") == [first]


def test_a_voice_without_its_evaluation_is_refused(catalog: SqlCatalog) -> None:
    voice = register(catalog, "anna")
    with pytest.raises(CatalogError):
        catalog.add_voice(replace(voice, version=2, evaluation_id="missing"))
    assert catalog.versions("anna") == [voice]


def test_removing_forgets_what_only_that_voice_used(catalog: SqlCatalog) -> None:
    anna = register(catalog, "anna", recordings=("a.wav", "b.wav"))
    register(catalog, "anna", 2, recordings=("c.wav", "shared.wav"))
    bert = register(catalog, "bert", recordings=("shared.wav", "d.wav"))
    cora = register(catalog, "cora", recordings=("shared.wav", "d.wav"))
    assert catalog.remove_voice("anna") == 2
    assert catalog.versions("anna") == [] and catalog.voices() == [bert, cora]
    assert catalog.run(anna.run_id) is None and catalog.evaluation(anna.evaluation_id) is None
    assert catalog.recordings_of(anna.dataset_id) == []
    assert [r.path for r in catalog.recordings_of(bert.dataset_id)] == ["d.wav", "shared.wav"]
    assert catalog.remove_voice("bert") == 1
    assert [r.path for r in catalog.recordings_of(cora.dataset_id)] == ["d.wav", "shared.wav"]
    catalog.remove_voice("cora")
    with catalog.engine.connect() as connection:
        for table in ("recordings", "datasets", "clips", "runs", "evaluations", "metrics", "voices"):
            assert connection.scalar(text(f"SELECT count(*) FROM {table}")) == 0, table


def test_another_process_sees_it_and_first_use_may_happen_twice_at_once(url: str) -> None:
    def first_use(number: int) -> list[str]:
        catalog = SqlCatalog(url)
        register(catalog, f"voice{number}")
        names = [v.slug for v in catalog.voices()]
        catalog.engine.dispose()
        return names

    with ThreadPoolExecutor(4) as pool:
        seen = list(pool.map(first_use, range(4)))
    assert all(f"voice{i}" in names for i, names in enumerate(seen))
    assert [v.slug for v in SqlCatalog(url).voices()] == [f"voice{i}" for i in range(4)]


def test_whoever_rests_on_a_removed_consent_is_revoked(catalog: SqlCatalog) -> None:
    mine = register(catalog, "anna", consent_id="c1", consent_cosine=0.9)
    other = register(catalog, "bert", consent_id="c2", consent_cosine=0.8)
    catalog.remove_consent("c1", "2026-02-03T00:00:00.000+00:00")
    (now,) = catalog.versions("anna")
    assert now == replace(
        mine, state=VoiceState.REVOKED, consent_id="", consent_cosine=None, revoked_at="2026-02-03T00:00:00.000+00:00"
    )
    assert catalog.every_version() == [now, other]
