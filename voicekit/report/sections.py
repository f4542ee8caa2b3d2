"""The parts of the page below its head: clips to play, pictures, all numbers, worst answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from voicekit.records import EvaluationRows, Metric, ReplyRow
from voicekit.report import plots
from voicekit.report.html import figure, player, row, table, tag, text
from voicekit.report.labels import GROUPS, LABELS, interval, shown
from voicekit.report.media import picture_uri

RECORDINGS_SHOWN, REPLIES_SHOWN, WORST_SHOWN = 3, 6, 8
_BETTER = {"higher": " Higher is better.", "lower": " Lower is better.", "1": " 1 is best.", "": ""}


def listen(rows: EvaluationRows) -> str:
    clips = [tag("div", tag("p", text(clip.text)), player(clip.wave), css="clip") for clip in rows.clips[:RECORDINGS_SHOWN]]
    spoken: list[str] = []
    for reply in rows.replies:
        if reply.voice is None or reply.base is None or len(spoken) == REPLIES_SHOWN:
            continue
        answer = tag("div", text(reply.voice_text) or "–", css="answer" if reply.voice_right else "answer wrong")
        spoken.append(
            row((text(reply.question.text) + answer, ""), (player(reply.voice.wave), "play"), (player(reply.base.wave), "play"))
        )
    note = (
        "The speaker's recordings, then the first questions of the evaluation: answered in the new voice and in the base's own."
    )
    heads = (("Question and answer", ""), ("This voice", ""), ("Un-tuned base", ""))
    parts = [tag("h2", "Listen"), tag("p", text(note), css="note"), tag("h3", "Recordings"), tag("div", *clips, css="clips")]
    return "\n".join([*parts, tag("h3", "Replies", css="later"), table(heads, spoken, css="replies")])


def pictures(metrics: Mapping[str, Metric], rows: EvaluationRows, losses: Sequence[tuple[int, float]]) -> str:
    parts = [
        ("Likeness", plots.likeness(metrics), "Lines are 95 % intervals. The vocoder copy is the ceiling of this base."),
        ("Answers kept", plots.answers(rows), "Exact answers by topic, with the number of questions; the commonest topics."),
        ("Pitch", plots.pitch(rows), "Speech tokens decoded with one neutral voice prompt: what the chat model alone decides."),
        ("Pace", plots.pace(rows), "Each point is one utterance; the voice should lie where the recordings lie."),
    ]
    if len(losses) > 1:
        parts.append(("Training", plots.loss(losses), "Loss on the speech tokens: each step, and its running mean."))
    figures = [figure(title, picture_uri(plot), caption) for title, plot, caption in parts]
    reply = next((r for r in rows.replies if r.voice is not None and r.voice.wave.num_samples), None)
    if rows.clips and reply is not None and reply.voice is not None:
        recording, spoken = rows.clips[0], reply.voice
        both = plots.spectrograms(
            (f"Recording: {_short(recording.text)}", recording.wave), (f"Reply: {_short(reply.voice_text)}", spoken.wave)
        )
        figures.append(figure("Spectrograms", picture_uri(both), "One time scale; each side's loudest point is darkest.", "wide"))
    return "\n".join([tag("h2", "Pictures"), tag("div", *figures, css="grid")])


def numbers(metrics: Mapping[str, Metric]) -> str:
    lines: list[str] = []
    for group, names in GROUPS.items():
        lines.append(tag("tr", tag("td", text(group), colspan="5"), css="group"))
        for name in (n for n in names if n in metrics):
            label, metric = LABELS[name], metrics[name]
            cells = [
                (text(label.title), ""),
                (shown(name, metric.value), "number"),
                (interval(name, metric), "number soft"),
                (str(metric.n), "number soft"),
                (text(label.meaning + _BETTER[label.better]), "soft"),
            ]
            lines.append(row(*cells, css="main" if label.better else ""))
    heads = (("Measure", ""), ("Value", "number"), ("95 % interval", "number"), ("n", "number"), ("Meaning", ""))
    note = tag("p", "Each value with its 95 % interval over n items.", css="note")
    return "\n".join([tag("h2", "All numbers"), note, table(heads, lines, css="numbers")])


def worst(replies: Sequence[ReplyRow]) -> str:
    lost = [r for r in replies if r.base_right and not r.voice_right]
    before = [r for r in replies if not r.base_right and not r.voice_right]
    parts = [tag("h2", "Worst answers")]
    if lost or before:
        note = f"{len(lost)} of {len(replies)} answers were right before and are wrong now; {len(before)} were wrong before too."
        cells = [
            row(
                (text(r.question.text), ""),
                (text(r.question.answer), ""),
                (text(r.voice_text) or "–", "wrong"),
                (text(r.base_text), "soft"),
            )
            for r in [*lost, *before][:WORST_SHOWN]
        ]
        heads = (("Question", ""), ("Right answer", ""), ("This voice", ""), ("Un-tuned base", ""))
        parts += [tag("p", note, css="note"), table(heads, cells)]
    else:
        parts.append(tag("p", "Every answer was right.", css="note"))
    return "\n".join([*parts, _misheard(replies)])


def _misheard(replies: Sequence[ReplyRow]) -> str:
    spoken = [(r.voice_text, r.voice) for r in replies if r.voice is not None and r.voice.errors.word_errors > 0]
    if not spoken:
        return ""
    spoken.sort(key=lambda pair: -pair[1].errors.wer)
    lines = [
        row(
            (text(said), ""),
            (text(s.heard) or "–", "soft"),
            (f"{100 * s.errors.wer:.0f} %", "number"),
            (player(s.wave), "play"),
        )
        for said, s in spoken[:WORST_SHOWN]
    ]
    heads = (("The reply's text", ""), ("What the judge heard", ""), ("Word errors", "number"), ("Audio", ""))
    return tag("h3", "Hardest to understand", css="later") + table(heads, lines, css="replies")


def _short(sentence: str, most: int = 60) -> str:
    return sentence if len(sentence) <= most else sentence[: most - 1].rsplit(" ", 1)[0] + " …"
