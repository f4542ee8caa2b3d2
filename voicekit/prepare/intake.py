"""What the user gave (a file, a folder, a zip) -> recordings, each known by the hash of its bytes."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from voicekit import audio, manifest
from voicekit.errors import RecordingsError
from voicekit.ports import OnProgress, Progress
from voicekit.prepare.unpack import unpack
from voicekit.records import Recording
from voicekit.storage import file_sha256

TURNS_SUFFIX = ".rttm"
_TEXT_SUFFIXES = frozenset({".csv", ".tsv", ".xlsx", ".jsonl", ".txt", ".lab", ".srt", ".vtt", ".textgrid"})
SCRIPT_SUFFIXES = _TEXT_SUFFIXES | {TURNS_SUFFIX}
"""Of what may lie beside recordings: what is said in them, and who speaks when."""
JUNK_FOLDERS = frozenset({"__macosx", "$recycle.bin", "system volume information"})
_JUNK = frozenset({"thumbs.db", "desktop.ini", "readme.md", "license", "licence"})
_KINDS = "Give a folder, a zip or a file of wav, flac, mp3, m4a, ogg, opus, webm, mp4, aac or wma."


@dataclass(frozen=True)
class Refused:
    """A recording that cannot be used, and why."""

    recording: Recording
    reason: str


@dataclass(frozen=True)
class Intake:
    """Usable recordings by path, and the others. Paths are relative to `root`."""

    root: Path
    recordings: tuple[Recording, ...]
    refused: tuple[Refused, ...]

    def everything(self) -> tuple[Recording, ...]:
        """All recordings, each id once, as a catalog keeps them."""
        known = {r.id: r for r in (*(f.recording for f in self.refused), *self.recordings)}
        return tuple(sorted(known.values(), key=lambda r: r.path))

    def spoken_in(self, language: str) -> Intake:
        """The same with the language, which is found out only after the recordings were taken in."""
        refused = tuple(replace(f, recording=replace(f.recording, language=language)) for f in self.refused)
        return replace(self, recordings=tuple(replace(r, language=language) for r in self.recordings), refused=refused)


def take_in(recordings: Path, language: str, work: Path, max_failed_ratio: float, report: OnProgress) -> Intake:
    """Find, hash and decode everything once. Files that cannot be read, and copies of others, are refused with a reason.

    `work` keeps what is unpacked and what was found, so that a second call decodes nothing again. Raises RecordingsError when
    there is nothing, or when more than `max_failed_ratio` of the files cannot be read.
    """
    root, paths = find_audio(recordings, work)
    journal = work / "intake.jsonl"
    seen = {r.recording.id: r for r in manifest.read_journal(journal, Refused)}
    good: dict[str, Recording] = {}
    refused: list[Refused] = []
    for number, path in enumerate(paths):
        report(Progress("recordings", number / len(paths), path))
        try:
            digest = _digest(root / path)
        except OSError as error:
            unopened = hashlib.sha256(path.encode(errors="surrogatepass")).hexdigest()
            refused.append(Refused(Recording(unopened, path, 0, 0, 0, language), f"cannot be opened: {error.strerror}"))
            continue
        if digest in good:
            refused.append(Refused(replace(good[digest], path=path), f"the same recording as {good[digest].path}"))
            continue
        if digest not in seen:
            seen[digest] = _decoded(root, path, digest, language)
            manifest.append_record(journal, seen[digest])
        found = Refused(replace(seen[digest].recording, path=path, language=language), seen[digest].reason)
        if found.reason:
            refused.append(found)
        else:
            good[digest] = found.recording
    unreadable = [r for r in refused if r.recording.id not in good]
    _check_failures(unreadable, len(unreadable) + len(good), max_failed_ratio)
    report(Progress("recordings", 1.0, f"{len(good)} recordings"))
    return Intake(root, tuple(good.values()), tuple(refused))


def find_audio(recordings: Path, work: Path) -> tuple[Path, list[str]]:
    """(root, paths of audio files below it as POSIX text, sorted). A zip is unpacked below `work`."""
    if recordings.is_dir():
        root = recordings
        names = sorted(_walk(root))
        if not names:
            raise RecordingsError(f"There is no audio file in {recordings}.", _KINDS)
        return root, names
    if not recordings.exists():
        raise RecordingsError(f"There is nothing at {recordings}.", "Check the path.")
    if recordings.suffix.lower() == ".zip":
        root = unpack(recordings, work / "unpacked", audio.SUFFIXES | SCRIPT_SUFFIXES)
        names = sorted(_walk(root)) if root.exists() else []
        if not names:
            raise RecordingsError(f"There is no audio file in {recordings.name}.", _KINDS)
        return root, names
    if recordings.suffix.lower() not in audio.SUFFIXES:
        raise RecordingsError(f"{recordings.name} is neither an audio file nor a zip.", _KINDS)
    return recordings.parent, [recordings.name]


def _walk(root: Path) -> list[str]:
    return [name for name in _files(root) if Path(name).suffix.lower() in audio.SUFFIXES]


def left_aside(recordings: Path, turns: Collection[Path] = ()) -> list[str]:
    """Files of a folder that are neither sounds nor scripts nor among the `turns` that were read, sorted: nothing is passed
    over in silence."""
    known = audio.SUFFIXES | _TEXT_SUFFIXES
    names = _files(recordings) if recordings.is_dir() else ()
    aside = (n for n in names if Path(n).suffix.lower() not in known and Path(n).name.lower() not in _JUNK)
    return sorted(n for n in aside if recordings / n not in turns)


def _files(root: Path) -> Iterator[str]:
    """Every file below a folder as POSIX text relative to it, hidden ones and what systems leave behind aside."""
    for folder, subfolders, names in os.walk(root, onerror=_unreadable):
        subfolders[:] = [s for s in subfolders if not s.startswith(".") and s.lower() not in JUNK_FOLDERS]
        yield from ((Path(folder) / name).relative_to(root).as_posix() for name in names if not name.startswith("."))


def _unreadable(error: OSError) -> None:
    raise RecordingsError(f"The folder {error.filename} cannot be read: {error.strerror}.", "Check that it may be read.")


def _digest(file: Path) -> str:
    """sha256 of a file's bytes; OSError also for what only looks like a file: reading a pipe would wait for ever."""
    if not stat.S_ISREG(file.stat().st_mode):
        raise OSError(errno.EINVAL, "It is not an ordinary file")
    return file_sha256(file)


def _decoded(root: Path, path: str, digest: str, language: str) -> Refused:
    """What a file holds; `reason` is "" if it can be used."""
    try:
        facts = audio.probe(root / path)
    except RecordingsError as error:
        return Refused(Recording(digest, path, 0, 0, 0, language), error.problem.rstrip("."))
    return Refused(Recording(digest, path, facts.sample_rate_hz, facts.num_samples, facts.channels, language), "")


def _check_failures(failed: Sequence[Refused], total: int, max_failed_ratio: float) -> None:
    if len(failed) <= max_failed_ratio * total:
        return
    named = "; ".join(f"{f.recording.path}: {f.reason.removeprefix(Path(f.recording.path).name).strip()}" for f in failed[:3])
    more = f"; and {len(failed) - 3} more" if len(failed) > 3 else ""
    problem = f"{len(failed)} of {total} recordings cannot be used: {named}{more}."
    raise RecordingsError(problem, "Replace or remove them and run it again.")
