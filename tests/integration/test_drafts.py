"""A half-made voice: what is uploaded and decided is kept, shown, and is what the voice is made of."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.browser.house import ByPitch, House, conversation, recordings
from voicekit import audio
from voicekit.app import App
from voicekit.errors import RecordingsError, UsageError
from voicekit.lessons import Part
from voicekit.records import JobState, SpeakerTurn, Verdict, Waveform
from voicekit.review import Review


@pytest.fixture
def app(tmp_path: Path) -> Generator[App, None, None]:
    with closing(House(tmp_path / "home")) as house:
        yield house.app


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


def test_of_several_speakers_the_chosen_one_is_what_the_voice_is_made_of(app: App, tmp_path: Path) -> None:
    draft = app.drafts.new()
    app.drafts.add(draft.id, [conversation(tmp_path / "talk.wav", turns=24)])
    assert app.casting.found(draft.id) is None
    heard = app.casting.listen(draft.id, lambda _: None)
    assert [s.speaker for s in heard.several] == ["speaker 1", "speaker 2"] and heard == app.casting.found(draft.id)
    host = used(app.reviewer.make(draft.id, lambda _: None))
    app.casting.choose(draft.id, "talk.wav", "speaker 2")
    assert not app.reviewer.is_made(draft.id), "another speaker's clips are wanted"
    guest = used(app.reviewer.make(draft.id, lambda _: None))
    assert host and guest and not host & guest
    job = app.submit("ada", app.drafts.recordings(draft.id), reference=app.drafts.reference(draft.id), recipe="smoke")
    last = [*app.watch(job.id, 0.1)][-1]
    assert last.state in (JobState.FINISHED, JobState.REFUSED), last.fault
    assert app.show("ada").clips_accepted == len(guest)
    app.casting.choose_who_speaks_most(draft.id)
    assert used(app.reviewer.make(draft.id, lambda _: None)) == host


def used(review: Review) -> set[int]:
    return {r.clip.start_sample for r in review.clips if r.clip.verdict is Verdict.ACCEPTED}


def test_a_recording_that_was_listened_to_is_not_again(app: App, tmp_path: Path) -> None:
    asked: list[float] = []

    class Counting(ByPitch):
        def diarize(
            self, wave: Waveform, num_speakers: int | None = None, speech: Sequence[tuple[float, float]] | None = None
        ) -> tuple[SpeakerTurn, ...]:
            asked.append(wave.duration_s)
            return super().diarize(wave, num_speakers, speech)

    app._engines = replace(app._engines, diarizer=lambda _: Counting())
    draft = app.drafts.new()
    app.drafts.add(draft.id, [conversation(tmp_path / "one.wav"), recordings(tmp_path / "r", count=1) / "000.wav"])
    assert app.casting.listen(draft.id, lambda _: None).listened == 1, "what is short holds one speaker until somebody asks"
    app.drafts.add(draft.id, [conversation(tmp_path / "two.wav", host=4)])
    assert app.casting.found(draft.id) is None, "another recording has come"
    assert app.casting.listen(draft.id, lambda _: None).listened == 2 and len(asked) == 2
    assert app.casting.listen(draft.id, lambda _: None, from_s=1.0).listened == 3 and len(asked) == 3
    app.drafts.drop(draft.id, "one.wav")
    with pytest.raises(UsageError, match="changed"):
        app.casting.choose(draft.id, "one.wav", "speaker 1")


def test_a_sample_of_the_speaker_must_be_a_sound_of_some_length(app: App, tmp_path: Path) -> None:
    draft, bad = app.drafts.new(), tmp_path / "bad.wav"
    bad.write_bytes(b"nothing")
    audio.write_wav(tmp_path / "short.wav", Waveform(np.zeros((1, 12_000), np.float32), 24_000))
    for file in (bad, tmp_path / "short.wav"):
        with pytest.raises(RecordingsError):
            app.casting.choose_reference(draft.id, file)
    assert app.drafts.reference(draft.id) is None
    chosen = app.casting.choose_reference(draft.id, recordings(tmp_path / "r", count=1) / "000.wav")
    reference = app.drafts.reference(draft.id)
    assert chosen.whose == "000.wav" and reference is not None and reference.is_file()


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
