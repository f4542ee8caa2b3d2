"""An evaluation as pictures and words: what the judge page of a new voice and the page of a finished one both show."""

from __future__ import annotations

import math
from collections.abc import Callable
from html import escape
from pathlib import Path

from studio_app.markup import interval, items, meter, shown, tag, text, tile
from voicekit.evaluation_warnings import warnings
from voicekit.records import Evaluation, Metric

_UNKNOWN = Metric(math.nan, math.nan, math.nan, 0)


def decision(evaluation: Evaluation) -> str:
    """The gate's decision in words."""
    warned = "".join(tag("div", tag("b", "Warning: "), text(line), css="say bad") for line in warnings(evaluation.metrics))
    if evaluation.passed:
        lines = (
            tag("b", "This voice passed."),
            " It sounds more like the speaker than the base does, keeps the base's answers, and is no harder to understand than "
            "the base.",
        )
        more = tag("div", tag("b", "What would make it better"), items(evaluation.advice)) if evaluation.advice else ""
        return warned + tag("div", *lines, more, css="say good")
    why = "This voice was refused and is kept as a draft."
    if evaluation.for_checking:
        why = "This was a quick check: everything works, and the voice cannot be published."
    lines = tag("b", why), items(evaluation.reasons)
    advice = tag("div", tag("b", "What to do"), items(evaluation.advice), style="margin-top:8px") if evaluation.advice else ""
    return warned + tag("div", *lines, advice, css="say bad")


def tiles(evaluation: Evaluation) -> str:
    return tag(
        "div",
        tile("Likeness", _value(evaluation, "speaker_cosine"), f"base {_value(evaluation, 'base_speaker_cosine')}"),
        tile("Answers kept", _value(evaluation, "retention"), _spread(evaluation, "retention")),
        tile("Words misheard", _value(evaluation, "wer"), f"base {_value(evaluation, 'base_wer')}"),
        tile("Pace against the recordings", _value(evaluation, "speech_rate_ratio"), "1 is the speaker's own"),
        css="cards",
    )


def charts(evaluation: Evaluation) -> str:
    """Four small charts, each with what to read from it."""
    get = _getter(evaluation)
    loud = max(0.2, *(v for n in ("wer", "base_wer", "copy_wer") if math.isfinite(v := get(n).value)), 0.2)
    return tag(
        "div",
        _chart(
            "Likeness to the speaker",
            "The nearer to the speaker's own spread, the better. The vocoder copy is the most this base can reach.",
            meter("Base", "base_speaker_cosine", get("base_speaker_cosine"), pale=True),
            meter("This voice", "speaker_cosine", get("speaker_cosine")),
            meter("Vocoder copy", "copy_cosine", get("copy_cosine"), pale=True),
            meter("Own spread", "self_cosine", get("self_cosine"), pale=True),
        ),
        _chart(
            "Wits kept",
            f"Right answers to {get('voice_accuracy').n} questions. The line is the 95 % interval.",
            meter("Base", "base_accuracy", get("base_accuracy"), pale=True),
            meter("This voice", "voice_accuracy", get("voice_accuracy")),
            meter("Kept", "retention", get("retention"), full=max(1.0, get("retention").value)),
        ),
        _chart(
            "Intelligibility",
            "Words that a recogniser mishears, which knows none of the sentences: the shorter, the better.",
            meter("Base", "base_wer", get("base_wer"), pale=True, full=loud),
            meter("This voice", "wer", get("wer"), full=loud),
            meter("Vocoder copy", "copy_wer", get("copy_wer"), pale=True, full=loud),
            meter("Recordings", "recording_wer", get("recording_wer"), pale=True, full=loud),
        ),
        _chart(
            "Pitch and pace",
            "Replies in the speaker's pitch by their speech tokens alone, and letters per second against the recordings.",
            meter("In pitch", "in_voice", get("in_voice")),
            meter("Pace", "speech_rate_ratio", get("speech_rate_ratio"), full=2.0),
        ),
        css="pair",
    )


def report_frame(report: Path) -> str:
    """The whole report of the making, in a frame of its own: plots, clips to play, worst answers."""
    if not report.is_file():
        return tag("p", text("The report of this version is no longer there."), css="soft")
    content = escape(report.read_text(encoding="utf-8"), quote=True)
    return f'<iframe class="report" title="Evaluation report" sandbox="" srcdoc="{content}"></iframe>'


def _chart(title: str, why: str, *rows: str) -> str:
    return tag("div", tag("h3", text(title)), tag("div", text(why), css="why"), *rows, css="panel")


def _getter(evaluation: Evaluation) -> Callable[[str], Metric]:
    return lambda name: evaluation.metrics.get(name, _UNKNOWN)


def _value(evaluation: Evaluation, name: str) -> str:
    return shown(name, _getter(evaluation)(name).value)


def _spread(evaluation: Evaluation, name: str) -> str:
    found = interval(name, _getter(evaluation)(name))
    return f"95 %: {found}" if found else ""
