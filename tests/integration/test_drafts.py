"""A half-made voice: what is uploaded and decided is kept, shown, and is what the voice is made of."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.browser.house import ByPitch, House, LoudVad, conversation, recordings
from voicekit import audio
from voicekit.app import App
from voicekit.creation import Job, carry_out_step
from voicekit.errors import RecordingsError, UsageError
from voicekit.lessons import Part
from voicekit.records import JobState, QueuedJob, SpeakerTurn, Verdict, Waveform
from voicekit.request import Request, request_of
from voicekit.review import Review
from voicekit.specs import Recipe


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


class _Counted(LoudVad):
    """Counts what is listened to."""

    heard = 0

    def speech_spans(self, wave: Waveform) -> list[tuple[float, float]]:
        _Counted.heard += 1
        return super().speech_spans(wave)


def test_what_the_review_has_cut_is_not_cut_again_for_the_training(app: App, tmp_path: Path) -> None:
    """ "About 1 minute" took six: the recordings were cut, aligned and graded a second time by the job."""
    engines = replace(app._engines, vad=_Counted)
    app.reviewer._engines = engines
    draft = app.drafts.new()
    app.drafts.add(draft.id, sorted(recordings(tmp_path / "r").iterdir()))
    bad = app.drafts.recordings(draft.id) / "bad.wav"
    bad.write_bytes(b"nothing")
    app.drafts.change(draft.id, name="once", recipe="smoke")
    review = app.reviewer.make(draft.id, lambda _: None)
    app.reject_clip(app.drafts.dataset(draft.id), review.clips[0].clip.id)
    assert _Counted.heard
    request = submitted(app, draft.id)
    job = Job(request.status.id, tmp_path / "work", request_of(request.request), app._base(), engines, lambda _: None)
    _Counted.heard = 0
    carry_out_step(job, "prepare")
    assert _Counted.heard == 0
    made, shown = job.dataset(), app.reviewer.show(draft.id)
    assert [c.id for c in made.clips] == [r.clip.id for r in shown.clips], "the same clips as in the review"
    assert len(made.train_ids) + len(made.held_out_ids) == shown.accepted == 19
    journals = [*app.drafts.dataset(draft.id).glob("work/*.jsonl")]
    linked = [j for j in journals if (job.dataset_folder / "work" / j.name).stat().st_ino == j.stat().st_ino]
    assert journals and not linked, "a journal that grows is nobody else's"


def submitted(app: App, draft_id: str) -> QueuedJob:
    """The draft's job as the studio asks for it."""
    drafts, draft = app.drafts, app.drafts.get(draft_id)
    job = app.submit(
        draft.name,
        drafts.recordings(draft_id),
        script=drafts.script(draft_id),
        recipe=app.reviewer.recipe(draft_id),
        new_version=True,
        prepared=drafts.dataset(draft_id),
        foreseen={"prepare": 1.0},
    )
    found = app._catalog.job(job.id)
    assert found is not None
    return found


def test_what_was_promised_and_prepared_changes_nothing_about_the_voice(app: App, tmp_path: Path) -> None:
    draft = app.drafts.new()
    app.drafts.add(draft.id, sorted(recordings(tmp_path / "r", count=2).iterdir()))
    app.drafts.change(draft.id, name="same")
    with_it = request_of(submitted(app, draft.id).request)
    assert with_it.prepared == app.drafts.dataset(draft.id) and dict(with_it.foreseen) == {"prepare": 1.0}
    without = replace(with_it, prepared=None, foreseen=())
    assert with_it.job_id("base") == without.job_id("base")
    before = {k: v for k, v in without.as_json().items() if k not in ("prepared", "foreseen")}
    assert request_of(before) == without, "a request of an earlier version is read"


def test_a_recording_that_is_left_out_takes_its_text_along_and_comes_back_with_it(app: App, tmp_path: Path) -> None:
    draft, folder = app.drafts.new(), recordings(tmp_path / "r", count=2)
    (folder / "000.txt").write_text("the old house")
    app.drafts.add(draft.id, [folder / "000.wav", folder / "001.wav", folder / "000.txt"])
    app.drafts.drop(draft.id, "000.wav")
    here = app.drafts.recordings(draft.id)
    assert sorted(p.name for p in here.iterdir()) == ["001.wav"]
    for path in ("000.wav", "../draft.json", "/etc/hostname"):
        with pytest.raises(UsageError):
            app.drafts.drop(draft.id, path)
    app.drafts.take_back(draft.id, "000.wav")
    assert sorted(p.name for p in here.iterdir()) == ["000.txt", "000.wav", "001.wav"]
    with pytest.raises(UsageError):
        app.drafts.take_back(draft.id, "000.wav")


def test_every_name_of_a_text_goes_with_its_recording(app: App, tmp_path: Path) -> None:
    draft, folder = app.drafts.new(), recordings(tmp_path / "r", count=2)
    for name in ("000.wav.txt", "000.en.vtt", "001_text.txt"):
        (folder / name).write_text("WEBVTT\n")
    app.drafts.add(draft.id, [*folder.glob("*.wav"), *folder.glob("*.txt"), *folder.glob("*.vtt")])
    app.drafts.drop(draft.id, "000.wav")
    assert sorted(p.name for p in app.drafts.recordings(draft.id).iterdir()) == ["001.wav", "001_text.txt"]


def test_of_two_tables_both_are_read(app: App, tmp_path: Path) -> None:
    draft, folder = app.drafts.new(), recordings(tmp_path / "r", count=3)
    rows = (folder / "metadata.csv").read_text().splitlines()
    (tmp_path / "train.csv").write_text("\n".join(rows[:2]))
    (tmp_path / "eval.csv").write_text(f"{rows[2]}\n000|corrected|corrected\n")
    app.drafts.add(draft.id, [*folder.glob("*.wav"), tmp_path / "train.csv", tmp_path / "eval.csv"])
    found = app.drafts.material(draft.id)
    assert found.with_text == 3 and next(f.text for f in found.recordings if f.path == "000.wav") == "corrected"


def test_texts_above_the_recordings_make_another_voice(tmp_path: Path) -> None:
    folder = recordings(tmp_path / "r" / "wavs", count=2)
    request = Request("ada", folder, None, Recipe(), "fake")
    given = replace(request, script=folder / "metadata.csv")
    before, with_script = request.job_id("base"), given.job_id("base")
    (tmp_path / "r/transcripts.txt").write_text("000|other words\n")
    assert request.job_id("base") != before
    assert given.job_id("base") == with_script, "a script that was named is enough"


def test_people_have_one_numbering_and_unheard_recordings_a_reason(app: App, tmp_path: Path) -> None:
    draft = app.drafts.new()
    talks = [conversation(tmp_path / "one.wav"), conversation(tmp_path / "two.wav", turns=6, host=6, guest=2)]
    audio.write_wav(tmp_path / "tiny.wav", Waveform(np.zeros((1, 12_000), np.float32), 24_000))
    audio.write_wav(tmp_path / "quiet.wav", Waveform(np.zeros((1, 240_000), np.float32), 24_000))
    app.drafts.add(draft.id, [*talks, tmp_path / "tiny.wav", tmp_path / "quiet.wav"])
    heard = app.casting.listen(draft.id, lambda _: None, from_s=5.0)
    assert {(s.recording, s.speaker): s.person for s in heard.speakers} == {
        ("one.wav", "speaker 1"): "speaker 1",
        ("one.wav", "speaker 2"): "speaker 2",
        ("two.wav", "speaker 1"): "speaker 2",
        ("two.wav", "speaker 2"): "speaker 1",
    }
    assert [(p.name, len(p.speakers)) for p in heard.people] == [("speaker 1", 2), ("speaker 2", 2)]
    assert {p.recording: p.reason for p in heard.passed_over} == {
        "tiny.wav": "shorter than 5 s",
        "quiet.wav": "no speech was found in it",
    }
    assert heard == app.casting.found(draft.id)


def test_two_who_write_one_draft_at_once_both_count(app: App) -> None:
    draft = app.drafts.new()
    changes = [{"name": "ada"}, {"language": "de"}, {"stage": "review"}, {"recipe": "smoke"}] * 8
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda change: app.drafts.change(draft.id, **change), changes))
    found = app.drafts.get(draft.id)
    assert (found.name, found.language, found.stage, found.recipe) == ("ada", "de", "review", "smoke")
