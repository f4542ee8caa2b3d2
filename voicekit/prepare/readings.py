"""A clip's grades as people read them: with units, and with the threshold that each has to keep."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from voicekit.prepare.grade import apart
from voicekit.prepare.pieces import BY_TURNS
from voicekit.records import Clip
from voicekit.specs import PrepareSpec


@dataclass(frozen=True)
class Reading:
    """One grade. `name` is its field in Grades (or duration_s), `value` "" if it was not measured, `limit` "" where none is set;
    `fails` where it does not keep its limit; `meaning` says what it is about."""

    name: str
    title: str
    value: str
    limit: str
    fails: bool
    meaning: str


def readings(clip: Clip, spec: PrepareSpec) -> tuple[Reading, ...]:
    """Every grade of a clip; () for one that has no sound. One of them fails if and only if `grade.judge` or the comparison of
    speakers finds a fault, as far as faults are about grades."""
    return tuple(_readings(clip, spec)) if clip.audio else ()


def reason_in_words(clip: Clip) -> str:
    """Why a clip is left out, with what decided it: likeness is measured also where it was not asked."""
    return f"{clip.reason}: by who speaks when" if clip.reason in BY_TURNS else clip.reason


def _readings(clip: Clip, s: PrepareSpec) -> Iterator[Reading]:
    g = clip.grades
    by_turns = clip.reason in BY_TURNS
    if by_turns:
        who = "By the turns of all who speak in the recording, as a diarizer found them or somebody wrote them down."
        yield Reading("turns", "Who speaks", clip.reason, "the wanted speaker alone", True, who)
    # In a clip that is too long, or of which nobody knows what is said, no words are looked for.
    sought = clip.duration_s <= s.max_clip_s and bool(clip.transcript.text)
    yield _read("duration_s", "Length", clip.duration_s, " s", "Short clips hardly show a voice.", s.min_clip_s, s.max_clip_s)
    yield _read("snr_db", "Above the noise (SNR)", g.snr_db, " dB", "Speech against what sounds in the pauses.", s.min_snr_db)
    yield _read("loudness_lufs", "Loudness", g.loudness_lufs, " LUFS", "As recorded; the clip itself is levelled.")
    cut, both = "Samples cut off at the top.", "How much of it two people speak in."
    yield _read("clipped_ratio", "Clipped", g.clipped_ratio, " %", cut, high=s.max_clipped_ratio, scale=100)
    dull = s.min_bandwidth_hz or None
    yield _read(
        "bandwidth_hz",
        "Bandwidth",
        g.bandwidth_hz,
        " kHz",
        "How far up the speech reaches; 4 kHz is a telephone.",
        dull,
        scale=0.001,
    )
    yield _read("srmr_db", "Dryness (SRMR)", g.srmr_db, " dB", "The lower, the more a room echoes.", s.min_srmr_db)
    yield _read("overlap_ratio", "Two at once", g.overlap_ratio, " %", both, high=s.max_overlap_ratio, scale=100)
    like = "Of the voice to the other clips, or to the speaker's sample."
    like += " It decided nothing here." if by_turns else ""
    least = None if by_turns else s.min_speaker_similarity
    yield _read("speaker_similarity", "Likeness", g.speaker_similarity, "", like, least)
    pace, rate = "Words of the text a second of speech.", g.speaking_rate_wps if clip.transcript.text else None
    yield _read("speaking_rate_wps", "Pace", rate, " words/s", pace, high=s.max_speaking_rate_wps)
    match, fits = g.script_match if sought else None, "How well the text fits the sound; 1 is all of it."
    yield _read("script_match", "Script match", match, "", fits, s.min_script_match)
    heard, ear = s.min_heard_match or None, "Of the text's words, those a transcriber heard."
    yield _read("heard_match", "Words heard", g.heard_match, " %", ear, heard, scale=100)
    grade = "What listeners would grade it, guessed."
    yield _read("predicted_mos", "Predicted quality (MOS)", g.predicted_mos, " of 5", grade, s.min_predicted_mos or None)


def _read(
    name: str,
    title: str,
    value: float | None,
    unit: str,
    meaning: str,
    low: float | None = None,
    high: float | None = None,
    scale: float = 1.0,
) -> Reading:
    """`low` and `high` are the limits there are; shown is `scale` times the number."""
    fails = value is not None and ((low is not None and value < low) or (high is not None and value > high))
    ends = [f"{scale * end:g}" for end in (low, high) if end is not None]
    kind = " to " if len(ends) > 1 else ""
    limit = kind.join(ends) if kind else f"at {'least' if high is None else 'most'} {ends[0]}" if ends else ""
    crossed = next((end for end in (low, high) if fails and end is not None), None)
    return Reading(name, title, _shown(value, unit, scale, crossed), f"{limit}{unit}" if limit else "", fails, meaning)


def _shown(value: float | None, unit: str, scale: float, crossed: float | None = None) -> str:
    """`crossed` is a limit that the number does not keep: what is shown does not keep it either."""
    if value is None:
        return ""
    number = scale * value
    whole = unit == " %" and (number == 0 or number >= 10)
    return f"{apart(number, None if crossed is None else scale * crossed, 0 if whole else 1 if unit else 2)}{unit}"
