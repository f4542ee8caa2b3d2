"""What the command line shows: progress on stderr, results on stdout, tables, the typed conversation."""

from __future__ import annotations

import json
import math
import os
import sys
import time
import traceback
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from voicekit.app import App, collect, save
from voicekit.dialogue import Dialogue, UserText
from voicekit.errors import VoicekitError
from voicekit.evaluation_warnings import warnings
from voicekit.models import ModelState
from voicekit.onboarding import OnboardSummary, OnRows, RowResult
from voicekit.ports import OnProgress
from voicekit.ports import Progress as Event
from voicekit.records import Consent, ConsentState, JobState, JobStatus, Metric, Voice, VoiceState
from voicekit.results import Check, DemoShown, DistilledPart, Removed, VoiceDetails

_STDOUT, _STDERR = 1, 2
_PLAIN_EVERY_S = 10.0
_JOB_STYLE = {
    JobState.QUEUED: "dim",
    JobState.RUNNING: "cyan",
    JobState.FINISHED: "green",
    JobState.REFUSED: "yellow",
    JobState.FAILED: "red",
    JobState.CANCELLED: "dim",
}
_STATE_STYLE = {VoiceState.PUBLISHED: "green", VoiceState.DRAFT: "yellow", VoiceState.REVOKED: "red"}


class Results:
    """Writes results to the real stdout."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._console = Console(file=stream, highlight=False, soft_wrap=not stream.isatty())

    def json(self, value: object) -> None:
        self._stream.write(json.dumps(value, ensure_ascii=False, allow_nan=False) + "\n")

    def line(self, text: str) -> None:
        self._stream.write(text + "\n")

    def removed(self, removed: Removed, what: str, json: bool) -> None:
        """What a removal took: for people beside the results, with `json` among them too."""
        if json:
            self.json(removed.as_json())
        say(removed.in_words(f"Removed {what}"))

    def details(self, found: VoiceDetails) -> None:
        voice, run = found.voice, found.run
        heading = Text.assemble(
            (voice.slug, "bold"), f" version {voice.version}: ", (voice.state.value, _STATE_STYLE[voice.state])
        )
        self._console.print(heading)
        for name, value in (
            ("recordings", f"{len(found.recordings)} files, {found.speech_s / 60:.1f} min of speech"),
            ("clips", f"{found.clips_accepted} accepted, {found.clips_rejected} rejected"),
            ("base", f"{run.base_model} @ {run.base_revision[:12]}"),
            ("training", f"{run.steps} steps, {run.seconds:.0f} s, loss {_number(run.loss_first)} -> {_number(run.loss_last)}"),
            ("consent", found.consent.says),
            ("created", voice.created_at),
            ("report", str(found.report)),
        ):
            self._console.print(f"  {name:<11}{value}", markup=False)
        self._console.print(metrics_table(found.evaluation.metrics))
        for warning in warnings(found.evaluation.metrics):
            self._console.print(Text(f"  WARNING: {warning}", "bold yellow"))
        for reason in found.evaluation.reasons:
            self._console.print(f"  refused: {reason}", markup=False)
        for advice in found.evaluation.advice:
            self._console.print(f"  advice:  {advice}", markup=False)
        for note in found.notes:
            self._console.print(f"  note:    {note}", markup=False)

    def distilled(self, found: DistilledPart) -> None:
        self._console.print(f"{found.folder} has a {found.part} now.", markup=False)
        self._console.print(metrics_table(found.metrics))

    def consents(self, consents: Sequence[Consent]) -> None:
        if not consents:
            self._console.print("No consents yet. Keep one: voicekit consents add RECORDING --speaker NAME")
            return
        table = Table(box=None, pad_edge=False)
        for column in ("consent", "speaker", "language", "words", "voice", "given"):
            table.add_column(column, overflow="fold", no_wrap=column == "consent", min_width=28 if column == "consent" else None)
        for c in consents:
            voice = "not compared" if c.voice_ok is None else f"{'matches' if c.voice_ok else 'is another'} ({c.cosine:.2f})"
            words = "match" if c.words_ok else "do not match"
            table.add_row(c.id, Text(c.speaker), c.language, words, voice, c.created_at[:19])
        self._console.print(table)

    def voices(self, voices: Sequence[tuple[Voice, ConsentState]]) -> None:
        if not voices:
            self._console.print("No voices yet. Make one: voicekit create NAME RECORDINGS, or try: voicekit demo")
            return
        table = Table(box=None, pad_edge=False)
        for column in ("name", "version", "state", "language", "base", "created", "consent"):
            table.add_column(column)
        for v, consent in voices:
            state = Text(v.state.value, _STATE_STYLE[v.state])
            table.add_row(v.slug, str(v.version), state, v.language, v.base_model, v.created_at, Text(consent.says))
        self._console.print(table)

    def jobs(self, jobs: Sequence[JobStatus]) -> None:
        if not jobs:
            self._console.print("No jobs yet. They come from voicekit onboard, the studio and the API.")
            return
        table = Table(box=None, pad_edge=False)
        for column in ("job", "voice", "state", "step", "asked for"):
            table.add_column(column)
        for job in jobs:
            step = f"{job.step} {100 * job.fraction:.0f} %" if job.state is JobState.RUNNING else job.step
            table.add_row(job.id[:16], job.name, Text(job.state.value, _JOB_STYLE[job.state]), step, job.created_at[:19])
        self._console.print(table)

    def job(self, job: JobStatus, steps: Mapping[str, str]) -> None:
        self._console.print(Text.assemble((job.name, "bold"), ": ", (job.state.value, _JOB_STYLE[job.state])))
        for key, title in steps.items():
            at_hand = key == job.step and not job.state.over
            mark = "done" if key in job.done else f"{100 * job.fraction:.0f} %" if at_hand else ""
            self._console.print(f"  {title:<15}{mark} {job.message if at_hand else ''}".rstrip(), markup=False)
        if job.losses:
            self._console.print(f"  loss           {job.losses[0][1]:.3g} -> {job.losses[-1][1]:.3g}", markup=False)
        if job.numbers and not job.state.over:
            told = ", ".join(f"{name.replace('_', ' ')} {value:.4g}" for name, value in job.numbers)
            self._console.print(f"  now            {told}", markup=False)
        if job.fault is not None:
            self._console.print(f"  failed in {job.step!r}: {job.fault.problem}\n  {job.fault.remedy}", markup=False)
        self._console.print(f"  job {job.id}, attempt {job.attempt}", style="dim")

    def summary(self, summary: OnboardSummary) -> None:
        self._console.print(rows_table(summary.rows))
        counts = [f"{n} {state.value}" for state in JobState if (n := summary.count(state))]
        self._console.print(", ".join(counts))

    def checks(self, checks: Sequence[Check]) -> None:
        table = Table(box=None, pad_edge=False, show_header=False)
        table.add_column(no_wrap=True)
        table.add_column(no_wrap=True)
        table.add_column(overflow="fold")
        for check in checks:
            mark = Text("ok", "green") if check.ok else Text("--", "dim") if check.optional else Text("NO", "bold red")
            said = check.detail if check.ok or not check.remedy else f"{check.detail} {check.remedy}"
            table.add_row(mark, check.name, Text(said))
        self._console.print(table)

    def models(self, models: Sequence[ModelState]) -> None:
        for step in dict.fromkeys(state.model.step for state in models):
            known = [state for state in models if state.model.step is step]
            table = Table(title=step.value, title_justify="left", title_style="bold", box=None, pad_edge=False, show_header=False)
            for _ in range(4):
                table.add_column(no_wrap=True)
            table.add_column(overflow="fold")
            instead = known[0].instead
            there = bool(instead.megabytes)
            size = f"{instead.megabytes} MB" if there else ""
            table.add_row("  bundled" if there else "  without", instead.name, size, instead.licence, instead.good_for)
            for state in known:
                mark = Text("  ready" if state.ready else "  --", "green" if state.ready else "dim")
                place = f"inside {state.model.package}" if state.model.bundled else "gated" if state.model.gated else ""
                lacking = "" if state.installed else f"{state.model.package} is not installed"
                notes = "; ".join(note for note in (state.model.brings, place, lacking) if note)
                table.add_row(mark, state.model.name, f"{state.model.megabytes} MB", state.model.licence, notes)
            self._console.print(table)
        folders = dict.fromkeys(str(state.folder.parent) for state in models)
        self._console.print(f"Looked for in {', '.join(folders)}, each in a folder of its name.", markup=False)

    def demo(self, shown: DemoShown) -> None:
        self.details(shown.details)
        self._console.print("\nThree answers in that voice:")
        for item in shown.answers:
            self._console.print(f"  {item.question}\n    {item.answer.text}\n    {item.answer.audio}", markup=False)
        slug = shown.details.voice.slug
        self._console.print(
            f"\nThe report: {shown.report}\n"
            "\nTry next:\n"
            "  voicekit studio   (hear it, talk with it and make your own, in the browser)\n"
            f"  voicekit chat {slug}\n"
            f'  voicekit say {slug} "good morning" -o morning.wav\n'
            "  voicekit create NAME FOLDER   (your own recordings: a few minutes of one speaker, with a script)",
            markup=False,
        )


def say_what_is_missing(app: App, voice: Voice) -> None:
    """Of a draft that the gate passed, what keeps it from being published, on stderr."""
    refusal = app.refusal(voice) if voice.state is VoiceState.DRAFT else None
    if refusal is not None and app.show(voice.slug, voice.version).evaluation.passed:
        say(f"The gate passed it, and it stays a draft: you can talk with it, others cannot. {refusal}")
        say(f"See voicekit consents --help, then: voicekit publish {voice.slug} --consent ID")


def rows_table(rows: Sequence[RowResult]) -> Table:
    """The voices of a manifest. What needs attention comes with its reason."""
    table = Table(box=None, pad_edge=False)
    for column in ("voice", "state", "at", "reason"):
        table.add_column(column, overflow="fold")
    for row in rows:
        at = (
            f"{row.step} {100 * row.fraction:.0f} %"
            if row.state is JobState.RUNNING
            else f"v{row.version}"
            if row.version
            else ""
        )
        table.add_row(row.name, Text(row.state.value, _JOB_STYLE[row.state]), at, Text(row.reason))
    return table


@contextmanager
def rows_progress() -> Generator[OnRows, None, None]:
    """One table of a manifest's voices on stderr; a line for each change where stderr is not a terminal."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield PlainRows(sys.stderr)
        return
    with Live(console=console, transient=True, auto_refresh=False, vertical_overflow="crop") as live:

        def show(rows: Sequence[RowResult]) -> None:
            order = {JobState.RUNNING: 0, JobState.FAILED: 1, JobState.QUEUED: 2}
            counts = ", ".join(f"{n} {s.value}" for s in JobState if (n := sum(r.state is s for r in rows)))
            live.update(Group(rows_table(sorted(rows, key=lambda r: order.get(r.state, 3))), Text(counts)), refresh=True)

        yield show


class PlainRows:
    """A line when a voice's state changes."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._known: dict[str, JobState] = {}

    def __call__(self, rows: Sequence[RowResult]) -> None:
        for row in rows:
            if self._known.get(row.name) is not row.state:
                self._known[row.name] = row.state
                over = sum(r.state.over for r in rows)
                note = f": {row.reason}" if row.reason else ""
                print(f"[{over}/{len(rows)}] {row.name} {row.state.value}{note}", file=self._stream, flush=True)


def say(line: str) -> None:
    """For people, beside the results."""
    print(line, file=sys.stderr, flush=True)


def metrics_table(metrics: Mapping[str, Metric]) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("  measured")
    for column in ("value", "95 % interval", "n"):
        table.add_column(column, justify="right")
    for name, m in metrics.items():
        ends = m.shown_interval(3)
        spread = " .. ".join(ends) if ends else ""
        table.add_row(f"  {name}", _number(m.value), spread, str(m.n))
    return table


def _number(value: float) -> str:
    return f"{value:.3f}" if math.isfinite(value) else "not measured"


@contextmanager
def stdout_for_results() -> Generator[Results, None, None]:
    """Inside, whatever else prints to stdout (libraries do, some from C) lands on stderr; results go to stdout."""
    stdout = sys.stdout
    stdout.flush()
    try:
        stdout.fileno()
        kept = os.dup(_STDOUT)
    except (OSError, ValueError):  # no real file: a test's capture, a notebook
        with redirect_stdout(sys.stderr):
            yield Results(stdout)
        return
    # A name or a text of somebody's file may hold what is no Unicode: it is shown as an escape.
    with os.fdopen(kept, "w", encoding="utf-8", errors="backslashreplace") as results:
        os.dup2(_STDERR, _STDOUT)
        try:
            with redirect_stdout(sys.stderr):
                yield Results(results)
        finally:
            results.flush()
            os.dup2(results.fileno(), _STDOUT)


@contextmanager
def progress(steps: Mapping[str, str]) -> Generator[OnProgress, None, None]:
    """Bars on stderr, one for each step (key -> title); plain lines where stderr is not a terminal."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield PlainProgress(steps, sys.stderr)
        return
    bars = Progress(
        SpinnerColumn(finished_text="[green]✓"),
        TextColumn("{task.description}"),
        BarColumn(bar_width=28),
        TimeElapsedColumn(),
        TextColumn("{task.fields[note]}", style="dim"),
        console=console,
    )
    with bars:
        yield _Bars(bars, {key: bars.add_task(title, total=1.0, start=False, note="") for key, title in steps.items()})


class _Bars:
    def __init__(self, bars: Progress, tasks: dict[str, TaskID]) -> None:
        self._bars = bars
        self._tasks = tasks

    def __call__(self, event: Event) -> None:
        task = self._tasks.get(event.step)
        if task is None:
            return
        self._bars.start_task(task)
        self._bars.update(task, completed=event.fraction, note=_note(event))


class PlainProgress:
    """A line when a step begins, when it ends, and now and then between."""

    def __init__(self, steps: Mapping[str, str], stream: TextIO) -> None:
        self._steps = steps
        self._stream = stream
        self._begun_s: dict[str, float] = {}
        self._last_s = 0.0
        self._ended: set[str] = set()

    def __call__(self, event: Event) -> None:
        title = self._steps.get(event.step)
        if title is None or event.step in self._ended:
            return
        now_s = time.monotonic()
        first = event.step not in self._begun_s
        self._begun_s.setdefault(event.step, now_s)
        if event.fraction >= 1.0:
            self._ended.add(event.step)
            self._say(f"{title}: done in {now_s - self._begun_s[event.step]:.1f} s", event, now_s)
        elif first or now_s - self._last_s >= _PLAIN_EVERY_S:
            self._say(f"{title}: {100 * event.fraction:.0f} %", event, now_s)

    def _say(self, line: str, event: Event, now_s: float) -> None:
        note = _note(event)
        self._last_s = now_s
        print(f"{line} ({note})" if note else line, file=self._stream, flush=True)


def _note(event: Event) -> str:
    """The message, and of the numbers the losses: that they fall is what people watch for."""
    losses = [f"{name.replace('_', ' ')} {value:.3g}" for name, value in event.values.items() if name.endswith("loss")]
    return ", ".join(part for part in (event.message, *losses) if part)


def converse(dialogue: Dialogue, name: str, folder: Path) -> None:
    """A typed conversation: a question a line until the end of input; each answer's audio is a file in `folder`."""
    err = Console(stderr=True, highlight=False, soft_wrap=True)
    err.print(f"Talking with {name}. An empty line or Ctrl-D ends it; the answers are in {folder}/.", style="dim")
    number = 0
    while question := _asked(err):
        number += 1
        dialogue.send(UserText(question))
        try:
            answer = collect(dialogue)
        except VoicekitError as error:
            err.print(str(error), style="red", markup=False)
            continue
        path = folder / f"{name}-{number:03d}.wav"
        save(answer.wave, path)
        print(answer.text, flush=True)
        err.print(f"{path}", style="dim", markup=False)


def _asked(console: Console) -> str:
    """The next line typed; "" at the end."""
    try:
        if sys.stdin.isatty():
            console.print("> ", end="", style="bold")
        return sys.stdin.readline().strip()
    except KeyboardInterrupt:
        return ""


def keep_traceback(error: BaseException) -> Path:
    """Writes the traceback to a file in the temporary folder, for a bug report."""
    import tempfile

    path = Path(tempfile.gettempdir()) / f"voicekit-error-{os.getpid()}.txt"
    path.write_text("".join(traceback.format_exception(error)), encoding="utf-8")
    return path
