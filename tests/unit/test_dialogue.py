"""A session, replayed exactly: a scripted stream in place of the model, a counted clock in place of the time."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pytest

from voicekit.dialogue import AudioDelta, Cancel, Dialogue, Done, Failed, Output, TextDelta, UserAudio, UserText
from voicekit.errors import ResourceError, VoicekitError
from voicekit.ports import SpeechDelta
from voicekit.records import Turn, Waveform

TENTH = 2400


class Clock:
    """Stands still until told otherwise."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def delta(text: str = "", codes: Sequence[int] = (), num_samples: int = 0) -> SpeechDelta:
    return SpeechDelta(text, tuple(codes), np.full(num_samples, 0.5, dtype=np.float32))


class Script:
    """Answers every question with the same deltas, each of which takes `step_s`; remembers what it was asked."""

    def __init__(self, clock: Clock, deltas: Sequence[SpeechDelta | VoicekitError], step_s: float = 0.1) -> None:
        self.clock, self.deltas, self.step_s = clock, deltas, step_s
        self.asked: list[tuple[str | Waveform, tuple[Turn, ...], int]] = []
        self.closed = 0

    def stream(self, user: str | Waveform, history: Sequence[Turn], seed: int) -> Iterator[SpeechDelta]:
        self.asked.append((user, tuple(history), seed))
        return self._run()

    def _run(self) -> Iterator[SpeechDelta]:
        try:
            for item in self.deltas:
                self.clock.now_s += self.step_s
                if isinstance(item, VoicekitError):
                    raise item
                yield item
        finally:
            self.closed += 1


FOUR = (delta("it is "), delta("four", [7, 8], 2 * TENTH), delta("", [9], TENTH))


def session(deltas: Sequence[SpeechDelta | VoicekitError] = FOUR, exchanges: int = 4, seed: int = 0) -> tuple[Dialogue, Script]:
    clock = Clock()
    script = Script(clock, deltas)
    return Dialogue(script.stream, clock, exchanges=exchanges, seed=seed), script


def ask(dialogue: Dialogue, question: str) -> list[Output]:
    dialogue.send(UserText(question))
    return list(dialogue.events())


def test_the_deltas_joined_are_the_reply() -> None:
    dialogue, _ = session()
    *deltas, done = ask(dialogue, "what is two plus two")
    assert isinstance(done, Done) and done.text == "it is four" and not done.cancelled
    assert "".join(d.text for d in deltas if isinstance(d, TextDelta)) == done.text
    samples = np.concatenate([d.samples for d in deltas if isinstance(d, AudioDelta)])
    assert samples.dtype == np.float32 and samples.shape == (3 * TENTH,)
    assert done.audio_s == pytest.approx(0.3)


def test_first_audio_is_counted_from_the_question_and_work_only_inside_the_model() -> None:
    dialogue, script = session()
    dialogue.send(UserText("hello"))
    done = None
    while (event := dialogue.step()) is not None:
        script.clock.now_s += 5.0 if isinstance(event, AudioDelta) else 0.0  # a slow listener
        done = event
    assert isinstance(done, Done)
    assert done.first_audio_ms == pytest.approx(200)
    assert done.real_time_factor == pytest.approx(0.3 / 0.3)


def test_a_reply_without_sound_has_no_first_audio() -> None:
    dialogue, _ = session([delta("only text")])
    done = ask(dialogue, "hello")[-1]
    assert isinstance(done, Done) and done.first_audio_ms is None and done.audio_s == 0.0


def test_history_grows_by_whole_exchanges_and_reaches_the_model() -> None:
    dialogue, script = session(seed=40)
    ask(dialogue, "  one  ")
    ask(dialogue, "two")
    said = Turn("assistant", "it is four", speech=(7, 8, 9))
    assert dialogue.history == (Turn("user", "one"), said, Turn("user", "two"), said)
    assert script.asked == [("one", (), 40), ("two", dialogue.history[:2], 42)]


@pytest.mark.parametrize(("exchanges", "seen"), [(0, 0), (1, 2), (2, 4), (9, 6)])
def test_the_model_sees_the_last_exchanges_only(exchanges: int, seen: int) -> None:
    dialogue, script = session(exchanges=exchanges)
    for question in ("a", "b", "c", "d"):
        ask(dialogue, question)
    assert script.asked[-1][1] == dialogue.history[:6][6 - seen :]


def test_a_spoken_question_goes_in_as_sound_and_is_remembered_by_it() -> None:
    dialogue, script = session()
    wave = Waveform(np.zeros((1, 10), dtype=np.float32), 24_000)
    dialogue.send(UserAudio(wave, "what is two plus two"))
    assert isinstance(list(dialogue.events())[-1], Done)
    assert script.asked[0][0] is wave
    assert dialogue.history[0] == Turn("user", "what is two plus two", clip_id=wave.digest())


def test_cancel_ends_the_reply_and_keeps_what_was_heard() -> None:
    dialogue, script = session()
    dialogue.send(UserText("hello"))
    assert dialogue.step() == TextDelta("it is ")
    assert dialogue.speaking
    dialogue.send(Cancel())
    (done,) = dialogue.events()
    assert isinstance(done, Done) and done.cancelled and done.text == "it is "
    assert dialogue.history == (Turn("user", "hello"), Turn("assistant", "it is "))
    assert not dialogue.speaking and script.closed == 1


def test_cancel_before_anything_was_said_leaves_no_trace() -> None:
    dialogue, _ = session()
    dialogue.send(UserText("hello"))
    dialogue.send(Cancel())
    (done,) = dialogue.events()
    assert isinstance(done, Done) and done.cancelled
    assert dialogue.history == ()


def test_cancel_with_nothing_to_cancel_says_nothing() -> None:
    dialogue, _ = session()
    dialogue.send(Cancel())
    assert list(dialogue.events()) == []


def test_a_new_question_ends_the_reply_and_is_answered() -> None:
    dialogue, script = session()
    dialogue.send(UserText("first"))
    dialogue.step()
    dialogue.send(UserText("second"))
    ends = [event for event in dialogue.events() if isinstance(event, Done)]
    assert [end.cancelled for end in ends] == [True, False]
    assert [turn.text for turn in dialogue.history] == ["first", "it is ", "second", "it is four"]
    assert script.asked[1][1] == dialogue.history[:2]


def _fails_to_open(error: VoicekitError) -> Callable[[str | Waveform, Sequence[Turn], int], Iterator[SpeechDelta]]:
    def stream(user: str | Waveform, history: Sequence[Turn], seed: int) -> Iterator[SpeechDelta]:
        raise error

    return stream


def test_a_failure_says_what_to_do_and_forgets_the_question() -> None:
    error = ResourceError("Memory ran out.", "Close something.")
    late, _ = session([delta("it is "), error])
    early = Dialogue(_fails_to_open(error), Clock())
    for dialogue in (late, early):
        assert ask(dialogue, "hello")[-1] == Failed("out_of_resources", "Memory ran out.", "Close something.")
        assert dialogue.history == () and not dialogue.speaking


def test_the_session_goes_on_after_a_failure() -> None:
    clock = Clock()
    script = Script(clock, [ResourceError("Memory ran out.")])
    dialogue = Dialogue(script.stream, clock)
    ask(dialogue, "hello")
    script.deltas = FOUR
    assert isinstance(ask(dialogue, "again")[-1], Done)
    assert [turn.text for turn in dialogue.history] == ["again", "it is four"]


@pytest.mark.parametrize("blank", ["", "  \n"])
def test_a_blank_question_never_reaches_the_model(blank: str) -> None:
    dialogue, script = session()
    (failed,) = ask(dialogue, blank)
    assert isinstance(failed, Failed) and failed.code == "usage" and failed.remedy
    assert script.asked == []
