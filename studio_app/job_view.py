"""A job as it is seen: its steps, the live curve, what was spoken on the way, and what went wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from studio_app.markup import GAP, badge, bar, fault, long, page, said, sound_file, tag, text, when
from voicekit.carrying import TIME_LEFT
from voicekit.cuttings import Cutting
from voicekit.drafts import Draft
from voicekit.records import JobState, JobStatus

STATES = {
    JobState.QUEUED: ("waiting", ""),
    JobState.RUNNING: ("running", "busy"),
    JobState.FINISHED: ("finished", "good"),
    JobState.REFUSED: ("refused by the gate", "warn"),
    JobState.FAILED: ("failed", "warn"),
    JobState.CANCELLED: ("stopped", ""),
}
_WIDTH, _HEIGHT, _LEFT, _BOTTOM = 620, 220, 40, 24
_SAMPLES = 4


def job_badge(job: JobStatus) -> str:
    return badge(*STATES[job.state])


def whole(job: JobStatus, steps: Mapping[str, str], home: Path) -> str:
    """Everything about one job: steps on the left, the curve on the right, what was spoken on the way below."""
    right = tag("div", tag("h3", "Training loss"), curve(job.losses), numbers(job), css="panel")
    left = tag("div", trail(job, steps), css="panel")
    heard = samples(job, home)
    return page(message(job), GAP, tag("div", left, right, css="pair"), GAP + heard if heard else "")


def message(job: JobStatus) -> str:
    """In a sentence, what is going on and what to do."""
    match job.state:
        case JobState.FAILED if job.fault is not None:
            return fault(job.fault.problem, job.fault.remedy)
        case JobState.FAILED:
            return fault("This step failed.", "Try it again: what was finished is kept.")
        case JobState.REFUSED:
            return said("The voice is made, and the gate kept it a draft. See why under Judge.", "note")
        case JobState.FINISHED:
            return said(f"Version {job.version} is made and passed the gate.", "good")
        case JobState.CANCELLED:
            return said("Stopped. What was finished is kept; go on whenever you like.")
        case JobState.QUEUED:
            return said("Waiting for a free worker. You may close this page; the job goes on by itself.")
        case _:
            left = dict(job.numbers).get(TIME_LEFT)
            lead = f"About {long(left)} left. " if left is not None else ""
            return said(f"{lead}You may close this page; the job goes on by itself and is found again under Jobs.")


def trail(job: JobStatus, steps: Mapping[str, str]) -> str:
    """The steps in their order; the one being done has a bar and what it says."""
    lines: list[str] = []
    for key, title in steps.items():
        if key in job.done or job.state in (JobState.FINISHED, JobState.REFUSED):
            lines.append(tag("li", text(title), css="done"))
        elif key == job.step:
            kind = "bad" if job.state is JobState.FAILED else "wait" if job.state is JobState.CANCELLED else "now"
            doing = bar(job.fraction) + tag("div", text(job.message), css="faint") if kind == "now" else ""
            lines.append(tag("li", tag("div", text(title), doing, style="flex:1"), css=kind))
        else:
            lines.append(tag("li", text(title), css="wait"))
    return tag("h3", "Steps") + tag("ul", *lines, css="trail")


def numbers(job: JobStatus) -> str:
    """What the training does at the moment, in a line."""
    if job.state is not JobState.RUNNING:
        return ""
    known = dict(job.numbers)
    told: list[str] = []
    if "tokens_per_s" in known:
        told.append(f"{known['tokens_per_s']:.0f} tokens a second")
    if "learning_rate" in known:
        told.append(f"learning rate {known['learning_rate']:.2g}")
    if "kl" in known:
        told.append(f"text KL {known['kl']:.3f} nats")
    if "seconds_left" in known:
        told.append(f"{known['seconds_left'] / 60:.1f} minutes of this part left")
    return tag("p", text(" · ".join(told)), css="faint") if told else ""


def curve(losses: Sequence[tuple[int, float]]) -> str:
    """Every step pale, the running mean above it; drawn by the browser, so it can grow every second."""
    if len(losses) < 2:
        return tag("p", text("The curve appears when the chat model begins to learn."), css="faint")
    steps, values = [s for s, _ in losses], [v for _, v in losses]
    low, high = min(values), max(values)
    spread = (high - low) or 1.0

    def at(step: float, value: float) -> str:
        x = _LEFT + (step - steps[0]) / max(steps[-1] - steps[0], 1) * (_WIDTH - _LEFT - 8)
        y = 8 + (high - value) / spread * (_HEIGHT - _BOTTOM - 8)
        return f"{x:.1f},{y:.1f}"

    width = max(1, len(values) // 12)
    means = [sum(values[max(0, i - width + 1) : i + 1]) / len(values[max(0, i - width + 1) : i + 1]) for i in range(len(values))]
    raw = " ".join(at(s, v) for s, v in zip(steps, values, strict=True))
    mean = " ".join(at(s, v) for s, v in zip(steps, means, strict=True))
    axis = (
        f'<text x="4" y="16">{high:.2f}</text><text x="4" y="{_HEIGHT - _BOTTOM}">{low:.2f}</text>'
        f'<text x="{_LEFT}" y="{_HEIGHT - 4}">step {steps[0]}</text>'
        f'<text x="{_WIDTH - 8}" y="{_HEIGHT - 4}" text-anchor="end">step {steps[-1]} · now {values[-1]:.2f}</text>'
    )
    lines = f'<polyline class="raw" points="{raw}"/><polyline class="mean" points="{mean}"/>'
    return f'<svg class="curve" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="Training loss">{axis}{lines}</svg>'


def samples(job: JobStatus, home: Path) -> str:
    """The last sentences that were spoken while it learned."""
    files = [home / path for path in job.samples[-_SAMPLES:]]
    heard = [tag("div", tag("div", text(_moment(f.stem)), css="faint"), sound_file(f)) for f in files if f.is_file()]
    return tag("div", tag("h3", "Spoken on the way"), tag("div", *heard, css="spoken"), css="panel") if heard else ""


def _moment(name: str) -> str:
    """When a sample was spoken, by its file's name: "voice-000120" -> "after step 120"."""
    part, _, step = name.rpartition("-")
    return f"after step {int(step)}" if step.isdigit() and int(step) else part.replace("-", " ") or name


def cutting_row(draft: Draft, cutting: Cutting) -> str:
    """One line of the list of jobs: recordings that are cut for a review."""
    kind = {JobState.FINISHED: "good", JobState.FAILED: "bad"}.get(cutting.state, "")
    says = {
        JobState.RUNNING: f"cutting and grading: {cutting.message}",
        JobState.FINISHED: "clips cut and graded, to be reviewed",
        JobState.CANCELLED: "stopped with its program; goes on once the review is opened",
    }.get(cutting.state, cutting.fault.problem if cutting.fault else "")
    cells = (
        tag("td", tag("b", text(draft.name or "no name yet"))),
        tag("td", badge(*STATES[cutting.state])),
        tag("td", bar(cutting.fraction, kind), tag("div", text(says), css="faint"), style="width:34%"),
        tag("td", text(when(cutting.began_at)), css="num"),
        tag("td", text(when(cutting.updated_at)), css="num"),
        tag("td", text("review")),
    )
    return tag("tr", *cells, css="pick", tabindex="0", **{"data-act": "review", "data-draft": draft.id})


def row(job: JobStatus, steps: Mapping[str, str]) -> str:
    """One line of the list of jobs."""
    keys = list(steps)
    done = len(job.done) if not job.state.over or job.state in (JobState.FAILED, JobState.CANCELLED) else len(keys)
    part = (done + (job.fraction if job.state is JobState.RUNNING else 0.0)) / max(len(keys), 1)
    kind = "good" if job.state is JobState.FINISHED else "bad" if job.state in (JobState.FAILED, JobState.REFUSED) else ""
    doing = steps.get(job.step, "") if not job.state.over else ""
    cells = (
        tag("td", tag("b", text(job.name))),
        tag("td", job_badge(job)),
        tag("td", bar(part, kind), tag("div", text(doing), css="faint"), style="width:34%"),
        tag("td", text(when(job.created_at)), css="num"),
        tag("td", text(when(job.updated_at)), css="num"),
        tag("td", tag("code", text(job.id[:10]))),
    )
    return tag("tr", *cells, css="pick", tabindex="0", **{"data-act": "open", "data-job": job.id})
