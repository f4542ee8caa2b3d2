"""What is written in the form of another program is read again as it was."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.makers import clip, recording
from voicekit.errors import InputError
from voicekit.exchange import read_rttm, write_rttm
from voicekit.exchange.textgrids import recording_grid, transcript_of
from voicekit.prepare.scripts import find_script
from voicekit.prepare.scripts.textgrid import format_textgrid, read_textgrid
from voicekit.records import Clip, SpeakerTurn, Transcript, Word

TIMES = st.floats(0, 1e6, allow_nan=False)
# File names on POSIX are bytes: those that are no UTF-8 become surrogates.
NAMES = st.text(st.characters(exclude_characters="/\0"), max_size=20)
TURNS = st.builds(
    lambda who, times, name, channel: SpeakerTurn(who, min(times), max(times), name, channel),
    NAMES,
    st.tuples(TIMES, TIMES),
    NAMES,
    st.integers(1, 8),
)


@settings(max_examples=150)
@given(st.lists(TURNS, max_size=6))
@example([SpeakerTurn("<NA>", 0.1, 1 / 3, "caf\udce9 1.wav"), SpeakerTurn("\ud800\u2028", 1e-7, 1e6, "50%20.wav")])
@example([SpeakerTurn("a", 2.0**-53, 1.0 + 2.0**-52), SpeakerTurn("a", 5e-324, 1e300)])
def test_rttm_comes_back_exactly(turns: list[SpeakerTurn]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.rttm"
        write_rttm(path, turns)
        assert read_rttm(path) == tuple(turns)
        assert len(path.read_bytes().splitlines()) == len(turns)


def test_rttm_of_other_programs_is_read(tmp_path: Path) -> None:
    content = ";; made elsewhere\nSPKR-INFO a 1 <NA> <NA> <NA> unknown ann <NA> <NA>\n\nSPEAKER a 1 0.5 1.25 <NA> <NA> ann <NA>\n"
    (tmp_path / "a.rttm").write_text(content)
    assert read_rttm(tmp_path / "a.rttm") == (SpeakerTurn("ann", 0.5, 1.75, "a"),)


def test_rttm_of_the_whole_standard_is_read_and_names_keep_their_blanks(tmp_path: Path) -> None:
    """NIST's other kinds of lines, no channel, and names that were not written with %20."""
    (tmp_path / "a.rttm").write_text(
        "A/P a 1 3 .1 <NA> <NA> ann <NA>\nNO_RT_METADATA a 1 0 5 <NA> <NA> <NA> <NA>\nNON-LEX a 1 0 1 <NA> laugh ann 0.9\n"
        "SPEAKER a <NA> 0 1 <NA> <NA> ann <NA> <NA>\n"
        "SPEAKER a 1 1 1 <NA> <NA> Anna Maria <NA> <NA>\nSPEAKER a 1 2 1 <NA> <NA> Anna Lena\n"
        "SPEAKER my talk 2 3 1 <NA> <NA> 7 0.5 <NA>\n"
    )
    names = [(t.recording, t.speaker, t.channel) for t in read_rttm(tmp_path / "a.rttm")]
    assert names == [("a", "ann", 1), ("a", "Anna Maria", 1), ("a", "Anna Lena", 1), ("my talk", "7", 2)]


@pytest.mark.parametrize(
    "line",
    [
        "SPEAKER a 1 0.5",
        "SPEAKER a 1 x 1 <NA> <NA> ann",
        "SPEAKER a 1 -1 1 <NA> <NA> ann",
        "SPEAKER a 1 nan 1 . . b",
        "SPEAKER a 1 0 inf . . b",
    ],
)
def test_a_line_that_is_no_turn_is_named(line: str, tmp_path: Path) -> None:
    (tmp_path / "a.rttm").write_text(f"SPEAKER a 1 0 1 <NA> <NA> ann <NA> <NA>\n{line}\n")
    with pytest.raises(InputError, match=r"a\.rttm, line 2: .* is no turn"):
        read_rttm(tmp_path / "a.rttm")
    (tmp_path / "a.rttm").write_text("hello there\n")
    with pytest.raises(InputError, match=r"a\.rttm, line 1: 'hello there' is no line of RTTM"):
        read_rttm(tmp_path / "a.rttm")


TEXTS = st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=12)


@st.composite
def words(draw: st.DrawFn) -> tuple[Word, ...]:
    """In order; some of no length, some overlapping, as aligners leave them."""
    found: list[Word] = []
    for start_s in sorted(draw(st.lists(st.floats(0, 9), max_size=8))):
        length_s = draw(st.sampled_from((0.0, 0.001, 0.2, 1.0)))
        found.append(Word(draw(TEXTS), start_s, start_s + length_s))
    return tuple(sorted(found, key=lambda w: (w.start_s, w.end_s)))


@settings(max_examples=80)
@given(words(), st.text(st.characters(exclude_categories=("C", "Z")), min_size=1))
def test_the_words_of_a_clip_come_back_from_its_textgrid(said: tuple[Word, ...], text: str) -> None:
    whole = recording(num_samples=48_000 * 12)
    only = clip(0, whole, start_sample=0, num_samples=48_000 * 10, transcript=Transcript(text, said))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.TextGrid"
        path.write_text(format_textgrid(recording_grid(whole, [only])), encoding="utf-8")
        assert transcript_of(read_textgrid(path)) == Transcript(text, said, "textgrid")


def test_a_recordings_textgrid_is_a_timed_script_again(tmp_path: Path) -> None:
    whole = recording("talk.wav")
    clips: list[Clip] = [clip(n, whole, transcript=Transcript(f"sentence {n}")) for n in range(3)]
    (tmp_path / "talk.TextGrid").write_text(format_textgrid(recording_grid(whole, clips)))
    script = find_script(None, tmp_path, (whole,))
    assert script is not None
    found = [(c.start_s, c.end_s, c.text) for c in script.cues[whole.id]]
    assert found == [(2.0 * n, 2.0 * n + 2.0, f"sentence {n}") for n in range(3)]
