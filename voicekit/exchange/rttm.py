"""RTTM: who speaks when, one turn a line (NIST, Rich Transcription 2009 evaluation plan, appendix A):

    SPEAKER file channel onset duration <NA> <NA> speaker <NA> <NA>

Fields are cut at blanks, so blanks, percent signs and what cannot be printed are written as %20 in names.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote

from voicekit import files
from voicekit.errors import InputError
from voicekit.prepare.scripts.reading import read_text
from voicekit.records import Clip, Recording
from voicekit.timebase import samples_to_seconds

_NOTHING = "<NA>"
_SPEAKER = "speaker"  # of recordings that do not say whose they are
_REMEDY = "A turn is: SPEAKER file channel onset duration <NA> <NA> name <NA> <NA>."


@dataclass(frozen=True)
class SpeakerTurn:
    """`recording` as the file names it; times in seconds from its beginning."""

    recording: str
    start_s: float
    duration_s: float
    speaker: str
    channel: int = 1


def turns_of(clips: Iterable[Clip], recordings: Sequence[Recording]) -> tuple[SpeakerTurn, ...]:
    """A turn a clip, as the clips lie in their recordings."""
    speakers = {r.id: r.speaker_id for r in recordings}
    return tuple(
        SpeakerTurn(
            clip.recording,
            samples_to_seconds(clip.start_sample, clip.sample_rate_hz),
            samples_to_seconds(clip.num_samples, clip.sample_rate_hz),
            speakers.get(clip.recording_id) or _SPEAKER,
        )
        for clip in clips
    )


def write_rttm(path: Path, turns: Iterable[SpeakerTurn]) -> None:
    """`read_rttm` gives back the same turns. ValueError for times that are none."""
    files.write_text(path, "".join(_line(turn) + "\n" for turn in turns))


def read_rttm(path: Path) -> tuple[SpeakerTurn, ...]:
    """The turns of a file in its order; lines of other kinds and remarks (;;) are passed over. InputError names the line."""
    turns: list[SpeakerTurn] = []
    for number, line in enumerate(read_text(path).split("\n"), 1):
        fields = line.split()
        if not fields or fields[0] != "SPEAKER":
            if fields and not re.match(r";;|[A-Z-]+$", fields[0]):
                raise InputError(f"{path.name}, line {number}: {line.strip()[:60]!r} is no line of RTTM.", _REMEDY)
            continue
        try:
            _, recording, channel, start, duration, _, _, speaker = fields[:8]
            turn = SpeakerTurn(_read(recording), float(start), float(duration), _read(speaker), int(channel))
            _check(turn)
        except ValueError:
            raise InputError(f"{path.name}, line {number}: {line.strip()[:60]!r} is no turn.", _REMEDY) from None
        turns.append(turn)
    return tuple(turns)


def _line(turn: SpeakerTurn) -> str:
    _check(turn)
    times = f"{turn.channel} {turn.start_s!r} {turn.duration_s!r}"
    return f"SPEAKER {_name(turn.recording)} {times} {_NOTHING} {_NOTHING} {_name(turn.speaker)} {_NOTHING} {_NOTHING}"


def _check(turn: SpeakerTurn) -> None:
    if not (math.isfinite(turn.start_s) and math.isfinite(turn.duration_s) and turn.start_s >= 0 and turn.duration_s >= 0):
        raise ValueError(f"no turn: {turn}")


def _name(text: str) -> str:
    if text in ("", _NOTHING):
        return _NOTHING if not text else quote(text, safe="")
    plain = (c != "%" and not c.isspace() and c.isprintable() for c in text)
    return "".join(c if ok else quote(c, safe="", errors="surrogatepass") for c, ok in zip(text, plain, strict=True))


def _read(name: str) -> str:
    return "" if name == _NOTHING else unquote(name, errors="surrogatepass")
