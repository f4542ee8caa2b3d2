"""The page as a whole: its head with the result in words, the gate's decision, and where the voice comes from."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from voicekit import files
from voicekit.evaluation_warnings import warnings
from voicekit.records import Evaluation, EvaluationRows, Metric
from voicekit.report import sections
from voicekit.report.html import items, tag, text
from voicekit.report.labels import interval, shown

_STYLE = Path(__file__).with_name("style.css")
_CHECKED = "This was a quick check: everything works, and the voice cannot be published."
_PASSED = (
    "It sounds more like the speaker than the base does, keeps the base's answers, is as easy to understand and speaks at the "
    "recordings' rate."
)
_CAUTION = "Made by voicekit. The replies are synthetic speech; use the voice only as its speaker has agreed."


def write_report(
    file: Path,
    voice: str,
    evaluation: Evaluation,
    rows: EvaluationRows,
    losses: Sequence[tuple[int, float]] = (),
    facts: Mapping[str, str] | None = None,
) -> Path:
    """Write the page of one voice to `file` and return it; style, plots and audio are inside. `facts` are shown as they are."""
    parts = [
        _head(voice, evaluation, rows),
        sections.listen(rows),
        sections.pictures(evaluation.metrics, rows, losses),
        sections.numbers(evaluation.metrics),
        sections.worst(rows.replies),
        _origin(evaluation, facts or {}),
    ]
    head = tag(
        "head",
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">',
        tag("title", text(f"{voice}: voicekit evaluation")),
        tag("style", _STYLE.read_text(encoding="utf-8")),
    )
    body = tag("body", tag("main", "\n".join(parts)))
    files.write_text(file, f"<!doctype html>\n{tag('html', head, body, lang='en')}\n")
    return file


def summary(metrics: Mapping[str, Metric], rows: EvaluationRows) -> str:
    """The result in plain words."""
    says = {name: shown(name, metric.value) for name, metric in metrics.items()}
    sentences = [
        f"Of {metrics['voice_accuracy'].n} questions the voice answers {says['voice_accuracy']} word for word; "
        f"the base answered {says['base_accuracy']} before.",
        f"Its replies resemble the speaker with a cosine of {says['speaker_cosine']}; the un-tuned base reaches "
        f"{says['base_speaker_cosine']}, a vocoder copy of the recordings themselves {says['copy_cosine']}.",
        f"A recogniser that knows none of the sentences mishears {says['wer']} of its words, {says['base_wer']} of the base's "
        f"and {says['recording_wer']} of the recordings'.",
    ]
    if math.isfinite(rows.speaker_f0_hz) and math.isfinite(metrics["in_voice"].value):
        sentences.append(
            f"By the speech tokens alone, {says['in_voice']} of the replies have the speaker's pitch of about "
            f"{rows.speaker_f0_hz:.0f} Hz."
        )
    return " ".join(sentences)


def _head(voice: str, evaluation: Evaluation, rows: EvaluationRows) -> str:
    state, kind = ("passed", "") if evaluation.passed else ("draft", " draft")
    if evaluation.passed:
        decision = tag("p", tag("b", "The gate passed this voice."), " ", text(_PASSED))
    else:
        why = _CHECKED if evaluation.for_checking else "The gate refused this voice; it is kept as a draft."
        decision = tag("p", tag("b", why)) + items(evaluation.reasons)
    advice = tag("div", "What would help", items(evaluation.advice), css="help") if evaluation.advice else ""
    return "\n".join(
        [
            tag("div", "voicekit · evaluation of a voice", css="over"),
            tag("div", tag("h1", text(voice)), tag("span", state, css=f"state{kind}"), css="title"),
            tag("p", text(summary(evaluation.metrics, rows)), css="summary"),
            tag("div", *_cards(evaluation.metrics, rows), css="cards"),
            *(tag("p", tag("b", "Warning: "), text(line), css="warning") for line in warnings(evaluation.metrics)),
            tag("div", decision, advice, css=f"gate{kind}"),
        ]
    )


def _cards(metrics: Mapping[str, Metric], rows: EvaluationRows) -> list[str]:
    says = {name: shown(name, metric.value) for name, metric in metrics.items()}
    base = [row.base.in_voice for row in rows.replies if row.base is not None]
    own = [clip.copy.in_voice for clip in rows.clips]
    beside = [f"{who} {100 * sum(hits) / len(hits):.0f} %" for who, hits in (("base", base), ("recordings", own)) if hits]
    return [
        _card("Likeness", "speaker_cosine", metrics, f"base {says['base_speaker_cosine']} · vocoder copy {says['copy_cosine']}"),
        _card("Retention", "retention", metrics, f"right {says['voice_accuracy']} · base {says['base_accuracy']}"),
        _card("Word errors", "wer", metrics, f"base {says['base_wer']} · vocoder copy {says['copy_wer']}"),
        _card("In voice", "in_voice", metrics, " · ".join(beside)),
    ]


def _card(title: str, name: str, metrics: Mapping[str, Metric], beside: str) -> str:
    spread = interval(name, metrics[name])
    value = tag("div", shown(name, metrics[name].value), css="value")
    lines = [tag("div", text(line), css="beside") for line in (f"95 %: {spread}" if spread else "", beside) if line]
    return tag("div", tag("div", title, css="name"), value, *lines, css="card")


def _origin(evaluation: Evaluation, facts: Mapping[str, str]) -> str:
    known = {**facts, "Evaluation": evaluation.id[:12], "Training run": evaluation.run_id[:12], "Seed": str(evaluation.seed)}
    lines = [tag("div", tag("dt", text(name)), tag("dd", text(value))) for name, value in known.items()]
    return "\n".join([tag("h2", "Origin"), tag("dl", *lines, css="facts"), tag("footer", text(_CAUTION))])
