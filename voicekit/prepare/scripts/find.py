"""Which script goes with which recordings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from voicekit.errors import ScriptError
from voicekit.prepare import decisions
from voicekit.prepare.scripts import tables, timed
from voicekit.prepare.scripts.names import Names, SideNames, some
from voicekit.prepare.scripts.reading import whole_text
from voicekit.prepare.scripts.script import Cue, Script
from voicekit.records import Recording

_PLAIN = (".txt", ".lab")
_METADATA = ("metadata.csv", "metadata.jsonl")


def find_script(
    given: Path | None, root: Path, recordings: Sequence[Recording], others: Sequence[Recording] = ()
) -> Script | None:
    """The script of `recordings`, from `given` or from what lies beside them; None if there is none.

    `others` are recordings that the script may name without harm: refused ones, among them copies of `recordings` under their
    ids, of which the text is as good. Raises ScriptError when a script is there but
    cannot be read or fits no recording.
    """
    if given is None:
        return _beside(root, recordings, others)
    if given.is_dir():
        found = _side_files(given, recordings, others, "text files")
        if found is None:
            paths = some([r.path for r in recordings])
            raise ScriptError(f"No text file in {given} has the name of a recording, such as {paths}.", tables.HELP)
        return Script(found.texts, given.name, (), found.cues)
    if not given.is_file():
        raise ScriptError(f"There is no script {given}.", "Check the path.")
    suffix = given.suffix.lower()
    if suffix in timed.SUFFIXES:
        return _of_one(given, recordings)
    if len(recordings) == 1 and suffix in _PLAIN and not tables.looks_like_table(given, Names(recordings)):
        return Script({recordings[0].id: whole_text(given)}, given.name)
    return _from_tables([given], recordings, others)


def _beside(root: Path, recordings: Sequence[Recording], others: Sequence[Recording]) -> Script | None:
    """What lies near the recordings: metadata.csv or .jsonl, texts of the same names, or the only table, if it is about them."""
    problem: ScriptError | None = None
    metadata = _metadata(root, recordings)
    if metadata:
        try:
            return _from_tables(metadata, recordings, others)
        except ScriptError as error:
            problem = error
    found = _side_files(root, recordings, others, "text files beside the recordings")
    if found is not None:
        return found
    if problem:
        raise problem
    only = sorted(p for p in root.iterdir() if p.suffix.lower() in tables.SUFFIXES and not p.name.startswith((".", "~$")))
    only = [p for p in only if p.name != decisions.FILE]
    if len(only) != 1:
        return None
    try:
        return _from_tables(only, recordings, others)
    except ScriptError:
        return None


def _metadata(root: Path, recordings: Sequence[Recording]) -> list[Path]:
    """metadata.csv in the folders of the recordings or above them; else the one above the root (LJSpeech's wavs/)."""
    folders = {(root / r.path).parent for r in recordings} | {root}
    below = {f.parent for f in folders if f != root}
    for places in (folders | below, {root.parent}):
        for name in _METADATA:
            found = sorted(p for f in places if (p := f / name).is_file())
            if found:
                return found
    return []


def _from_tables(given: Sequence[Path], recordings: Sequence[Recording], others: Sequence[Recording]) -> Script:
    index, known = Names(recordings), Names(others)
    texts: dict[str, str] = {}
    of_others: dict[str, str] = {}
    unused: list[str] = []
    for table in given:
        for said in tables.read_table(table, index):
            if (found := index.find(said.name, said.where)) is not None:
                if texts.setdefault(found, said.text) != said.text:
                    raise ScriptError(f"{said.where}: another text for {said.name}.", "Keep one line for each recording.")
            elif (other := known.find(said.name, said.where)) is not None:
                of_others.setdefault(other, said.text)
            else:
                unused.append(said.name)
    texts = {**{r.id: of_others[r.id] for r in recordings if r.id in of_others}, **texts}
    source = ", ".join(t.name for t in given)
    if not texts:
        names, paths = some(unused), some([r.path for r in recordings])
        problem = f"The script {source} names no recording: it names {names}; the recordings are {paths}."
        raise ScriptError(problem, tables.HELP)
    return Script(texts, source, tuple(unused))


def _of_one(given: Path, recordings: Sequence[Recording]) -> Script:
    """A timed script is about the recording of its name, or about the only one."""
    if not recordings:
        raise ScriptError(f"There is no recording for the times of {given.name}.", "Give the recording that it belongs to.")
    found = recordings[0].id if len(recordings) == 1 else Names(recordings).find(given.stem, given.name)
    if found is None:
        problem = f"{given.name} holds the times of one recording, and none of {some([r.path for r in recordings])} has its name."
        raise ScriptError(problem, "Call it like the recording.")
    cues = timed.cues_of(given, next(r for r in recordings if r.id == found))
    return Script({found: timed.joined(cues)}, given.name, (), {found: cues})


def _side_files(folder: Path, recordings: Sequence[Recording], others: Sequence[Recording], source: str) -> Script | None:
    """Files of the recordings' names, each beside its recording or all in `folder`; those with times before those without.
    Where a recording has none, a copy's will do."""
    taken = {recording.id for recording in recordings}
    texts: dict[str, str] = {}
    cues: dict[str, tuple[Cue, ...]] = {}
    names = SideNames(folder)
    for recording in (*recordings, *(r for r in others if r.id in taken)):
        if recording.id in texts:
            continue
        path = next((p for s in (*timed.SUFFIXES, *_PLAIN) if (p := names.beside(recording, s)) is not None), None)
        if path is None:
            continue
        if path.suffix.lower() in timed.SUFFIXES:
            cues[recording.id] = timed.cues_of(path, recording)
            texts[recording.id] = timed.joined(cues[recording.id])
        else:
            texts[recording.id] = whole_text(path)
    return Script(texts, source, (), cues) if texts else None
