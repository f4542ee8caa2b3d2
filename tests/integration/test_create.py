"""The create job with fakes: what comes out, and that a killed one continues without doing anything twice."""

import errno
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.fake_base import FakeBase, FakeSpeaker
from tests.fake_engines import fake_engines, fake_recipe, fake_recordings
from voicekit.app import App
from voicekit.catalog.store import SqlCatalog
from voicekit.creation import STEPS
from voicekit.errors import (
    BaseModelError,
    IntegrityError,
    NameTaken,
    RecordingsError,
    ResourceError,
    TrainingError,
    UsageError,
    VoiceNotFound,
)
from voicekit.ports import OnProgress, Progress, Tokenized
from voicekit.records import IntArray, Question, VoicePrompt, VoiceState, Waveform
from voicekit.specs import TrainSpec
from voicekit.storage import tree_sha256


class CountingBase(FakeBase):
    """Counts the expensive calls; `fail` is raised by the next one of a kind."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: Counter[str] = Counter()
        self.fail: dict[str, BaseException] = {}

    def _count(self, kind: str) -> None:
        self.calls[kind] += 1
        if kind in self.fail:
            raise self.fail.pop(kind)

    def encode_speech(self, wave: Waveform) -> IntArray:
        self._count("encode_speech")
        return super().encode_speech(wave)

    def finetune(self, *args: Any, **kwargs: Any) -> Any:
        self._count("finetune")
        return super().finetune(*args, **kwargs)

    def extract_prompt(self, clips: Sequence[Tokenized]) -> VoicePrompt:
        self._count("extract_prompt")
        return super().extract_prompt(clips)

    def adapt_decoder(
        self, clips: Sequence[Tokenized], prompt: VoicePrompt, spec: TrainSpec, folder: Path, report: OnProgress
    ) -> Path | None:
        self._count("adapt_decoder")
        return super().adapt_decoder(clips, prompt, spec, folder, report)

    def text_kl(self, adapter: Path, speaker: str, questions: Sequence[Question]) -> list[float]:
        self._count("text_kl")
        return super().text_kl(adapter, speaker, questions)


@dataclass
class House:
    """A home with an App on fakes, and recordings."""

    home: Path
    recordings: Path
    base: CountingBase = field(default_factory=CountingBase)
    events: list[Progress] = field(default_factory=list)

    @property
    def catalog(self) -> SqlCatalog:
        return SqlCatalog(f"sqlite:///{self.home / 'catalog.db'}")

    @property
    def app(self) -> App:
        return App(self.home, self.catalog, fake_engines(self.base), "fake", require_consent=False)

    def create(self, name: str = "anna", **options: Any) -> Any:
        options = {"recipe": fake_recipe(), "report": self.events.append, **options}
        return self.app.create(name, options.pop("recordings", self.recordings), **options)


@pytest.fixture(scope="session")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fake_recordings(tmp_path_factory.mktemp("given") / "recordings")


@pytest.fixture
def house(tmp_path: Path, recordings: Path) -> House:
    return House(tmp_path / "home", recordings)


def leftovers(house: House) -> list[str]:
    """Unfinished work, and half-written or hidden files of voices."""
    jobs = [p.name for p in (house.home / "work").iterdir() if p.is_dir()] if (house.home / "work").exists() else []
    return jobs + [p.name for p in (house.home / "voices").rglob(".*")]


def test_a_voice_comes_out_with_numbers_and_lineage(house: House, recordings: Path) -> None:
    made = house.create()
    assert made.published and made.voice.version == 1 and made.voice.state is VoiceState.PUBLISHED
    assert (made.clips_accepted, made.clips_rejected) == (10, 0) and made.speech_s == pytest.approx(13.5, abs=1.0)
    assert made.run.steps == 60 and made.run.loss_last < made.run.loss_first
    assert made.evaluation.metrics["in_voice"].value == 1.0 and made.evaluation.metrics["retention"].value >= 0.8
    assert {Path(r.path).name for r in made.recordings} == {p.name for p in recordings.glob("*.wav")}
    assert made.report.is_file() and leftovers(house) == []
    assert house.app.show("anna") == made and house.app.voices() == [made.voice]


def test_every_step_reports_its_beginning_and_its_end_once_in_order(house: House) -> None:
    house.create()
    assert [e.step for e in house.events if e.fraction == 1.0] == list(STEPS)
    assert [e.step for e in house.events if e.fraction == 0.0 and not e.message] == list(STEPS)
    steps = [e.step for e in house.events]
    assert steps == sorted(steps, key=list(STEPS).index)


def test_the_same_inputs_make_the_same_voice_anywhere(house: House, tmp_path: Path) -> None:
    first = house.create()
    moved = fake_recordings(tmp_path / "moved" / "elsewhere")
    other = House(tmp_path / "other-home", moved).create()
    assert other.voice.job_id == first.voice.job_id and other.voice.dataset_id == first.voice.dataset_id
    assert (other.voice.adapter_sha256, other.voice.prompt_sha256) == (first.voice.adapter_sha256, first.voice.prompt_sha256)


def test_asking_again_for_a_finished_voice_does_nothing(house: House) -> None:
    made = house.create()
    before = house.base.calls.copy()
    assert house.create() == made
    assert house.base.calls == before


class Killed(BaseException):
    """Like a signal: no handler of errors may catch it."""


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory, recordings: Path) -> tuple[Any, Counter[str]]:
    house = House(tmp_path_factory.mktemp("unbroken"), recordings)
    made = house.create()
    return made, house.base.calls


@pytest.mark.parametrize("fraction", [0.0, 1.0])
@pytest.mark.parametrize("step", STEPS)
def test_killed_at_a_boundary_it_continues_and_does_nothing_twice(
    house: House, unbroken: tuple[Any, Counter[str]], step: str, fraction: float
) -> None:
    def kill(event: Progress) -> None:
        if event.step == step and event.fraction == fraction:
            raise Killed

    with pytest.raises(Killed):
        house.create(report=kill)
    assert (fraction == 1.0 and step == "register") or house.app.voices() == []
    made = house.create()
    expected, calls = unbroken
    assert made.voice.adapter_sha256 == expected.voice.adapter_sha256
    assert made.voice.prompt_sha256 == expected.voice.prompt_sha256
    assert made.evaluation.metrics["retention"] == expected.evaluation.metrics["retention"]
    assert house.base.calls == calls
    assert [v.version for v in house.catalog.versions("anna")] == [1] and leftovers(house) == []


@pytest.mark.parametrize("call", ["encode_speech", "finetune", "extract_prompt", "adapt_decoder", "text_kl"])
def test_killed_inside_a_step_only_that_step_is_done_again(house: House, unbroken: tuple[Any, Counter[str]], call: str) -> None:
    house.base.fail[call] = Killed()
    with pytest.raises(Killed):
        house.create()
    made = house.create()
    expected, calls = unbroken
    assert made.voice.adapter_sha256 == expected.voice.adapter_sha256
    later = ["encode_speech", "finetune", "extract_prompt", "adapt_decoder", "text_kl"]
    before = later[: later.index(call)]
    assert {k: house.base.calls[k] for k in before if k != "encode_speech"} == {
        k: calls[k] for k in before if k != "encode_speech"
    }


@pytest.mark.parametrize("method", ["add_recordings", "add_dataset", "add_run", "add_evaluation", "add_voice"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_while_registering_there_is_still_one_voice(
    house: House, monkeypatch: pytest.MonkeyPatch, method: str, when: str
) -> None:
    real = getattr(SqlCatalog, method)

    def killing(self: SqlCatalog, *args: Any) -> None:
        monkeypatch.setattr(SqlCatalog, method, real)
        if when == "after":
            real(self, *args)
        raise Killed

    monkeypatch.setattr(SqlCatalog, method, killing)
    with pytest.raises(Killed):
        house.create()
    calls = house.base.calls.copy()
    made = house.create()
    assert house.base.calls == calls
    assert [v for v in house.catalog.versions("anna")] == [made.voice]
    assert [p.name for p in (house.home / "voices" / "anna").iterdir()] == ["v1"] and made.published
    assert house.app.say("anna", "hello", house.home / "x.wav").is_file()


def test_a_name_is_taken_by_a_published_voice_of_other_inputs(house: House, tmp_path: Path) -> None:
    first = house.create()
    others = fake_recordings(tmp_path / "others", pitch=5)
    with pytest.raises(NameTaken, match="already") as caught:
        house.create(recordings=others)
    assert "--new-version" in caught.value.remedy and leftovers(house) == []
    second = house.create(recordings=others, new_version=True)
    assert second.voice.version == 2 and house.app.show("anna") == second
    assert house.create().voice == first.voice
    assert house.create(recordings=others).voice == second.voice


@pytest.mark.parametrize("change", ["recipe", "script", "questions", "language", "recording", "reference", "speaker", "turns"])
def test_whatever_a_voice_is_made_from_makes_another_job(house: House, tmp_path: Path, recordings: Path, change: str) -> None:
    house.create()
    options: dict[str, Any] = {}
    if change == "recipe":
        options["recipe"] = fake_recipe(seed=1)
    elif change == "script":
        options["script"] = tmp_path / "script.csv"
        options["script"].write_text((recordings / "metadata.csv").read_text())
    elif change == "questions":
        options["questions"] = tmp_path / "q.csv"
        options["questions"].write_text("text,answer\nwhat is one plus one,two\n")
    elif change == "reference":
        options["reference"] = recordings / "003.wav"
    elif change == "speaker":
        options["speaker"] = "ann"
    elif change == "turns":
        options["turns"] = tmp_path / "t.rttm"
        options["turns"].write_text("SPEAKER 001 1 0 0.5 <NA> <NA> ann <NA> <NA>\n")
    elif change == "language":
        options["language"] = "en-GB"
    else:
        options["recordings"] = fake_recordings(tmp_path / "fewer", count=9)
    with pytest.raises(NameTaken):
        house.create(**options)


def test_a_refused_voice_is_kept_as_a_draft_and_does_not_take_the_name(house: House) -> None:
    refusing = fake_recipe().model_copy(update={"evaluate": fake_recipe().evaluate.model_copy(update={"min_retention": 2.0})})
    draft = house.create(recipe=refusing)
    assert not draft.published and draft.voice.state is VoiceState.DRAFT
    assert "lost answers" in draft.evaluation.reasons[0] and draft.evaluation.advice
    assert house.app.show("anna") == draft and house.create(recipe=refusing) == draft
    better = house.create()
    assert better.published and better.voice.version == 2
    assert house.app.voices() == [better.voice] and house.app.show("anna") == better
    assert [v.version for v in house.catalog.versions("anna")] == [1, 2]


def test_a_full_disk_loses_nothing(house: House, unbroken: tuple[Any, Counter[str]]) -> None:
    house.base.fail["adapt_decoder"] = OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(ResourceError, match="full") as caught:
        house.create()
    assert "again" in caught.value.remedy
    assert house.create().published
    assert house.base.calls["finetune"] == unbroken[1]["finetune"]


def test_a_training_that_diverged_is_said_so(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    real = FakeBase.finetune

    def diverging(self: FakeBase, *args: Any, **kwargs: Any) -> Any:
        return replace(real(self, *args, **kwargs), losses=((1, 3.0), (2, float("nan"))))

    monkeypatch.setattr(FakeBase, "finetune", diverging)
    with pytest.raises(TrainingError, match="diverged"):
        house.create()
    assert house.app.voices() == []


@pytest.mark.parametrize("name", ["", "a", "Anna", "anna bella", "-anna", "../anna", "a" * 41, "änna", "an.na"])
def test_odd_names_are_refused_before_anything_happens(house: House, name: str) -> None:
    with pytest.raises(UsageError, match="cannot be the name"):
        house.create(name)
    assert not house.home.exists()


def test_recordings_that_are_not_there_are_a_usage_error(house: House, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no recordings"):
        house.create(recordings=tmp_path / "nowhere")
    with pytest.raises(UsageError, match="no script"):
        house.create(script=tmp_path / "nowhere.csv")
    (tmp_path / "empty").mkdir()
    with pytest.raises(RecordingsError, match="no audio file"):
        house.create(recordings=tmp_path / "empty")


def test_two_at_once_on_one_name_do_not_meet(house: House) -> None:
    def meanwhile(event: Progress) -> None:
        if event.step == "chat":
            with pytest.raises(UsageError, match="Another process"):
                house.create()
            with pytest.raises(UsageError, match="Another process"):
                house.app.remove("anna")

    assert house.create(report=meanwhile).published


@pytest.mark.parametrize("part", ["adapter", "prompt.safetensors", "decoder"])
@pytest.mark.parametrize("damage", ["changed", "missing"])
def test_a_voice_whose_files_changed_does_not_speak(house: House, part: str, damage: str) -> None:
    made = house.create()
    path = house.home / made.voice.folder / part
    file = path if path.is_file() else next(p for p in path.iterdir() if p.is_file())
    if damage == "missing":
        file.unlink()
        if path.is_dir():
            path.rmdir()
    else:
        file.write_bytes(file.read_bytes() + b" ")
    with pytest.raises(IntegrityError, match=f"{part} of anna version 1 is {damage}"):
        house.app.say("anna", "hello", house.home / "x.wav")
    assert not (house.home / "x.wav").exists()


def test_a_voice_does_not_speak_through_another_base(house: House) -> None:
    house.create()
    house.base.info = replace(house.base.info, revision="1" * 12)
    with pytest.raises(BaseModelError, match="made for fake at revision 000000000000"):
        house.app.say("anna", "hello", house.home / "x.wav")


def test_removing_forgets_files_rows_and_unfinished_work(house: House, tmp_path: Path) -> None:
    house.create()
    kept = house.create("bert")
    house.base.fail["finetune"] = Killed()
    with pytest.raises(Killed):
        house.create(recordings=fake_recordings(tmp_path / "more", pitch=5), new_version=True)
    assert len(leftovers(house)) == 1
    assert house.app.remove("anna").versions == ("anna@1",)
    assert leftovers(house) == [] and [p.name for p in (house.home / "voices").iterdir()] == ["bert"]
    assert house.app.voices() == [kept.voice] and house.app.show("bert") == kept
    with pytest.raises(VoiceNotFound, match="no voice 'anna'") as caught:
        house.app.remove("anna")
    assert "bert" in caught.value.remedy
    assert house.create().voice.version == 1


def test_a_voice_talks_through_its_own_halves(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.create()
    prompts: list[VoicePrompt | None] = []
    real = FakeBase.voice

    def watching(self: FakeBase, speaker: str, prompt: VoicePrompt | None = None, *rest: Any) -> FakeSpeaker:
        prompts.append(prompt)
        return real(self, speaker, prompt, *rest)

    monkeypatch.setattr(FakeBase, "voice", watching)
    answer = house.app.chat("anna", "what is two plus three", out=house.home / "a.wav")
    assert answer.text == "five" and answer.audio is not None and answer.audio.is_file()
    assert answer.wave.duration_s == pytest.approx(4 * 0.04) and answer.real_time_factor > 0 and answer.first_audio_ms is not None
    assert prompts[-1] is not None and prompts[-1].tokens.dtype == np.int64
    spoken = house.app.chat("anna", audio_file=_asked(house), out=house.home / "b.wav")
    assert spoken.text == "five"


def _asked(house: House) -> Path:
    from voicekit import audio

    base = FakeBase()
    path = house.home / "question.wav"
    audio.write_wav(path, base.voice("mid").decode(base.voice("mid").speak("what is two plus three")))
    return path


def test_measuring_again_keeps_both_evaluations(house: House, tmp_path: Path) -> None:
    made = house.create()
    questions = tmp_path / "q.csv"
    questions.write_text("text,answer\nwhat is one plus one,two\nwhat is two plus two,seven\n")
    again = house.app.evaluate("anna", questions)
    assert again.evaluation.metrics["base_accuracy"].value == 0.5 and again.evaluation.metrics["base_accuracy"].n == 2
    assert [e.id for e in house.catalog.evaluations_of(made.run.id)] == [made.evaluation.id, again.evaluation.id]
    assert house.app.show("anna") == made


def test_the_folder_of_a_voice_holds_only_what_belongs_to_it(house: House) -> None:
    made = house.create()
    folder = house.home / made.voice.folder
    assert sorted(p.name for p in folder.iterdir()) == [
        "adapter", "dataset", "decoder", "evaluation.json", "job.json", "prompt.safetensors", "report.html", "samples"
    ]  # fmt: skip
    assert not (folder / "dataset" / "work").exists()
    assert tree_sha256(folder / "adapter") == made.voice.adapter_sha256
