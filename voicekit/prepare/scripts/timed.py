"""Scripts with times -> cues of one recording."""

from __future__ import annotations

from pathlib import Path

from voicekit.errors import ScriptError
from voicekit.prepare import spoken
from voicekit.prepare.scripts.script import Cue
from voicekit.prepare.scripts.subtitles import read_subtitles
from voicekit.prepare.scripts.textgrid import read_textgrid, spoken_tier
from voicekit.prepare.spoken import normalise
from voicekit.records import Recording
from voicekit.timebase import samples_to_seconds

SUFFIXES = (".textgrid", ".srt", ".vtt")
_LATE_S = 2.0  # subtitles like to stay a little longer than the sound


def cues_of(path: Path, recording: Recording) -> tuple[Cue, ...]:
    """What a timed script says of a recording; no cue ends behind it. ScriptError names file, and line where there is one."""
    duration_s = samples_to_seconds(recording.num_samples, recording.sample_rate_hz)
    if path.suffix.lower() == ".textgrid":
        tier = spoken_tier(read_textgrid(path), path.name)
        found = [(f"interval {i}", Cue(v.start_s, v.end_s, normalise(v.text))) for i, v in enumerate(tier.intervals, 1)]
    else:
        found = [(f"line {line}", cue) for line, cue in read_subtitles(path)]
    for where, cue in found:
        if cue.start_s >= duration_s or cue.end_s > duration_s + _LATE_S:
            problem = f"{path.name}, {where}: {cue.start_s:.2f} to {cue.end_s:.2f} s is behind the end of {recording.path}"
            raise ScriptError(f"{problem}, which is {duration_s:.2f} s long.", "Check that they belong together.")
    return tuple(Cue(c.start_s, min(c.end_s, duration_s), c.text) for _, c in found)


def joined(cues: tuple[Cue, ...]) -> str:
    return spoken.joined(normalise(cue.text) for cue in cues if normalise(cue.text))
