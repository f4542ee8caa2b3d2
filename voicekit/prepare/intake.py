"""What the user gave (a file, a folder, a zip) -> recordings, each known by the hash of its bytes."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from voicekit import audio, manifest
from voicekit.errors import RecordingsError
from voicekit.ports import OnProgress, Progress
from voicekit.prepare import decisions
from voicekit.prepare.unpack import left_packed, unpack
from voicekit.records import Recording
from voicekit.storage import file_sha256

TURNS_SUFFIX = ".rttm"
TEXT_SUFFIXES = frozenset(
    ".csv .tsv .tab .xlsx .jsonl .json .ndjson .txt .text .lab .list .lst .filelist .srt .vtt .lrc .sbv .ass .ssa .textgrid .eaf "
    ".stm .ctm .trn .tra .trans .transcript .transcription .scp .data .cleaned .normalized .original".split()
)
TEXT_NAMES = frozenset("text segments utt2spk transcript transcripts transcription".split())
"""Of files without a suffix: Kaldi's data folders."""
SCRIPT_SUFFIXES = TEXT_SUFFIXES | {TURNS_SUFFIX}
"""Of what may lie beside recordings: what is said in them, and who speaks when."""
JUNK_FOLDERS = frozenset({"__macosx", "$recycle.bin", "system volume information", "@eadir"})
_JUNK = frozenset({"thumbs.db", "desktop.ini"})
_LOCK = "~$"  # what Office leaves beside an open file
_ABOUT = frozenset("readme license licence copying copyright changelog authors notice citation".split())
_KINDS = "Give a folder, a zip or a file of wav, flac, mp3, m4a, ogg, opus, webm, mp4, aac or wma."
# What voicekit itself leaves in folders: the clips of a dataset, what an export is marked with, stretches of speakers, its home.
DATASET_FILES = ("dataset.json", "clips.jsonl")
DATASET_FOLDERS = ("clips", "work")
EXPORT_MARK = ".voicekit-export"
SPEAKERS = "speakers.jsonl"
_HOME = "catalog.db"
_CLIP_NAME = re.compile(r"[0-9a-f]{16}")
BAD_NAME = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


@dataclass(frozen=True)
class Refused:
    """A recording that cannot be used, and why. `remark` is what there is to say of one that can (voicekit.audio.Facts)."""

    recording: Recording
    reason: str
    remark: str = ""


@dataclass(frozen=True)
class Found:
    """What lies in a folder, as POSIX text relative to `root`: sounds, files that may say what is said in them or who speaks
    when, other files that were left aside, and what voicekit wrote itself."""

    root: Path
    sounds: tuple[str, ...]
    texts: tuple[str, ...] = ()
    aside: tuple[str, ...] = ()
    own: tuple[str, ...] = ()


@dataclass(frozen=True)
class Intake:
    """Usable recordings by path, and the others. Paths are relative to `root`.

    `remarks` are those on usable recordings (path, words); `texts`, `aside` and `own` are the files of Found.
    """

    root: Path
    recordings: tuple[Recording, ...]
    refused: tuple[Refused, ...]
    remarks: tuple[tuple[str, str], ...] = ()
    texts: tuple[str, ...] = ()
    aside: tuple[str, ...] = ()
    own: tuple[str, ...] = ()

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
    there = look(recordings, work)
    root, paths = there.root, there.sounds
    journal = work / "intake.jsonl"
    seen = {r.recording.id: r for r in manifest.read_journal(journal, Refused)}
    good: dict[str, Recording] = {}
    refused: list[Refused] = []
    remarks: list[tuple[str, str]] = []
    for number, path in enumerate(paths):
        report(Progress("recordings", number / len(paths), shown(path)))
        if BAD_NAME.search(path):
            refused.append(_badly_named(path, language))
            continue
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
            if seen[digest].remark:
                remarks.append((path, seen[digest].remark))
    unreadable = [r for r in refused if r.recording.id not in good]
    _check_failures(unreadable, len(unreadable) + len(good), max_failed_ratio)
    report(Progress("recordings", 1.0, f"{len(good)} recordings"))
    return Intake(root, tuple(good.values()), tuple(refused), tuple(remarks), there.texts, there.aside, there.own)


def find_audio(recordings: Path, work: Path) -> tuple[Path, list[str]]:
    """(root, paths of audio files below it as POSIX text, sorted). A zip is unpacked below `work`."""
    found = look(recordings, work)
    return found.root, list(found.sounds)


def look(recordings: Path, work: Path) -> Found:
    """What is in a folder, a zip (unpacked below `work`) or a file. Raises RecordingsError where there is no sound."""
    if recordings.is_dir():
        return _with_sounds(found_in(recordings), recordings)
    if not recordings.exists():
        raise RecordingsError(f"There is nothing at {recordings}.", "Check the path.")
    if recordings.suffix.lower() == ".zip":
        root = unpacked(recordings, work / "unpacked")
        packed = [name for name in left_packed(root) if not _is_junk(name)]
        found = found_in(root) if root.exists() else Found(root, ())
        return _with_sounds(replace(found, aside=tuple(sorted((*found.aside, *packed)))), Path(recordings.name))
    if recordings.suffix.lower() not in audio.SUFFIXES:
        raise RecordingsError(f"{recordings.name} is neither an audio file nor a zip.", _KINDS)
    texts = sorted(p.name for p in recordings.parent.iterdir() if _belongs_to(p, recordings))
    return Found(recordings.parent, (recordings.name,), tuple(texts))


def unpacked(archive: Path, folder: Path) -> Path:
    """Everything in a zip that is read, below `folder` (voicekit.prepare.unpack)."""
    return unpack(archive, folder, audio.SUFFIXES | SCRIPT_SUFFIXES, TEXT_NAMES | {EXPORT_MARK})


def found_in(root: Path) -> Found:
    """What is in a folder, folders that are linked into it included, each once. What voicekit wrote is not looked into."""
    own: list[str] = []
    names = list(_files(root, own))
    sounds = [name for name in names if is_sound(name)]
    ours = _clips_among(sounds) | _samples_among(root, sounds)
    own += sorted({str(PurePosixPath(name).parent) for name in ours if "/" in name} | {n for n in ours if "/" not in n})
    kept = [name for name in names if name not in ours]
    inside = {folder for folder in own if not is_sound(folder)}
    kept = [name for name in kept if not inside & {str(p) for p in PurePosixPath(name).parents}]
    texts = [name for name in kept if is_text(name) and Path(name).name != decisions.FILE]
    aside = [n for n in kept if not is_sound(n) and not is_text(n) and not _is_junk(n)]
    return Found(
        root,
        tuple(sorted(name for name in kept if is_sound(name))),
        tuple(sorted(texts)),
        tuple(sorted(aside)),
        tuple(sorted(set(own))),
    )


def input_files(recordings: Path) -> list[Path]:
    """The files that a dataset of these recordings depends on, in a fixed order."""
    if recordings.is_file():
        return [recordings]
    own: list[str] = []
    names = [name for name in _files(recordings, own) if is_read(name)]
    ours = _clips_among([n for n in names if is_sound(n)])
    return sorted(recordings / name for name in names if name not in ours)


def is_sound(name: str) -> bool:
    return PurePosixPath(name).suffix.lower() in audio.SUFFIXES


def is_text(name: str) -> bool:
    """Whether a file may say what is said in recordings, by its name."""
    path = PurePosixPath(name)
    if path.suffix == "":
        return path.name.lower() in TEXT_NAMES
    return path.suffix.lower() in TEXT_SUFFIXES and path.stem.lower() not in _ABOUT and not path.name.startswith(_LOCK)


def is_read(name: str) -> bool:
    """Whether a file is a sound, may say what is said, or says who speaks when."""
    return is_sound(name) or is_text(name) or PurePosixPath(name).suffix.lower() == TURNS_SUFFIX


def shown(path: str) -> str:
    """A path for people: what cannot be shown in it stands as \\x07."""
    return BAD_NAME.sub(lambda m: m[0].encode("unicode_escape").decode("ascii"), path)


def _with_sounds(found: Found, called: Path) -> Found:
    if found.sounds:
        return found
    if found.own:
        wrote = f"There is nothing in {shown(str(called))} but what voicekit wrote itself: {', '.join(found.own[:3])}."
        raise RecordingsError(wrote, "Give the recordings, or what `voicekit dataset export` makes of a dataset.")
    raise RecordingsError(f"There is no audio file in {shown(str(called))}.", _KINDS)


def _belongs_to(path: Path, recording: Path) -> bool:
    """Whether a file beside a single recording may be about it: by its name, or as the folder's table."""
    near = path.name.lower().startswith(f"{recording.stem.lower()}.") or path.stem.lower() == "metadata"
    return near and is_text(path.name) and path.is_file()


def _is_junk(name: str) -> bool:
    path = PurePosixPath(name)
    hidden = any(part.startswith(".") or part.lower() in JUNK_FOLDERS for part in path.parts)
    return hidden or path.name.lower() in _JUNK or path.name.startswith(_LOCK) or path.stem.lower() in _ABOUT


def _files(root: Path, own: list[str]) -> Iterator[str]:
    """Every file below a folder as POSIX text relative to it, hidden ones and what systems leave behind aside. Folders that
    voicekit wrote are added to `own` instead."""
    seen: set[tuple[int, int]] = set()
    for folder, subfolders, names in os.walk(root, onerror=_unreadable, followlinks=True):
        here = Path(folder)
        status = here.stat()
        if (status.st_dev, status.st_ino) in seen:  # a link that leads back, or to what is here already
            subfolders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        kept: list[str] = []
        for name in sorted(subfolders):
            if name.startswith(".") or name.lower() in JUNK_FOLDERS:
                continue
            if (is_dataset(here) and name in DATASET_FOLDERS) or is_own(here / name):
                own.append((here / name).relative_to(root).as_posix())
            else:
                kept.append(name)
        subfolders[:] = kept
        wrote = {*DATASET_FILES, "recordings.jsonl"} if is_dataset(here) else set[str]()
        wrote |= {SPEAKERS} if SPEAKERS in names else set[str]()
        yield from (
            (here / name).relative_to(root).as_posix() for name in names if name not in wrote and not name.startswith(".")
        )


def is_dataset(folder: Path) -> bool:
    """Whether voicekit keeps a dataset here, finished or not."""
    finished = all((folder / name).is_file() for name in DATASET_FILES)
    return finished or any((folder / "work" / name).is_file() for name in ("intake.jsonl", "heard.jsonl", "made.json"))


def is_own(folder: Path) -> bool:
    """Whether voicekit wrote a folder: a dataset, an export, samples of speakers, or a home."""
    return is_dataset(folder) or any((folder / name).is_file() for name in (EXPORT_MARK, SPEAKERS, _HOME))


def _clips_among(sounds: Sequence[str]) -> set[str]:
    """Sounds in folders of which all are called as clips are, if there are others as well: exports that bear no mark."""
    by_folder: dict[str, list[str]] = {}
    for name in sounds:
        by_folder.setdefault(str(PurePosixPath(name).parent), []).append(name)
    clips = {n for named in by_folder.values() if all(_CLIP_NAME.fullmatch(PurePosixPath(n).stem) for n in named) for n in named}
    return clips if len(clips) < len(sounds) else set()


def _samples_among(root: Path, sounds: Sequence[str]) -> set[str]:
    """Samples of speakers that were written among the recordings themselves: RECORDING-SPEAKER.wav."""
    if not (root / SPEAKERS).is_file():
        return set()
    try:
        told = [json.loads(line) for line in (root / SPEAKERS).read_text(encoding="utf-8", errors="replace").splitlines()]
        labels = {str(speaker[0]) for line in told for speaker in line["speakers"]}
    except (ValueError, KeyError, TypeError, IndexError):
        return set()
    samples = {f"{name.replace('/', '-')}-{label}.wav".replace(" ", "-") for name in sounds for label in labels}
    return samples & set(sounds)


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
    recording = Recording(digest, path, facts.sample_rate_hz, facts.num_samples, facts.channels, language)
    return Refused(recording, "", facts.remark)


def _badly_named(path: str, language: str) -> Refused:
    unopened = hashlib.sha256(path.encode(errors="surrogatepass")).hexdigest()
    reason = "its name holds control characters, or bytes that are no text: rename it"
    return Refused(Recording(unopened, shown(path), 0, 0, 0, language), reason)


def _check_failures(failed: Sequence[Refused], total: int, max_failed_ratio: float) -> None:
    if len(failed) <= max_failed_ratio * total:
        return
    named = "; ".join(f"{f.recording.path}: {f.reason.removeprefix(Path(f.recording.path).name).strip()}" for f in failed[:3])
    more = f"; and {len(failed) - 3} more" if len(failed) > 3 else ""
    problem = f"{len(failed)} of {total} recordings cannot be used: {named}{more}."
    raise RecordingsError(problem, "Replace or remove them and run it again.")
