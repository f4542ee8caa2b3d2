"""Finds recordings by what a script calls them, and files by what the recordings are called."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from voicekit.errors import ScriptError
from voicekit.records import Recording


class Names:
    """Path or name, with or without suffix, in any case."""

    def __init__(self, recordings: Iterable[Recording]) -> None:
        self._by_path: dict[str, str] = {}
        self._by_name: dict[str, dict[str, None]] = {}  # ids in order, copies of a recording once
        self._paths: dict[str, str] = {}
        for recording in recordings:
            path = _plain(recording.path)
            stem = path.rsplit(".", 1)[0]
            self._paths[recording.id] = recording.path
            self._by_path[path] = recording.id
            for key in {stem, path.rsplit("/", 1)[-1], stem.rsplit("/", 1)[-1]}:
                self._by_name.setdefault(key, {})[recording.id] = None

    def find(self, name: str, where: str) -> str | None:
        """The recording's id; a name that fits several recordings is a ScriptError, which says `where` it stands."""
        plain = _plain(name)
        if plain in self._by_path:
            return self._by_path[plain]
        parts = plain.split("/")
        for start in range(len(parts)):
            key = "/".join(parts[start:])
            ids = list(self._by_name.get(key) or (self._by_name.get(key.rsplit(".", 1)[0], {}) if "." in key else {}))
            if len(ids) > 1:
                both = " and ".join(self._paths[i] for i in ids[:2])
                raise ScriptError(f"{where} names {name}, which may be {both}.", "Write the path in the script.")
            if ids:
                return ids[0]
        return None


class SideNames:
    """Finds files whatever the case of their suffix: Praat writes .TextGrid."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._seen: dict[Path, dict[tuple[str, str], Path]] = {}

    def beside(self, recording: Recording, suffix: str) -> Path | None:
        """The file of a recording's name in its own folder, else in the root."""
        stem = Path(recording.path).stem
        for folder in ((self._root / recording.path).parent, self._root):
            if (stem, suffix) in self._in(folder):
                return self._in(folder)[stem, suffix]
        return None

    def _in(self, folder: Path) -> dict[tuple[str, str], Path]:
        if folder not in self._seen:
            found = sorted(folder.iterdir()) if folder.is_dir() else []
            self._seen[folder] = {(p.stem, p.suffix.lower()): p for p in found if p.is_file()}
        return self._seen[folder]


def some(names: Sequence[str]) -> str:
    """The first of them, for a message."""
    shown = ", ".join(names[:3])
    return f"{shown}, ..." if len(names) > 3 else shown or "nothing"


def _plain(name: str) -> str:
    return name.strip().replace("\\", "/").removeprefix("./").lower()
