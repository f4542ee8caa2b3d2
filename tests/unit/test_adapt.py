"""The two-phase recipe over a base whose replies can be computed by hand."""

import json
import math
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.fake_base import FORMAT, STEPS_TO_THE_VOICE, FakeBase, FakeSpeaker, chance, codes_of, pitch_hz
from voicekit.adapt import adapt_chat
from voicekit.conversations import Item
from voicekit.errors import RecordingsError, UsageError
from voicekit.ports import OnProgress, Progress, TrainOutcome
from voicekit.records import IntArray, Question, Reply, TrainingExample
from voicekit.specs import HarvestSpec, TrainSpec

TARGET_PITCH = 6
TEXTS = ["the rain fell all night", "she walked to the old mill", "nobody heard the bell", "it was late when they came"]
ITEMS = [Item(f"clip-{i}", t, codes_of(t, TARGET_PITCH)) for i, t in enumerate(TEXTS)]
SPEC = TrainSpec(
    steps=40,
    batch_tokens=400,
    replay_per_epoch=3,
    harvest=HarvestSpec(
        questions=40, rounds_at=(10, 20, 30), steps=5, narrative_per_epoch=2, new_name_per_epoch=4, replay_per_epoch=3
    ),
)


class WatchedBase(FakeBase):
    """Remembers what it was taught; may stop when asked to."""

    def __init__(self, stop_in: str = "") -> None:
        super().__init__()
        self.taught: dict[str, list[TrainingExample]] = {}
        self.stop_in = stop_in

    def finetune(
        self,
        examples: Sequence[TrainingExample],
        spec: TrainSpec,
        folder: Path,
        report: OnProgress,
        snapshots_at: Sequence[int] = (),
    ) -> TrainOutcome:
        if self.stop_in and folder.as_posix().endswith(self.stop_in):
            raise KeyboardInterrupt
        self.taught[folder.name] = list(examples)
        return super().finetune(examples, spec, folder, report, snapshots_at)


def pitches_hz(replies: Sequence[IntArray]) -> list[float]:
    return [pitch_hz(codes) for codes in replies]


def adapt(folder: Path, base: FakeBase, spec: TrainSpec = SPEC, events: list[Progress] | None = None) -> TrainOutcome:
    return adapt_chat(base, ITEMS, "ann", pitches_hz, spec, folder, (events if events is not None else []).append)


def test_both_phases_run_and_the_second_adapter_is_the_result(tmp_path: Path) -> None:
    base = WatchedBase()
    events: list[Progress] = []
    outcome = adapt(tmp_path, base, events=events)
    assert outcome.adapter == tmp_path / "pass-1" / "train" / "adapter"
    assert [p.relative_to(tmp_path).as_posix() for p in base.fine_tunings] == ["voice", "pass-1/train"]
    assert outcome.steps == 45
    assert [step for step, _ in outcome.losses] == list(range(1, 46))
    assert outcome.notes["harvest_fallback"] == 0.0
    assert outcome.notes["speaker_f0_hz"] == 250.0
    assert outcome.seconds >= 1.0
    fractions = [e.fraction for e in events]
    assert fractions == sorted(fractions) and fractions[0] > 0 and fractions[-1] == pytest.approx(1.0)


def test_kept_are_exactly_the_legible_replies_in_the_new_voice(tmp_path: Path) -> None:
    base = WatchedBase()
    outcome = adapt(tmp_path, base)
    taught = [e for e in base.taught["train"] if e.kind == "harvest"]
    kept = {base.decode_text(e.ids.tolist()).split("user\n")[1].split("\n")[0] for e in taught}
    # The last snapshot is asked first: there the most replies have the new pitch.
    share = 30 / STEPS_TO_THE_VOICE
    rounds = {path.name: json.loads(path.read_text()) for path in (tmp_path / "pass-1").glob("harvest-*.json")}
    assert set(rounds) == {"harvest-000010.json", "harvest-000020.json", "harvest-000030.json"}
    last = rounds["harvest-000030.json"]
    assert last["asked"] == 40
    in_voice = {answer["question"] for answer, _ in last["replies"]}
    assert in_voice and all(chance(q) < share for q in in_voice)
    assert all(chance(answer["question"]) >= share for answer in last["others"])
    assert len(last["replies"]) + len(last["others"]) == last["asked"]
    assert in_voice <= kept <= {q.text for q in base.material.train}
    for example in taught:
        speech = [int(i) - FORMAT.audio_offset for i in example.ids[example.loss_weight > 0]]
        assert set(c // 32 for c in speech) == {TARGET_PITCH}
    assert outcome.notes["harvest_kept"] == len({(tuple(e.ids)) for e in taught})
    assert outcome.notes["pass_1_asked"] == 120.0


def test_what_each_phase_is_taught(tmp_path: Path) -> None:
    base = WatchedBase()
    adapt(tmp_path, base)
    assert {e.kind for e in base.taught["voice"]} == {"pseudo_masked", "replay", "new_name"}
    assert {e.kind for e in base.taught["train"]} == {"harvest", "held", "pseudo_masked", "replay", "new_name"}
    for example in base.taught["train"]:
        if example.kind == "held":
            assert not (example.loss_weight > 0).any()
            assert not any(FORMAT.is_audio(int(i)) for i in example.ids[example.kl_weight > 0])
    assert sum(len(e.ids) for e in base.taught["voice"]) >= SPEC.steps * SPEC.batch_tokens


def test_recordings_set_aside_are_looked_at_and_never_learned(tmp_path: Path) -> None:
    base = WatchedBase()
    adapt(tmp_path, base, SPEC.model_copy(update={"held_out_share": 0.2, "evaluate_every": 5}))

    def speech(example: TrainingExample) -> tuple[int, ...]:
        return tuple(int(i) for i in example.ids[example.loss_weight > 0] if FORMAT.is_audio(int(i)))

    aside = {speech(e) for e in base.taught["voice"] if e.kind == "held-out"}
    assert len(aside) == math.ceil(0.2 * len(ITEMS))
    assert aside == {speech(e) for e in base.taught["train"] if e.kind == "held-out"}
    learned = {speech(e) for name in ("voice", "train") for e in base.taught[name] if e.kind == "pseudo_masked"}
    assert learned and not aside & learned
    for example in base.taught["voice"]:
        if example.kind == "held-out":
            assert (example.kl_weight > 0).any() and not (example.kl_weight * example.loss_weight).any()


def test_without_harvest_the_first_phase_is_all(tmp_path: Path) -> None:
    base = FakeBase()
    spec = SPEC.model_copy(update={"harvest": HarvestSpec(enabled=False), "strategy": "tts"})
    outcome = adapt(tmp_path, base, spec)
    assert outcome.adapter == tmp_path / "voice" / "adapter"
    assert outcome.steps == 40 and outcome.snapshots == ()


def test_too_few_good_replies_fall_back_to_the_first_phase_and_say_so(tmp_path: Path) -> None:
    class Mumbling(FakeBase):
        def read_speech(self, tokens: object) -> str:
            return "mm"

    outcome = adapt(tmp_path, Mumbling())
    assert outcome.adapter == tmp_path / "voice" / "adapter"
    assert outcome.notes["harvest_fallback"] == 1.0
    assert outcome.notes["harvest_kept"] == 0.0
    assert outcome.notes["pass_1_ended"] > 0


def test_less_legible_replies_are_taken_only_when_there_are_too_few(tmp_path: Path) -> None:
    class Lisping(FakeBase):
        """Every fifth letter or so is misread."""

        def read_speech(self, tokens: object) -> str:
            text = super().read_speech(tokens)  # type: ignore[arg-type]
            return text[:-1] + "x"

    strict = SPEC.model_copy(update={"harvest": SPEC.harvest.model_copy(update={"relaxed_cer": 0.15})})
    assert adapt(tmp_path / "strict", Lisping(), strict).notes["harvest_fallback"] == 1.0
    relaxed = adapt(tmp_path / "relaxed", Lisping())
    assert relaxed.notes["harvest_fallback"] == 0.0
    assert relaxed.notes["harvest_kept"] >= SPEC.harvest.min_kept


def test_replies_out_of_voice_are_not_kept(tmp_path: Path) -> None:
    """With a tolerance of nearly nothing and a speaker between two pitches nothing is in voice."""
    items = [Item("a", "low", codes_of("low", 5)), Item("b", "top", codes_of("top", 6))]
    spec = SPEC.model_copy(update={"harvest": SPEC.harvest.model_copy(update={"f0_tolerance": 0.01})})
    outcome = adapt_chat(FakeBase(), items, "ann", pitches_hz, spec, tmp_path, lambda _: None)
    assert outcome.notes["speaker_f0_hz"] == 237.5
    assert outcome.notes["pass_1_in_voice"] == 0.0 and outcome.notes["harvest_fallback"] == 1.0


def test_enough_good_replies_end_the_harvest_early(tmp_path: Path) -> None:
    spec = SPEC.model_copy(update={"harvest": SPEC.harvest.model_copy(update={"enough": 5})})
    outcome = adapt(tmp_path, FakeBase(), spec)
    assert [p.name for p in (tmp_path / "pass-1").glob("harvest-*.json")] == ["harvest-000030.json"]
    assert outcome.notes["pass_1_asked"] == 40.0


def test_a_second_pass_harvests_from_the_adapter_just_made(tmp_path: Path) -> None:
    spec = SPEC.model_copy(update={"harvest": SPEC.harvest.model_copy(update={"passes": 2, "steps": STEPS_TO_THE_VOICE})})
    outcome = adapt(tmp_path, FakeBase(), spec)
    assert outcome.adapter == tmp_path / "pass-2" / "train" / "adapter"
    assert outcome.steps == 40 + 2 * STEPS_TO_THE_VOICE
    assert outcome.notes["harvest_kept"] >= outcome.notes["pass_1_kept"]


@pytest.mark.parametrize("stop_in", ["voice", "pass-1/train"])
def test_stopped_anywhere_it_goes_on_to_the_same_result(tmp_path: Path, stop_in: str) -> None:
    with pytest.raises(KeyboardInterrupt):
        adapt(tmp_path / "stopped", WatchedBase(stop_in))
    base, whole = WatchedBase(), WatchedBase()
    resumed = adapt(tmp_path / "stopped", base)
    expected = adapt(tmp_path / "whole", whole)
    assert [p.name for p in base.fine_tunings] == (["voice", "train"] if stop_in == "voice" else ["train"])
    assert [e.ids.tolist() for e in base.taught["train"]] == [e.ids.tolist() for e in whole.taught["train"]]
    assert resumed.losses == expected.losses
    again = WatchedBase()
    assert adapt(tmp_path / "stopped", again).adapter == resumed.adapter
    assert again.fine_tunings == []


def test_a_harvest_round_is_not_asked_twice(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        adapt(tmp_path, WatchedBase("pass-1/train"))

    class Unasked(FakeSpeaker):
        def say_answers(self, questions: Sequence[str], answers: Sequence[str], seed: int = 0) -> list[Reply]:
            raise AssertionError("asked again")

    class Mute(FakeBase):
        def voice(self, speaker: str, *_: object, **__: object) -> FakeSpeaker:
            return Unasked(self, speaker, 2, TARGET_PITCH, 1.0, 1.0)

    assert adapt(tmp_path, Mute()).notes["harvest_fallback"] == 0.0


def test_a_folder_of_another_run_and_no_items_are_refused(tmp_path: Path) -> None:
    adapt(tmp_path, FakeBase())
    with pytest.raises(UsageError, match="another run"):
        adapt(tmp_path, FakeBase(), SPEC.model_copy(update={"seed": 5}))
    with pytest.raises(RecordingsError):
        adapt_chat(
            FakeBase(), [Item("a", " ", (1,)), Item("b", "x", ())], "ann", pitches_hz, SPEC, tmp_path / "b", lambda _: None
        )


def test_questions_are_spread_over_domains(tmp_path: Path) -> None:
    base = FakeBase()
    rare = tuple(Question(f"rare {i}", "yes", "rare") for i in range(5))
    base.material = type(base.material)((*base.material.train, *rare), (), (), base.material.rehearsal)
    asked: list[str] = []

    class Listening(FakeSpeaker):
        def say_answers(self, questions: Sequence[str], answers: Sequence[str], seed: int = 0) -> list[Reply]:
            asked.extend(questions)
            return super().say_answers(questions, answers, seed)

    base.voice = lambda speaker, **_: Listening(base, speaker, 2, TARGET_PITCH, 1.0, 1.0)  # type: ignore[method-assign, assignment]
    spec = SPEC.model_copy(update={"harvest": SPEC.harvest.model_copy(update={"questions": 10, "rounds_at": (30,)})})
    adapt(tmp_path, base, spec)
    assert len(asked) == 10 and {q.text for q in rare} <= set(asked)


def test_the_voice_so_far_is_heard_every_so_many_steps_without_moving_the_bar(tmp_path: Path) -> None:
    events: list[Progress] = []
    plain = adapt(tmp_path / "plain", WatchedBase())
    spec = SPEC.model_copy(update={"sample_every": 15})
    outcome = adapt(tmp_path / "heard", WatchedBase(), spec, events)
    heard = [Path(e.sample).name for e in events if e.sample and "so-far" in e.sample]
    assert heard == ["voice-so-far-000015.wav", "voice-so-far-000030.wav"]
    assert all((tmp_path / "heard" / "samples" / name).stat().st_size > 1000 for name in heard)
    fractions = [e.fraction for e in events]
    assert fractions == sorted(fractions)
    assert outcome.losses == plain.losses
