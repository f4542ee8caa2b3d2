"""Finds recordings by what a script calls them, and files by what the recordings are called."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

from voicekit.errors import ScriptError
from voicekit.records import Recording

_SUFFIX = re.compile(r"\.[a-z0-9]{0,5}$")
_MICROPHONE = re.compile(r"_mic\d+$")  # VCTK: one text for what several microphones heard
# What follows a recording's name in the name of its text: which kind of text, or which language (talk.de.vtt).
_KINDS = ("normalized", "normalised", "original", "transcript", "transcription", "trans", "text", "asr")
_LANGUAGE = re.compile(r"([a-z]{2,3})(?:[-_][a-z0-9]{2,8})*$")


class Names:
    """Path or name, with or without suffix, in any case and any of Unicode's normal forms."""

    def __init__(self, recordings: Iterable[Recording]) -> None:
        self._ids: dict[str, dict[str, None]] = {}  # by every end of a path, with and without suffix; copies once
        self._paths: dict[str, dict[str, None]] = {}  # of an id
        for recording in recordings:
            path = plain(recording.path)
            self._paths.setdefault(recording.id, {})[recording.path] = None
            parts = path.split("/")
            for start in range(len(parts)):
                end = "/".join(parts[start:])
                for key in {end, end.rsplit(".", 1)[0], _MICROPHONE.sub("", end.rsplit(".", 1)[0])}:
                    self._ids.setdefault(key, {})[recording.id] = None

    def find(self, name: str, where: str, near: str = "") -> str | None:
        """The recording's id. Of several that a name fits, it is the only one in the folder `near` (of the script, relative to
        the recordings' root) or in the closest above; else a ScriptError says `where` it stands."""
        found = self._candidates(name, near)
        if len(found) < 2:
            return found[0] if found else None
        both = " and ".join(next(iter(self._paths[i])) for i in found[:2])
        raise ScriptError(f"{where} names {name}, which may be {both}.", "Write the path in the script.")

    def knows(self, name: str) -> bool:
        """Whether a name fits a recording, or several."""
        return bool(self._candidates(name, ""))

    def _candidates(self, name: str, near: str) -> list[str]:
        parts = [part for part in plain(name).split("/") if part]
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


class SideNames:
    """Finds files of the recordings' names among `files` (paths relative to the recordings' root, or to `folder` of their own),
    whatever the case of their suffix and the normal form of their name: Praat writes .TextGrid, macOS decomposes letters."""

    def __init__(self, files: Iterable[str]) -> None:
        self._files: dict[tuple[str, str], list[str]] = {}
        for file in files:
            path = PurePosixPath(file)
            self._files.setdefault((plain(path.stem), path.suffix.lower()), []).append(file)

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
        folder."""
        path = PurePosixPath(recording.path)
        stems = [plain(path.stem), plain(_MICROPHONE.sub("", path.stem))]
        language = recording.language.replace("_", "-").split("-")[0].lower()
        kinds = ["", *(f".{kind}" for kind in (*_KINDS, language, recording.language.lower()))]
        for stem in dict.fromkeys(stems):
            for kind in kinds:
                found = self._files.get((f"{stem}{kind}", suffix), [])
                if (file := self._closest(path, found, anywhere)) is not None:
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
    stem, own = plain(PurePosixPath(file).stem), plain(PurePosixPath(recording.path).stem)
    match = _LANGUAGE.fullmatch(stem.removeprefix(f"{own}.")) if stem.startswith(f"{own}.") else None
    known = match is not None and match[1] not in _KINDS
    return match[1] if match and known and match[1] != recording.language.replace("_", "-").split("-")[0].lower() else ""


def some(names: Sequence[str]) -> str:
    """The first of them, for a message."""
    shown = ", ".join(names[:3])
    return f"{shown}, ..." if len(names) > 3 else shown or "nothing"


def plain(name: str) -> str:
    """A name as it is compared."""
    return unicodedata.normalize("NFC", name.strip().replace("\\", "/").removeprefix("./")).casefold()


def _likeness(one: PurePosixPath, other: PurePosixPath) -> tuple[int, int, int]:
    """How alike two folders are: equal parts from the top, then from the end, then as few parts as possible."""
    a, b = one.parent.parts, other.parent.parts
    first = next((n for n, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    last = next((n for n, (x, y) in enumerate(zip(a[::-1], b[::-1], strict=False)) if x != y), min(len(a), len(b)))
    return first, last, -len(a)
