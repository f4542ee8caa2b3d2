"""Finds recordings by what a script calls them, and files by what the recordings are called."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

from voicekit import audio
from voicekit.errors import ScriptError
from voicekit.records import Recording

_SUFFIX = re.compile(r"\.[a-z0-9]{0,5}$")
_DEEPEST = 64  # folders of a path that are looked at
_LONGEST_SHOWN = 80
_SENT = re.compile(r"^.*/[0-9a-f]{8}-(?=[^/]+$)")  # Label Studio's names of what was sent to it
_MICROPHONE = re.compile(r"_mic\d+$")  # VCTK: one text for what several microphones heard
# What follows a recording's name in the name of its text: its own suffix (talk.wav.srt), which kind of text, which language
# (talk.de.vtt, talk.en-US.vtt).
_KINDS = (
    *(suffix.removeprefix(".") for suffix in sorted(audio.SUFFIXES)),
    "normalized", "normalised", "original", "transcript", "transcription", "trans", "transcribed", "text", "asr", "labels",
    "label", "subtitles", "captions", "words",
)  # fmt: skip
_KIND = re.compile(rf"(.+)[._ -]({'|'.join(_KINDS)})")
_LANGUAGE = re.compile(r"(.+)\.([a-z]{2,3})(?:[-_][a-z0-9]{2,8})*")


class Names:
    """Path or name, with or without suffix, in any case and any of Unicode's normal forms."""

    def __init__(self, recordings: Iterable[Recording]) -> None:
        self._ids: dict[str, dict[str, None]] = {}  # by every end of a path, with and without suffix; copies once
        self._paths: dict[str, dict[str, None]] = {}  # of an id
        self._numbers: dict[int, dict[str, None]] = {}  # ids of those whose name is a number
        for recording in recordings:
            path = plain(recording.path)
            self._paths.setdefault(recording.id, {})[recording.path] = None
            parts = path.split("/")
            if (number := _number(parts[-1])) is not None:
                self._numbers.setdefault(number, {})[recording.id] = None
            for start in range(len(parts)):
                end = "/".join(parts[start:])
                for key in {end, end.rsplit(".", 1)[0], _MICROPHONE.sub("", end.rsplit(".", 1)[0])}:
                    self._ids.setdefault(key, {})[recording.id] = None

    def find(self, name: str, where: str, near: str = "") -> str | None:
        """The recording's id. Of several that a name fits, it is the only one in the folder `near` (of the script, relative to
        the recordings' root) or in the closest above; else a ScriptError says `where` it stands. A number that fits none is
        taken without its zeros: 1 is 001.wav."""
        found = self._candidates(name, near) or self._by_number(name, near)
        if len(found) < 2:
            return found[0] if found else None
        both = " and ".join(next(iter(self._paths[i])) for i in found[:2])
        raise ScriptError(f"{where} names {name}, which may be {both}.", "Write the path in the script.")

    def knows(self, name: str) -> bool:
        """Whether a name fits a recording, or several."""
        return bool(self._candidates(name, ""))

    def in_other_folders(self, recording: Recording) -> bool:
        """Whether recordings of the same name lie in other folders."""
        stem, folder = plain(recording.path).rsplit("/", 1)[-1].rsplit(".", 1)[0], PurePosixPath(recording.path).parent
        paths = [path for other in self._ids.get(stem, {}) for path in self._paths[other]]
        return any(PurePosixPath(path).parent != folder for path in paths)

    def knows_number(self, name: str) -> bool:
        """Whether a number fits a recording without its zeros, as spreadsheets take them away."""
        return bool(self._by_number(name, ""))

    def _by_number(self, name: str, near: str) -> list[str]:
        bare = plain(name).split("/")[-1]
        number = _number(bare)
        ids = list(self._numbers.get(number, {})) if number is not None else []
        return self._nearest(ids, bare, near) if len(ids) > 1 else ids

    def _candidates(self, name: str, near: str) -> list[str]:
        found = self._ending_alike(plain(name), near)
        if found:
            return found
        elsewhere = _SENT.sub("", plain(unquote(name)).rpartition("?d=")[2])
        return self._ending_alike(elsewhere, near) if elsewhere != plain(name) else []

    def _ending_alike(self, name: str, near: str) -> list[str]:
        parts = [part for part in name.split("/") if part][-_DEEPEST:]
        for start in range(len(parts)):
            key = "/".join(parts[start:])
            ids = list(self._ids.get(key) or self._ids.get(_SUFFIX.sub("", key), {}))
            if ids:
                return self._nearest(ids, key, near) if len(ids) > 1 else ids
        return []

    def _nearest(self, ids: Sequence[str], key: str, near: str) -> list[str]:
        """Those below the script's own folder, else below the next one above it; of those, the one whose whole path it is."""
        folder = plain(near)
        whole = f"{folder}/{key}" if folder else key
        for wanted in (whole, key):
            exact = [i for i in ids if any(wanted in (p := plain(path), p.rsplit(".", 1)[0]) for path in self._paths[i])]
            if len(exact) == 1:
                return exact
        while folder:
            below = [i for i in ids if any(plain(path).startswith(f"{folder}/") for path in self._paths[i])]
            if below:
                return below
            folder = folder.rpartition("/")[0]
        return list(ids)


class Numbers(Names):
    """Names of which numbers count without their zeros."""

    def __init__(self, names: Names) -> None:
        self._inner = names

    def find(self, name: str, where: str, near: str = "") -> str | None:
        return self._inner.find(name, where, near)

    def knows(self, name: str) -> bool:
        return self._inner.knows(name) or self._inner.knows_number(name)

    def knows_number(self, name: str) -> bool:
        return self._inner.knows_number(name)


class SideNames:
    """Finds files of the recordings' names among `files` (paths relative to the recordings' root, or to `folder` of their own),
    whatever the case of their suffix and the normal form of their name: Praat writes .TextGrid, macOS decomposes letters."""

    def __init__(self, files: Iterable[str]) -> None:
        # By name and suffix: (rank, language, file). The lower the rank, the less is left out of the file's name.
        self._files: dict[tuple[str, str], list[tuple[int, str, str]]] = {}
        for file in files:
            path = PurePosixPath(file)
            for stem, rank, language in _meant(plain(path.stem)):
                self._files.setdefault((stem, path.suffix.lower()), []).append((rank, language, file))

    @classmethod
    def near(cls, root: Path, recordings: Iterable[Recording], suffix: str) -> SideNames:
        """Of the folders of the recordings and the root, files of a suffix."""
        folders = dict.fromkeys([root, *((root / r.path).parent for r in recordings)])
        files = (p for f in folders if f.is_dir() for p in sorted(f.iterdir()) if p.suffix.lower() == suffix and p.is_file())
        return cls(p.relative_to(root).as_posix() for p in files)

    def beside(self, recording: Recording, suffix: str) -> str | None:
        """The file of a recording's name in its own folder, else in the root."""
        return self.first(recording, suffix, anywhere=False)

    def first(self, recording: Recording, suffix: str, anywhere: bool = True) -> str | None:
        """The file of a recording's name: in its own folder, in the root, or the only one, or the one in the most similar
        folder. Of another language it is none."""
        path = PurePosixPath(recording.path)
        for stem in dict.fromkeys(plain(name) for name in (path.stem, path.name, _MICROPHONE.sub("", path.stem))):
            found = [side for side in self._files.get((stem, suffix), ()) if side[1] in ("", _primary(recording))]
            for rank in sorted({rank for rank, _, _ in found}):
                file = self._closest(path, [file for other, _, file in found if other == rank], anywhere)
                if file is not None:
                    return file
        return None

    def _closest(self, path: PurePosixPath, found: Sequence[str], anywhere: bool) -> str | None:
        here = [f for f in found if PurePosixPath(f).parent == path.parent]
        top = [f for f in found if "/" not in f]
        if here or top or not anywhere or not found:
            return here[0] if here else top[0] if top else None
        ranked = sorted(found, key=lambda f: _likeness(PurePosixPath(f), path), reverse=True)
        alone = len(ranked) == 1 or _likeness(PurePosixPath(ranked[0]), path) > _likeness(PurePosixPath(ranked[1]), path)
        return ranked[0] if alone else None


def other_language(file: str, recording: Recording) -> str:
    """The language in a text's name (talk.de.vtt) that is not the recording's; "" for none."""
    path = PurePosixPath(recording.path)
    own = {plain(name) for name in (path.stem, path.name)}
    sides = _meant(plain(PurePosixPath(file).stem))
    return next((language for stem, _, language in sides if language not in ("", _primary(recording)) and stem in own), "")


def is_kind(stem: str) -> bool:
    """Whether a text's name says only which kind of text it is."""
    return plain(stem) in _KINDS


def names_meant(stem: str) -> tuple[str, ...]:
    """The recordings' names that the name of a text may stand for, the likeliest first."""
    return tuple(dict.fromkeys(name for name, _, _ in _meant(plain(stem))))


def _meant(stem: str) -> list[tuple[str, int, str]]:
    """(name, rank, language) of the recordings that a text of this name may belong to."""
    meant = [(stem, 0, "")]
    if (kind := _KIND.fullmatch(stem)) is not None:
        meant.append((kind[1], 1 + _KINDS.index(kind[2]), ""))
    elif (language := _LANGUAGE.fullmatch(stem)) is not None:
        meant.append((language[1], 1 + len(_KINDS), language[2]))
    return meant


def _primary(recording: Recording) -> str:
    return recording.language.replace("_", "-").split("-")[0].lower()


def _number(name: str) -> int | None:
    """The number that a file is called, if it is called one."""
    bare = _SUFFIX.sub("", name) if not name.isdecimal() else name
    return int(bare) if bare.isdecimal() and len(bare) <= 12 else None


def some(names: Sequence[str]) -> str:
    """The first of them, for a message."""
    shown = ", ".join(name if len(name) <= _LONGEST_SHOWN else f"{name[:_LONGEST_SHOWN]}..." for name in names[:3])
    return f"{shown}, ..." if len(names) > 3 else shown or "nothing"


def plain(name: str) -> str:
    """A name as it is compared."""
    return unicodedata.normalize("NFC", name.strip().replace("\\", "/").replace("\u00a0", " ").removeprefix("./")).casefold()


def _likeness(one: PurePosixPath, other: PurePosixPath) -> tuple[int, int, int]:
    """How alike two folders are: equal parts from the top, then from the end, then as few parts as possible."""
    a, b = one.parent.parts, other.parent.parts
    first = next((n for n, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    last = next((n for n, (x, y) in enumerate(zip(a[::-1], b[::-1], strict=False)) if x != y), min(len(a), len(b)))
    return first, last, -len(a)
