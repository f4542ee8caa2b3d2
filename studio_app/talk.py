"""Talk: type or speak, and hear the answer while it is made; one voice, or two side by side."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from threading import Lock
from uuid import uuid4

import gradio as gr
import numpy as np

from studio_app.answering import answering
from studio_app.handed_in import taken_over
from studio_app.markup import CLICKS, LOADING, button, empty, fault, head, page, problem, sound, tag, text
from studio_app.recorder import recorder
from studio_app.shell import EACH, NEW, QUIET, TALK, Shell, Updates, kept, place
from voicekit.app import App
from voicekit.dialogue import AudioDelta, Cancel, Dialogue, Done, Failed, Output, TextDelta, UserAudio, UserText
from voicekit.errors import VoicekitError, error_of
from voicekit.records import FloatArray, VoiceState, Waveform
from voicekit.timebase import MODEL_RATE_HZ

_KEPT_PIECES = 6
_LOOK_EVERY_S = 0.05

# Gradio's own autoscroll stays where it was when two changes come at once.
_NEWEST = """
const box = element.closest('#transcript');
new MutationObserver(() => { box.scrollTop = box.scrollHeight; }).observe(box, {childList: true, subtree: true});"""

# Plays pieces of PCM one after the other as they arrive. Several of the last pieces come each time, so none is missed
# when the browser draws less often than the server sends.
_PLAYER = """
let context = null, session = '', next = 0, at = 0;
watch('value', () => {
  let sent;
  try { sent = JSON.parse(props.value || '{}'); } catch { return; }
  if (!sent.session) return;
  context ??= new AudioContext({sampleRate: sent.rate});
  if (context.state === 'suspended') context.resume();
  if (sent.session !== session) { session = sent.session; next = 0; at = context.currentTime + 0.06; }
  sent.pieces.forEach((piece, i) => {
    if (sent.first + i < next) return;
    next = sent.first + i + 1;
    const raw = Uint8Array.from(atob(piece), (c) => c.charCodeAt(0));
    const pcm = new Int16Array(raw.buffer);
    if (!pcm.length) return;
    const buffer = context.createBuffer(1, pcm.length, sent.rate);
    const channel = buffer.getChannelData(0);
    for (let k = 0; k < pcm.length; k++) channel[k] = pcm[k] / 32768;
    const source = context.createBufferSource();
    source.buffer = buffer; source.connect(context.destination);
    at = Math.max(at, context.currentTime + 0.02);
    source.start(at); at += buffer.duration;
    element.dataset.played = String(next);
  });
});"""


@dataclass
class Talk:
    """One browser tab's conversation: dialogues by voice, and what was said as markup.

    `line` holds the questions that have no whole answer yet, by their numbers: the first is being answered in the `growing`
    bubbles, those of the others are `waiting`. `stops` counts how often somebody pressed Stop, `number` the conversations.
    """

    dialogues: dict[str, Dialogue] = field(default_factory=dict[str, Dialogue])
    said: list[str] = field(default_factory=list[str])
    waiting: list[str] = field(default_factory=list[str])
    growing: list[str] = field(default_factory=list[str])
    line: list[int] = field(default_factory=list[int])
    asked: int = 0
    stops: int = 0
    number: int = 0

    def enter(self, bubble: str) -> int:
        """A question takes its place in the line."""
        self.asked += 1
        self.line.append(self.asked)
        self.waiting.append(bubble)
        return self.asked

    def begin(self) -> None:
        """The first of the line is being answered."""
        self.said.append(self.waiting.pop(0))

    def leave(self, ticket: int) -> None:
        if ticket in self.line:
            self.line.remove(ticket)

    def end(self) -> None:
        """Another conversation begins: nobody waits for an answer of this one."""
        self.dialogues, self.said, self.waiting, self.growing, self.line = {}, [], [], [], []
        self.stops += 1
        self.number += 1


class TalkTab:
    """The conversation on the left, who answers on the right."""

    def __init__(self, shell: Shell) -> None:
        self.shell, self.app = shell, shell.app
        self.talk, self.known = gr.State(Talk()), kept()
        gr.HTML(head("Talk", "Type or speak a question. The answer is played while it is made."))
        with gr.Row():
            with gr.Column(scale=3, min_width=320):
                self._conversation()
            with gr.Column(scale=1, min_width=260):
                self.name = gr.Dropdown([], label="Voice", interactive=True, elem_id="voice")
                self.other = gr.Dropdown([], label="Beside it", info="Both answer the same question.", interactive=True)
                self.fresh = gr.Button("New conversation", elem_id="fresh")
                gr.HTML(page(tag("p", text("A voice remembers the last four exchanges of this conversation."), css="faint")))
        self.inside = [self.name, self.other, self.transcript, self.told, self.known]
        self._wire()

    def _conversation(self) -> None:
        self.transcript = gr.HTML(LOADING, js_on_load=CLICKS + _NEWEST, elem_id="transcript")
        self.live = gr.HTML(elem_id="live")
        self.told = gr.HTML(elem_id="talk-told")
        self.player = gr.HTML("", html_template="<i></i>", js_on_load=_PLAYER, elem_id="player", elem_classes="hide")
        with gr.Row(elem_classes="vk-bar"):
            hint = "Ask something, and press Enter"
            self.typed = gr.Textbox(placeholder=hint, show_label=False, container=False, scale=5, elem_id="question")
            self.ask = gr.Button("Ask", variant="primary", scale=0, min_width=90, elem_id="ask")
            self.stop = gr.Button("Stop", scale=0, min_width=80, elem_id="stop-talking")
        self.spoken = recorder("Or speak: record, then stop", "microphone")

    def _wire(self) -> None:
        shell, who = self.shell, [self.talk, self.name, self.other]
        outputs = [self.transcript, self.live, self.player, self.typed, self.spoken, self.told]
        for event, handler, asked in (
            (self.ask.click, self.of_text, self.typed),
            (self.typed.submit, self.of_text, self.typed),
            (self.spoken.stop_recording, self.of_speech, self.spoken),
        ):
            event(answering(handler, self.told), [asked, *who], outputs, **QUIET, **EACH)
        # What was wrong is not any more, once something is typed.
        self.typed.input(None, None, self.told, js="() => ''", **QUIET)
        self.stop.click(self.stopped, self.talk, self.live, **QUIET, **EACH)
        self.fresh.click(answering(self.begun_anew, self.told), [self.talk, self.name], [self.transcript, self.live, self.told])
        for box in (self.name, self.other):
            box.input(answering(self.chosen, self.told), [self.talk, self.name], [self.transcript, self.told], **QUIET)
        self.name.input(lambda first: place(TALK, voice=first), self.name, shell.address)
        self.transcript.click(lambda: (gr.Tabs(selected=NEW), place(NEW)), None, [shell.tabs, shell.address])

    def arrive(self, wanted: str = "") -> Updates:
        """Fill the page for a visitor who wants to talk with this voice."""
        try:
            known = names(self.app)
        except VoicekitError as error:
            return {self.told: problem(error), self.transcript: ""}
        first = wanted if wanted in known else (known[0] if known else None)
        told = self._lost(wanted) if wanted and wanted not in known else ""
        return {**self._who(known, first, ""), self.transcript: start(self.app, first or ""), self.told: told}

    def noticed(self, first: str, second: str, before: str) -> Updates | None:
        """What is to be shown if voices came or went elsewhere; None if all is as it is shown."""
        known = names(self.app)
        if before == " ".join(known):
            return None
        lost = next((name for name in (first, second) if name and name not in known), "")
        shown = self._who(known, first if first in known else None, second if second in known else "")
        return {**shown, self.told: self._lost(lost)} if lost else shown

    def chosen(self, state: Talk, first: str) -> Updates:
        return {self.transcript: gr.skip() if state.said else start(self.app, first)}

    def stopped(self, state: Talk) -> str:
        """Whatever is being said ends here, and what waits for an answer gets none."""
        state.stops += 1
        return _live(state)

    def begun_anew(self, state: Talk, first: str) -> Updates:
        state.end()
        return {self.transcript: start(self.app, first), self.live: ""}

    def of_text(self, question: str, state: Talk, first: str, second: str) -> Iterator[Updates]:
        if not question.strip():
            yield {self.told: fault("There is nothing to answer.", "Type a question first.")}
            return
        yield {self.typed: ""}
        yield from self.answered(UserText(question), _bubble_user(text(question.strip())), state, first, second)

    def of_speech(self, file: str | None, state: Talk, first: str, second: str) -> Iterator[Updates]:
        if not file:
            yield {self.live: gr.skip()}
            return
        with taken_over(self.app.home, file) as sound_:
            wave = self.app.hear(sound_)
        yield {self.spoken: None}
        yield from self.answered(UserAudio(wave), _bubble_user(sound(wave)), state, first, second)

    def answered(self, asked: UserText | UserAudio, shown: str, state: Talk, first: str, second: str) -> Iterator[Updates]:
        """What was asked waits until everything before it is answered, then goes into the transcript; the answers grow below it
        until they are whole."""
        if not first:
            yield {self.told: fault("Nobody is there to answer.", "Choose a voice on the right.")}
            return
        ticket, stops, number = state.enter(shown), state.stops, state.number
        yield {self.live: _live(state)}
        try:
            while state.number == number and state.line[0] != ticket:
                time.sleep(_LOOK_EVERY_S)
            if state.number != number:
                return
            state.begin()
            for packet in self._answers(asked, state, list(dict.fromkeys(n for n in (first, second) if n)), stops):
                if state.number != number:
                    return
                yield {self.transcript: _all(state), self.live: _live(state), **({self.player: packet} if packet else {})}
        finally:
            if state.number == number:
                state.leave(ticket)

    def _answers(self, asked: UserText | UserAudio, state: Talk, slugs: list[str], stops: int) -> Iterator[str]:
        """The state grows by the answers of these voices; what the player gets, or "", whenever it has grown."""
        answers: list[str] = []
        for slug in slugs:
            if state.stops != stops:
                break
            state.growing = [*answers, _bubble_voice(slug, "", _dots())]
            yield ""
            bubble = ""
            for bubble, packet in _reply(self.shell, state, slug, asked, stops):
                state.growing = [*answers, bubble]
                yield packet
            answers.append(bubble)
        state.said.append(
            _side_by_side(answers or [_bubble_voice("", "", tag("div", text("stopped: not answered"), css="meta"))])
        )
        state.growing = []
        yield ""

    def _who(self, known: list[str], first: str | None, second: str) -> Updates:
        beside = [("nobody", ""), *((n, n) for n in known)]
        boxes = {self.name: gr.Dropdown(known, value=first), self.other: gr.Dropdown(beside, value=second)}
        return {**boxes, self.known: " ".join(known)}

    def _lost(self, name: str) -> str:
        """Why a voice that was chosen is not there any more."""
        try:
            self.app.versions(name)
        except VoicekitError:
            return fault(f"The voice {name} is no longer there: it was removed.", "Choose another one on the right.")
        return fault(f"The voice {name} was revoked: it speaks no more.", "Choose another one on the right.")


def names(app: App) -> list[str]:
    """Voices that can be talked with."""
    return [v.slug for v in app.voices() if v.state is not VoiceState.REVOKED]


def start(app: App, first: str) -> str:
    """An empty conversation."""
    if not names(app):
        make = button("Make a voice", "new", main=True)
        return empty("Nobody to talk with yet", "Make a voice first; it will answer here as soon as it is finished.", make)
    return empty(f"Say hello to {first}", "For example: what is two plus three? Or: which colour is the sky?")


def _reply(shell: Shell, state: Talk, slug: str, asked: UserText | UserAudio, stops: int) -> Iterator[tuple[str, str]]:
    """(bubble, what the player gets or "") as the answer grows; the last bubble is the whole answer, or what went wrong."""
    words, pieces, sent = "", list[FloatArray](), list[str]()
    session = uuid4().hex
    try:
        with shell.app.turn:
            dialogue = state.dialogues.get(slug) or shell.app.dialogue(slug)
        state.dialogues[slug] = dialogue
        dialogue.send(asked)
        is_stopped = False
        for event in _in_turn(dialogue, shell.app.turn):
            if state.stops != stops and not is_stopped:
                is_stopped = True
                dialogue.send(Cancel())
            match event:
                case TextDelta(more):
                    words += more
                    yield _bubble_voice(slug, words, _dots()), ""
                case AudioDelta(samples):
                    pieces.append(samples)
                    sent.append(_pcm(samples))
                    yield _bubble_voice(slug, words, _dots()), _packet(session, sent)
                case Done():
                    yield _finished(slug, event, pieces), ""
                case Failed(code, what, remedy):
                    raise error_of(code, what, remedy)
    except VoicekitError as error:
        state.dialogues.pop(slug, None)
        yield problem(error), ""


def _in_turn(dialogue: Dialogue, turn: Lock) -> Iterator[Output]:
    """The dialogue's events; nobody else is in a model while one is made."""
    while True:
        with turn:
            event = dialogue.step()
        if event is None:
            return
        yield event


def _finished(slug: str, done: Done, pieces: list[FloatArray]) -> str:
    wave = Waveform((np.concatenate(pieces) if pieces else np.zeros(0, np.float32))[None], MODEL_RATE_HZ)
    late = "" if done.first_audio_ms is None else f"first sound after {done.first_audio_ms / 1000:.1f} s · "
    meta = f"{late}{done.audio_s:.1f} s of speech · {done.real_time_factor:.1f} × real time"
    meta += " · stopped" if done.cancelled else ""
    return _bubble_voice(slug, done.text or "(no words)", sound(wave) + tag("div", text(meta), css="meta"))


def _packet(session: str, sent: list[str]) -> str:
    first = max(0, len(sent) - _KEPT_PIECES)
    return json.dumps({"session": session, "first": first, "rate": MODEL_RATE_HZ, "pieces": sent[first:]})


def _pcm(samples: FloatArray) -> str:
    return base64.b64encode((samples.clip(-1, 1) * 32767).astype("<i2").tobytes()).decode()


def _all(state: Talk) -> str:
    return page(tag("div", *state.said, css="chat"))


def _live(state: Talk) -> str:
    """What is not said yet: the answer that is being made, and the questions that wait behind it."""
    now = _side_by_side(state.growing) if state.growing else ""
    then = page(tag("div", *state.waiting, css="chat waiting")) if state.waiting else ""
    return now + then


def _dots() -> str:
    return tag("span", tag("i"), tag("i"), tag("i"), css="wave", role="status")


def _bubble_user(inside: str) -> str:
    return tag("div", inside, css="bubble user")


def _bubble_voice(slug: str, words: str, below: str) -> str:
    return tag("div", tag("div", text(slug), css="who"), text(words), below, css="bubble voice-says")


def _side_by_side(bubbles: list[str]) -> str:
    if len(bubbles) == 1:
        return page(tag("div", bubbles[0], css="chat"))
    return page(tag("div", *bubbles, css="two"))
