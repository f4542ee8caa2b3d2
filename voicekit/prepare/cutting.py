"""Recordings -> clips, several at once; what is finished is kept, recording by recording, so that a second call continues."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from pathlib import Path

from voicekit import manifest
from voicekit.crew import Crew
from voicekit.ports import OnProgress, Progress
from voicekit.prepare.clips import clips_of
from voicekit.prepare.folder import WORK
from voicekit.prepare.intake import Intake
from voicekit.prepare.scripts import Cue, Script
from voicekit.prepare.workbench import METHOD, Instruments, Workbench
from voicekit.records import Clip, Recording
from voicekit.specs import PrepareSpec
from voicekit.timebase import samples_to_seconds

_WORTH_HELP_S = 60.0  # of sound: for less, starting other processes takes longer than they save


@dataclass(frozen=True)
class _Done:
    """One journal line: a recording's clips under the key of all that they depend on."""

    key: str
    clips: tuple[Clip, ...]


@dataclass(frozen=True)
class _Begun:
    """A recording of which the clips are being made; `known` if they are there from an earlier run."""

    number: int
    recording: Recording
    key: str
    making: Sequence[Future[Clip]] = ()
    known: tuple[Clip, ...] | None = None


def cut_all(
    intake: Intake,
    script: Script,
    spec: PrepareSpec,
    instruments: Instruments,
    bench: Workbench,
    folder: Path,
    report: OnProgress,
    workers: int,
) -> list[Clip]:
    """The clips of all recordings in their order; the audio is written below `folder`/clips. The result does not depend on
    `workers`: while they make the clips of one recording, the next ones are listened to, and so are finished clips."""
    length_s = sum(samples_to_seconds(r.num_samples, r.sample_rate_hz) for r in intake.recordings)
    workers = workers if length_s >= _WORTH_HELP_S else 1
    with Crew(workers) as crew:
        line = _Line(intake, script, spec, instruments, folder, report, crew)
        for number, recording in enumerate(intake.recordings):
            line.begin(number, recording)
            while line.waiting >= workers:
                line.finish(bench)
        while line.waiting:
            line.finish(bench)
        return line.clips


class _Line:
    """Recordings go in at one end, their clips come out in the same order at the other."""

    def __init__(
        self,
        intake: Intake,
        script: Script,
        spec: PrepareSpec,
        instruments: Instruments,
        folder: Path,
        report: OnProgress,
        crew: Crew,
    ) -> None:
        self._intake, self._script, self._spec, self._instruments = intake, script, spec, instruments
        self._folder, self._report, self._crew = folder, report, crew
        self._journal = folder / WORK / "clips.jsonl"
        self._done = {entry.key: entry.clips for entry in manifest.read_journal(self._journal, _Done)}
        self._begun: deque[_Begun] = deque()
        self.clips: list[Clip] = []

    @property
    def waiting(self) -> int:
        return len(self._begun)

    def begin(self, number: int, recording: Recording) -> None:
        self._say(number - self.waiting, recording)
        text, cues = self._script.texts.get(recording.id), self._script.cues.get(recording.id, ())
        key = self._key(recording, (text, *cues))
        known = self._done.get(key)
        if known is not None and all((self._folder / c.audio).is_file() for c in known):
            self._begun.append(_Begun(number, recording, key, known=known))
            return
        heard = self._instruments.heard(recording, self._intake.root / recording.path, self._folder / WORK)
        makers = clips_of(recording, replace(heard, cues=cues), text, self._spec, self._instruments.tools(), self._folder)
        self._begun.append(_Begun(number, recording, key, [self._crew.give(maker) for maker in makers]))

    def finish(self, bench: Workbench) -> None:
        """The oldest recording that is begun."""
        oldest = self._begun.popleft()
        made: list[Clip] = list(oldest.known or ())
        for future in oldest.making:
            if made:
                self._say(oldest.number + len(made) / len(oldest.making), oldest.recording)
            made.append(future.result())
            bench.listen_ahead(made[-1])
        if oldest.known is None:
            manifest.append_record(self._journal, _Done(oldest.key, tuple(made)))
        self.clips.extend(made)

    def _say(self, finished: float, recording: Recording) -> None:
        self._report(Progress("prepare", finished / len(self._intake.recordings), recording.path))

    def _key(self, recording: Recording, said: Sequence[str | Cue | None]) -> str:
        engines = (*self._instruments.tools().names(), self._instruments.key(recording))
        parts = [METHOD, manifest.to_json(recording), repr(said), self._spec.digest(), *engines]
        return hashlib.sha256("\0".join(parts).encode(errors="surrogatepass")).hexdigest()
