"""The child process of a worker: it carries out the steps of a job that it is told on stdin, one JSON line each.

In: {"job": id, "attempt": n, "step": key, "log": file for what is printed}. Out, when the step is over:
{"outcome": "done" | "stopped"} or {"outcome": "failed", "fault": {code, problem, remedy}}. The end of stdin means that the
worker is gone: so is this process.
"""

from __future__ import annotations

import json
import math
import os
import queue
import sys
import threading
import time
import traceback
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import TextIO

from voicekit import creation
from voicekit.engines import Engines
from voicekit.errors import Cancelled, InputError, ResourceError, VoicekitError
from voicekit.jobs import HERE, OPEN, new_job, voice_of
from voicekit.pace import TimeLeft, learn
from voicekit.ports import Catalog, Progress
from voicekit.publishing import Publisher
from voicekit.records import JobFault, JobState, JobStatus, QueuedJob, Voice
from voicekit.request import Request, request_of
from voicekit.storage import read_json
from voicekit.timebase import utc
from voicekit.workplace import Patience, alone, job_folder

SAVE_EVERY_S = 0.5
MAX_POINTS = 600
# Among a job's numbers: how long all of it still takes, where that was foreseen.
TIME_LEFT = "time_left_s"
# A worker that was killed leaves its child a moment to notice; a foreground `create` is not waited for longer than this.
WAIT_FOR_NAME_S = 60.0


class Live:
    """Writes progress into the catalog, now and then; the job being unwanted stops the step by an exception."""

    def __init__(self, catalog: Catalog, home: Path, status: JobStatus, time_left: TimeLeft | None = None) -> None:
        self._catalog, self._home, self.status, self._time_left = catalog, home, status, time_left
        self._saved_s = 0.0

    def __call__(self, event: Progress) -> None:
        status = replace(self.status, step=event.step, fraction=event.fraction, message=event.message or self.status.message)
        if event.step != self.status.step:
            status = replace(status, message=event.message)
        if event.fraction >= 1.0 and event.step not in status.done and event.step != creation.LAST_STEP:
            status = replace(status, done=(*status.done, event.step))
        step, loss = event.values.get("step"), event.values.get("speech_loss", event.values.get("loss"))
        if step is not None and loss is not None:
            status = replace(status, losses=_curve(status.losses, int(step), loss))
        if step is not None:
            status = replace(status, numbers=_rounded(event.values))
        status = replace(status, numbers=self._with_time_left(status.numbers, event))
        if event.sample:
            sample = Path(event.sample).relative_to(self._home).as_posix()
            status = replace(status, samples=(*(s for s in status.samples if s != sample), sample))
        self.status = status
        if event.fraction in (0.0, 1.0) or event.sample or time.monotonic() - self._saved_s > SAVE_EVERY_S:
            self.save()

    def _with_time_left(self, numbers: tuple[tuple[str, float], ...], event: Progress) -> tuple[tuple[str, float], ...]:
        left_s = self._time_left.at(event.step, event.fraction) if self._time_left else None
        kept = tuple((name, value) for name, value in numbers if name != TIME_LEFT)
        return kept if left_s is None else (*kept, (TIME_LEFT, round(left_s, 1)))

    def save(self) -> None:
        self._saved_s = time.monotonic()
        self.status = replace(self.status, updated_at=utc())
        if not self._catalog.save_job(self.status, self.status.attempt, OPEN):
            raise _cancelled()

    def finish(self, voice: Voice) -> None:
        """The voice is registered; REFUSED if the gate did not pass it."""
        evaluation = self._catalog.evaluation(voice.evaluation_id)
        passed = evaluation is not None and evaluation.passed
        kept = tuple(f"{voice.folder}/{creation.SAMPLES}/{Path(s).name}" for s in self.status.samples)
        state = JobState.FINISHED if passed else JobState.REFUSED
        done = tuple(creation.STEPS)
        self.status = replace(
            self.status,
            state=state,
            step=done[-1],
            fraction=1.0,
            message="",
            done=done,
            version=voice.version,
            samples=kept,
            numbers=tuple((name, value) for name, value in self.status.numbers if name != TIME_LEFT),
        )
        self.save()


def _rounded(values: Mapping[str, float]) -> tuple[tuple[str, float], ...]:
    """What is a number, to four digits: for people to read."""
    return tuple((name, float(f"{value:.4g}")) for name, value in values.items() if math.isfinite(value))


def _cancelled() -> Cancelled:
    return Cancelled("The job was cancelled.", "Go on with it: voicekit jobs retry.")


def _curve(losses: tuple[tuple[int, float], ...], step: int, loss: float) -> tuple[tuple[int, float], ...]:
    """With one more point; what a killed attempt had already learned is drawn once. Long curves are thinned."""
    points = (*(p for p in losses if p[0] < step), (step, round(loss, 4)))
    return points if len(points) <= MAX_POINTS else (*points[:-1:2], points[-1])


class Foreground:
    """A voice that is made here and now stands in the table of jobs too, and can be cancelled there."""

    def __init__(self, catalog: Catalog, home: Path, job_id: str, request: Request) -> None:
        self._catalog = catalog
        before = new_job(job_id, request, HERE)
        added = catalog.add_job(QueuedJob(before, request.as_json()))
        if not added and (known := catalog.job(job_id)) is not None:
            before = known.status
        status = replace(
            before,
            state=JobState.RUNNING,
            queue=HERE,
            attempt=before.attempt + (not added),
            done=() if before.version else before.done,
            fault=None,
            version=0,
            updated_at=utc(),
        )
        catalog.save_job(status, before.attempt, list(JobState))
        self.live = Live(catalog, home, status)

    def ended(self, error: BaseException) -> None:
        """By an error, or by whoever interrupted it."""
        status = self.live.status
        at_fault = isinstance(error, Exception) and not isinstance(error, Cancelled)
        fault = fault_of(error, status.step or "prepare") if isinstance(error, Exception) and at_fault else None
        state = JobState.FAILED if at_fault else JobState.CANCELLED
        self._catalog.save_job(replace(status, state=state, fault=fault, updated_at=utc()), status.attempt, OPEN)


class Carrier:
    """Carries out single steps of the jobs in a catalog."""

    def __init__(self, home: Path, catalog: Catalog, engines: Engines, require_consent: bool = True) -> None:
        self._home, self._catalog, self._engines = home, catalog, engines
        self._publisher = Publisher(home, catalog, engines, require_consent)

    def carry_out(self, job_id: str, attempt: int, step: str) -> None:
        """Do one step unless it is done. Raises what went wrong; Cancelled if the job is not wanted any more."""
        found = self._catalog.job(job_id)
        if found is None or found.status.attempt != attempt or found.status.state not in OPEN:
            raise _cancelled()
        request, folder = request_of(found.request), job_folder(self._home, job_id)
        time_left = TimeLeft(dict(request.foreseen), _spent(folder)) if request.foreseen else None
        live = Live(self._catalog, self._home, replace(found.status, state=JobState.RUNNING), time_left)
        with alone(self._home, request.slug, WAIT_FOR_NAME_S):
            versions = self._catalog.versions(request.slug)
            made = voice_of(job_id, versions, self._home)
            if made is None:
                model = self._engines.open_base(request.base)
                job = creation.Job(job_id, folder, request, model, self._engines, live)
                if step == "prepare" and not job.facts(step) and request.job_id(model.info.revision) != job_id:
                    raise InputError("The recordings were changed after the voice was asked for.", "Ask for it again.")
                if step != creation.LAST_STEP:
                    self._timed(job, step)
                else:
                    made = creation.finish(job, self._catalog, self._home)
            if made is not None and step == creation.LAST_STEP:
                live.finish(self._publisher.publish_if_allowed(made) if request.publish else made)

    def _timed(self, job: creation.Job, step: str) -> None:
        """A step, and how long it took against what was foreseen, unless an earlier attempt had begun it."""
        begun_before = (job.folder / step).exists()
        creation.carry_out_step(job, step)
        promised, took_s = dict(job.request.foreseen).get(step), job.facts(step).get("took_s")
        if promised and took_s and not begun_before:
            learn(self._home, job.base.info.revision, step, promised, took_s)

    def serve(self, asked: TextIO, answers: TextIO) -> None:
        """Steps as they are asked for, until the worker goes away."""
        self._catalog.wait_while_away(Patience(math.inf, lambda text: print(text, file=sys.stderr, flush=True)))
        waiting: queue.SimpleQueue[str] = queue.SimpleQueue()
        threading.Thread(target=_read, args=(asked, waiting), daemon=True).start()
        while True:
            order = json.loads(waiting.get())
            _print_into(Path(order["log"]))
            answers.write(json.dumps(self._outcome(order["job"], order["attempt"], order["step"])) + "\n")
            answers.flush()

    def _outcome(self, job_id: str, attempt: int, step: str) -> dict[str, object]:
        try:
            self.carry_out(job_id, attempt, step)
        except Cancelled:
            return {"outcome": "stopped"}
        except Exception as error:
            traceback.print_exc()
            return {"outcome": "failed", "fault": asdict(fault_of(error, step))}
        return {"outcome": "done"}


def _spent(folder: Path) -> dict[str, float]:
    """Seconds of the steps that are done, by step."""
    found = {step: read_json(folder / step / "done.json").get("took_s") for step in creation.STEPS}
    return {step: float(seconds) for step, seconds in found.items() if seconds is not None}


def _print_into(log: Path) -> None:
    """stdout and stderr, also of libraries written in C."""
    log.parent.mkdir(parents=True, exist_ok=True)
    sys.stdout.flush()
    sys.stderr.flush()
    with log.open("ab") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)


def _read(asked: TextIO, waiting: queue.SimpleQueue[str]) -> None:
    """Nothing that this process is in the middle of is worth keeping once the worker is gone: every step can go on."""
    for line in asked:
        waiting.put(line)
    os._exit(1)


def fault_of(error: Exception, step: str) -> JobFault:
    """An error as everybody may read it; what nobody foresaw points to the job's log."""
    if "out of memory" in str(error).lower() and not isinstance(error, VoicekitError):
        problem = f"Memory ran out in the step {creation.STEPS[step]!r}."
        error = ResourceError(problem, "Close other programs or choose a smaller train.micro_tokens in the recipe, then retry.")
    if isinstance(error, VoicekitError):
        return JobFault(error.code, error.problem, error.remedy)
    # What others' errors say may hold anything: it stands in the log.
    problem = f"Something went wrong inside voicekit ({type(error).__name__})."
    return JobFault(VoicekitError.code, problem, "See the job's log, then retry.")
