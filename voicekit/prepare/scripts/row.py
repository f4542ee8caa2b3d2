"""One line of a table, and what is wrong with a file that has none."""

from __future__ import annotations

from dataclasses import dataclass

from voicekit.errors import ScriptError

HELP = (
    'Give a table with a header "file,text", LJSpeech\'s metadata.csv (id|text|normalised), subtitles (srt, vtt) or a TextGrid '
    "for a long recording, or a .txt beside each recording with the same name."
)


class NoTableError(ScriptError):
    """A file that says of no file what is said in it, or that is no text at all: something else, not a broken script."""


@dataclass(frozen=True)
class ScriptRow:
    """One line of a table: `where` it stands ("s.csv, line 3"), the file as it is written there, its text; where that is said of
    a stretch of the file, its beginning and end in seconds, and who says it, if the table tells. `labels` are the other cells of
    a table without a header, of which one may say it too."""

    where: str
    name: str
    text: str
    start_s: float | None = None
    end_s: float | None = None
    speaker: str = ""
    labels: tuple[str, ...] = ()
