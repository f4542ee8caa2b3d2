"""One session with a voice as a state machine: events in, events out, nothing else touched.

    dialogue = Dialogue(voice.stream, clock=time.perf_counter)
    dialogue.send(UserText("what is two plus two"))
    for event in dialogue.events():          # TextDelta, AudioDelta, ..., then one Done or one Failed
        ...

`voicekit chat` drives it from the keyboard; a server drives it from a socket. What is sent while a reply is being made is
taken between two of its pieces: Cancel ends the reply, another question ends it and is answered next (barge-in). The
stream and the clock are given in, so a session can be replayed exactly.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from voicekit.errors import UsageError, VoicekitError
from voicekit.ports import SpeechDelta
from voicekit.records import FloatArray, Turn, Waveform
from voicekit.timebase import MODEL_RATE_HZ, samples_to_seconds
from voicekit.verbalization import visible


@dataclass(frozen=True)
class UserText:
    text: str


@dataclass(frozen=True, eq=False)
class UserAudio:
    """A spoken question; `text` is what it says where somebody knows, and stands for it in the history."""

    wave: Waveform
    text: str = ""


@dataclass(frozen=True)
class Cancel:
    """Stop the reply that is being made; what was said so far stays in the history."""


Input = UserText | UserAudio | Cancel
Stream = Callable[[str | Waveform, Sequence[Turn], int], Iterator[SpeechDelta]]


@dataclass(frozen=True)
class TextDelta:
    text: str


@dataclass(frozen=True, eq=False)
class AudioDelta:
    """samples float32 [n] at 24 kHz, to be played after the earlier ones."""

    samples: FloatArray


@dataclass(frozen=True)
class Done:
    """The reply is over. `first_audio_ms`: question taken -> first samples (None if there were none).

    `real_time_factor` is seconds of speech made per second of work: above 1 it can be listened to as it is made.
    """

    text: str
    audio_s: float
    first_audio_ms: float | None
    real_time_factor: float
    cancelled: bool = False


@dataclass(frozen=True)
class Failed:
    """The question could not be answered; the history is as if it had not been asked."""

    code: str
    problem: str
    remedy: str


Output = TextDelta | AudioDelta | Done | Failed


@dataclass
class _Reply:
    """A reply on its way: the user's turn, the model's stream and what has come of it."""

    user: Turn
    stream: Iterator[SpeechDelta]
    taken_at_s: float
    text: str = ""
    codes: list[int] = field(default_factory=list[int])
    num_samples: int = 0
    work_s: float = 0.0
    first_audio_s: float | None = None

    def done(self, cancelled: bool) -> Done:
        audio_s = samples_to_seconds(self.num_samples, MODEL_RATE_HZ)
        return Done(
            text=self.text,
            audio_s=audio_s,
            first_audio_ms=None if self.first_audio_s is None else 1000 * self.first_audio_s,
            real_time_factor=audio_s / self.work_s if self.work_s > 0 else 0.0,
            cancelled=cancelled,
        )


class Dialogue:
    """`stream` is a SpeakingModel's; `clock` gives seconds.

    The model is shown the last `exchanges` questions with their answers; `seed` fixes the whole session.
    """

    def __init__(
        self, stream: Stream, clock: Callable[[], float], history: Sequence[Turn] = (), exchanges: int = 4, seed: int = 0
    ) -> None:
        self._stream = stream
        self._clock = clock
        self._history = [replace(turn, text=visible(turn.text)) for turn in history]
        self._exchanges = exchanges
        self._seed = seed
        self._inbox: deque[Input] = deque()
        self._outbox: deque[Output] = deque()
        self._reply: _Reply | None = None

    @property
    def history(self) -> tuple[Turn, ...]:
        """The finished turns, oldest first, user and assistant in turn."""
        return tuple(self._history)

    @property
    def speaking(self) -> bool:
        return self._reply is not None

    def send(self, event: Input) -> None:
        """Hand an event in; it is taken by the next `step`. May be called from another thread."""
        self._inbox.append(event)

    def events(self) -> Iterator[Output]:
        """All there is to say to what was sent; ends when the session waits for its user again."""
        while (event := self.step()) is not None:
            yield event

    def step(self) -> Output | None:
        """The next event, or None when there is nothing to say until something is sent."""
        while not self._outbox:
            if self._inbox:
                self._take(self._inbox.popleft())
            elif self._reply is not None:
                self._advance(self._reply)
            else:
                return None
        return self._outbox.popleft()

    def _take(self, event: Input) -> None:
        if self._reply is not None:
            self._finish(self._reply, cancelled=True)
        match event:
            case UserText(text) if visible(text).strip():
                said = visible(text).strip()
                self._open(Turn("user", said), said)
            case UserText():
                self._fail(UsageError("There is nothing to answer.", "Type a question."))
            case UserAudio(wave, text):
                self._open(Turn("user", text, clip_id=wave.digest()), wave)
            case Cancel():
                pass

    def _open(self, turn: Turn, question: str | Waveform) -> None:
        past = self._history[max(0, len(self._history) - 2 * self._exchanges) :]
        seed = self._seed + len(self._history)
        taken_at_s = self._clock()
        try:
            stream = self._stream(question, past, seed)
        except VoicekitError as error:
            self._fail(error)
        else:
            self._reply = _Reply(turn, stream, taken_at_s)

    def _advance(self, reply: _Reply) -> None:
        """Pull one delta. Only the time inside the model counts as work: listeners may take as long as they like."""
        before_s = self._clock()
        try:
            delta = next(reply.stream, None)
        except VoicekitError as error:
            self._reply = None
            self._fail(error)
            return
        now_s = self._clock()
        reply.work_s += now_s - before_s
        if delta is None:
            self._finish(reply, cancelled=False)
            return
        reply.codes.extend(delta.codes)
        if delta.text:
            reply.text += delta.text
            self._outbox.append(TextDelta(delta.text))
        if delta.samples.shape[-1]:
            if reply.first_audio_s is None:
                reply.first_audio_s = now_s - reply.taken_at_s
            reply.num_samples += delta.samples.shape[-1]
            self._outbox.append(AudioDelta(delta.samples))

    def _finish(self, reply: _Reply, cancelled: bool) -> None:
        self._reply = None
        if cancelled:
            _close(reply.stream)
        if reply.text or reply.codes:
            self._history += [reply.user, Turn("assistant", reply.text, speech=tuple(reply.codes))]
        self._outbox.append(reply.done(cancelled))

    def _fail(self, error: VoicekitError) -> None:
        self._outbox.append(Failed(error.code, error.problem, error.remedy))


def _close(stream: Iterator[SpeechDelta]) -> None:
    """Let a generator free what it holds now instead of when it is collected."""
    close = getattr(stream, "close", None)
    if close is not None:
        close()
