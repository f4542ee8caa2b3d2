"""The time that a page promises: by what is asked for, by what it took here before, and corrected while it goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from voicekit import pace
from voicekit.pace import TimeLeft
from voicekit.specs import Recipe, TrainSpec

STEPS = {"prepare": 10.0, "chat": 100.0, "decoder": 50.0, "evaluate": 40.0}


def test_more_to_do_takes_longer_and_a_slower_machine_too() -> None:
    small, long = Recipe(), Recipe(train=TrainSpec(steps=400))
    base = pace.foreseen(small, 20, 0.1, {})
    assert pace.foreseen(long, 20, 0.1, {})["chat"] > base["chat"]
    assert pace.foreseen(small, 80, 0.1, {})["tokens"] > base["tokens"]
    slower = pace.foreseen(small, 20, 0.2, {})
    assert slower == pytest.approx({step: 2 * seconds for step, seconds in base.items()})


def test_what_a_step_took_here_is_what_is_promised_next_time(tmp_path: Path) -> None:
    first = pace.foreseen(Recipe(), 20, 0.1, pace.learned(tmp_path, "base"))
    pace.learn(tmp_path, "base", "chat", first["chat"], 3 * first["chat"])
    then = pace.foreseen(Recipe(), 20, 0.1, pace.learned(tmp_path, "base"))
    assert then["chat"] == pytest.approx(3 * first["chat"], rel=1e-3)
    assert then["decoder"] == first["decoder"]
    assert pace.learned(tmp_path, "another base") == {}


def test_one_busy_hour_does_not_spoil_the_promise_for_good(tmp_path: Path) -> None:
    promised = pace.foreseen(Recipe(), 20, 0.1, {})["chat"]
    for took_s in (promised, 10 * promised, promised, promised, promised):
        now = pace.foreseen(Recipe(), 20, 0.1, pace.learned(tmp_path, "base"))["chat"]
        pace.learn(tmp_path, "base", "chat", now, took_s)
    assert pace.learned(tmp_path, "base")["chat"] < 2


def test_a_broken_file_of_paces_costs_nothing_but_what_it_knew(tmp_path: Path) -> None:
    (tmp_path / pace.FILE).write_text('{"base": {"chat": ')
    assert pace.learned(tmp_path, "base") == {}
    pace.learn(tmp_path, "base", "chat", 10.0, 20.0)
    assert pace.learned(tmp_path, "base") == {"chat": 2.0}


def test_as_foreseen_the_time_left_is_what_is_not_done() -> None:
    left = TimeLeft(STEPS, {"prepare": 10.0})
    assert left.at("chat", 0.0, 0.0) == pytest.approx(190.0)
    assert left.at("chat", 0.5, 50.0) == pytest.approx(140.0)


def test_what_goes_slower_than_foreseen_is_corrected_while_it_runs() -> None:
    """A page said "about 1 minute", and six went by."""
    left = TimeLeft(STEPS, {"prepare": 10.0})
    left.at("chat", 0.0, 0.0)
    early, later = left.at("chat", 0.1, 60.0), left.at("chat", 0.5, 300.0)
    truly_left_s = 6 * (50 + 50 + 40)
    assert early is not None and later is not None
    assert early > 2 * 180, "a tenth of a step shows already that it is slow"
    assert later == pytest.approx(truly_left_s, rel=0.25)


def test_a_step_that_goes_on_after_a_kill_is_judged_by_what_it_does_since() -> None:
    left = TimeLeft(STEPS, {"prepare": 10.0})
    left.at("chat", 0.6, 1000.0)
    found = left.at("chat", 0.8, 1020.0)
    assert found == pytest.approx(20 + 90, rel=0.05)


def test_nothing_is_said_of_what_was_not_foreseen() -> None:
    assert TimeLeft({}, {}).at("chat", 0.5, 1.0) is None
