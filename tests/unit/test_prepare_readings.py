"""Grades as people read them agree with the verdict, and the words that differ are those that do."""

from __future__ import annotations

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.makers import clip
from voicekit.prepare.grade import judge
from voicekit.prepare.matching import differences, marked
from voicekit.prepare.pieces import BY_TURNS
from voicekit.prepare.readings import readings, reason_in_words
from voicekit.prepare.speakers import compared
from voicekit.prepare.spoken import normalise, spoken_form
from voicekit.records import Clip, Grades, Verdict
from voicekit.specs import PrepareSpec

SHARE = st.floats(0.0, 1.0)
SPEC = PrepareSpec(min_bandwidth_hz=4500.0, min_heard_match=0.5, min_predicted_mos=2.5)
GRADES = st.builds(
    Grades,
    snr_db=st.floats(-60.0, 60.0),
    loudness_lufs=st.floats(-70.0, 0.0),
    clipped_ratio=st.floats(0.0, 0.1),
    speaking_rate_wps=st.floats(0.0, 12.0),
    script_match=SHARE,
    bandwidth_hz=st.none() | st.floats(0.0, 24_000.0),
    srmr_db=st.none() | st.floats(-10.0, 30.0),
    overlap_ratio=SHARE,
    predicted_mos=st.none() | st.floats(1.0, 5.0),
    heard_match=st.none() | SHARE,
)
WORDS = st.lists(st.sampled_from(["one", "two", "3", "four,", "—", "Dr.", "1984"]), max_size=8)


def graded(grades: Grades, duration_s: float = 3.0) -> Clip:
    return clip(grades=grades, duration_s=duration_s, audio="clips/a.flac")


@given(GRADES, st.floats(0.1, 15.0))
def test_a_reading_fails_where_the_verdict_finds_a_fault(grades: Grades, duration_s: float) -> None:
    shown = readings(graded(grades, duration_s), SPEC)
    verdict, _ = judge(grades, duration_s, SPEC, aligned=True)
    assert any(r.fails for r in shown) == (verdict is Verdict.REJECTED)


@given(GRADES)
def test_only_a_grade_with_a_limit_fails_and_what_was_not_measured_keeps_it(grades: Grades) -> None:
    for reading in readings(graded(grades), SPEC):
        assert not reading.fails or (reading.limit and reading.value)
        assert reading.value or getattr(grades, reading.name) is None


def test_every_grade_is_read_and_without_sound_none() -> None:
    names = {r.name for r in readings(graded(Grades(20.0, -23.0, 0.0, 2.0, 1.0)), PrepareSpec())}
    assert names == {"duration_s", *Grades.__dataclass_fields__}
    assert readings(clip(audio=""), PrepareSpec()) == ()


def test_units_and_limits_are_written_out() -> None:
    made = Grades(7.96, -24.31, 0.031, 2.04, 0.98, bandwidth_hz=3400.0, srmr_db=9.2, speaker_similarity=0.41)
    by_name = {r.name: r for r in readings(graded(made), PrepareSpec(min_bandwidth_hz=4500.0))}
    told = {name: (r.value, r.limit, r.fails) for name, r in by_name.items()}
    assert told["snr_db"] == ("7.96 dB", "at least 8 dB", True)
    assert told["loudness_lufs"] == ("-24.3 LUFS", "", False)
    assert told["clipped_ratio"] == ("3.1 %", "at most 1 %", True)
    assert told["bandwidth_hz"] == ("3.4 kHz", "at least 4.5 kHz", True)
    assert told["speaker_similarity"] == ("0.41", "at least 0.6", True)
    assert told["predicted_mos"] == ("", "", False)


def test_in_a_clip_too_long_the_length_fails_and_not_words_that_nobody_looked_for() -> None:
    shown = readings(graded(Grades(20.0, -23.0, 0.0, 2.0, 0.0), duration_s=40.0), PrepareSpec())
    assert [r.name for r in shown if r.fails] == ["duration_s"]


@given(WORDS, WORDS)
def test_a_word_is_marked_where_script_and_ear_differ(written: list[str], heard: list[str]) -> None:
    text, ear = " ".join(written), " ".join(heard)
    ours, theirs = marked(text, ear, "en")
    assert " ".join(word for word, _ in ours) == normalise(text)
    assert " ".join(word for word, _ in theirs) == spoken_form(ear, "en")
    found, share = differences(text, ear, "en")
    assert any(flag for _, flag in (*ours, *theirs)) == bool(found)
    assume(written)
    assert math.isclose(share, 1.0) <= (not any(flag for _, flag in ours))


def test_only_the_words_that_differ_are_marked() -> None:
    ours, theirs = marked("On 3 May, she left", "on four may she never left", "en")
    assert [w for w, flag in ours if flag] == ["3"]
    assert [w for w, flag in theirs if flag] == ["four", "never"]


@pytest.mark.parametrize("reason", BY_TURNS)
def test_what_decided_is_what_fails(reason: str) -> None:
    """A clip was "another speaker" beside a likeness above the bound: it was the turns that said so."""
    left_out = clip(grades=Grades(20.0, -23.0, 0.0, 2.0, 1.0, speaker_similarity=0.8), audio="a.flac", reason=reason)
    shown = {r.name: r for r in readings(left_out, PrepareSpec())}
    assert (
        shown["turns"].fails
        and not shown["speaker_similarity"].limit
        and "decided nothing" in shown["speaker_similarity"].meaning
    )
    assert reason_in_words(left_out) == f"{reason}: by who speaks when"


@given(st.floats(0.0, 1.0), st.sampled_from([0.5, 0.6, 0.65]))
def test_what_misses_a_limit_never_looks_as_if_it_kept_it(value: float, limit: float) -> None:
    spec = PrepareSpec(min_speaker_similarity=limit, min_script_match=limit)
    value = round(value, 4)
    measured = clip(grades=Grades(20.0, -23.0, 0.0, 2.0, value, speaker_similarity=value), audio="a.flac")
    for reading in readings(measured, spec):
        if reading.name in ("speaker_similarity", "script_match"):
            assert (float(reading.value) < limit) == reading.fails == (value < limit) or float(reading.value) == limit <= value
    (compared_,) = compared([measured], [value], spec)
    if compared_.reason:
        assert float(compared_.reason.split()[3].rstrip(",")) < limit
