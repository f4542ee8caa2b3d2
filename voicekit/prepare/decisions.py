"""What a person who heard the clips decided: take it, leave it, or what is really said in it.

Decisions lie beside the recordings as review.csv, so that they are part of what a voice is made from. They name a stretch
of a recording, not a clip's id: another target loudness does not undo them.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from voicekit import files
from voicekit.errors import ScriptError
from voicekit.prepare.spoken import normalise
from voicekit.records import Clip, Transcript, Verdict, Word

FILE = "review.csv"
_COLUMNS = ("recording", "start_sample", "num_samples", "verdict", "text")
BY_HAND = "left out by hand"

Realign = Callable[[Clip, str], tuple[tuple[Word, ...], float] | None]


@dataclass(frozen=True)
class Decision:
    """`verdict` None leaves the machine's; `text` "" leaves the script's."""

    recording: str
    start_sample: int
    num_samples: int
    verdict: Verdict | None = None
    text: str = ""

    @property
    def place(self) -> tuple[str, int, int]:
        return self.recording, self.start_sample, self.num_samples


def place_of(clip: Clip) -> tuple[str, int, int]:
    return clip.recording, clip.start_sample, clip.num_samples


def read_decisions(folder: Path) -> tuple[Decision, ...]:
    """What review.csv in a recordings' folder says; () without one."""
    path = folder / FILE
    if not path.is_file():
        return ()
    try:
        rows = csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"), newline=""))
        if tuple(rows.fieldnames or ()) != _COLUMNS:
            raise ValueError("it has other columns")
        return tuple(
            Decision(
                row["recording"],
                int(row["start_sample"]),
                int(row["num_samples"]),
                Verdict(row["verdict"]) if row["verdict"] else None,
                row["text"],
            )
            for row in rows
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ScriptError(f"{path} is not a list of decisions: {error}.", f"Its columns are {', '.join(_COLUMNS)}.") from None


def write_decisions(folder: Path, decisions: Sequence[Decision]) -> None:
    """Sorted, so that equal decisions are equal bytes; no file for no decisions."""
    path = folder / FILE
    if not decisions:
        path.unlink(missing_ok=True)
        return
    out = io.StringIO(newline="")
    rows = csv.writer(out)
    rows.writerow(_COLUMNS)
    for d in sorted(decisions, key=lambda d: d.place):
        rows.writerow([d.recording, d.start_sample, d.num_samples, d.verdict.value if d.verdict else "", d.text])
    files.write_text(path, out.getvalue())


def decided(clips: Sequence[Clip], decisions: Sequence[Decision], realign: Realign) -> tuple[list[Clip], int]:
    """The clips as people want them, and how many decisions fit no clip. A clip without sound stays rejected."""
    by_place = {d.place: d for d in decisions}
    out = [_apply(clip, by_place.pop(place_of(clip), None), realign) for clip in clips]
    return out, len(by_place)


def _apply(clip: Clip, decision: Decision | None, realign: Realign) -> Clip:
    if decision is None or not clip.audio:
        return clip
    text = normalise(decision.text)
    if text and text != clip.transcript.text:
        found = realign(clip, text)
        words, match = found if found else ((), 0.0)
        transcript = Transcript(text, words, "by hand")
        clip = replace(clip, transcript=transcript, grades=replace(clip.grades, script_match=round(match, 4)))
        if found and clip.reason.startswith("script does not match"):
            clip = replace(clip, verdict=Verdict.ACCEPTED, reason="")
    match decision.verdict:
        case Verdict.ACCEPTED:
            return replace(clip, verdict=Verdict.ACCEPTED, reason="")
        case Verdict.REJECTED:
            return replace(clip, verdict=Verdict.REJECTED, reason=clip.reason or BY_HAND)
        case None:
            return clip
