"""What a person decided about clips is what the dataset holds."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.makers import clip, recording
from voicekit.errors import ScriptError
from voicekit.prepare.decisions import (
    FILE,
    Action,
    Decision,
    Place,
    append,
    digest,
    effective,
    log_of,
    place_of,
    read_log,
    redoable,
    undoable,
)
from voicekit.prepare.edits import BY_HAND, arranged, decided_by_hand, final
from voicekit.records import Clip, Transcript, Verdict, Word

WORDS = (Word("hello", 0.1, 0.5), Word("there.", 0.6, 0.9), Word("You", 1.2, 1.4), Word("too.", 1.5, 1.9))
SPOKEN = Transcript("hello there. You too.", WORDS)


@dataclass
class PlainBench:
    """Cuts without sound; knows the words it is told."""

    aligned: tuple[tuple[Word, ...], float] | None = ((Word("hello", 0.0, 0.5),), 0.9)
    min_script_match: float = 0.5
    cuts: list[tuple[Place, str, str]] = field(default_factory=list)

    def cut(self, place: Place, text: str, source: str) -> Clip:
        self.cuts.append((place, text, source))
        return clip(
            id=f"cut {place[1]}", recording=place[0], start_sample=place[1], num_samples=place[2], transcript=Transcript(text)
        )

    def align(self, clip: Clip, text: str, best: bool) -> tuple[tuple[Word, ...], float] | None:
        return self.aligned

    def judged(self, clip: Clip, original: Clip, aligned: bool) -> Clip:
        fits = aligned and clip.grades.script_match >= self.min_script_match
        if original.reason and not original.reason.startswith("script does not match"):
            return clip
        return replace(
            clip,
            verdict=Verdict.ACCEPTED if fits else Verdict.REJECTED,
            reason="" if fits else f"script does not match: {clip.grades.script_match:.2f}",
        )


def decided(clips: list[Clip], held: list[Decision], bench: PlainBench | None = None) -> tuple[list[Clip], int]:
    rows, unfit = arranged(clips, held, bench or PlainBench())
    return [final(row, row.clip) for row in rows], unfit


def about(action: Action, of: Clip, **more: object) -> Decision:
    return Decision(action, *place_of(of), **more)  # type: ignore[arg-type]


def test_decisions_are_kept_in_their_order(tmp_path: Path) -> None:
    first = Decision(Action.REJECT, "b.wav", 0, 10, made_at="2026-01-01T00:00:00")
    second = Decision(Action.TEXT, "a, odd.wav", 5, 10, text='what "he" said, really')
    path = log_of(tmp_path)
    assert path == tmp_path / FILE and read_log(path) == ()
    append(path, [first])
    append(path, [second])
    assert read_log(path) == (first, second)
    assert log_of(tmp_path / "voice.zip") == tmp_path / "voice.zip.review"


def test_a_text_of_several_lines_is_one_row(tmp_path: Path) -> None:
    append(tmp_path / FILE, [Decision(Action.TEXT, "a.wav", text="two\nlines ")])
    assert read_log(tmp_path / FILE)[0].text == "two lines"


def test_what_an_earlier_version_wrote_still_holds(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(
        "recording,start_sample,num_samples,verdict,text\na.wav,0,10,rejected,\nb.wav,5,10,,hello you\nc.wav,1,2,accepted,hi\n"
    )
    was = read_log(tmp_path / FILE)
    assert [(d.action, d.recording, d.text) for d in was] == [
        (Action.REJECT, "a.wav", ""),
        (Action.TEXT, "b.wav", "hello you"),
        (Action.TEXT, "c.wav", "hi"),
        (Action.ACCEPT, "c.wav", ""),
    ]
    append(tmp_path / FILE, [Decision(Action.UNDO)])
    assert read_log(tmp_path / FILE)[:-1] == was and effective(read_log(tmp_path / FILE)) == was[:-1]


@given(st.lists(st.sampled_from([Action.ACCEPT, Action.REJECT, Action.UNDO, Action.REDO]), max_size=30))
def test_undo_and_redo_are_those_of_an_editor(actions: list[Action]) -> None:
    log: list[Decision] = []
    states: list[tuple[Decision, ...]] = [()]  # an editor that keeps every state it was in
    now = 0
    for number, action in enumerate(actions):
        log.append(Decision(action, f"{number}.wav"))
        if action is Action.UNDO:
            now = max(0, now - 1)
        elif action is Action.REDO:
            now = min(len(states) - 1, now + 1)
        else:
            states[now + 1 :] = [(*states[now], log[-1])]
            now += 1
        assert effective(log) == states[now]
        assert undoable(log) == (states[now][-1] if states[now] else None)
        assert redoable(log) == (states[now + 1][-1] if now + 1 < len(states) else None)


def test_equal_decisions_have_equal_digests_whenever_they_were_made() -> None:
    one = Decision(Action.REJECT, "a.wav", 0, 10, made_at="2026-01-01T00:00:00")
    assert digest([one]) == digest([replace(one, made_at="")]) != digest([])


def test_a_verdict_by_hand_wins_over_the_machines() -> None:
    good, bad = clip(0), clip(1, verdict=Verdict.REJECTED, reason="clipped: 2 %")
    (now_bad, now_good), unfit = decided([good, bad], [about(Action.REJECT, good), about(Action.ACCEPT, bad)])
    assert (now_bad.verdict, now_bad.reason) == (Verdict.REJECTED, BY_HAND)
    assert (now_good.verdict, now_good.reason) == (Verdict.ACCEPTED, "")
    assert unfit == 0


def test_another_text_is_found_in_the_sound_and_cures_a_wrong_script() -> None:
    wrong = clip(0, verdict=Verdict.REJECTED, reason="script does not match: 0.10 of at least 0.5")
    (now,), _ = decided([wrong], [about(Action.TEXT, wrong, text="hello")])
    assert now.verdict is Verdict.ACCEPTED and now.transcript.source == "by hand"
    assert now.transcript.words == (Word("hello", 0.0, 0.5),) and now.grades.script_match == 0.9


def test_a_text_that_is_not_said_does_not_pass_because_somebody_wrote_it() -> None:
    """The match fell to 0.00, and the clip stayed green."""
    good = clip(0)
    for bench in (PlainBench(None), PlainBench((WORDS, 0.1))):
        (now,), _ = decided([good], [about(Action.TEXT, good, text="something else")], bench)
        assert now.verdict is Verdict.REJECTED and now.reason.startswith("script does not match")
        (taken,), _ = decided([good], [about(Action.TEXT, good, text="other"), about(Action.ACCEPT, good)], bench)
        assert (taken.verdict, taken.reason) == (Verdict.ACCEPTED, ""), "a person's verdict is another decision"


def test_what_is_called_by_hand_was_decided_by_hand() -> None:
    """A half that the machine found too short was "left out by hand", because a person had split the clip."""
    whole, bad = clip(0, transcript=SPOKEN), clip(1, verdict=Verdict.REJECTED, reason="clipped: 2 %")
    held = [about(Action.SPLIT, whole, at_sample=50_400), about(Action.REJECT, bad)]
    rows, _ = arranged([whole, bad], held, PlainBench())
    finals = [final(row, row.clip) for row in rows]
    assert [row.by_hand for row in rows] == [True, True, True]
    assert [decided_by_hand(row, now) for row, now in zip(rows, finals, strict=True)] == [False, False, True]
    assert finals[-1].reason == BY_HAND, "a person's word counts, also where the machine says the same"
    silent = clip(2, audio="", verdict=Verdict.REJECTED, reason="no speech in it")
    rows, _ = arranged([silent], [about(Action.ACCEPT, silent)], PlainBench())
    assert not decided_by_hand(rows[0], final(rows[0], silent)), "nobody can take what has no sound"


def test_a_better_alignment_cures_only_what_it_makes_match() -> None:
    wrong = clip(0, verdict=Verdict.REJECTED, reason="script does not match: 0.10 of at least 0.5")
    (still,), _ = decided([wrong], [about(Action.REALIGN, wrong)], PlainBench((WORDS, 0.4)))
    (cured,), _ = decided([wrong], [about(Action.REALIGN, wrong)], PlainBench((WORDS, 0.6)))
    assert (still.verdict, cured.verdict) == (Verdict.REJECTED, Verdict.ACCEPTED)
    assert still.transcript.text == cured.transcript.text == wrong.transcript.text
    assert decided([wrong], [about(Action.REALIGN, wrong)], PlainBench(None))[0] == [wrong]


def test_a_clip_is_split_between_two_words_and_its_text_with_it() -> None:
    whole, bench = clip(0, transcript=SPOKEN), PlainBench()
    parts, unfit = decided([whole, clip(1)], [about(Action.SPLIT, whole, at_sample=50_400)], bench)
    assert unfit == 0 and [c.transcript.text for c in parts[:2]] == ["hello there.", "You too."]
    assert [(c.start_sample, c.num_samples) for c in parts[:2]] == [(0, 50_400), (50_400, 45_600)]
    assert parts[2] == clip(1)


@pytest.mark.parametrize("at_sample", [0, 1_000, 95_900, 200_000])
def test_a_split_that_leaves_a_side_without_words_does_not_fit(at_sample: int) -> None:
    whole = clip(0, transcript=SPOKEN)
    assert decided([whole], [about(Action.SPLIT, whole, at_sample=at_sample)]) == ([whole], 1)


def test_two_clips_are_joined_with_what_lies_between_them() -> None:
    first, second = clip(0, num_samples=90_000), clip(1)
    (one,), unfit = decided([first, second], [about(Action.JOIN, first)])
    assert unfit == 0 and (one.start_sample, one.num_samples) == (0, 192_000)
    assert one.transcript.text == "sentence number 0 sentence number 1"
    other = clip(0, recording("b.wav"))
    assert decided([first, other], [about(Action.JOIN, first)]) == ([first, other], 1)


def test_what_was_split_may_be_joined_decided_on_and_set_back() -> None:
    whole, bench = clip(0, transcript=SPOKEN), PlainBench()
    split = about(Action.SPLIT, whole, at_sample=50_400)
    left = Decision(Action.REJECT, whole.recording, 0, 50_400)
    back = Decision(Action.RESET, whole.recording, 0, 50_400)
    joined = Decision(Action.JOIN, whole.recording, 0, 50_400)
    assert [c.verdict for c in decided([whole], [split, left], bench)[0]] == [Verdict.REJECTED, Verdict.ACCEPTED]
    assert [c.verdict for c in decided([whole], [split, left, back], bench)[0]] == [Verdict.ACCEPTED, Verdict.ACCEPTED]
    (again,), unfit = decided([whole], [split, joined], bench)
    assert unfit == 0 and place_of(again) == place_of(whole) and again.transcript.text == whole.transcript.text


def test_a_clip_without_sound_or_text_cannot_be_taken_and_strangers_are_counted() -> None:
    silent = clip(0, audio="", verdict=Verdict.REJECTED, reason="no speech in it")
    wordless = clip(1, transcript=Transcript(""), verdict=Verdict.REJECTED, reason="another speaker")
    wanted = [about(Action.ACCEPT, silent), about(Action.ACCEPT, wordless), Decision(Action.REJECT, "other.wav", 0, 1)]
    assert decided([silent, wordless], wanted) == ([silent, wordless], 1)


@pytest.mark.parametrize("content", ["id|text\n", "recording,start_sample,num_samples,verdict,text\na,0,1,maybe,\n"])
def test_a_file_that_is_no_list_of_decisions_is_named(content: str, tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(content)
    with pytest.raises(ScriptError, match=FILE):
        read_log(tmp_path / FILE)
