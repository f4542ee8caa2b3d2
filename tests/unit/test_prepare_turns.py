"""Turns that somebody wrote down find their recordings; what fits none is an error that says so."""

from pathlib import Path

import pytest

from tests.makers import recording
from voicekit.errors import InputError, ScriptError, UsageError
from voicekit.prepare.turns import check_label, find_turns
from voicekit.records import Recording, SpeakerTurn

ONE, TWO = recording("one.wav", id="1"), recording("talks/two.mp3", id="2")


def line(name: str, start_s: float, duration_s: float, speaker: str) -> str:
    return f"SPEAKER {name} 1 {start_s} {duration_s} <NA> <NA> {speaker} <NA> <NA>\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "talks").mkdir()
    return tmp_path


def test_a_file_beside_a_recording_is_about_it_whatever_it_calls_it(root: Path) -> None:
    (root / "one.RTTM").write_text(line("session", 2, 1, "ben") + line("session", 0, 1.5, "ann") + line("session", 4, 0, "ben"))
    (root / "talks" / "two.rttm").write_text("")
    found = find_turns(None, root, [ONE, TWO])
    assert found.of == {"1": (SpeakerTurn("ann", 0.0, 1.5), SpeakerTurn("ben", 2.0, 3.0)), "2": ()}
    assert found.files == {root / "one.RTTM", root / "talks" / "two.rttm"} and found.unused == ()


def test_one_file_about_several_recordings_goes_before_those_beside_them(root: Path) -> None:
    (root / "one.rttm").write_text(line("one", 0, 1, "ann"))
    told = root / "all.rttm"
    told.write_text(line("one.wav", 0, 2, "ben") + line("two", 1, 1, "cy") + line("gone", 0, 1, "cy") + line("bad", 0, 1, "cy"))
    found = find_turns(told, root, [ONE, TWO], [recording("bad.wav", id="3")])
    assert found.of == {"1": (SpeakerTurn("ben", 0.0, 2.0),), "2": (SpeakerTurn("cy", 1.0, 2.0),)}
    assert found.unused == ("gone",)


def test_of_a_file_beside_a_recording_that_names_several_its_own_turns_count(root: Path) -> None:
    (root / "one.rttm").write_text(line("one", 0, 1, "ann") + line("two", 5, 1, "ben"))
    assert find_turns(None, root, [ONE]).of == {"1": (SpeakerTurn("ann", 0.0, 1.0),)}
    (root / "one.rttm").write_text(line("three", 0, 1, "ann") + line("two", 5, 1, "ben"))
    with pytest.raises(InputError, match=r"one\.rttm has no turn of one\.wav: it names three, two"):
        find_turns(None, root, [ONE])


def test_what_fits_no_recording_is_an_error(root: Path) -> None:
    (root / "all.rttm").write_text(line("three", 0, 1, "ann"))
    with pytest.raises(
        InputError, match=r"all\.rttm are of no recording: they name three; the recordings are one\.wav, talks/two"
    ):
        find_turns(root / "all.rttm", root, [ONE, TWO])
    with pytest.raises(InputError, match="There is no file of turns"):
        find_turns(root / "none.rttm", root, [ONE])
    same = [recording("a/x.wav", id="1"), recording("b/x.wav", id="2")]
    (root / "all.rttm").write_text(line("x", 0, 1, "ann"))
    with pytest.raises(ScriptError, match=r"all\.rttm names x, which may be a/x\.wav and b/x\.wav"):
        find_turns(root / "all.rttm", root, same)


def of_length(seconds: float) -> Recording:
    return recording("one.wav", id="1", sample_rate_hz=48_000, num_samples=int(48_000 * seconds))


def test_turns_behind_the_end_are_those_of_another_recording(root: Path) -> None:
    (root / "one.rttm").write_text(line("one", 1, 1.4, "ann"))
    assert find_turns(None, root, [of_length(2.0)]).of["1"] == (SpeakerTurn("ann", 1.0, 2.0),)
    with pytest.raises(InputError, match=r"one\.rttm: a turn from 1\.00 to 2\.40 s is behind the end of one\.wav"):
        find_turns(None, root, [of_length(1.5)])


def test_a_label_must_be_somebodys() -> None:
    turns = {"1": (SpeakerTurn("ann", 0, 1), SpeakerTurn("ben", 1, 2)), "2": ()}
    check_label("ben", turns, everywhere=True)
    check_label("speaker-1", turns, everywhere=False)
    check_label("speaker-1", {}, everywhere=True)
    with pytest.raises(UsageError, match=r"No speaker is called 'cy' in the turns of the recordings\.\s+There are: ann, ben\."):
        check_label("cy", turns, everywhere=True)
