"""Jobs, workers, consents, keys, uploads and kept answers, on SQLite and on PostgreSQL."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.databases import KINDS, empty_database
from voicekit.catalog.store import SqlCatalog
from voicekit.records import (
    ApiKey,
    Consent,
    JobFault,
    JobState,
    JobStatus,
    KeptAnswer,
    QueuedJob,
    Upload,
    Worker,
)
from voicekit.timebase import utc

NOW = "2026-01-02T03:04:05.678+00:00"


@pytest.fixture(params=KINDS)
def catalog(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SqlCatalog]:
    with empty_database(request, tmp_path) as url:
        opened = SqlCatalog(url)
        yield opened
        opened.engine.dispose()


def status(job_id: str = "a" * 64, **changes: Any) -> JobStatus:
    made = JobStatus(job_id, "anna", "", JobState.QUEUED, "", 0.0, "", (), (), (), None, 0, NOW, NOW)
    return replace(made, **changes)


def test_a_job_comes_back_as_it_was_and_is_added_once(catalog: SqlCatalog) -> None:
    job = QueuedJob(
        status(
            state=JobState.FAILED,
            step="chat",
            fraction=0.25,
            message="ünusual",
            done=("prepare", "tokens"),
            losses=((1, 4.5), (2, 3.25)),
            samples=("work/a.wav",),
            numbers=(("step", 2.0), ("tokens_per_s", 812.5)),
            fault=JobFault("training_failed", "It diverged.", "Lower it."),
            attempt=3,
            queue="gpu",
        ),
        {"slug": "anna", "tags": ["x"]},
    )
    assert catalog.add_job(job) and not catalog.add_job(replace(job, status=status()))
    assert catalog.job(job.status.id) == job and catalog.job("unknown") is None
    assert catalog.whole_job_id("a" * 12) == job.status.id and catalog.whole_job_id("aaa") == "aaa"
    catalog.add_job(QueuedJob(status("a" * 63 + "b"), {}))
    assert catalog.whole_job_id("a" * 12) == "a" * 12, "two begin so"


def test_a_change_that_expects_something_else_does_nothing(catalog: SqlCatalog) -> None:
    catalog.add_job(QueuedJob(status(), {}))
    running = status(state=JobState.RUNNING, step="prepare")
    assert not catalog.save_job(running, 2, [JobState.QUEUED]) and not catalog.save_job(running, 1, [JobState.RUNNING])
    assert catalog.save_job(running, 1, [JobState.QUEUED]) and catalog.jobs() == [running]
    assert catalog.cancel_job(running.id, NOW) and not catalog.cancel_job(running.id, NOW)
    assert not catalog.save_job(running, 1, [JobState.QUEUED, JobState.RUNNING]), "a cancelled job stays cancelled"


def test_jobs_are_listed_newest_first_and_wait_oldest_first(catalog: SqlCatalog) -> None:
    for number in range(4):
        catalog.add_job(QueuedJob(status(f"{number}" * 64, name=f"v{number}", owner="ab"[number % 2]), {}))
    assert [j.name for j in catalog.jobs()] == ["v3", "v2", "v1", "v0"]
    assert [j.name for j in catalog.jobs(owner="a", limit=1, before="3" * 64)] == ["v2"]
    assert [j.name for j in catalog.waiting_jobs("cpu")] == ["v0", "v1", "v2", "v3"] and catalog.waiting_jobs("gpu") == []
    assert [j.status.name for j in catalog.requests()] == ["v0", "v1", "v2", "v3"]
    catalog.remove_job("1" * 64)
    assert catalog.jobs_of("v1") == [] and len(catalog.jobs()) == 3


def test_a_worker_is_removed_by_one_and_then_knows_it(catalog: SqlCatalog) -> None:
    worker = Worker("w1", "here", 7, "cpu", utc())
    catalog.see_worker(worker)
    assert catalog.workers() == [worker] and catalog.keep_worker("w1", NOW)
    assert catalog.remove_worker("w1") and not catalog.remove_worker("w1") and not catalog.keep_worker("w1", NOW)


def test_consents_and_keys_are_kept_and_changed(catalog: SqlCatalog) -> None:
    consent = Consent("c1", "acme", "Anna", "I agree.", "en", "consents/c1.wav", True, "i agree", None, math.nan, NOW)
    catalog.save_consent(consent)
    stored = catalog.consent("c1")
    assert stored is not None and stored.voice_ok is None and math.isnan(stored.cosine) and not stored.holds
    catalog.save_consent(replace(consent, voice_ok=True, cosine=0.9))
    assert [c.holds for c in catalog.consents("acme")] == [True] and catalog.consents("other") == []
    key = ApiKey("k1", "ci", "acme", ("voices:read", "speech"), "f" * 64, NOW)
    catalog.save_key(key)
    assert catalog.key_with("f" * 64) == key and catalog.key_with("0" * 64) is None
    catalog.save_key(replace(key, revoked_at=NOW))
    kept = catalog.keys()
    assert [k.revoked_at for k in kept] == [NOW]


def test_an_idempotency_key_is_claimed_once(catalog: SqlCatalog) -> None:
    claim = KeptAnswer("key", "acme", "/v1/voices", 0, "", NOW)
    assert catalog.claim_answer(claim) is None and catalog.claim_answer(claim) == claim
    assert catalog.claim_answer(replace(claim, owner="other")) is None, "a key is its owner's"
    catalog.save_answer(replace(claim, status=201, body="{}"))
    assert catalog.claim_answer(claim) == replace(claim, status=201, body="{}")
    catalog.remove_answer("key", "acme", "/v1/voices")
    assert catalog.claim_answer(claim) is None


def test_uploads_are_their_owners(catalog: SqlCatalog) -> None:
    upload = Upload("u1", "acme", "uploads/u1.wav", "take 1.wav", 2**33, NOW)
    catalog.add_upload(upload)
    assert catalog.uploads("acme") == [upload] == [catalog.upload("u1")] and catalog.uploads("") == []
    catalog.remove_upload("u1")
    assert catalog.upload("u1") is None


def test_a_removed_consent_is_named_by_no_job_any_more(catalog: SqlCatalog) -> None:
    catalog.save_consent(Consent("c1", "acme", "Anna", "I agree.", "en", "c1.flac", True, "i agree", True, 0.9, NOW))
    catalog.add_job(QueuedJob(status(), {"consent_id": "c1", "tags": ["x"]}))
    catalog.add_job(QueuedJob(status("b" * 64), {"consent_id": "c2"}))
    catalog.remove_consent("c1", NOW)
    assert catalog.consent("c1") is None
    assert [j.request["consent_id"] for j in catalog.requests()] == ["", "c2"]


def test_answers_about_what_was_removed_are_forgotten(catalog: SqlCatalog) -> None:
    for key, body in (("k1", '{"id": "upload-1"}'), ("k2", '{"id": "upload_1"}'), ("k3", '{"id": "job-1"}')):
        catalog.save_answer(KeptAnswer(key, "", "uploads", 201, body, NOW))
    catalog.remove_answers_about(["upload-1", "job-1"])
    assert [catalog.claim_answer(KeptAnswer(k, "", "uploads", 0, "", NOW)) is None for k in ("k1", "k2", "k3")] == [
        True,
        False,
        True,
    ]
