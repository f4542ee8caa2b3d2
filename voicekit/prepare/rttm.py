"""RTTM: who speaks when, one turn a line (NIST, Rich Transcription 2009 evaluation plan, appendix A):

    SPEAKER file channel onset duration <NA> <NA> speaker <NA> <NA>

Fields are cut at blanks, so blanks, percent signs and what cannot be printed are written as %20 in names. Names with blanks, as
other programs write them, are read as what stands before and behind the numbers.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from decimal import Context, Decimal, DecimalException
from pathlib import Path
from urllib.parse import quote, unquote

from voicekit import files
from voicekit.errors import InputError
from voicekit.prepare.scripts.reading import read_text
from voicekit.records import SpeakerTurn

_NOTHING = "<NA>"
_EXACT = Context(prec=700)  # enough for the sum of any two times: an end comes back as it was, though a duration is written
_REMEDY = "A turn is: SPEAKER file channel onset duration <NA> <NA> name <NA> <NA>."


def write_rttm(path: Path, turns: Iterable[SpeakerTurn]) -> None:
    """`read_rttm` gives back the same turns. ValueError for times that are none."""
    files.write_text(path, "".join(_line(turn) + "\n" for turn in turns))


def read_rttm(path: Path) -> tuple[SpeakerTurn, ...]:
    """The turns of a file in its order; lines of other kinds and remarks (;;) are passed over. InputError names the line."""
    turns: list[SpeakerTurn] = []
    for number, line in enumerate(read_text(path).split("\n"), 1):
        fields = line.split()
        if not fields or fields[0] != "SPEAKER":
            if fields and not re.match(r";;|[A-Z][A-Z_/-]*$", fields[0]):
                raise InputError(f"{path.name}, line {number}: {line.strip()[:60]!r} is no line of RTTM.", _REMEDY)
            continue
        try:
            turn = _turn(fields)
            _check(turn)
        except (ValueError, DecimalException):
            raise InputError(f"{path.name}, line {number}: {line.strip()[:60]!r} is no turn.", _REMEDY) from None
        turns.append(turn)
    return tuple(turns)


def _turn(fields: Sequence[str]) -> SpeakerTurn:
    """ValueError or DecimalException for what is none."""
    channels = (i for i in range(2, len(fields) - 4) if fields[i].isdecimal() or fields[i] == _NOTHING)
    behind = next((i for i in channels if _is_number(fields[i + 1]) and _is_number(fields[i + 2])), None)
    if behind is None:
        raise ValueError("no channel, beginning and duration")
    channel, start, duration = fields[behind : behind + 3]
    speaker = list(fields[behind + 5 :])
    for _ in range(2):  # confidence and look-ahead, which may be missing
        if len(speaker) > 1 and (speaker[-1] == _NOTHING or _is_number(speaker[-1])):
            speaker.pop()
    if not speaker:
        raise ValueError("no speaker")
    start_s, end_s = float(start), float(_EXACT.add(Decimal(start), Decimal(duration)))
    number = 1 if channel == _NOTHING else int(channel)
    return SpeakerTurn(" ".join(map(_read, speaker)), start_s, end_s, " ".join(map(_read, fields[1:behind])), number)


def _is_number(field: str) -> bool:
    try:
        return math.isfinite(float(field))
    except ValueError:
        return False


def _line(turn: SpeakerTurn) -> str:
    _check(turn)
    start = Decimal(repr(turn.start_s))
    times = f"{turn.channel} {start} {_EXACT.subtract(Decimal(repr(turn.end_s)), start)}"
    return f"SPEAKER {_name(turn.recording)} {times} {_NOTHING} {_NOTHING} {_name(turn.speaker)} {_NOTHING} {_NOTHING}"


def _check(turn: SpeakerTurn) -> None:
    if not 0 <= turn.start_s <= turn.end_s < math.inf:
        raise ValueError(f"no turn: {turn}")


def _name(text: str) -> str:
    if text in ("", _NOTHING):
        return _NOTHING if not text else quote(text, safe="")
    plain = (c != "%" and not c.isspace() and c.isprintable() for c in text)
    return "".join(c if ok else quote(c, safe="", errors="surrogatepass") for c, ok in zip(text, plain, strict=True))


def _read(name: str) -> str:
    return "" if name == _NOTHING else unquote(name, errors="surrogatepass")
