"""What a script is, whatever it was written in."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Cue:
    """A text with its place in a recording, in seconds from the recording's beginning, and who says it ("": nobody knows)."""

    start_s: float
    end_s: float
    text: str
    speaker: str = field(default="", compare=False)


@dataclass(frozen=True)
class NotRead:
    """A file that might have said what is said in recordings, and why it was not read."""

    file: str
    reason: str


@dataclass(frozen=True)
class Script:
    """Text by recording id; `unused` are names in the script that no recording has; `source` says where it was found.

    Where the script gives times (subtitles, a TextGrid), `cues` holds them by recording id, in order, and the text is theirs
    joined. Cues may overlap and leave gaps; where nothing is said they have none.

    `speakers` says of recordings of one person who that is, where the script tells; `labels` has what else stands in the columns
    of a table without a header, by file and column.

    `sources` says which file each recording's text is from. `not_read` are the other files with texts, `left_out` counts the
    marks in the texts that are not said, `remarks` says what else there is to know.
    """

    texts: dict[str, str]
    source: str
    unused: tuple[str, ...] = ()
    cues: dict[str, tuple[Cue, ...]] = field(default_factory=dict[str, tuple[Cue, ...]])
    speakers: dict[str, str] = field(default_factory=dict[str, str])
    labels: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])
    sources: dict[str, str] = field(default_factory=dict[str, str])
    not_read: tuple[NotRead, ...] = ()
    left_out: dict[str, int] = field(default_factory=dict[str, int])
    remarks: tuple[str, ...] = ()
