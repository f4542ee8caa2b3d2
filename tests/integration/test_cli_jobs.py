"""The commands around jobs: what they print, for people and as JSON, and their exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.fake_engines import FAKE_RECIPE, fake_recipe, fake_recordings
from tests.inline_worker import inline_app
from voicekit import wiring
from voicekit.app import App
from voicekit.cli import run


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> App:
    made = inline_app(tmp_path / "home")
    monkeypatch.setattr(wiring, "open_app", lambda: made)
    return made


def test_a_job_from_the_queue_to_a_published_voice(app: App, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    job = app.submit("anna", fake_recordings(tmp_path / "given"), recipe=fake_recipe())
    assert run(["jobs", "list"]) == 0
    shown = capsys.readouterr().out
    assert job.id[:16] in shown and "anna" in shown and "queued" in shown
    assert run(["jobs", "cancel", job.id[:16]]) == 0 and "cancelled" in capsys.readouterr().out
    assert run(["jobs", "retry", job.id[:16], "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["state"] == "queued"
    assert run(["worker", "--until-idle"]) == 0
    assert run(["jobs", "show", job.id, "--json", "--log"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert (printed["state"], printed["version"], printed["attempt"], printed["fault"]) == ("finished", 1, 2, None)
    assert run(["jobs", "show", job.id]) == 0 and "Chat model     done" in capsys.readouterr().out
    assert run(["publish", "anna"]) == 0 and "version 1: published" in capsys.readouterr().out
    assert run(["revoke", "anna", "--json"]) == 0 and json.loads(capsys.readouterr().out)["state"] == "revoked"
    assert run(["say", "anna", "hello", "-o", str(tmp_path / "a.wav")]) == 2 and "revoked" in capsys.readouterr().err


def test_jobs_that_are_not_there_are_usage_errors(app: App, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["jobs", "list"]) == 0 and "No jobs yet" in capsys.readouterr().out
    assert run(["jobs", "show", "0123456789"]) == 2 and "There is no job" in capsys.readouterr().err
    assert run(["publish", "nobody"]) == 2


def test_onboarding_says_how_every_row_ended(app: App, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a worker here: the voices are there already, or their jobs have failed."""
    given = fake_recordings(tmp_path / "given")
    manifest = tmp_path / "manifest.csv"
    manifest.write_text("name,recordings\nanna,nowhere\n")
    assert run(["onboard", str(manifest), "--workers", "0"]) == 3
    assert "line 2: There are no recordings" in capsys.readouterr().err and app.jobs() == []
    (tmp_path / "little.toml").write_text(FAKE_RECIPE)
    app.submit("anna", given, recipe=str(tmp_path / "little.toml"), publish=True)
    app.work()
    manifest.write_text("name,recordings,recipe\nanna,given,little.toml\n")
    assert run(["onboard", str(manifest), "--workers", "0", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["rows"]
    assert (row["name"], row["state"], row["version"], row["reason"]) == ("anna", "finished", 1, "")
