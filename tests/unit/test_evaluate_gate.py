import math
from dataclasses import replace

import pytest

from voicekit.evaluate import METRICS, gate, too_little
from voicekit.evaluation_warnings import warnings
from voicekit.records import Metric
from voicekit.specs import EvaluateSpec

GOOD = {
    "retention": 0.98,
    "base_accuracy": 0.96,
    "voice_accuracy": 0.94,
    "text_kl_nats": 0.02,
    "speaker_cosine": 0.82,
    "base_speaker_cosine": 0.55,
    "self_cosine": 0.92,
    "copy_cosine": 0.88,
    "wer": 0.15,
    "cer": 0.07,
    "base_wer": 0.12,
    "base_cer": 0.06,
    "copy_wer": 0.05,
    "copy_cer": 0.02,
    "recording_wer": 0.04,
    "recording_cer": 0.01,
    "in_voice": 0.8,
    "token_js": 0.2,
    "speech_rate_ratio": 1.05,
    "real_time_factor": 6.0,
}


def measured(**changes: float) -> dict[str, Metric]:
    return {name: Metric(value, value - 0.005, value + 0.005, 100) for name, value in {**GOOD, **changes}.items()}


def test_the_example_has_every_metric() -> None:
    assert list(GOOD) == list(METRICS)


def test_a_voice_that_people_do_not_understand_is_refused_where_a_bound_is_set_and_warned_about_everywhere() -> None:
    unclear = measured(wer=0.59, base_wer=0.58)
    assert gate(unclear, EvaluateSpec()).passed, "no worse than the base"
    refused = gate(unclear, EvaluateSpec(max_wer=0.25))
    assert not refused.passed and "cannot be understood" in refused.reasons[0] and "59 %" in refused.reasons[0]
    assert "59 %" in warnings(unclear)[0] and "58 %" in warnings(unclear)[0]
    assert warnings(measured(wer=0.2)) == () == warnings(measured(wer=math.nan))
    assert EvaluateSpec().digest() != EvaluateSpec(max_wer=0.25).digest()


def test_numbers_of_the_judge_that_knew_the_sentences_are_called_so() -> None:
    old = {name: metric for name, metric in measured(wer=0.2).items() if "cer" not in name and name != "recording_wer"}
    assert "earlier judge" in warnings(old)[0]


def test_a_good_voice_passes_without_reasons_or_advice() -> None:
    decision = gate(measured(), EvaluateSpec())
    assert decision.passed and not decision.reasons and not decision.advice


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"speaker_cosine": 0.56}, "sound"),
        ({"retention": 0.80, "voice_accuracy": 0.77}, "lost answers"),
        ({"wer": 0.40}, "harder to understand"),
        ({"speech_rate_ratio": 0.5}, "slower"),
        ({"speech_rate_ratio": 1.6}, "faster"),
        ({"speaker_cosine": math.nan}, "sound"),
        ({"wer": math.nan}, "harder to understand"),
        ({"speech_rate_ratio": math.nan}, "could not be measured"),
        ({"retention": math.nan, "base_accuracy": 0.0}, "none of the questions"),
    ],
)
def test_each_failing_metric_gives_one_reason_and_advice(changes: dict[str, float], says: str) -> None:
    decision = gate(measured(**changes), EvaluateSpec())
    assert not decision.passed
    assert len(decision.reasons) == 1 and says in decision.reasons[0]
    assert len(decision.advice) >= 1


def test_reasons_add_up() -> None:
    decision = gate(measured(speaker_cosine=0.4, retention=0.5, wer=0.9, speech_rate_ratio=3.0), EvaluateSpec())
    assert len(decision.reasons) == 4 and len(set(decision.advice)) == 4


def test_a_value_at_the_threshold_passes_and_the_spec_decides() -> None:
    edge = EvaluateSpec(min_retention=0.98, min_cosine_gain=0.25, max_wer_loss=0.05, rate_range=(1.05, 1.35))
    assert gate(measured(speaker_cosine=0.80), edge).passed
    assert not gate(measured(), edge.model_copy(update={"min_retention": 0.99})).passed


def test_remarks_do_not_decide() -> None:
    metrics = measured(in_voice=0.3)
    metrics["retention"] = replace(metrics["retention"], low=0.90)
    decision = gate(metrics, EvaluateSpec())
    assert decision.passed
    assert any("pitch" in text for text in decision.advice) and any("more questions" in text for text in decision.advice)


def test_what_was_made_for_checking_never_passes_and_says_so() -> None:
    decision = gate(measured(), EvaluateSpec(for_checking=True))
    assert not decision.passed and "made for checking" in decision.reasons[0] and "lora" in decision.advice[0]
    assert "made for checking" in too_little(measured(), EvaluateSpec(for_checking=True)) and not too_little(
        measured(), EvaluateSpec()
    )
    assert EvaluateSpec().digest() == EvaluateSpec(for_checking=False).digest() != EvaluateSpec(for_checking=True).digest()


@pytest.mark.parametrize(
    ("asked", "accuracy", "required", "passes"),
    [
        (6, 1.0, 0.94, False),
        (26, 1.0, 0.94, False),
        (27, 1.0, 0.94, True),
        (120, 0.2, 0.94, False),
        (120, 0.25, 0.94, True),
        (6, 1.0, 0.7, True),
        (120, 1.0, 0.99, True),
        (1, 1.0, 0.0, True),
    ],
)
def test_a_gate_wants_enough_questions_for_its_interval(asked: int, accuracy: float, required: float, passes: bool) -> None:
    """Those count that the un-tuned base answers: of the others nothing could have been lost."""
    metrics = {**measured(retention=1.0), "base_accuracy": Metric(accuracy, 0.0, 1.0, asked)}
    decision = gate(metrics, EvaluateSpec(min_retention=required))
    assert decision.passed is passes
    assert passes or ("Too few questions" in decision.reasons[0] and "questions" in decision.advice[0])


def test_a_handful_of_replies_is_too_little_to_judge_the_sound() -> None:
    decision = gate({**measured(), "speaker_cosine": Metric(0.9, 0.89, 0.91, 2)}, EvaluateSpec())
    assert not decision.passed and "Too few replies were heard" in decision.reasons[0]
