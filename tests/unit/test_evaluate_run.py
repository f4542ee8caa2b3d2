"""A fake base whose voice is the pitch of two tones: every number can be said beforehand."""

import math
from pathlib import Path

import numpy as np
import pytest

from tests.fake_base import FakeBase, FakeSpeaker, codes_of
from tests.fake_engines import SENTENCES, FakeEncoder, FakeJudge, FakePitch
from voicekit.errors import InputError, RecordingsError
from voicekit.evaluate import METRICS, Instruments, evaluate_voice, gate, run
from voicekit.evaluate.run import f0_hz, in_voice
from voicekit.ports import Progress
from voicekit.records import EvaluationRows, Metric, Reply, Waveform
from voicekit.specs import EvaluateSpec

SPEC = EvaluateSpec(questions=30, spoken=10)
SPEAKER_PITCH = 6


def measure(
    voice: FakeSpeaker | None = None,
    spec: EvaluateSpec = SPEC,
    clips: int = 8,
    events: list[Progress] | None = None,
    workers: int = 1,
) -> tuple[dict[str, Metric], EvaluationRows]:
    base = FakeBase()
    mouth = base.voice("low")
    recordings = [(mouth.decode(np.array(codes_of(text, SPEAKER_PITCH))), text) for text in SENTENCES[:clips]]
    instruments = Instruments(FakeEncoder(), FakeJudge(base), FakePitch(), workers)
    report = (lambda _: None) if events is None else events.append
    questions = [*base.material.test, *base.material.dev]
    return evaluate_voice(base, voice or base.voice("mid"), None, recordings, questions, spec, instruments, report)


def adapted(share: float = 1.0, wits: float = 1.0) -> FakeSpeaker:
    return FakeSpeaker(FakeBase(), "anna", pitch=1, target=SPEAKER_PITCH, share=share, wits=wits)


def test_every_metric_is_there_in_order_with_its_value_inside_its_interval() -> None:
    metrics, rows = measure(adapted(0.5, 0.9))
    assert list(metrics) == list(METRICS)
    assert all(m.low <= m.value <= m.high for m in metrics.values())
    assert len(rows.replies) == 30 and len(rows.clips) == 8
    assert sum(row.voice is not None for row in rows.replies) == 10 == sum(row.base is not None for row in rows.replies)


def test_a_voice_that_is_the_base_keeps_everything_and_takes_nothing() -> None:
    metrics, _ = measure()
    kept = metrics["retention"]
    assert (kept.value, kept.n) == (1.0, 30) and 0.9 < kept.low < 1.0 < kept.high < 1.1
    assert metrics["voice_accuracy"] == metrics["base_accuracy"]
    assert metrics["speaker_cosine"] == metrics["base_speaker_cosine"]
    assert metrics["wer"] == metrics["base_wer"]
    assert metrics["in_voice"].value == 0.0 and metrics["text_kl_nats"].value == 0.0
    decision = gate(metrics, SPEC)
    assert not decision.passed and len(decision.reasons) == 1 and "sound" in decision.reasons[0]


def test_a_voice_that_took_the_voice_and_kept_the_wits_passes() -> None:
    metrics, rows = measure(adapted())
    assert rows.speaker_f0_hz == pytest.approx(250.0)
    assert metrics["in_voice"].value == 1.0 and metrics["in_voice"].low < 1.0
    assert metrics["retention"].value == 1.0 and metrics["wer"].value == 0.0
    assert metrics["speaker_cosine"].value > 0.95 > 0.7 > metrics["base_speaker_cosine"].value
    assert metrics["copy_cosine"].value == pytest.approx(metrics["self_cosine"].value)
    assert gate(metrics, SPEC).passed


def test_lost_answers_are_counted_on_the_same_questions() -> None:
    metrics, rows = measure(adapted(wits=0.6))
    right = [row.voice_right for row in rows.replies]
    assert metrics["voice_accuracy"].value == pytest.approx(np.mean(right)) and 0.3 < np.mean(right) < 0.9
    assert metrics["retention"].value == pytest.approx(np.mean(right) / metrics["base_accuracy"].value)
    assert any("lost answers" in reason for reason in gate(metrics, SPEC).reasons)


def test_tokens_of_the_speaker_are_nearer_to_the_recordings_than_those_of_the_base() -> None:
    voiced, plain = measure(adapted())[0]["token_js"], measure()[0]["token_js"]
    assert plain.value == pytest.approx(math.log(2)) and voiced.high < plain.low


def test_the_rate_is_letters_over_time_on_both_sides() -> None:
    """In the fake a token is a letter or a space and always voiced: 25 of them a second."""
    metrics, rows = measure(adapted())
    said = [row.voice_text for row in rows.replies if row.voice is not None]
    ours, theirs = ([sum(c.isalpha() for c in t) / len(t) for t in texts] for texts in (said, SENTENCES[:8]))
    assert metrics["speech_rate_ratio"].value == pytest.approx(np.mean(ours) / np.mean(theirs), rel=0.05)


def test_the_same_seed_gives_the_same_numbers_and_another_seed_other_questions() -> None:
    first, rows = measure(adapted(0.5, 0.8))
    again, _ = measure(adapted(0.5, 0.8))
    timed = "real_time_factor"
    assert {k: v for k, v in first.items() if k != timed} == {k: v for k, v in again.items() if k != timed}
    _, others = measure(adapted(0.5, 0.8), SPEC.model_copy(update={"seed": 1}))
    assert [r.question for r in rows.replies] != [r.question for r in others.replies]


def test_a_mute_voice_is_measured_and_refused() -> None:
    class Mute(FakeSpeaker):
        def _one(self, question: str) -> Reply:
            return Reply(super()._one(question).text, np.zeros(0, np.int64))

    metrics, _ = measure(Mute(FakeBase(), "anna", 1, SPEAKER_PITCH, 1.0, 1.0))
    assert metrics["wer"].value == 1.0 and metrics["in_voice"].value == 0.0
    assert math.isnan(metrics["token_js"].value) and math.isnan(metrics["speech_rate_ratio"].value)
    assert len(gate(metrics, SPEC).reasons) == 3


def test_a_single_recording_leaves_numbers_unknown_instead_of_failing() -> None:
    metrics, rows = measure(adapted(), clips=1)
    assert metrics["voice_accuracy"].value == 1.0
    assert math.isnan(metrics["self_cosine"].value) and len(rows.clips) == 1
    assert rows.speaker_f0_hz == pytest.approx(250.0)


def test_nothing_to_compare_with_or_to_ask_is_said_plainly() -> None:
    with pytest.raises(RecordingsError):
        measure(clips=0)
    base = FakeBase()
    instruments = Instruments(FakeEncoder(), FakeJudge(base), FakePitch())
    wave = base.voice("low").decode(np.array(codes_of("hello", 6)))
    with pytest.raises(InputError):
        evaluate_voice(base, base.voice("mid"), None, [(wave, "hello")], [], SPEC, instruments, lambda _: None)


def test_the_drift_of_the_text_comes_from_the_base(tmp_path: Path) -> None:
    (tmp_path / "adapter.json").write_text('{"pitch": 6, "share": 1.0, "wits": 0.0}')
    base = FakeBase()
    instruments = Instruments(FakeEncoder(), FakeJudge(base), FakePitch())
    wave = base.voice("low").decode(np.array(codes_of("hello", 6)))
    voice = base.voice("anna", adapter=tmp_path)
    questions = list(base.material.test)
    metrics, _ = evaluate_voice(base, voice, tmp_path, [(wave, "hello")] * 2, questions, SPEC, instruments, lambda _: None)
    assert metrics["text_kl_nats"].value == pytest.approx(2.0)


def test_the_judge_is_asked_in_the_language_that_a_text_is_written_in() -> None:
    assert [run.language_of(text, ("zh", "en")) for text in ("hello there", "你好", "")] == ["en", "zh", "en"]
    assert run.language_of("hola", ("es",)) == "es" and run.language_of("你好", ("en",)) == "en"


def test_recordings_are_heard_too_as_the_ceiling_of_the_judge() -> None:
    metrics, rows = measure(adapted())
    assert metrics["recording_wer"].value == 0.0 == metrics["recording_cer"].value
    assert metrics["recording_wer"].n == len(rows.clips) == sum(clip.heard == clip.text for clip in rows.clips)


def test_long_recordings_are_not_all_synthesised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "SYNTHESISED_S", 7.0)
    _, rows = measure(adapted())
    assert sum(clip.wave.duration_s for clip in rows.clips) <= 7.0 < 7 * 1.36
    monkeypatch.setattr(run, "SYNTHESISED_S", 0.5)
    assert len(measure(adapted())[1].clips) == 4


def test_progress_only_rises_and_ends_at_one() -> None:
    events: list[Progress] = []
    measure(adapted(), events=events)
    fractions = [event.fraction for event in events]
    assert fractions == sorted(fractions) and fractions[-1] == 1.0


def test_heard_several_at_once_every_reply_is_what_it_is_alone() -> None:
    alone, rows = measure(adapted(0.5, 0.9))
    together, same_rows = measure(adapted(0.5, 0.9), workers=3)
    timed = "real_time_factor"
    assert {n: m for n, m in together.items() if n != timed} == {n: m for n, m in alone.items() if n != timed}
    assert [row.voice and row.voice.heard for row in same_rows.replies] == [row.voice and row.voice.heard for row in rows.replies]


def test_f0_is_the_geometric_mean_of_what_is_voiced() -> None:
    assert f0_hz(np.array([0, 100, 400, 0, 100, 400, 200, 200], np.float32)) == pytest.approx(200.0)
    assert math.isnan(f0_hz(np.array([0, 100, 100], np.float32)))
    assert in_voice(109.9, 100.0) and in_voice(90.1, 100.0) and not in_voice(111.0, 100.0)
    assert not in_voice(math.nan, 100.0) and not in_voice(100.0, math.nan)


def test_silence_is_a_waveform_too() -> None:
    assert FakePitch().track(Waveform(np.zeros((1, 0), np.float32), 24_000)).size == 0
