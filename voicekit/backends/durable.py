"""A worker: takes jobs from the catalog and carries them out as DBOS workflows, one durable step for each step of creation.

Doors write jobs into the catalog and nothing else, so only workers load DBOS. A job's attempt is a workflow whose id is
"<job id>.<attempt>": whoever enqueues it a second time finds the first. Workers are made to be killed. Every one gives
signs of life in the catalog; another that finds one missing puts its workflows back into their queue, and they go on
after the last finished step.
"""

from __future__ import annotations

import logging
import math
import os
import signal
import socket
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, nullcontext, suppress
from pathlib import Path
from uuid import uuid4

from voicekit.backends.step_process import DONE, STOPPED, Order, StepProcess
from voicekit.errors import CatalogAway, InputError, StepCrashed, error_of
from voicekit.ports import JobLog, JobSource
from voicekit.records import WORKER_SILENT_S, JobFault, Worker
from voicekit.storage import locked
from voicekit.timebase import utc
from voicekit.workplace import Patience, process_runs

_log = logging.getLogger(__name__)

# The shape of the workflow, not of the program: an update of voicekit goes on with the jobs of the one before.
WORKFLOW_VERSION = "voicekit-1"
TICK_S = 0.5
SIGN_OF_LIFE_S = 2.0
ENDING_S = 60.0
REST_S = 20.0
_LAUNCHES = 5
_BUSY_S = 30.0


class DurableRunner:
    """`database` is (address, schema) of what DBOS keeps; `command` starts a process that carries out steps, with `environment`
    added to this one's; `queue` tells the kind of device this worker has: cpu or gpu; `device_lock` the file that keeps a
    second worker off it, if there is to be one only."""

    def __init__(
        self,
        log: JobLog,
        database: tuple[str, str],
        command: Sequence[str],
        environment: Mapping[str, str],
        queue: Callable[[], str],
        device_lock: Callable[[], Path | None] = lambda: None,
    ) -> None:
        self.log, self.database, self.queue, self._device_lock = log, database, queue, device_lock
        self._command, self._environment = command, environment

    def run(self, jobs: JobSource, until_idle: bool = False) -> None:
        """Until SIGTERM or SIGINT, or until no job is left for this worker's queue."""
        lock = self._device_lock()
        busy = ("Another worker uses this device already.", "One is enough, or choose another device with VOICEKIT_DEVICE.")
        with nullcontext() if lock is None else locked(lock, *busy):
            _Shift(self, jobs).run(until_idle)

    def forget(self, jobs: Mapping[str, int]) -> None:
        """Nothing is kept of the workflows of these jobs any more: how often each was tried, by id."""
        address, schema = self.database
        file = address.removeprefix("sqlite:///")
        if file != address and not Path(file).is_file():
            return  # no worker has run here yet
        from dbos import DBOSClient

        client = DBOSClient(system_database_url=address, dbos_system_schema=schema, lazy=True, retry_connection_errors=False)
        try:
            client.delete_workflows([f"{job_id}.{attempt + 1}" for job_id, tried in jobs.items() for attempt in range(tried)])
        except Exception as error:  # whatever DBOS wraps: of a database in which no worker has run yet, the tables are missing
            _log.debug("no workflow was forgotten: %s", type(error).__name__)
        finally:
            client.destroy()
        if file != address:
            overwrite_removed(Path(file))

    def process(self) -> StepProcess:
        return StepProcess(self._command, self._environment)


def overwrite_removed(database: Path) -> None:
    """Write a SQLite file anew: of rows that were deleted their bytes would stay in it, unless the system's SQLite was built to
    overwrite them. While others use it for long, it stays as it is until the next time."""
    with closing(sqlite3.connect(database, timeout=_BUSY_S)) as connection, suppress(sqlite3.OperationalError):
        connection.execute("VACUUM")


class _Shift:
    """One worker at work."""

    def __init__(self, runner: DurableRunner, jobs: JobSource) -> None:
        self._runner, self._jobs = runner, jobs
        self._me = Worker(uuid4().hex, socket.gethostname(), os.getpid(), runner.queue(), utc())
        self._stop = threading.Event()
        self._process: StepProcess | None = None
        self._at_hand = threading.Lock()
        self._busy = False
        self._idle_since_s = time.monotonic()
        self._patience = Patience(math.inf, _to_stderr, self._stop.wait)
        self._waits = 0
        self._trusts_silence_from_s = 0.0

    def run(self, until_idle: bool) -> None:
        # Before anybody can see this worker and stop it: without them it would end and leave its line in the catalog.
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, lambda *_: self._stop.set())
        self._runner.log.wait_while_away(self._patience)
        try:
            self._runner.log.see_worker(self._me)
            self._take_jobs(self._launched(), until_idle)
        except CatalogAway:
            if not self._stop.is_set():
                raise
        self._leave()

    def _take_jobs(self, create_voice: Callable[[str, int], str], until_idle: bool) -> None:
        from dbos import DBOS, SetWorkflowID

        signed_s = -SIGN_OF_LIFE_S
        while not self._stop.is_set():
            if time.monotonic() - signed_s >= SIGN_OF_LIFE_S:
                signed_s = time.monotonic()
                if not self._sign():
                    break  # declared dead: somebody else has this worker's job by now
                self._adopt()
            for status in self._jobs.waiting(self._me.queue):
                with SetWorkflowID(f"{status.id}.{status.attempt}"):
                    DBOS.enqueue_workflow(self._me.queue, create_voice, status.id, status.attempt)
            self._rest()
            if until_idle and not self._busy and not self._jobs.open(self._me.queue):
                break
            self._stop.wait(TICK_S)

    def _sign(self) -> bool:
        """A sign of life; False if this worker was declared dead. Who could not give one, because the database was away, could
        not see those of the others either: they get time to give theirs."""
        kept = self._runner.log.keep_worker(self._me.id, utc())
        if self._patience.waits != self._waits:
            self._waits = self._patience.waits
            self._trusts_silence_from_s = time.monotonic() + WORKER_SILENT_S
        return kept

    def _launched(self) -> Callable[[str, int], str]:
        """The workflow, known to a DBOS that is ready. DBOS waits for its database, but not while it is launched."""
        from dbos import DBOS

        for _ in range(_LAUNCHES - 1):
            try:
                return self._launch()
            except Exception:
                DBOS.destroy(destroy_registry=True)
                self._runner.log.workers()  # comes back when the database does
        return self._launch()

    def _launch(self) -> Callable[[str, int], str]:
        from dbos import DBOS

        address, schema = self._runner.database
        DBOS(
            config={
                "name": "voicekit",
                "system_database_url": address,
                "dbos_system_schema": schema,
                "application_version": WORKFLOW_VERSION,
                "executor_id": self._me.id,
                "log_level": "CRITICAL",  # what it says otherwise holds the address of the database
                "enable_otlp": False,
            }
        )

        @DBOS.workflow(name="create_voice")
        def create_voice(job_id: str, attempt: int) -> str:
            return self._create_voice(job_id, attempt)

        DBOS.listen_queues([self._me.queue])
        DBOS.launch()
        DBOS.register_queue(self._me.queue, worker_concurrency=1, polling_interval_sec=TICK_S, on_conflict="always_update")
        return create_voice

    def _create_voice(self, job_id: str, attempt: int) -> str:
        """The workflow. Steps that are recorded as done are not called again; the others find what they left."""
        from dbos import DBOS

        with self._at_hand:
            self._busy = True
        try:
            for step in self._jobs.steps():
                outcome = DBOS.run_step({"name": step}, self._carry_out, job_id, attempt, step)
                if outcome != DONE:
                    return outcome
            return DONE
        except Exception as error:
            problem = f"The worker failed ({type(error).__name__})."
            self._jobs.fail(job_id, attempt, JobFault(StepCrashed.code, problem, "Retry the job."))
            raise
        finally:
            self._busy, self._idle_since_s = False, time.monotonic()

    def _carry_out(self, job_id: str, attempt: int, step: str) -> str:
        try:
            return self._outcome(job_id, attempt, step)
        except CatalogAway:
            time.sleep(ENDING_S)  # as below: only a worker that is being stopped does not wait for the database
            raise

    def _outcome(self, job_id: str, attempt: int, step: str) -> str:
        if not self._jobs.begin(job_id, attempt, step):
            return STOPPED
        process = self._process = self._process or self._runner.process()
        order = Order(job_id, attempt, step, str(self._jobs.log_file(job_id)))
        outcome, fault = process.carry_out(order, lambda: self._jobs.wanted(job_id, attempt))
        if self._stop.is_set() and outcome != DONE:
            time.sleep(ENDING_S)  # this process ends meanwhile: the step is not over, it goes on elsewhere
        bad_input = fault is not None and isinstance(error_of(fault.code, "", ""), InputError)
        if outcome != DONE and not bad_input:
            self._end_process()
        if fault is not None:
            self._jobs.fail(job_id, attempt, fault)
        return outcome

    def _end_process(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process = None

    def _rest(self) -> None:
        """The next job finds the models open; without one they go after a while, and their memory with them."""
        with self._at_hand:
            if not self._busy and time.monotonic() - self._idle_since_s > REST_S:
                self._end_process()

    def _adopt(self) -> None:
        """The workflows of workers that are dead go back into their queue. Doing it twice does nothing."""
        from dbos import DBOS

        for worker in self._runner.log.workers():
            if worker.id != self._me.id and self._dead(worker):
                DBOS._recover_pending_workflows([worker.id])  # what DBOS's own operations console calls; there is no public name
                self._runner.log.remove_worker(worker.id)

    def _dead(self, worker: Worker) -> bool:
        """Silent for long; or of this machine, and its process is gone."""
        if worker.seen_at < utc(ago_s=WORKER_SILENT_S) and time.monotonic() >= self._trusts_silence_from_s:
            return True
        return worker.host == self._me.host and (worker.pid == self._me.pid or not process_runs(worker.pid))

    def _leave(self) -> None:
        """A job at hand makes this a kill, only announced: whoever works next takes it over at once."""
        from dbos import DBOS

        self._stop.set()
        if self._busy:
            with suppress(CatalogAway):  # then it is found out in time
                self._runner.log.keep_worker(self._me.id, utc(ago_s=2 * WORKER_SILENT_S))
            if self._process is not None:
                self._process.kill()
            os._exit(0)
        self._end_process()
        with suppress(CatalogAway):
            self._runner.log.remove_worker(self._me.id)
            DBOS.destroy(destroy_registry=True)
            return
        os._exit(0)  # its threads wait for the database


def _to_stderr(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
