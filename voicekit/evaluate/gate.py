"""The decision before a voice is registered: does it sound like the speaker, and is the model still as able as before?"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from voicekit.evaluate import statistics
from voicekit.records import Metric

if TYPE_CHECKING:
    from voicekit.specs import EvaluateSpec

_LOW_IN_VOICE = 0.5
_FEW_RIGHT = 0.3
# So much must be provable of a voice that answers everything as the base does, however much more the recipe requires: with fewer
# than some thirty questions nothing is.
_PROVABLE = 0.93
_FEWEST_HEARD = 5


@dataclass(frozen=True)
class Decision:
    """`reasons` say why a voice was refused (none if it passed); `advice` what would help, also where it passed narrowly."""

    passed: bool
    reasons: tuple[str, ...]
    advice: tuple[str, ...]


def gate(metrics: Mapping[str, Metric], spec: EvaluateSpec) -> Decision:
    """Compare values with the spec's thresholds. What could not be measured does not pass."""
    checks = (_purpose, _similarity, _retention, _understood, _intelligibility, _rate, _enough_questions, _enough_heard)
    findings = [check(metrics, spec) for check in checks]
    reasons = tuple(reason for reason, _ in findings if reason)
    advice = [advice for reason, advice in findings if reason]
    return Decision(not reasons, reasons, (*advice, *_remarks(metrics, spec)))


def too_little(metrics: Mapping[str, Metric], spec: EvaluateSpec) -> str:
    """Why an evaluation cannot let a voice pass, whatever its values are: it was made for checking, or of too few items; "" if
    it can."""
    return next((reason for check in (_purpose, _enough_questions, _enough_heard) if (reason := check(metrics, spec)[0])), "")


def _purpose(metrics: Mapping[str, Metric], spec: EvaluateSpec) -> tuple[str, str]:
    if not spec.for_checking:
        return "", ""
    return (
        "This run was made for checking: it shows that everything works, and its voice cannot be published.",
        "Make the voice with another recipe: lora is the usual one.",
    )


def _enough_questions(metrics: Mapping[str, Metric], spec: EvaluateSpec) -> tuple[str, str]:
    """So many that the interval of a voice that lost nothing lies above what is required."""
    base = metrics.get("base_accuracy")
    if base is None or not _known(base.value) or base.value == 0:
        return "", ""  # that nothing can be said then is the reason of _retention
    right, wanted = round(base.value * base.n), min(spec.min_retention, _PROVABLE)
    provable = _provable(right)
    if provable >= wanted:
        return "", ""
    needed = next(n for n in range(right, 10_000) if _provable(n) >= wanted)
    return (
        f"Too few questions to tell: the un-tuned base answers {right} of {base.n} right. Even if the voice kept all of them, it "
        f"could have lost {1 - provable:.0%} of its answers; {needed} right ones are needed.",
        "Ask more questions (evaluate.questions in the recipe, --questions FILE), of which the base answers enough.",
    )


def _provable(right: int) -> float:
    """The lower end of the interval of a voice that keeps so many answers and loses none."""
    return statistics.share_ratio([True] * right, [True] * right).low


def _enough_heard(metrics: Mapping[str, Metric], spec: EvaluateSpec) -> tuple[str, str]:
    heard = metrics["speaker_cosine"].n
    if heard >= _FEWEST_HEARD:
        return "", ""
    return (
        f"Too few replies were heard to tell how the voice sounds: {heard}, at least {_FEWEST_HEARD} are needed.",
        "Have more spoken: evaluate.spoken in the recipe.",
    )


def _similarity(metrics: Mapping[str, Metric], spec: EvaluateSpec) -> tuple[str, str]:
    voice, base = metrics["speaker_cosine"].value, metrics["base_speaker_cosine"].value
    if _known(voice, base) and voice >= base + spec.min_cosine_gain:
        return "", ""
    found = f"{_two(voice)} to the speaker, the un-tuned base {_two(base)}; {spec.min_cosine_gain:.2f} more was required"
    return (
        f"The voice does not sound more like the speaker than before: cosine {found}.",
        "Give more or cleaner recordings of one speaker alone, or raise train.decoder_steps in the recipe.",
    )


def _retention(metrics: Mapping[str, Metric], spec: EvaluateSpec) -> tuple[str, str]:
    kept, voice, base = (metrics[name].value for name in ("retention", "voice_accuracy", "base_accuracy"))
    if _known(kept) and kept >= spec.min_retention:
        return "", ""
    if not _known(base) or base == 0:
        return (
            "It cannot be said whether the model still answers as well: the un-tuned base answers none of the questions.",
            "Give questions that the base can answer.",
        )
    found = f"{_percent(voice)} of the answers are right, {_percent(base)} before"
    return (
        f"The model has lost answers: {found}; retention {_two(kept)}, {spec.min_retention:.2f} was required.",
        "Lower train.learning_rate or train.steps, or raise train.replay_per_epoch or train.text_kl in the recipe.",
    )


def _understood(metrics: Mapping[str, Metric], spec: EvaluateSpec) -> tuple[str, str]:
    """The absolute bound, where the recipe sets one."""
    wer = metrics["wer"].value
    if spec.max_wer is None or wer <= spec.max_wer:
        return "", ""
    return (
        f"The voice cannot be understood well enough: {_percent(wer)} of its words are misheard, at most "
        f"{_percent(spec.max_wer)} are allowed.",
        "Check that the script says what the recordings say, and give more and cleaner recordings; if the base is no clearer "
        "(base_wer), no recordings will help.",
    )


def _intelligibility(metrics: Mapping[str, Metric], spec: EvaluateSpec) -> tuple[str, str]:
    voice, base = metrics["wer"].value, metrics["base_wer"].value
    if _known(voice, base) and voice <= base + spec.max_wer_loss:
        return "", ""
    found = f"word error rate {_two(voice)}, the un-tuned base {_two(base)}; at most {spec.max_wer_loss:.2f} more was allowed"
    return (
        f"The voice is harder to understand than before: {found}.",
        "Check that the script says what the recordings say; give more recordings; lower train.decoder_steps in the recipe.",
    )


def _rate(metrics: Mapping[str, Metric], spec: EvaluateSpec) -> tuple[str, str]:
    rate = metrics["speech_rate_ratio"].value
    slowest, fastest = spec.rate_range
    if _known(rate) and slowest <= rate <= fastest:
        return "", ""
    if not _known(rate):
        return (
            "The speaking rate could not be measured: the replies hold no voiced speech.",
            "Train longer, or with other recordings.",
        )
    word = "slower" if rate < slowest else "faster"
    return (
        f"The voice speaks {word} than the recordings: {_two(rate)} times their rate; {slowest:.2f} to {fastest:.2f} is allowed.",
        "Check that the script says what the recordings say, and that they hold no long pauses.",
    )


def _remarks(metrics: Mapping[str, Metric], spec: EvaluateSpec) -> list[str]:
    """Advice about what the gate does not decide."""
    remarks: list[str] = []
    kept, in_voice, base = (metrics[name] for name in ("retention", "in_voice", "base_accuracy"))
    ends = kept.shown_interval(2)
    if ends and kept.low < spec.min_retention <= kept.high:
        remarks.append(
            f"Retention is {_two(kept.value)} with an interval of {' to '.join(ends)} over {kept.n} questions, "
            f"which includes the required {spec.min_retention:.2f}: more questions (evaluate.questions) would tell more surely."
        )
    if _known(in_voice.value) and in_voice.value < _LOW_IN_VOICE:
        remarks.append(
            f"Only {_percent(in_voice.value)} of the replies have the speaker's pitch: the likeness comes from the decoder, "
            "hardly from the chat model. More recordings or more train.steps would help."
        )
    if _known(base.value) and 0 < base.value < _FEW_RIGHT:
        remarks.append(f"The un-tuned base answers only {_percent(base.value)} of the questions: retention says little here.")
    return remarks


def _known(*values: float) -> bool:
    return all(math.isfinite(value) for value in values)


def _two(value: float) -> str:
    return f"{value:.2f}" if math.isfinite(value) else "unknown"


def _percent(value: float) -> str:
    return f"{100 * value:.0f} %" if math.isfinite(value) else "an unknown share"
