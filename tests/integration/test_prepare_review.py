"""A prepared folder is decided on: nothing is lost, everything can be taken back, the same decisions make the same dataset."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.fake_speech import BurstAligner, BurstVad, burst_means, bursts, say, sentences
from voicekit import audio, files, manifest
from voicekit.errors import InputError, RecordingsError, UsageError
from voicekit.prepare import Given, load_dataset, load_notes, prepare_dataset
from voicekit.prepare.clips import Tools
from voicekit.prepare.compare import compare
from voicekit.prepare.decisions import FILE, Action, read_log
from voicekit.prepare.folder import load_facts
from voicekit.prepare.hearing import Wanted
from voicekit.prepare.readings import readings
from voicekit.prepare.review import Desk
from voicekit.prepare.workbench import Instruments
from voicekit.records import Dataset, FloatArray, Verdict, Waveform
from voicekit.request import Request
from voicekit.specs import PrepareSpec, Recipe

SPEC = PrepareSpec(min_speech_s=3.0)
TEXTS = [*sentences(3), "one two three four. five six seven eight."]


class ToneEncoder:
    """A voice is the pitch of its bursts."""

    name = "tones"

    def __init__(self) -> None:
        self.count = 0

    def embed(self, wave: Waveform) -> FloatArray:
        self.count += 1
        level = np.abs(np.fft.rfft(audio.resample(wave, 24_000).mono(), 24_000))[::20][:40]
        return (level / np.linalg.norm(level)).astype(np.float32)


@pytest.fixture
def given(tmp_path: Path) -> Path:
    folder = tmp_path / "recordings"
    folder.mkdir()
    for i, text in enumerate(TEXTS):
        audio.write_wav(folder / f"r{i}.wav", say(text))
    (folder / "metadata.csv").write_text("".join(f"r{i}|{text}\n" for i, text in enumerate(TEXTS)))
    return folder


def tools() -> Tools:
    return Tools(BurstVad(), [BurstAligner()])


def prepared(recordings: Path, folder: Path, spec: PrepareSpec = SPEC) -> Dataset:
    return prepare_dataset(Given(recordings), spec, folder, burst_means(), lambda _: None, strict=False)


@pytest.fixture
def desk(given: Path, tmp_path: Path) -> Desk:
    prepared(given, tmp_path / "d")
    return Desk(tmp_path / "d", Instruments(tools))


def texts(dataset: Dataset) -> list[str]:
    return [c.transcript.text for c in dataset.clips]


def test_a_verdict_is_kept_beside_the_recordings_and_holds_wherever_they_are_prepared(
    desk: Desk, given: Path, tmp_path: Path
) -> None:
    first = desk.dataset()
    now = desk.reject(first.clips[1].id)
    assert now.clips[1].reason == "left out by hand" and now.id != first.id
    assert [r.by_hand for r in desk.rows()] == [False, True, False, False]
    assert load_dataset(tmp_path / "d") == now
    assert [d.action for d in read_log(given / FILE)] == [Action.REJECT]
    assert prepared(given, tmp_path / "elsewhere") == now
    louder = prepared(given, tmp_path / "louder", SPEC.model_copy(update={"target_lufs": -20.0}))
    assert louder.clips[1].reason == "left out by hand"
    found = compare(first, now)
    assert [c.after.id for c in found.verdict] == [now.clips[1].id] and not (found.added or found.removed or found.text)
    assert found.speech_s[1] == pytest.approx(found.speech_s[0] - now.clips[1].duration_s, abs=1e-3)


def test_a_clip_is_split_between_words_and_joined_again(desk: Desk, tmp_path: Path) -> None:
    before = desk.dataset()
    whole = before.clips[3]
    pause_s = whole.transcript.words[3].end_s
    split = desk.split(whole.id, at_s=pause_s - 0.05)
    left, right = split.clips[3:]
    assert [left.transcript.text, right.transcript.text] == ["one two three four.", "five six seven eight."]
    assert left.start_sample == whole.start_sample and left.start_sample + left.num_samples == right.start_sample
    assert right.start_sample + right.num_samples == whole.start_sample + whole.num_samples
    for part in (left, right):
        assert part.verdict is Verdict.ACCEPTED and len(part.transcript.words) == 4
        assert len(bursts(audio.read(tmp_path / "d" / part.audio))) == 4, "no word was cut"
    joined = desk.join(left.id)
    assert texts(joined) == texts(before) and joined.clips[3].id == whole.id
    assert len(joined.clips[3].transcript.words) == 8


def test_a_split_may_name_a_word_and_never_falls_into_one(desk: Desk, tmp_path: Path) -> None:
    clip = desk.dataset().clips[0]
    for word in range(2, 7):
        left, right = desk.split(clip.id, word=word).clips[:2]
        heard = [len(bursts(audio.read(tmp_path / "d" / c.audio))) for c in (left, right)]
        assert heard == [word - 1, 7 - word] == [len(c.transcript.text.split()) for c in (left, right)]
        desk.undo()


def test_every_decision_can_be_taken_back_and_done_again(desk: Desk) -> None:
    states = [desk.dataset()]
    states.append(desk.reject(states[-1].clips[0].id))
    states.append(desk.edit(states[-1].clips[1].id, "a b c d e f"))
    states.append(desk.split(states[-1].clips[3].id, word=5))
    states.append(desk.join(states[-1].clips[3].id))
    states.append(desk.accept(states[-1].clips[0].id))
    states.append(desk.realign(states[-1].clips[2].id))
    assert len({s.id for s in states[:-1]}) == 6 - 1  # taken, it is what it was before it was left out
    for state in states[-2::-1]:
        assert desk.undo()[0] == state
    with pytest.raises(UsageError, match="nothing to undo"):
        desk.undo()
    for state in states[1:]:
        assert desk.redo()[0] == state
    with pytest.raises(UsageError, match="nothing to do again"):
        desk.redo()
    desk.undo()
    desk.reject(states[0].clips[2].id)
    with pytest.raises(UsageError, match="nothing to do again"):
        desk.redo()


def test_a_text_is_corrected_and_the_machines_word_is_taken_again(desk: Desk) -> None:
    clip = desk.dataset().clips[0]
    edited = desk.edit(clip.id, " a b\nc d e f ").clips[0]
    assert edited.transcript.text == "a b c d e f" and edited.transcript.source == "by hand"
    assert [w.text for w in edited.transcript.words] == "a b c d e f".split() and edited.grades.script_match == 1.0
    assert desk.edit(clip.id, clip.transcript.text).clips[0] == clip
    assert desk.edit(clip.id, "one two").clips[0].grades.script_match == pytest.approx(2 / 6, abs=1e-3)
    assert desk.reset(clip.id).clips[0] == clip
    assert not any(r.by_hand for r in desk.rows())


def test_a_falsified_text_leaves_the_clip_out_and_says_so(desk: Desk) -> None:
    clip = desk.dataset().clips[0]
    now = desk.edit(clip.id, "one two").clips[0]
    assert now.verdict is Verdict.REJECTED and now.reason.startswith("script does not match: 0.33 of at least 0.5")
    row = desk.rows()[0]
    assert row.changed and not row.by_hand, "the machine left it out"
    assert next(r for r in readings(row.clip, SPEC) if r.name == "script_match").fails
    assert desk.accept(clip.id).clips[0].verdict is Verdict.ACCEPTED and desk.rows()[0].by_hand


def test_a_dataset_of_an_earlier_version_is_told_who_decided(desk: Desk, tmp_path: Path) -> None:
    split = desk.split(desk.dataset().clips[3].id, word=5)
    desk.reject(split.clips[0].id)
    facts = load_facts(tmp_path / "d")
    manifest.write_record(tmp_path / "d" / "dataset.json", replace(facts, decided=None))
    assert [r.by_hand for r in desk.rows()] == [True, False, False, False, False]
    assert [r.changed for r in desk.rows()] == [True, False, False, True, True]


def test_a_realigned_clip_takes_the_best_of_all_aligners(given: Path, tmp_path: Path) -> None:
    class Poor(BurstAligner):
        name = "poor"

        def align(self, wave: Waveform, text: str, language: str = "en"):
            found = super().align(wave, text, language)
            return found and (found[0], 0.2)

    both = [Poor(), BurstAligner()]
    made = prepare_dataset(Given(given), SPEC, tmp_path / "d", burst_means(*both), lambda _: None, strict=False)
    assert {c.reason for c in made.clips} == {"script does not match: 0.20 of at least 0.5"} and made.speech_s == 0.0
    desk = Desk(tmp_path / "d", Instruments(lambda: Tools(BurstVad(), both)))
    cured = desk.realign(made.clips[0].id).clips[0]
    assert cured.verdict is Verdict.ACCEPTED and cured.grades.script_match == 1.0


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (lambda desk, ids: desk.clip("nothing"), "There is no clip 'nothing'"),
        (lambda desk, ids: desk.clip(""), "There is no clip ''"),
        (lambda desk, ids: desk.accept(ids["silent.wav"]), "no sound of this clip"),
        (lambda desk, ids: desk.edit(ids["r0.wav"], " - "), "A clip needs a text"),
        (lambda desk, ids: desk.split(ids["r0.wav"]), "split at one place"),
        (lambda desk, ids: desk.split(ids["r0.wav"], 1.0, 2), "split at one place"),
        (lambda desk, ids: desk.split(ids["r0.wav"], word=1), "cannot be split before word 1.*2 to 6"),
        (lambda desk, ids: desk.split(ids["r0.wav"], word=7), "cannot be split before word 7"),
        (lambda desk, ids: desk.split(ids["r0.wav"], at_s=99.0), "99 s is not inside the clip"),
        (lambda desk, ids: desk.split(ids["wrong.wav"], word=2), "not two words in this clip"),
        (lambda desk, ids: desk.join(ids["r0.wav"]), "No clip of the same recording follows"),
    ],
)
def test_what_cannot_be_decided_is_said_and_not_kept(
    ask: Callable[[Desk, dict[str, str]], object], said: str, given: Path, tmp_path: Path
) -> None:
    audio.write_wav(given / "silent.wav", Waveform(np.zeros((1, 32_000), np.float32), 16_000))
    audio.write_wav(given / "wrong.wav", say("one two three"))
    with (given / "metadata.csv").open("a") as file:
        file.write("silent|one\nwrong|one two three four five six\n")
    made = prepared(given, tmp_path / "d")
    desk = Desk(tmp_path / "d", Instruments(tools))
    with pytest.raises(UsageError, match=said) as raised:
        ask(desk, {c.recording: c.id for c in made.clips})
    assert raised.value.remedy
    assert not (given / FILE).exists() and desk.dataset() == made


def test_clips_too_long_together_are_not_joined(given: Path, tmp_path: Path) -> None:
    (given / "talk.txt").write_text(" ".join(sentences(12)))
    audio.write_wav(given / "talk.wav", say(" ".join(sentences(12))))
    with (given / "metadata.csv").open("a") as file:
        file.write(f"talk|{' '.join(sentences(12))}\n")
    made = prepared(given, tmp_path / "d", SPEC.model_copy(update={"max_clip_s": 10.0}))
    first = next(c for c in made.clips if c.recording == "talk.wav")
    with pytest.raises(UsageError, match=r"Together they are 1\d\.\d s long"):
        Desk(tmp_path / "d", Instruments(tools)).join(first.id)


class KilledError(BaseException):
    """What ends a process in the middle."""


@pytest.mark.parametrize("killed_at", range(1, 6))
def test_a_decision_outlives_a_kill_at_any_write(
    killed_at: int, desk: Desk, given: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = desk.dataset().clips[3]
    shutil.copytree(given, tmp_path / "same")
    wanted = Desk(tmp_path / "d2", Instruments(tools))
    prepared(tmp_path / "same", tmp_path / "d2")
    whole = wanted.split(clip.id, word=5)
    real, writes = files.write_bytes, 0

    def write_bytes(path: Path, data: bytes) -> None:
        nonlocal writes
        writes += 1
        if writes == killed_at:
            raise KilledError
        real(path, data)

    monkeypatch.setattr(files, "write_bytes", write_bytes)
    with pytest.raises(KilledError):
        desk.split(clip.id, word=5)
    monkeypatch.undo()
    again = Desk(tmp_path / "d", Instruments(tools))
    if killed_at == 1:
        assert again.dataset().clips[3] == clip, "not decided"
        again.split(clip.id, word=5)
    assert again.dataset() == whole == load_dataset(tmp_path / "d")
    assert len(read_log(given / FILE)) == 1


def test_a_preparation_killed_in_the_middle_of_a_recordings_clips_makes_the_same_dataset(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "r").mkdir()
    text = " ".join(sentences(12))
    audio.write_wav(tmp_path / "r" / "talk.wav", say(text))
    (tmp_path / "r" / "talk.txt").write_text(text)
    whole = prepared(tmp_path / "r", tmp_path / "whole")
    assert len(whole.clips) >= 3
    real, count = audio.write_flac, 0

    def write_flac(path: Path, wave: Waveform) -> None:
        nonlocal count
        count += 1
        if count == 2:
            raise KilledError
        real(path, wave)

    monkeypatch.setattr(audio, "write_flac", write_flac)
    with pytest.raises(KilledError):
        prepared(tmp_path / "r", tmp_path / "d")
    assert len(list((tmp_path / "d" / "clips").glob("*.flac"))) == 1 and not (tmp_path / "d" / "dataset.json").exists()
    assert prepared(tmp_path / "r", tmp_path / "d") == whole


def test_decisions_about_a_zip_lie_beside_it_and_are_part_of_its_dataset(given: Path, tmp_path: Path) -> None:
    archive = tmp_path / "voice.zip"
    with zipfile.ZipFile(archive, "w") as zipped:
        for file in sorted(given.iterdir()):
            zipped.write(file, file.name)
    made = prepared(archive, tmp_path / "d")
    desk = Desk(tmp_path / "d", Instruments(tools))
    request = Request("ada", archive, None, Recipe(), "fake")
    undecided = request.job_id("base")
    split = desk.split(made.clips[3].id, word=5)
    assert request.job_id("base") != undecided, "another voice is made of it"
    assert len(split.clips) == 5 and len(read_log(tmp_path / "voice.zip.review")) == 1
    assert prepared(archive, tmp_path / "other") == split
    assert not (tmp_path / "d" / "work" / "unpacked").exists()


def test_decisions_that_fit_nothing_are_noted_and_lost_recordings_named(desk: Desk, given: Path, tmp_path: Path) -> None:
    clip = desk.dataset().clips[3]
    desk.reject(clip.id)
    (given / "r3.wav").unlink()
    prepared(given, tmp_path / "d")
    assert "1 decisions in review.csv are about clips that are not there." in load_notes(tmp_path / "d")
    (given / "r2.wav").write_bytes((given / "r1.wav").read_bytes())
    with pytest.raises(RecordingsError, match=r"r2\.wav is gone, or not the recording any more"):
        desk.split(desk.dataset().clips[2].id, word=3)
    desk.undo()


def test_a_copied_dataset_is_shown_but_not_decided_on(desk: Desk, tmp_path: Path) -> None:
    shutil.copytree(tmp_path / "d", tmp_path / "copy", ignore=shutil.ignore_patterns("work"))
    copied = Desk(tmp_path / "copy", Instruments(tools))
    assert copied.dataset() == desk.dataset()
    with pytest.raises(InputError, match="is finished"):
        copied.reject(copied.dataset().clips[0].id)
    with pytest.raises(InputError, match="no dataset"):
        Desk(tmp_path / "nothing", Instruments(tools)).dataset()


def high(text: str) -> Waveform:
    """The same words by somebody of another pitch."""
    wave = say(text)
    t = np.arange(wave.num_samples) / wave.sample_rate_hz
    envelope = np.abs(wave.samples[0]) > 0.02
    smooth = np.convolve(envelope, np.ones(160) / 160, "same")
    return Waveform((0.2 * smooth * np.sin(2 * np.pi * 700 * t))[None].astype(np.float32), wave.sample_rate_hz)


def test_another_speakers_recording_is_left_out_and_each_voice_is_heard_once(given: Path, tmp_path: Path) -> None:
    audio.write_wav(given / "r1.wav", high(TEXTS[1]))
    encoder = ToneEncoder()

    def made(folder: str, reference: Path | None = None) -> Dataset:
        handed_in = Given(given, whose=Wanted(reference))
        return prepare_dataset(handed_in, SPEC, tmp_path / folder, burst_means(speaker=encoder), lambda _: None, strict=False)

    first = made("d")
    assert [c.verdict is Verdict.ACCEPTED for c in first.clips] == [True, False, True, True]
    assert first.clips[1].reason.startswith("another speaker: similarity 0.") and "the rest has 1.00" in first.clips[1].reason
    assert encoder.count == 4
    desk = Desk(tmp_path / "d", Instruments(tools, lambda: encoder))
    taken = desk.accept(first.clips[1].id)
    assert taken.clips[1].verdict is Verdict.ACCEPTED and encoder.count == 4
    desk.undo()
    audio.write_wav(tmp_path / "who.wav", high("one two three"))
    wanted = made("reference", tmp_path / "who.wav")
    assert [c.verdict is Verdict.ACCEPTED for c in wanted.clips] == [False, True, False, False]
    assert "to the reference" in wanted.clips[0].reason
