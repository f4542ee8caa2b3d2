"""Kaldi's data folders (also ESPnet's): `text` has what is said by utterance, `wav.scp` its file, `segments` its place in one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path, PurePosixPath

from voicekit.errors import ScriptError
from voicekit.prepare.intake import is_sound
from voicekit.prepare.scripts.names import Names
from voicekit.prepare.scripts.reading import read_text
from voicekit.prepare.scripts.row import ScriptRow

KALDI_FILES = frozenset({"wav.scp", "segments", "utt2spk"})


class Kaldi(Names):
    """The names of recordings, and for a file `text` those that the files beside it give them."""

    def __init__(self, table: Path, names: Names, others: Names) -> None:
        self._inner = names
        is_text = PurePosixPath(table.name).stem == "text"
        self._files = _lines(table.parent / "wav.scp") if is_text else {}
        self._segments = _lines(table.parent / "segments") if is_text else {}
        self._speakers = _lines(table.parent / "utt2spk") if is_text else {}
        self._others = others

    def find(self, name: str, where: str, near: str = "") -> str | None:
        file = "" if self._inner.knows(name) else self._file_of(name)
        found = self._inner.find(file, where, near) if file else None
        return found or self._inner.find(name, where, near)

    def knows(self, name: str) -> bool:
        file = self._file_of(self._segment_of(name)[0])
        return self._inner.knows(name) or self._inner.knows(self._segment_of(name)[0]) or (bool(file) and self._inner.knows(file))

    def knows_number(self, name: str) -> bool:
        return self._inner.knows_number(name)

    def placed(self, row: ScriptRow) -> ScriptRow:
        """A row of an utterance as one about a stretch of its recording."""
        recording, *times = self._segment_of(row.name)
        if len(times) < 2:
            return replace(row, speaker=row.speaker or self._speakers.get(row.name, ""))
        try:
            start_s, end_s = float(times[0]), float(times[1])
        except ValueError:
            raise ScriptError(f"segments: {row.name} has no times.", "Complete it.") from None
        return replace(row, name=recording, start_s=start_s, end_s=end_s, speaker=self._speakers.get(row.name, ""))

    def _segment_of(self, name: str) -> list[str]:
        return self._segments[name].split() if name in self._segments else [name]

    def _file_of(self, name: str) -> str:
        """The file of a recording: the sound among the words of its line, which may be a command."""
        words = self._files.get(name, "").replace("|", " ").split()
        return next((word for word in reversed(words) if is_sound(word)), "")


def _lines(path: Path) -> dict[str, str]:
    """What stands behind the first word of each line, by that word."""
    if not path.is_file():
        return {}
    parts = (line.split(maxsplit=1) for line in read_text(path).split("\n") if line.strip())
    return {part[0]: part[1].strip() for part in parts if len(part) == 2}
