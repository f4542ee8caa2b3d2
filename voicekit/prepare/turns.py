"""Who speaks when, as somebody wrote it down: RECORDING.rttm beside a recording, or one file about several recordings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from voicekit.errors import InputError, UsageError
from voicekit.prepare.intake import TURNS_SUFFIX
from voicekit.prepare.rttm import read_rttm
from voicekit.prepare.scripts import Script
from voicekit.prepare.scripts.names import Names, SideNames, some
from voicekit.prepare.scripts.timed import turns_of
from voicekit.records import Recording, SpeakerTurn
from voicekit.timebase import samples_to_seconds

_LATE_S = 0.5  # models pad the last sound
Turns = Mapping[str, tuple[SpeakerTurn, ...]]
"""By a recording's id, in order of their beginning."""


@dataclass(frozen=True)
class FoundTurns:
    """`of` has the recordings somebody wrote turns for (with none if nobody speaks), read from `files`; `unused` are names that
    fit no recording."""

    of: Turns
    files: frozenset[Path] = frozenset()
    unused: tuple[str, ...] = ()


def find_turns(given: Path | None, root: Path, recordings: Sequence[Recording], others: Sequence[Recording] = ()) -> FoundTurns:
    """The turns of `recordings` (paths below `root`): those of the file `given` go before those beside them.

    `others` are recordings that the file may name without harm (refused ones). InputError when a file cannot be read, is about
    no recording, or has turns behind the end of one.
    """
    found: dict[str, tuple[SpeakerTurn, ...]] = {}
    files: set[Path] = set()
    names = SideNames.near(root, recordings, TURNS_SUFFIX)
    for recording in recordings:
        file = names.beside(recording, TURNS_SUFFIX)
        if file is not None:
            found[recording.id] = _of_one(root / file, recording)
            files.add(root / file)
    told, unused = _of_many(given, recordings, others) if given else ({}, ())
    return FoundTurns({**found, **told}, frozenset(files | ({given} if given else set())), unused)


def spoken_turns(script: Script, recordings: Sequence[Recording], wanted: bool) -> dict[str, tuple[SpeakerTurn, ...]]:
    """The turns of recordings whose script says of each text who says it: of several people, or if somebody by name is `wanted`;
    then also of those that are one person's from beginning to end."""
    found: dict[str, tuple[SpeakerTurn, ...]] = {}
    for recording in recordings:
        duration_s = samples_to_seconds(recording.num_samples, recording.sample_rate_hz)
        turns = turns_of(script.cues.get(recording.id, ()), duration_s)
        if len({t.speaker for t in turns}) > 1 or (turns and wanted):
            found[recording.id] = turns
        elif wanted and recording.id in script.speakers and not turns:
            found[recording.id] = (SpeakerTurn(script.speakers[recording.id], 0.0, duration_s),)
    return found


def with_labels(script: Script, label: str) -> Script:
    """A script in which whoever is called `label` stands in a column without a header, with the speakers of that column."""
    if not label or label in script.speakers.values():
        return script
    columns = {column for labels in script.labels.values() for column, value in labels.items() if value == label}
    told = {of: labels[c] for of, labels in script.labels.items() for c in sorted(columns) if c in labels}
    return replace(script, speakers={**told, **script.speakers})


def check_label(label: str, turns: Turns, everywhere: bool) -> None:
    """UsageError if `label` is in none of the turns, though they are of all recordings (`everywhere`)."""
    labels = sorted({t.speaker for of_one in turns.values() for t in of_one})
    if label and turns and everywhere and label not in labels:
        there = some(labels) if labels else "no speakers"
        raise UsageError(f"No speaker is called {label!r} in the turns of the recordings.", f"There are: {there}.")


def _of_one(path: Path, recording: Recording) -> tuple[SpeakerTurn, ...]:
    """A file beside a recording is about it, whatever it calls it; of several names, those count that are the recording's."""
    turns = read_rttm(path)
    if len({t.recording for t in turns}) > 1:
        names = Names([recording])
        mine = [t for t in turns if names.find(t.recording, path.name)]
        if not mine:
            shown = some(sorted({t.recording for t in turns}))
            raise InputError(f"{path.name} has no turn of {recording.path}: it names {shown}.", "Name the recording in it.")
        turns = tuple(mine)
    return _within(turns, path, recording)


def _of_many(
    path: Path, recordings: Sequence[Recording], others: Sequence[Recording]
) -> tuple[dict[str, tuple[SpeakerTurn, ...]], tuple[str, ...]]:
    if not path.is_file():
        raise InputError(f"There is no file of turns {path}.", "Check the path.")
    index, known = Names(recordings), Names(others)
    by_id: dict[str, list[SpeakerTurn]] = {}
    unused: list[str] = []
    for turn in read_rttm(path):
        recording_id = index.find(turn.recording, path.name)
        if recording_id is not None:
            by_id.setdefault(recording_id, []).append(turn)
        elif not known.find(turn.recording, path.name):
            unused.append(turn.recording)
    if not by_id:
        names, paths = some(list(dict.fromkeys(unused))), some([r.path for r in recordings])
        remedy = "The second field of a line is the recording's name, with or without its suffix."
        raise InputError(f"The turns in {path.name} are of no recording: they name {names}; the recordings are {paths}.", remedy)
    of = {r.id: _within(tuple(by_id[r.id]), path, r) for r in recordings if r.id in by_id}
    return of, tuple(dict.fromkeys(unused))


def _within(turns: Sequence[SpeakerTurn], path: Path, recording: Recording) -> tuple[SpeakerTurn, ...]:
    duration_s = samples_to_seconds(recording.num_samples, recording.sample_rate_hz)
    late = next((t for t in turns if t.start_s >= duration_s or t.end_s > duration_s + _LATE_S), None)
    if late is not None:
        problem = f"{path.name}: a turn from {late.start_s:.2f} to {late.end_s:.2f} s is behind the end of {recording.path}"
        raise InputError(f"{problem}, which is {duration_s:.2f} s long.", "Check that they belong together.")
    made = (replace(t, end_s=min(t.end_s, duration_s), recording="", channel=1) for t in turns if t.end_s > t.start_s)
    return tuple(sorted(made, key=lambda t: (t.start_s, t.end_s, t.speaker)))
