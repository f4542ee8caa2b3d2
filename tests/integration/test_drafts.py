"""A half-made voice: what is uploaded and decided is kept, shown, and is what the voice is made of."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.browser.house import House, recordings
from voicekit.app import App
from voicekit.errors import UsageError
from voicekit.lessons import Part
from voicekit.records import JobState


@pytest.fixture
def app(tmp_path: Path) -> App:
    return House(tmp_path / "home").app


def test_a_draft_is_found_again_and_forgotten(app: App) -> None:
    draft = app.drafts.new("ann", "en")
    app.drafts.change(draft.id, name="ada", stage="review")
    assert [d.name for d in App(app.home, app._catalog, app._engines, "fake").drafts.all("ann")] == ["ada"]
    assert app.drafts.all("bob") == []
    app.drafts.remove(draft.id)
    with pytest.raises(UsageError):
        app.drafts.get(draft.id)
    with pytest.raises(UsageError):
        app.drafts.get("../voices")


def test_bad_files_are_named_and_good_ones_kept(app: App, tmp_path: Path) -> None:
    folder, bad = recordings(tmp_path / "r", count=2), tmp_path / "bad.wav"
    bad.write_bytes(b"nothing")
    draft = app.drafts.new()
    added = app.drafts.add(draft.id, [bad, folder / "000.wav", folder / "metadata.csv", tmp_path / "r" / "001.wav"])
    assert [bool(a.fault) for a in added] == [True, False, False, False]
    found = app.drafts.material(draft.id)
    assert [f.path for f in found.recordings] == ["000.wav", "001.wav"]
    assert found.with_text == 2 and found.script == "metadata.csv"


def test_two_files_of_one_name_are_both_kept_and_one_file_twice_is_one(app: App, tmp_path: Path) -> None:
    one, two = recordings(tmp_path / "one", 6, 1), recordings(tmp_path / "two", 4, 1)
    draft = app.drafts.new()
    app.drafts.add(draft.id, [one / "000.wav", two / "000.wav", one / "000.wav"])
    assert [f.path for f in app.drafts.material(draft.id).recordings] == ["000-2.wav", "000.wav"]


def test_what_was_decided_is_what_the_voice_is_made_of(app: App, tmp_path: Path) -> None:
    draft = app.drafts.new()
    app.drafts.add(draft.id, sorted(recordings(tmp_path / "r").iterdir()))
    app.drafts.change(draft.id, name="ada", recipe="smoke")
    assert not app.reviewer.is_made(draft.id)
    before = app.reviewer.make(draft.id, lambda _: None)
    assert app.reviewer.is_made(draft.id) and before.accepted == 20
    first, second = (r.clip for r in before.clips[:2])
    app.reject_clip(app.drafts.dataset(draft.id), first.id)
    app.edit_clip(app.drafts.dataset(draft.id), second.id, "another text")
    after = app.reviewer.show(draft.id)
    assert after.accepted == 19 and after.clips[0].by_hand and after.clips[1].clip.transcript.source == "by hand"
    assert app.reviewer.is_made(draft.id), "a decision does not ask for the clips to be made again"
    job = app.submit("ada", app.drafts.recordings(draft.id), script=app.drafts.script(draft.id), recipe="smoke")
    last = [*app.watch(job.id, 0.1)][-1]
    assert last.state in (JobState.FINISHED, JobState.REFUSED), last.fault
    assert app.show("ada").clips_accepted == 19
    app.reset_clip(app.drafts.dataset(draft.id), first.id)
    assert app.reviewer.show(draft.id).accepted == 20


@pytest.mark.parametrize(
    "name", ["000.srt", "000.vtt", "000.TextGrid", "000.txt", "000.lab", "000.rttm", "a.xlsx", "metadata.jsonl", "a.csv", "a.tsv"]
)
def test_whatever_belongs_to_the_recordings_has_the_clips_made_again(app: App, tmp_path: Path, name: str) -> None:
    draft = app.drafts.new()
    app.drafts.add(draft.id, sorted(recordings(tmp_path / "r", count=1).iterdir()))
    app.reviewer.make(draft.id, lambda _: None)
    beside = app.drafts.recordings(draft.id) / name
    for content in (b"one", b"another"):
        assert app.reviewer.is_made(draft.id) is (content == b"one")
        beside.write_bytes(content)
        assert not app.reviewer.is_made(draft.id)
    beside.unlink()
    assert app.reviewer.is_made(draft.id)


def test_the_lessons_shown_learn_the_sound_of_a_recording_and_not_its_text(app: App, tmp_path: Path) -> None:
    draft = app.drafts.new()
    app.drafts.add(draft.id, sorted(recordings(tmp_path / "r", count=3).iterdir()))
    app.reviewer.make(draft.id, lambda _: None)
    lessons = app.lessons(draft.id)
    recorded = [lesson for lesson in lessons if lesson.kind == "pseudo_masked"]
    assert len(recorded) == 3
    for lesson in recorded:
        assert {t.part for t in lesson.tokens if t.loss > 0} == {Part.SPEECH}
        assert all(t.loss > 0 for t in lesson.tokens if t.part is Part.SPEECH)


def test_presets_say_what_they_take(app: App) -> None:
    quick, standard, thorough = app.presets(clips=40)
    assert 0 < quick.minutes < standard.minutes < thorough.minutes
    assert quick.memory_gb <= standard.memory_gb <= thorough.memory_gb
