"""What a person decided about clips is what the dataset holds."""

from pathlib import Path

import pytest

from tests.makers import clip
from voicekit.errors import ScriptError
from voicekit.prepare.decisions import BY_HAND, FILE, Decision, decided, place_of, read_decisions, write_decisions
from voicekit.records import Verdict, Word

WORDS = (Word("hello", 0.0, 0.5),)


def test_decisions_survive_the_file_in_any_order(tmp_path: Path) -> None:
    first = Decision("a.wav", 0, 10, Verdict.REJECTED)
    second = Decision("b, odd.wav", 5, 10, None, 'what "he" said,\nreally')
    write_decisions(tmp_path, [second, first])
    assert read_decisions(tmp_path) == (first, second)
    before = (tmp_path / FILE).read_bytes()
    write_decisions(tmp_path, [first, second])
    assert (tmp_path / FILE).read_bytes() == before
    write_decisions(tmp_path, [])
    assert read_decisions(tmp_path) == () and not (tmp_path / FILE).exists()


def test_a_verdict_by_hand_wins_over_the_machines() -> None:
    good, bad = clip(0), clip(1, verdict=Verdict.REJECTED, reason="clipped: 2 %")
    wanted = [Decision(*place_of(good), Verdict.REJECTED), Decision(*place_of(bad), Verdict.ACCEPTED)]
    (now_bad, now_good), unfit = decided([good, bad], wanted, lambda c, t: None)
    assert (now_bad.verdict, now_bad.reason) == (Verdict.REJECTED, BY_HAND)
    assert (now_good.verdict, now_good.reason) == (Verdict.ACCEPTED, "")
    assert unfit == 0


def test_another_text_is_found_in_the_sound_and_cures_a_wrong_script() -> None:
    wrong = clip(0, verdict=Verdict.REJECTED, reason="script does not match: 0.10 of at least 0.5")
    (now,), _ = decided([wrong], [Decision(*place_of(wrong), text="hello")], lambda c, t: (WORDS, 0.9))
    assert now.verdict is Verdict.ACCEPTED and now.transcript.words == WORDS and now.grades.script_match == 0.9


def test_a_clip_without_sound_cannot_be_taken_and_strangers_are_counted() -> None:
    silent = clip(0, audio="", verdict=Verdict.REJECTED, reason="no speech in it")
    wanted = [Decision(*place_of(silent), Verdict.ACCEPTED), Decision("other.wav", 0, 1, Verdict.REJECTED)]
    (now,), unfit = decided([silent], wanted, lambda c, t: None)
    assert now == silent and unfit == 1


def test_a_file_that_is_no_list_of_decisions_is_named(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("id|text\n")
    with pytest.raises(ScriptError, match=FILE):
        read_decisions(tmp_path)
