"""Talk: type or speak, and hear the answer while it is made; one voice, or two side by side."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from threading import Lock
from typing import Any
from uuid import uuid4

import gradio as gr
import numpy as np

from studio_app.markup import CLICKS, button, empty, fault, head, page, problem, said, sound, tag, text
from studio_app.shell import NEW, QUIET, TALK, Shell, Updates, place
from voicekit.app import App
from voicekit.dialogue import AudioDelta, Dialogue, Done, Failed, Output, TextDelta, UserAudio, UserText
from voicekit.errors import VoicekitError, error_of
from voicekit.records import FloatArray, VoiceState, Waveform
from voicekit.timebase import MODEL_RATE_HZ

_KEPT_PIECES = 6

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
    """One browser tab's conversation: dialogues by voice, and what was said as markup."""

    dialogues: dict[str, Dialogue] = field(default_factory=dict[str, Dialogue])
    said: list[str] = field(default_factory=list[str])


class TalkTab:
    """The conversation on the left, who answers on the right."""

    def __init__(self, shell: Shell) -> None:
        self.shell, self.app = shell, shell.app
        self.talk = gr.State(None)
        gr.HTML(head("Talk", "Type or speak a question. The answer is played while it is made."))
        with gr.Row():
            with gr.Column(scale=3, min_width=560):
                self._conversation()
            with gr.Column(scale=1, min_width=260):
                self.name = gr.Dropdown([], label="Voice", interactive=True, elem_id="voice")
                self.other = gr.Dropdown([], label="Beside it", info="Both answer the same question.", interactive=True)
                self.fresh = gr.Button("New conversation")
                gr.HTML(page(tag("p", text("A voice remembers the last four exchanges of this conversation."), css="faint")))
        self._wire()

    def _conversation(self) -> None:
        self.transcript = gr.HTML(js_on_load=CLICKS + _NEWEST, elem_id="transcript")
        self.live = gr.HTML(elem_id="live")
        self.player = gr.HTML("", html_template="<i></i>", js_on_load=_PLAYER, elem_id="player", elem_classes="hide")
        with gr.Row(elem_classes="vk-bar"):
            hint = "Ask something, and press Enter"
            self.typed = gr.Textbox(placeholder=hint, show_label=False, container=False, scale=5, elem_id="question")
            self.ask = gr.Button("Ask", variant="primary", scale=0, min_width=90)
            self.stop = gr.Button("Stop", scale=0, min_width=80)
        self.spoken = gr.Audio(
            sources=["microphone"], type="filepath", label="Or speak: record, then stop", elem_id="microphone", editable=False
        )

    def _wire(self) -> None:
        shell, who = self.shell, [self.talk, self.name, self.other]
        outputs = [self.talk, self.transcript, self.live, self.player, self.typed, self.spoken]
        running: Any = [
            self.ask.click(self.of_text, [self.typed, *who], outputs, **QUIET),
            self.typed.submit(self.of_text, [self.typed, *who], outputs, **QUIET),
            self.spoken.stop_recording(self.of_speech, [self.spoken, *who], outputs, **QUIET),
        ]
        self.stop.click(lambda: "", None, self.live, cancels=running)
        self.fresh.click(lambda first: (None, start(self.app, first), ""), self.name, [self.talk, self.transcript, self.live])
        for box in (self.name, self.other):
            box.change(self.chosen, [self.talk, self.name], self.transcript, show_progress="hidden")
        self.name.input(lambda first: place(TALK, voice=first), self.name, shell.address)
        self.transcript.click(lambda: (gr.Tabs(selected=NEW), place(NEW)), None, [shell.tabs, shell.address])

    def arrive(self, wanted: str = "") -> Updates:
        """Fill the page for a visitor who wants to talk with this voice."""
        known = names(self.app)
        first = wanted if wanted in known else (known[0] if known else None)
        beside = [("nobody", ""), *((n, n) for n in known)]
        who = {self.name: gr.Dropdown(known, value=first), self.other: gr.Dropdown(beside, value="")}
        return {**who, self.transcript: start(self.app, first or "")}

    def chosen(self, state: Talk | None, first: str) -> Any:
        return gr.skip() if state and state.said else start(self.app, first)

    def of_text(self, question: str, state: Talk | None, first: str, second: str) -> Iterator[Updates]:
        if not question.strip():
            yield {self.live: fault("There is nothing to answer.", "Type a question first.")}
            return
        yield {self.typed: ""}
        yield from self.answered(UserText(question), _bubble_user(text(question.strip())), state, first, second)

    def of_speech(self, file: str | None, state: Talk | None, first: str, second: str) -> Iterator[Updates]:
        if not file:
            yield {self.live: gr.skip()}
            return
        try:
            wave = self.app.hear(file)
        except VoicekitError as error:
            yield {self.live: problem(error)}
            return
        yield {self.spoken: None}
        yield from self.answered(UserAudio(wave), _bubble_user(sound(wave)), state, first, second)

    def answered(self, asked: UserText | UserAudio, shown: str, state: Talk | None, first: str, second: str) -> Iterator[Updates]:
        """What was asked goes into the transcript; the answers grow below it until they are whole."""
        state = state or Talk()
        if not first:
            yield {self.live: fault("Nobody is there to answer.", "Choose a voice on the right.")}
            return
        state.said.append(shown)
        yield {self.talk: state, self.transcript: _all(state), self.live: _side_by_side([_bubble_voice(first, "", _dots())])}
        answers: list[str] = []
        for slug in dict.fromkeys(n for n in (first, second) if n):
            bubble = ""
            for bubble, packet in _reply(self.shell, state, slug, asked):
                sounds = {self.player: packet} if packet else {}
                yield {self.live: _side_by_side([*answers, bubble]), **sounds}
            answers.append(bubble)
        state.said.append(_side_by_side(answers))
        yield {self.talk: state, self.transcript: _all(state), self.live: ""}


def names(app: App) -> list[str]:
    """Voices that can be talked with."""
    return [v.slug for v in app.voices() if v.state is not VoiceState.REVOKED]


def start(app: App, first: str) -> str:
    """An empty conversation; it says so where nobody whose consent holds speaks in the voice."""
    if not names(app):
        make = button("Make a voice", "new", main=True)
        return empty("Nobody to talk with yet", "Make a voice first; it will answer here as soon as it is finished.", make)
    chosen = next((v for v in app.voices() if v.slug == first), None)
    consent = None if chosen is None else app.consent_state(chosen)
    lacking = "" if consent is None or consent.holds else said(consent.says, "bad")
    return lacking + empty(f"Say hello to {first}", "For example: what is two plus three? Or: which colour is the sky?")


def _reply(shell: Shell, state: Talk, slug: str, asked: UserText | UserAudio) -> Iterator[tuple[str, str]]:
    """(bubble, what the player gets or "") as the answer grows; the last bubble is the whole answer, or what went wrong."""
    words, pieces, sent = "", list[FloatArray](), list[str]()
    session = uuid4().hex
    try:
        with shell.app.turn:
            dialogue = state.dialogues.get(slug) or shell.app.dialogue(slug)
        state.dialogues[slug] = dialogue
        dialogue.send(asked)
        for event in _in_turn(dialogue, shell.app.turn):
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
    return _bubble_voice(slug, done.text or "(no words)", sound(wave) + tag("div", text(meta), css="meta"))


def _packet(session: str, sent: list[str]) -> str:
    first = max(0, len(sent) - _KEPT_PIECES)
    return json.dumps({"session": session, "first": first, "rate": MODEL_RATE_HZ, "pieces": sent[first:]})


def _pcm(samples: FloatArray) -> str:
    return base64.b64encode((samples.clip(-1, 1) * 32767).astype("<i2").tobytes()).decode()


def _all(state: Talk) -> str:
    return page(tag("div", *state.said, css="chat"))


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
