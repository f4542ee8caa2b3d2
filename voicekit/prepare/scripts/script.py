"""What a script is, whatever it was written in."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Cue:
    """A text with its place in a recording, in seconds from the recording's beginning."""

    start_s: float
    end_s: float
    text: str


@dataclass(frozen=True)
class Script:
    """Text by recording id; `unused` are names in the script that no recording has; `source` says where it was found.

    Where the script gives times (subtitles, a TextGrid), `cues` holds them by recording id, in order, and the text is theirs
    joined. Cues may overlap and leave gaps; where nothing is said they have none.
    """

    texts: dict[str, str]
    source: str
    unused: tuple[str, ...] = ()
    cues: dict[str, tuple[Cue, ...]] = field(default_factory=dict[str, tuple[Cue, ...]])
