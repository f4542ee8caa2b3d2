"""The cutting of drafts' recordings into clips, as work that goes on by itself: begun once for a draft, however many pages ask
for it, and seen by all of them, also by those of other processes with the same home.

VOICEKIT_HOME/drafts/<id>/cutting.json    how far it is, or how it ended
VOICEKIT_HOME/drafts/<id>/cutting.lock    held by the process that does it: one that was killed has let it go
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock, Thread

from voicekit import manifest
from voicekit.drafts import Draft, Drafts
from voicekit.errors import Cancelled, UsageError, VoicekitError
from voicekit.ports import OnProgress, Progress
from voicekit.records import JobFault, JobState
from voicekit.storage import locked
from voicekit.timebase import utc

SAVE_EVERY_S = 0.5
LOOK_EVERY_S = 0.2
_FILE, _LOCK = "cutting.json", "cutting.lock"
_log = logging.getLogger("voicekit.cuttings")


@dataclass(frozen=True)
class Cutting:
    """How the cutting of a draft stands: RUNNING, FINISHED, FAILED with its `fault`, or CANCELLED where the process that did it
    is gone: then it goes on as soon as somebody looks at the clips."""

    draft_id: str
    state: JobState
    fraction: float
    message: str
    began_at: str
    updated_at: str
    fault: JobFault | None = None


class Cuttings:
    """The cuttings of the drafts in one home. `make` cuts and grades a draft's recordings and reports its progress."""

    def __init__(self, drafts: Drafts, make: Callable[[str, OnProgress], object]) -> None:
        self._drafts, self._make = drafts, make
        self._starting = Lock()
        self._here: dict[str, Thread] = {}

    def of(self, draft_id: str) -> Cutting | None:
        """How it stands; None if it never began."""
        path = self._folder(draft_id) / _FILE
        found = manifest.read_record(path, Cutting) if path.is_file() else None
        if found is None or found.state is not JobState.RUNNING or self._is_going_on(draft_id):
            return found
        # It may have ended between the two looks.
        found = manifest.read_record(path, Cutting)
        return replace(found, state=JobState.CANCELLED) if found.state is JobState.RUNNING else found

    def all(self, owner: str | None = None) -> list[tuple[Draft, Cutting]]:
        """Those of all drafts, the last begun first; None for everybody's."""
        found = [(draft, cutting) for draft in self._drafts.all(owner) if (cutting := self.of(draft.id)) is not None]
        return sorted(found, key=lambda pair: pair[1].began_at, reverse=True)

    def follow(self, draft_id: str) -> Iterator[Cutting]:
        """Begin it unless it is going on somewhere; how it stands whenever that changes, until it is over.

        It goes on where nobody looks any more. Raises UsageError once the draft is removed.
        """
        last: Cutting | None = None
        self._begin(draft_id)
        while last is None or not last.state.over:
            self._drafts.get(draft_id)
            now = self.of(draft_id)
            if now is not None and now != last:
                yield now
                last = now
            time.sleep(LOOK_EVERY_S)

    def _begin(self, draft_id: str) -> None:
        """Nothing where it is going on already. Its state can be read afterwards."""
        with self._starting:
            if self._is_going_on(draft_id):
                return
            folder = self._folder(draft_id)
            writer = _Writer(folder, Cutting(draft_id, JobState.RUNNING, 0.0, "", utc(), utc()))
            writer.save()
            self._here[draft_id] = Thread(target=self._carry_out, args=(draft_id, folder, writer), daemon=True)
            self._here[draft_id].start()

    def _carry_out(self, draft_id: str, folder: Path, writer: _Writer) -> None:
        try:
            with locked(folder / _LOCK, "These recordings are being cut already.", "Wait for it.", wait_s=1.0):
                self._cut(draft_id, writer)
        except UsageError:
            _log.info("Another process was quicker: draft %s", draft_id)
        finally:
            self._drafts.forget_if_removed(draft_id)

    def _cut(self, draft_id: str, writer: _Writer) -> None:
        """Whatever goes wrong is how it ended."""
        try:
            self._make(draft_id, lambda event: self._report(draft_id, writer, event))
        except Cancelled:
            writer.end(JobState.CANCELLED)
        except VoicekitError as error:
            writer.end(JobState.FAILED, JobFault(error.code, error.problem, error.remedy))
        except Exception as error:
            _log.exception("The recordings could not be prepared")
            problem = f"The recordings could not be prepared: {error}."
            writer.end(JobState.FAILED, JobFault(VoicekitError.code, problem, "Try again; if it stays, run voicekit doctor."))
        else:
            writer.end(JobState.FINISHED)

    def _report(self, draft_id: str, writer: _Writer, event: Progress) -> None:
        """A draft that was removed meanwhile is not cut to the end."""
        if not self._drafts.is_there(draft_id):
            raise Cancelled("The unfinished voice was removed.")
        writer.go_on(event)

    def _is_going_on(self, draft_id: str) -> bool:
        if draft_id in self._here and self._here[draft_id].is_alive():
            return True
        try:
            with locked(self._folder(draft_id) / _LOCK, "It is going on.", ""):
                return False
        except UsageError:
            return True

    def _folder(self, draft_id: str) -> Path:
        return self._drafts.recordings(draft_id).parent


class _Writer:
    """Writes how a cutting stands, now and then."""

    def __init__(self, folder: Path, cutting: Cutting) -> None:
        self._file, self._now, self._saved_s = folder / _FILE, cutting, 0.0

    def go_on(self, event: Progress) -> None:
        self._now = replace(self._now, fraction=min(event.fraction, 0.999), message=event.message or self._now.message)
        if time.monotonic() - self._saved_s > SAVE_EVERY_S:
            self.save()

    def end(self, state: JobState, fault: JobFault | None = None) -> None:
        fraction = 1.0 if state is JobState.FINISHED else self._now.fraction
        self._now = replace(self._now, state=state, fraction=fraction, fault=fault)
        self.save()

    def save(self) -> None:
        self._saved_s = time.monotonic()
        self._now = replace(self._now, updated_at=utc())
        manifest.write_record(self._file, self._now)
