"""Jobs on the command line: workers, the list of jobs, many voices from one manifest, publishing."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from voicekit.commands.common import REFUSED, ConsentId, Json, opened, workers
from voicekit.service_records import JobState, JobStatus

if TYPE_CHECKING:
    from voicekit.app import App
    from voicekit.onboarding import RowResult
    from voicekit.records import Voice

FAILED = 1

JobId = Annotated[str, typer.Argument(metavar="JOB", help="A job's id, or the beginning of it.")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the voice.")]
Version = Annotated[int, typer.Option("--version", metavar="N", help="Which version. Default: the newest.")]

jobs_cli = typer.Typer(help="See, cancel, retry and remove the jobs that make voices.", no_args_is_help=True)


def add(cli: typer.Typer) -> None:
    """These commands become part of `voicekit`."""
    cli.command()(worker)
    cli.add_typer(jobs_cli, name="jobs")
    for command in (onboard, publish, revoke):
        cli.command()(command)


def worker(
    until_idle: Annotated[bool, typer.Option("--until-idle", help="End when no job is left.")] = False,
    attached: Annotated[bool, typer.Option("--attached", help="For programs that start it: end when stdin ends.")] = False,
) -> None:
    """Carry out jobs, one at a time, until stopped. Start one for each device; VOICEKIT_DEVICE says which."""
    from voicekit import terminal

    app = opened(serves=True)
    if attached:
        threading.Thread(target=_until_the_end_of_stdin, daemon=True).start()
    else:
        terminal.say("Waiting for jobs. Stop with Ctrl-C: nothing is lost.")
    app.work(until_idle)


def _until_the_end_of_stdin() -> None:
    """Then this process is asked to stop like any worker. Python ends badly where a thread waits inside `sys.stdin` itself."""
    while os.read(sys.stdin.fileno(), 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


@jobs_cli.command("list")
def list_jobs(
    state: Annotated[JobState | None, typer.Option(help="Only jobs in this state.")] = None,
    limit: Annotated[int, typer.Option(metavar="N", min=1, help="How many at most.")] = 50,
    json: Json = False,
) -> None:
    """List the jobs, the newest first."""
    from voicekit import terminal
    from voicekit.results import job_json

    with terminal.stdout_for_results() as result:
        found = opened().jobs(state=state, limit=limit)
        if json:
            result.json([job_json(job) for job in found])
        else:
            result.jobs(found)


@jobs_cli.command("show")
def show_job(
    job: JobId, log: Annotated[bool, typer.Option("--log", help="Also what was printed.")] = False, json: Json = False
) -> None:
    """Show how a job stands."""
    from voicekit import terminal
    from voicekit.results import job_json

    with terminal.stdout_for_results() as result:
        app = opened()
        status = app.job(job)
        if json:
            result.json({**job_json(status), **({"log": app.job_log(job)} if log else {})})
        else:
            result.job(status, app.steps())
            if log:
                result.line(app.job_log(job))


@jobs_cli.command("cancel")
def cancel_job(job: JobId, json: Json = False) -> None:
    """Stop a job. Its finished steps are kept: `voicekit jobs retry` goes on."""
    _answer_with(opened().cancel(job), json)


@jobs_cli.command("retry")
def retry_job(job: JobId, json: Json = False) -> None:
    """Go on with a failed or cancelled job at the step that was not finished. A worker must be running."""
    _answer_with(opened().retry(job), json)


@jobs_cli.command("remove")
def remove_job(job: JobId, json: Json = False) -> None:
    """Forget a job, its work, and what only it used. One that runs is stopped first; a voice that it made stays."""
    from voicekit import terminal

    with terminal.stdout_for_results() as result:
        app = opened()
        whole = app.job(job).id
        result.removed(app.remove_job(whole), f"the job {whole[:16]}", json)


def onboard(
    manifest: Annotated[
        Path,
        typer.Argument(
            metavar="MANIFEST.csv",
            help="Columns name, recordings; optionally script, reference, speaker, turns, language, consent, recipe, base, tags.",
        ),
    ],
    count: Annotated[int, typer.Option("--workers", metavar="N", min=0, help="Workers to start here; 0: others do it.")] = 1,
    json: Json = False,
) -> None:
    """Make many voices, a row each. Run it again: it does what is missing."""
    from voicekit import terminal

    with terminal.stdout_for_results() as result:
        app = opened(waits=True)
        app.check_manifest(manifest)
        with workers(count) as crew, terminal.rows_progress() as report:

            def look(rows: Sequence[RowResult]) -> None:
                report(rows)
                crew.check()

            summary = app.onboard(manifest, look)
        if json:
            result.json(summary.as_json())
        else:
            result.summary(summary)
    if summary.count(JobState.FAILED, JobState.CANCELLED):
        raise typer.Exit(FAILED)
    raise typer.Exit(REFUSED if summary.count(JobState.REFUSED) else 0)


def publish(name: Name, version: Version = 0, consent: ConsentId = "", json: Json = False) -> None:
    """Let a draft be used: the gate must have passed it, and its speaker's consent must hold."""
    app = opened()
    _voice(app, app.publish(name, version, consent), json)


def revoke(name: Name, version: Version = 0, json: Json = False) -> None:
    """Take a published voice back. It is kept, but speaks again only with a new consent."""
    app = opened()
    _voice(app, app.revoke(name, version), json)


def _answer_with(status: JobStatus, json: bool) -> None:
    from voicekit import terminal
    from voicekit.results import job_json

    with terminal.stdout_for_results() as result:
        if json:
            result.json(job_json(status))
        else:
            result.line(f"{status.id[:16]}  {status.name}: {status.state.value}")


def _voice(app: App, voice: Voice, json: bool) -> None:
    from voicekit import terminal
    from voicekit.results import voice_json

    consent = app.consent_state(voice)
    with terminal.stdout_for_results() as result:
        if json:
            result.json(voice_json(voice, consent))
        else:
            result.line(f"{voice.slug} version {voice.version}: {voice.state.value}. {consent.says}")
