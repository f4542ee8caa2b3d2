"""Which script goes with which recordings: everything that lies beside them is looked at, and what was not read is named.

Of one recording the text is taken from the file that was given, else from a table, else from a file of its name with times, else
from one without.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

import regex

from voicekit.errors import ScriptError
from voicekit.prepare import unsaid
from voicekit.prepare.intake import BAD_NAME, found_in, is_text, shown
from voicekit.prepare.scripts import tables, timed
from voicekit.prepare.scripts.columns import is_phonemes
from voicekit.prepare.scripts.kaldi import KALDI_FILES, Kaldi
from voicekit.prepare.scripts.names import Names, SideNames, is_kind, names_meant, other_language, plain, some
from voicekit.prepare.scripts.objects import text_in
from voicekit.prepare.scripts.reading import read_text
from voicekit.prepare.scripts.row import HELP, NoTableError, ScriptRow
from voicekit.prepare.scripts.script import Cue, NotRead, Script
from voicekit.prepare.spoken import normalise
from voicekit.records import Recording
from voicekit.timebase import samples_to_seconds

_PLAIN = (".txt", ".lab", ".text", ".transcript", ".transcription", ".trn", ".normalized", ".original", ".json")
_METADATA = ("metadata.csv", "metadata.jsonl")
_LIKE_METADATA = regex.compile(
    r"(?:metadata|transcripts?|transcriptions?|filelist|train|validated|dev|val|test|text)(?:[_.-].*)?"
)
_TABLES = (".csv", ".tsv", ".txt", ".list", ".json", ".jsonl", ".xlsx")
_BESIDE = "text files beside the recordings"
_WHOLE_S = 0.5  # a row about a recording from beginning to end, give or take
_CLOCK = r"\d{1,2}:\d{2}(?::\d{2})?(?:[.,]\d{1,3})?"
_LEADING_TIME = regex.compile(rf"^\s*[\[(]?{_CLOCK}(?:\s*(?:-->|[-–—])\s*{_CLOCK})?[\])]?\s*[-–—:]?\s+(?=\S)")
_HEADING = regex.compile(rf"^\s*(?:(?P<name>\p{{L}}[^:\d]{{0,39}}|Speaker \d+)\s+)?[\[(]?{_CLOCK}[\])]?\s*$")
_ABOUT_OTHERS = regex.compile(
    r"(?:.*[_-])?(?:speakers?|spk\w*|utt2\w+|durations?|lengths?|splits?|genders?|languages?|emotions?)"
)
_FOUND_WRONG = "invalidated.tsv"  # Common Voice: clips of which listeners said that they do not say their text


def find_script(
    given: Path | None,
    root: Path,
    recordings: Sequence[Recording],
    others: Sequence[Recording] = (),
    files: Sequence[str] | None = None,
) -> Script | None:
    """The script of `recordings` as `look_for_script` finds it; None if there is none."""
    found = look_for_script(given, root, recordings, others, files)
    return found if found.texts else None


def look_for_script(
    given: Path | None,
    root: Path,
    recordings: Sequence[Recording],
    others: Sequence[Recording] = (),
    files: Sequence[str] | None = None,
) -> Script:
    """What is said in `recordings`: from `given`, and for those of which that says nothing, from the `files` beside them (paths
    relative to `root`; by default all that are there). Without texts if there is no script; then too it says what was not read.

    `others` are recordings that the script may name without harm: refused ones, among them copies of `recordings` under their
    ids, of which the text is as good. Raises ScriptError when a script is there but cannot be read or fits no recording.
    """
    beside = list(found_in(root).texts if files is None else files)
    search = _Search(root, recordings, others)
    if given is None:
        search.beside(beside)
        return search.script()
    if not given.exists():
        raise ScriptError(f"There is no script {given}.", "Check the path.")
    search.given(given)
    said = search.found.texts
    if given.is_dir() and not said:
        paths = some([r.path for r in recordings])
        raise ScriptError(f"No text file in {given} has the name of a recording, such as {paths}.", HELP)
    rest = [name for name in beside if not _is_same(root / name, given) and not _is_below(root / name, given)]
    if any(r.id not in said for r in recordings):
        search.fill(rest)
    else:
        search.leave(rest, f"{given.name} says what is said")
    return search.script()


class _Found:
    """What was found so far, by recording."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}
        self.cues: dict[str, tuple[Cue, ...]] = {}
        self.sources: dict[str, str] = {}
        self.speakers: dict[str, str] = {}
        self.other_cells: dict[str, dict[str, str]] = {}  # of tables without a header
        self.labels: list[str] = []  # of the sources, for people
        self.unused: list[str] = []
        self.not_read: dict[str, str] = {}
        self.read: set[str] = set()
        self.left_out: dict[str, int] = {}
        self.remarks: list[str] = []

    def add(self, recording_id: str, text: str, source: str, label: str, cues: tuple[Cue, ...] = ()) -> None:
        self.texts[recording_id], self.sources[recording_id] = text, source
        if cues:
            self.cues[recording_id] = cues
        if label not in self.labels:
            self.labels.append(label)


class _Search:
    """Looks for the texts of recordings; who comes first is right."""

    def __init__(self, root: Path, recordings: Sequence[Recording], others: Sequence[Recording]) -> None:
        self._root, self._recordings, self._others = root, recordings, others
        self._index, self._known = Names(recordings), Names(others)
        self._by_id = {r.id: r for r in recordings}
        self._no_words: set[str] = set()  # files of labels that are phonemes
        self._numbered: set[str] = set()  # lists of numbered lines, which may be about anything
        self.found = _Found()

    def script(self) -> Script:
        found = self.found
        not_read = tuple(NotRead(shown(f), reason) for f, reason in sorted(found.not_read.items()) if f not in found.read)
        if not found.texts:
            return Script({}, "", not_read=not_read)
        return Script(
            texts={r.id: found.texts[r.id] for r in self._recordings if r.id in found.texts},
            source=", ".join(found.labels[:5]) + (", ..." if len(found.labels) > 5 else ""),
            unused=tuple(dict.fromkeys(found.unused)),
            cues=found.cues,
            speakers=found.speakers,
            labels=found.other_cells,
            sources=found.sources,
            not_read=not_read,
            left_out=found.left_out,
            remarks=tuple(found.remarks),
        )

    def given(self, given: Path) -> None:
        """What a file or a folder says that somebody named: what is wrong with it is an error."""
        if given.is_dir():
            self._folder(given)
            return
        suffix = given.suffix.lower()
        if suffix in timed.SUFFIXES:
            self._of_one(given)
            return
        alone = self._recordings[0] if len(self._recordings) == 1 else None
        own = alone or self._side_of(given)
        if suffix in timed.PERHAPS_TIMED and own is not None and (said := timed.timed_of(given, own)) is not None:
            self._add_timed(own, said, given.name, given.name)
        elif alone is not None and suffix in _PLAIN and not self._is_table(given):
            self._plain({alone.id: given}, given.name, lambda path: path.name)
        else:
            self._table(given, given.name, self._near(given))
            if not self.found.texts:
                self._names_nothing([given])

    def beside(self, files: Sequence[str]) -> None:
        """Everything that lies near the recordings."""
        problem = self._tables(files)
        if any(r.id not in self.found.texts for r in self._recordings):
            problem = self._above() or problem
        self._sides(files)
        self._alone(files)
        self._tables([f for f in files if f in self._numbered], numbered=True)
        if problem is not None and not self.found.texts:
            raise problem
        self._leave_rest(files)

    def fill(self, files: Sequence[str]) -> None:
        """For recordings without a text, what lies near them; what is wrong there does not stop anybody."""
        try:
            self._tables(files)
            self._sides(files)
            self._tables([f for f in files if f in self._numbered], numbered=True)
        except ScriptError as error:
            self.found.remarks.append(error.problem)
        self._leave_rest(files)

    def leave(self, files: Iterable[str], reason: str) -> None:
        for file in files:
            if file not in self.found.read:
                self.found.not_read.setdefault(file, reason)

    def _leave_rest(self, files: Sequence[str]) -> None:
        aux = {
            f
            for f in files
            if PurePosixPath(f).name in KALDI_FILES and "text" in {PurePosixPath(g).name for g in self.found.read}
        }
        for file in files:
            if file not in self.found.read and file not in aux and file not in self.found.not_read:
                self.found.not_read[file] = self._why_not(file)

    def _why_not(self, file: str) -> str:
        own = self._owner(file)
        if own is None:
            return "no recording has its name, and it names none"
        language = other_language(file, own)
        if language and self.found.sources.get(own.id) != file:
            return f"it is in another language than its recording ({language})"
        return "another file has the text of its recording" if own.id in self.found.sources else "there is no text in it"

    # Files of the recordings' names

    def _alone(self, files: Sequence[str]) -> None:
        """A single recording has the only subtitles there are, and the only text that is called transcript."""
        if len(self._recordings) != 1 or self._recordings[0].id in self.found.texts:
            return
        own = self._recordings[0]
        free = [f for f in files if f not in self.found.read and f not in self._no_words and self._owner(f) is None]
        subtitles = [f for f in free if PurePosixPath(f).suffix.lower() in timed.SUFFIXES]
        texts = [f for f in free if PurePosixPath(f).suffix.lower() in _PLAIN and is_kind(PurePosixPath(f).stem)]
        if len(subtitles) == 1 and (said := timed.timed_of(self._root / subtitles[0], own)) is not None:
            self.found.read.add(subtitles[0])
            self._add_timed(own, said, subtitles[0], PurePosixPath(subtitles[0]).name)
        elif len(texts) == 1 and not subtitles:
            self.found.read.add(texts[0])
            self._plain({own.id: self._root / texts[0]}, PurePosixPath(texts[0]).name, lambda _: texts[0])

    def _owner(self, file: str) -> Recording | None:
        """The recording whose name a file bears, alone or with an ending (talk.de.vtt, talk.wav.txt)."""
        for name in names_meant(PurePosixPath(file).stem):
            if self._index.knows(name):
                try:
                    found = self._index.find(name, file, str(PurePosixPath(file).parent).removeprefix("."))
                except ScriptError:
                    found = None
                return self._by_id.get(found or "")
        return None

    def _side_of(self, path: Path) -> Recording | None:
        return self._owner(path.name)

    def _sides(self, files: Sequence[str], root: Path | None = None, label: str = _BESIDE) -> None:
        """Files of the recordings' names, those with times before those without. Where a recording has none, a copy's will do."""
        root = root or self._root
        names = SideNames(f for f in files if f not in self.found.read and not BAD_NAME.search(f))
        taken = set(self._by_id)
        plain_files: dict[str, Path] = {}
        used: dict[str, str] = {}
        for recording in (*self._recordings, *(r for r in self._others if r.id in taken)):
            if recording.id in self.found.texts or recording.id in plain_files:
                continue
            if (file := self._timed_side(recording, names, root, label)) is not None:
                self.found.read.add(file)
                continue
            sides = (file for suffix in _PLAIN if (file := names.first(recording, suffix)) is not None)
            found = next((file for file in sides if self._is_plain(root / file, file, recording)), None)
            if found is not None:
                plain_files[recording.id], used[recording.id] = root / found, found
        self.found.read |= set(used.values())
        self._plain(plain_files, label, lambda path: _relative(path, root))

    def _is_plain(self, path: Path, file: str, recording: Recording) -> bool:
        """Whether a file is the text of a recording, and neither another's nor a table."""
        if file in self._no_words or self._is_of_another(file, recording) or self._is_table(path, 2):
            return False
        try:
            return bool(_whole_text(path).strip())
        except NoTableError as error:
            self.found.not_read[file] = _short(error, PurePosixPath(file).name)
            return False

    def _is_of_another(self, file: str, recording: Recording) -> bool:
        """Whether a file bears more of another recording's name: talk_text.txt beside talk.wav and talk_text.wav."""
        owner = self._owner(file)
        if owner is not None:
            return owner.id != recording.id
        folder, own = PurePosixPath(file).parent, PurePosixPath(recording.path).parent
        doubtful = folder != own and self._index.in_other_folders(recording)
        if doubtful and not any(part in own.parts for part in folder.parts):
            self.found.not_read[file] = "recordings in several folders have its name"
            self._no_words.add(file)
            return True
        return False

    def _timed_side(self, recording: Recording, names: SideNames, root: Path, label: str) -> str | None:
        for suffix in (*timed.SUFFIXES, *timed.PERHAPS_TIMED):
            file = names.first(recording, suffix)
            if file is None or self._is_of_another(file, recording):
                continue
            try:
                said = timed.timed_of(root / file, recording)
            except NoTableError as error:
                self.found.not_read[file] = _short(error, PurePosixPath(file).name)
                self._no_words.add(file)
                continue
            if said is not None:
                self._add_timed(recording, said, file, label)
                return file
        return None

    def _add_timed(self, recording: Recording, said: timed.Timed, source: str, label: str) -> None:
        cues = tuple(cue for _, cue in said.cues)
        self.found.add(recording.id, timed.joined(cues), source, label, cues)
        unsaid.counted(said.marks, self.found.left_out)
        self.found.remarks += said.remarks

    def _plain(self, files: dict[str, Path], label: str, called: Callable[[Path], str]) -> None:
        """Whole files as texts: their lines joined, without names of speakers and times in front of them."""
        lines = {key: [line for line in _whole_text(path).split("\n") if line.strip()] for key, path in files.items()}
        if is_phonemes([" ".join(found) for found in lines.values()]):
            self.found.not_read.update((called(path), "it holds phonemes, not words") for path in files.values())
            return
        lines = {key: _without_times(found) for key, found in lines.items()}
        rests, names = unsaid.without_speakers([line for found in lines.values() for line in found])
        unsaid.counted((f"{name}:" for name in names if name), self.found.left_out)
        at = 0
        for key, path in files.items():
            text, marks = unsaid.cleaned("\n".join(rests[at : at + len(lines[key])]))
            who = set(names[at : at + len(lines[key])])
            if len(who) == 1 and any(who):
                self.found.speakers[key] = who.pop()
            at += len(lines[key])
            unsaid.counted(marks, self.found.left_out)
            self.found.add(key, text, called(path), label)

    def _folder(self, folder: Path) -> None:
        """A folder of texts that somebody named: files of the recordings' names, and tables."""
        files = [p.relative_to(folder).as_posix() for p in sorted(folder.rglob("*")) if p.is_file() and is_text(p.name)]
        self._sides(files, folder, folder.name or _BESIDE)
        for file in files:
            if file not in self.found.read:
                try:
                    self._table(folder / file, file, self._near(folder / file))
                except NoTableError:
                    continue

    def _of_one(self, given: Path) -> None:
        """A timed script is about the recording of its name, or about the only one."""
        recordings = self._recordings
        if not recordings:
            raise ScriptError(f"There is no recording for the times of {given.name}.", "Give the recording that it belongs to.")
        own = recordings[0] if len(recordings) == 1 else self._side_of(given)
        if own is None:
            problem = (
                f"{given.name} holds the times of one recording, and none of {some([r.path for r in recordings])} has its name."
            )
            raise ScriptError(problem, "Call it like the recording.")
        said = timed.timed_of(given, own)
        assert said is not None, "a file of its suffix has times"
        self._add_timed(own, said, given.name, given.name)

    # Tables

    def _above(self) -> ScriptError | None:
        """The tables above the root, LJSpeech's above wavs/: they may be about other folders too."""
        problem: ScriptError | None = None
        for name in (path.name for path in tables_above(self._root)):
            try:
                problem = self._tables([f"../{name}"]) or problem
            except ScriptError as error:
                if name in _METADATA:
                    raise
                self.found.remarks.append(f"../{name} was not read: {error.problem.rstrip('.')}")
            if name not in _METADATA:
                self.found.not_read.pop(f"../{name}", None)
        return problem

    def _near(self, table: Path) -> str:
        """The folder that a table is about, relative to the root ("" for one that lies elsewhere): that of its name beside it
        (s1.csv beside s1/), else the one where it lies."""
        if not _is_below(table, self._root):
            return ""
        own = plain(_relative(table.with_suffix(""), self._root)) if table.suffix else ""
        if own and any(plain(r.path).startswith(f"{own}/") for r in self._recordings):
            return own
        return _relative(table.parent, self._root).removeprefix(".")

    def _tables(self, files: Sequence[str], numbered: bool = False) -> ScriptError | None:
        """Read every table, those of numbered lines only if they are meant; returns what is wrong with a metadata.csv that is
        about something else."""
        problem: ScriptError | None = None
        for file in sorted(files, key=lambda f: (PurePosixPath(f).name not in _METADATA, PurePosixPath(f).name.endswith("l"), f)):
            name = PurePosixPath(file)
            path = self._root.absolute().parent / name.name if name.parts[0] == ".." else self._root / file
            if BAD_NAME.search(file):
                self.found.not_read[file] = "its name cannot be shown; rename it"
                continue
            if name.suffix.lower() in timed.SUFFIXES or name.name in KALDI_FILES or self._is_side(file, path):
                continue
            if name.name == _FOUND_WRONG:
                self.found.not_read[file] = "it lists clips that listeners found wrong"
                continue
            before = len(self.found.texts)
            try:
                matched = self._table(path, file, self._near(path), numbered)
            except NoTableError as error:
                self.found.not_read[file] = _short(error, name.name)
                problem = problem or (error if name.name in _METADATA else None)
                continue
            if not matched and before == len(self.found.texts) and name.name in _METADATA and problem is None:
                problem = self._nothing_named([path])
        return problem

    def _is_side(self, file: str, path: Path) -> bool:
        """Whether a file bears a recording's name and is no table of several."""
        if PurePosixPath(file).suffix.lower() not in (*_PLAIN, *timed.PERHAPS_TIMED) or self._owner(file) is None:
            return False
        return not self._is_table(path, 1 if path.suffix.lower() in (".csv", ".tsv") else 2)

    def _is_table(self, path: Path, least: int = 1) -> bool:
        """Whether a text says of so many recordings what is said in them."""
        try:
            rows = tables.read_table(path, self._index)
        except ScriptError:
            return False
        return len({row.name for row in rows if self._index.knows(row.name)}) >= least

    def _table(self, table: Path, source: str, near: str, numbered: bool = True) -> bool:
        """Add what a table says; whether it is about these recordings. NoTableError where it is about something else. One of
        `numbered` lines waits until it is asked for."""
        kaldi = Kaldi(table, self._index, self._known)
        rows = [kaldi.placed(row) for row in tables.read_table(table, kaldi)]
        if is_phonemes([row.text for row in rows]):
            raise NoTableError(f"{table.name} holds phonemes, not words.", "Give the words.")
        if _ABOUT_OTHERS.fullmatch(table.stem.lower()) and not any(" " in row.text for row in rows):
            raise NoTableError(f"{table.name} holds single words about recordings, not what is said in them.", HELP)
        if not numbered and table.suffix.lower() in _PLAIN and all(row.name.rstrip(".").isdecimal() for row in rows):
            self._numbered.add(source)
            return False
        rows = self._said(rows)
        own: dict[str, list[ScriptRow]] = {}
        of_others: dict[str, list[ScriptRow]] = {}
        unused: list[str] = []
        for row in rows:
            if (found := kaldi.find(row.name, row.where, near)) is not None:
                own.setdefault(found, []).append(row)
            elif (other := self._known.find(row.name, row.where, near)) is not None:
                of_others.setdefault(other, []).append(row)
            else:
                unused.append(row.name)
        if not own and not of_others:
            self.found.unused += unused if not self.found.texts else []
            self.found.not_read[source] = f"it names no recording: it names {some(unused)}"
            return False
        self.found.read.add(source)
        copies = {key: lines for key, lines in of_others.items() if key in self._by_id and key not in own}
        for key, lines in {**copies, **own}.items():
            self._add_rows(self._by_id[key], lines, source, table.name)
        self.found.unused += unused
        return True

    def _said(self, rows: Sequence[ScriptRow]) -> list[ScriptRow]:
        """The rows of a table without names of speakers and marks in their texts."""
        rests, names = unsaid.without_speakers([row.text for row in rows])
        unsaid.counted((f"{name}:" for name in names if name), self.found.left_out)
        out: list[ScriptRow] = []
        for row, rest, name in zip(rows, rests, names, strict=True):
            text, marks = unsaid.cleaned(rest)
            unsaid.counted(marks, self.found.left_out)
            out.append(replace(row, text=text, speaker=row.speaker or name))
        return out

    def _add_rows(self, recording: Recording, rows: Sequence[ScriptRow], source: str, label: str) -> None:
        duration_s = samples_to_seconds(recording.num_samples, recording.sample_rate_hz)
        known = self.found.texts.get(recording.id)
        if all(row.start_s is not None for row in rows) and (len(rows) > 1 or not _is_whole(rows[0], duration_s)):
            if known is None:
                self._add_timed(recording, timed.of_rows(rows, recording), source, label)
            return
        texts = {row.text: row for row in rows}
        if len(texts) > 1:
            second = list(texts.values())[1]
            raise ScriptError(f"{second.where}: another text for {second.name}.", "Keep one line for each recording.")
        if known is None:
            self.found.add(recording.id, rows[0].text, source, label)
            self._say_who(recording.id, rows[0], source)
        elif _bare(known) != _bare(rows[0].text):
            before = self.found.sources[recording.id]
            self.found.remarks.append(f"{source} has another text for {recording.path} than {before}, which is taken")

    def _say_who(self, recording_id: str, row: ScriptRow, source: str) -> None:
        if row.speaker:
            self.found.speakers[recording_id] = row.speaker
        elif any(row.labels):
            self.found.other_cells[recording_id] = {f"{source} {n}": label for n, label in enumerate(row.labels) if label}

    def _names_nothing(self, given: Sequence[Path]) -> None:
        raise self._nothing_named(given)

    def _nothing_named(self, given: Sequence[Path]) -> ScriptError:
        source = ", ".join(table.name for table in given)
        names, paths = some(list(dict.fromkeys(self.found.unused))), some([r.path for r in self._recordings])
        problem = f"The script {source} names no recording: it names {names}; the recordings are {paths}."
        return ScriptError(problem, HELP)


def tables_above(root: Path) -> list[Path]:
    """The tables in the folder above one of recordings that are called like its own: LJSpeech's metadata.csv above wavs/."""
    try:
        found = sorted(path for path in root.absolute().parent.iterdir() if is_text(path.name) and path.is_file())
    except OSError:
        return []
    return [path for path in found if _LIKE_METADATA.fullmatch(path.stem.lower()) and path.suffix.lower() in _TABLES]


def _whole_text(path: Path) -> str:
    return text_in(path) if path.suffix.lower() == ".json" else read_text(path)


def _without_times(lines: list[str]) -> list[str]:
    """Lines without the times in front of them, or above them with a name, if many have one: a transcript with a clock."""
    if sum(_HEADING.match(line) is not None for line in lines) >= 2:
        lines = [line for line in lines if _HEADING.match(line) is None]
    timed_lines = sum(_LEADING_TIME.match(line) is not None for line in lines)
    return [_LEADING_TIME.sub("", line) for line in lines] if timed_lines >= max(2, len(lines) / 2) else lines


def _is_whole(row: ScriptRow, duration_s: float) -> bool:
    return (row.start_s or 0.0) <= _WHOLE_S and (row.end_s or 0.0) >= duration_s - _WHOLE_S


def _bare(text: str) -> str:
    return "".join(c for c in normalise(text).casefold() if c.isalnum())


def _short(error: ScriptError, name: str) -> str:
    """A problem without the file's name, which stands before it."""
    said = error.problem.rstrip(".")
    for beginning in (f"The script {name} ", f"{name} ", f"{name}, "):
        if said.startswith(beginning):
            said = said.removeprefix(beginning)
            return said if said.startswith(("line", "entry")) else f"it {said}"
    return said


def _relative(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix() if _is_below(path, root) else path.name


def _is_below(path: Path, root: Path) -> bool:
    return path == root or path.is_relative_to(root)


def _is_same(one: Path, other: Path) -> bool:
    return one == other or (one.exists() and one.samefile(other))
