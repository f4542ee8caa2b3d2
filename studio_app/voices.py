"""Voices: a gallery to search and hear, and the page of one voice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import gradio as gr

from studio_app import numbers, talk
from studio_app.answering import answering, together
from studio_app.markup import (
    CLICKS,
    GAP,
    LOADING,
    button,
    consent_badge,
    empty,
    face,
    facts,
    fault,
    head,
    meter,
    minutes,
    page,
    problem,
    said,
    sound_file,
    state_badge,
    tag,
    text,
    when,
)
from studio_app.new_voice import NewVoiceTab
from studio_app.shell import EACH, NEW, QUIET, TALK, VOICES, Latest, Shell, Updates, data_of, kept, place, spacer
from studio_app.stage_consent import LISTENING
from studio_app.sure import Sure
from studio_app.voice_consent import VoiceConsent
from voicekit.app import App
from voicekit.errors import NotPublishable, VoicekitError, VoiceNotFound
from voicekit.records import ConsentState, Voice, VoiceState
from voicekit.results import VoiceDetails

_ALL = "all"


class VoicesTab:
    """The gallery, and behind it the page of the voice that was opened."""

    def __init__(self, shell: Shell, talk_name: gr.Dropdown, new: NewVoiceTab) -> None:
        self.shell, self.app, self.talk_name, self.new = shell, shell.app, talk_name, new
        # `known` is the state of what is shown, to be compared with what it is by now; `heard_last` what is to be heard at last.
        self.name, self.known, self.heard_last = kept(), kept(), gr.State(Latest())
        self._gallery()
        self._detail()
        self._wire()

    def _gallery(self) -> None:
        with gr.Column() as self.listing:
            with gr.Row(elem_classes="vk-bar"):
                gr.HTML(head("Voices", "Everything that was made here. Listen, open one, or talk with it."))
                self.search = gr.Textbox(
                    placeholder="Search by name or language", show_label=False, container=False, scale=0, min_width=260
                )
                states = [("All states", _ALL), *((s.value.capitalize(), s.value) for s in VoiceState)]
                self.state = gr.Dropdown(states, value=_ALL, show_label=False, container=False, scale=0, min_width=140)
            self.heard = gr.HTML(elem_id="heard")
            self.gallery = gr.HTML(LOADING, js_on_load=CLICKS, elem_id="gallery")

    def _detail(self) -> None:
        with gr.Column(visible=False) as self.detail:
            with gr.Row(elem_classes="vk-bar"):
                self.back = gr.Button("← All voices", size="sm", scale=0, min_width=120)
                spacer()
                self.versions = gr.Dropdown([], show_label=False, container=False, scale=0, min_width=190)
                self.talk = gr.Button("Talk with it", variant="primary", size="sm", scale=0, min_width=120)
            self.told = gr.HTML(elem_id="voice-told")
            self.top = gr.HTML(elem_id="voice-top")
            with gr.Tabs():
                with gr.Tab("Numbers"):
                    self.figures = gr.HTML()
                with gr.Tab("Full report"):
                    self.report = gr.HTML()
                with gr.Tab("Where it comes from"):
                    self.lineage = gr.HTML()
                with gr.Tab("Use it in code"):
                    gr.HTML(page(tag("p", text("The same voice from a terminal, from Python and over HTTP."), css="lead")))
                    self.shell_code = gr.Code(label="Command line", language="shell", interactive=False)
                    self.python_code = gr.Code(label="Python", language="python", interactive=False)
                    self.http_code = gr.Code(label="HTTP, served by: voicekit serve", language="python", interactive=False)
                with gr.Tab("Manage"):
                    self.managed = gr.HTML(elem_id="managed")
                    with gr.Row():
                        self.publish = gr.Button("Publish this version", elem_id="publish-version")
                        self.revoke = gr.Button("Revoke this version", elem_id="revoke")
                        self.remove = gr.Button("Remove the voice for good", variant="stop", elem_id="remove")
                    self.sure = Sure("revoke", "Yes, revoke it", "Let it speak on")
                    self.gone_for_good = Sure("remove", "Yes, remove it", "Keep it")
                    self.consent = VoiceConsent(self.app)
        self.inside = [
            self.top, self.figures, self.report, self.lineage, self.shell_code, self.python_code, self.http_code,
            self.managed, self.publish, self.revoke, self.versions, self.told, self.known, self.sure.row, self.gone_for_good.row,
            *self.consent.widgets,
        ]  # fmt: skip

    def _wire(self) -> None:
        shell, sought, at = self.shell, [self.search, self.state], [self.name, self.versions]
        self.views: list[Any] = [
            self.name, self.known, self.heard, self.listing, self.detail, self.gallery, shell.address, shell.tabs,
        ]  # fmt: skip
        everything = together(self.views, self.inside, self.new.outputs)

        asked = [*self.sure.widgets, *self.gone_for_good.widgets]

        def on(event: Callable[..., Any], handler: Callable[..., Any], inputs: Any, outputs: list[Any], **how: Any) -> Any:
            return event(answering(handler, self.told), inputs, together(outputs, [self.told]), **how)

        opened = on(self.gallery.click, self.clicked, self.heard_last, everything, **EACH)
        opened.then(self.listened, self.heard_last, self.heard, **QUIET, **EACH)
        for box in (self.search, self.state):
            box.change(self.cards, sought, self.gallery, **QUIET)
        on(self.versions.input, self.filled, at, self.inside)
        on(self.back.click, self.all_voices, sought, self.views)
        on(self.publish.click, lambda n, v: self.changed(self.app.publish, n, v), at, self.inside)
        on(self.revoke.click, self.revocation_asked, at, asked)
        on(self.sure.yes.click, lambda n, v: self.changed(self.app.revoke, n, v), at, self.inside)
        on(self.remove.click, self.removal_asked, at, asked)
        on(self.gone_for_good.yes.click, self.removed, [self.name, *sought], together(self.views, self.inside))
        given = answering(self.consented, self.consent.result, self.told)
        self.consent.give.click(given, [*at, *self.consent.fields], self.inside)
        on(self.talk.click, self.to_talk, self.name, [shell.tabs, self.talk_name, shell.address])

    def cards(self, wanted: str = "", in_state: str = _ALL) -> str:
        try:
            return gallery_of(self.app, wanted, in_state)
        except VoicekitError as error:
            return problem(error)

    def clicked(self, latest: Latest, event: gr.EventData) -> Updates:
        """A button of a card. What is to be heard is made by itself, so that no other click has to wait for it."""
        data = data_of(event)
        slug = str(data.get("name", ""))
        match data.get("act"):
            case "new":
                latest.now("")
                return {self.shell.tabs: gr.Tabs(selected=NEW), **self.new.begun()}
            case "listen":
                latest.now(slug)
                return {self.heard: page(tag("p", text(f"{slug} is preparing its first words …"), css="soft"))}
            case "open":
                latest.now("")
                return self.opened(slug)
            case _:
                return {self.name: gr.skip()}

    def listened(self, latest: Latest) -> Any:
        """The preview that was asked for last."""
        slug, number = latest.wanted, latest.number
        if not slug:
            return gr.skip()
        shown = _preview(self.shell, slug)
        if latest.number != number:
            return gr.skip()
        latest.wanted = ""
        return shown

    def opened(self, slug: str) -> Updates:
        """Show one voice instead of the gallery."""
        try:
            filled = self.filled(slug)
        except VoiceNotFound:
            gone = fault(f"The voice {slug} is no longer there.", "It was removed.")
            return {**self.all_voices(), self.heard: gone}
        shown = {self.name: slug, self.heard: "", self.listing: gr.Column(visible=False), self.detail: gr.Column(visible=True)}
        return {**shown, self.shell.address: place(VOICES, voice=slug), **filled}

    def filled(self, slug: str, version: int | None = None) -> Updates:
        found, of_name = self.app.show(slug, version or 0), self.app.versions(slug)
        voice, evaluation, refusal = found.voice, found.evaluation, self.app.refusal(found.voice)
        codes = dict(zip((self.shell_code, self.python_code, self.http_code), _code(voice.slug), strict=True))
        return {
            self.top: _title(voice, found.consent),
            self.figures: page(numbers.decision(evaluation), GAP, numbers.tiles(evaluation), GAP, numbers.charts(evaluation)),
            self.report: numbers.report_frame(found.report),
            self.lineage: page(tag("div", facts(_lineage(found)), css="panel"), tag("div", _recordings(found), css="panel")),
            **codes,
            self.managed: page(tag("p", text(_what_can_be_done(found, refusal)), css="lead")),
            self.publish: gr.Button(interactive=refusal is None and voice.state is not VoiceState.PUBLISHED),
            self.revoke: gr.Button(interactive=voice.state is not VoiceState.REVOKED),
            self.versions: gr.Dropdown(_choices(of_name), value=voice.version),
            self.known: _state_of(of_name),
            **self.sure.hidden(),
            **self.gone_for_good.hidden(),
            **self.consent.empty(voice),
        }

    def all_voices(self, wanted: str = "", in_state: str = _ALL) -> Updates:
        back = {self.listing: gr.Column(visible=True), self.detail: gr.Column(visible=False), self.heard: "", self.name: ""}
        return {**back, **self.listed(wanted, in_state), self.shell.address: place(VOICES)}

    def listed(self, wanted: str = "", in_state: str = _ALL) -> Updates:
        """The cards, and what they show."""
        try:
            return {self.known: _state_of(self.app.voices()), self.gallery: self.cards(wanted, in_state)}
        except VoicekitError as error:
            return {self.gallery: problem(error)}

    def changed(self, action: Callable[[str, int], Voice], slug: str, version: int) -> Updates:
        action(slug, version)
        return self.filled(slug, version)

    def consented(self, slug: str, version: int, speaker: str, language: str, recording: str | None) -> Iterator[Updates]:
        """A consent that is recorded on this page: it is the version's from now on, whether it holds or not."""
        yield {self.consent.result: LISTENING}
        voice = self.consent.give_to(slug, version, speaker, language, recording)
        yield {**self.filled(slug, version), self.consent.result: self.consent.outcome(voice)}

    def revocation_asked(self, slug: str, version: int) -> Updates:
        says = (
            f"Version {version} of {slug} then speaks no more, neither here nor for any program that uses it. Its files are kept."
        )
        return {**self.sure.asked(says), **self.gone_for_good.hidden()}

    def removal_asked(self, slug: str, version: int) -> Updates:
        says = self.app.removal_of(slug).in_words(f"This deletes {slug} and cannot be undone")
        return {**self.gone_for_good.asked(says), **self.sure.hidden()}

    def removed(self, slug: str, wanted: str, in_state: str) -> Updates:
        removed = self.app.remove(slug)
        return {**self.all_voices(wanted, in_state), self.heard: said(removed.in_words(f"Removed {slug}"))}

    def noticed(self, slug: str, version: int, known: str, wanted: str, in_state: str) -> Updates | None:
        """What is to be shown if the voices were changed elsewhere; None if all is as it is shown."""
        if not slug:
            voices = self.app.voices()
            now = _state_of(voices)
            return None if now == known else {self.gallery: self.cards(wanted, in_state), self.known: now}
        try:
            of_name = self.app.versions(slug)
        except VoiceNotFound:
            gone = fault(f"The voice {slug}, which was open here, was removed.", "It was done in another window or program.")
            return {**self.all_voices(wanted, in_state), self.heard: gone}
        if _state_of(of_name) == known:
            return None
        still = next((v for v in of_name if v.version == version), of_name[-1])
        note = said(f"{slug} was changed in another window or program: version {still.version} is {still.state.value}.")
        return {**self.filled(slug, still.version), self.told: note}

    def to_talk(self, slug: str) -> Updates:
        chosen = gr.Dropdown(talk.names(self.app), value=slug)
        return {self.shell.tabs: gr.Tabs(selected=TALK), self.talk_name: chosen, self.shell.address: place(TALK, voice=slug)}


def _state_of(voices: list[Voice]) -> str:
    """Equal as long as nothing of them changed that a page shows."""
    return repr([(v.slug, v.version, v.state.value, v.evaluation_id, v.consent_id, v.consent_cosine) for v in voices])


def gallery_of(app: App, wanted: str = "", in_state: str = _ALL) -> str:
    """The cards of all voices that fit, or what to do when there are none."""
    voices = app.voices()
    if not voices:
        return empty(
            "No voice yet",
            "Bring a few minutes of one speaker and what is said in them. You will hear the result in this browser.",
            button("Make the first voice", "new", main=True),
        )
    needle = (wanted or "").strip().lower()
    fit = [v for v in voices if in_state in (_ALL, v.state.value) and needle in f"{v.slug} {v.language} {v.base_model}".lower()]
    if not fit:
        return empty("Nothing fits", f"None of {len(voices)} voices fits this search. Clear it, or choose another state.")
    return page(tag("div", *(_card(app, v) for v in fit), css="voices"))


def _card(app: App, voice: Voice) -> str:
    name = tag("div", tag("div", text(voice.slug), css="name"), tag("div", text(_about(voice)), css="meta"))
    try:
        evaluation = app.show(voice.slug).evaluation
        scores = [
            meter(label, metric, evaluation.metrics[metric], full=1.2 if metric == "retention" else 1.0)
            for label, metric in (("Likeness", "speaker_cosine"), ("Answers kept", "retention"))
            if metric in evaluation.metrics
        ]
    except VoicekitError as error:
        scores = [tag("p", text(error.problem), css="soft")]
    acts = (button("Open", "open", name=voice.slug, main=True), button("▶ Listen", "listen", name=voice.slug))
    badges = state_badge(voice.state), consent_badge(app.consent_state(voice))
    top = tag("div", face(voice.slug), name, *badges, css="top")
    return tag("article", top, tag("div", *scores), tag("div", *acts, css="acts"), css="voice")


def _about(voice: Voice) -> str:
    return f"version {voice.version} · {voice.language} · {when(voice.created_at)[:10]}"


def _preview(shell: Shell, slug: str) -> str:
    try:
        with shell.app.turn:
            file = shell.app.preview(slug)
    except VoicekitError as error:
        return problem(error)
    bar = tag("div", face(slug), tag("b", text(slug)), tag("div", sound_file(file, autoplay=True), style="flex:1"), css="top")
    return page(tag("div", bar, css="voice"))


def _title(voice: Voice, consent: ConsentState) -> str:
    words = tag("div", tag("h1", text(voice.slug)), tag("div", text(_about(voice)), css="faint"))
    lacking = "" if consent.holds else tag("p", text(consent.says), css="say bad")
    return page(tag("div", face(voice.slug), words, state_badge(voice.state), consent_badge(consent), css="title"), lacking)


def _what_can_be_done(found: VoiceDetails, refusal: NotPublishable | None) -> str:
    if found.voice.state is VoiceState.PUBLISHED:
        return "This version is published: it may be used by whoever has a key. Revoke it to stop that at once."
    if refusal is None:
        return "This version passed and waits for you. Publish it to let others use it."
    return str(refusal)


def _lineage(found: VoiceDetails) -> list[tuple[str, str]]:
    voice, run = found.voice, found.run
    return [
        ("Base model", f"{run.base_model} @ {run.base_revision[:12]}"),
        ("Recordings", f"{len(found.recordings)} files, {minutes(found.speech_s)} of speech"),
        ("Clips", f"{found.clips_accepted} accepted, {found.clips_rejected} rejected"),
        ("Consent", f"{found.consent.says} {voice.consent_id}".strip()),
        ("Training", f"{run.steps} steps in {minutes(run.seconds)}, loss {run.loss_first:.2f} → {run.loss_last:.2f}"),
        ("Parameters", f"{run.trainable_parameters:,} learned"),
        ("Made", f"{when(run.started_at)} to {when(run.finished_at)} UTC, voicekit {run.code_revision}"),
        ("Dataset", voice.dataset_id[:16]),
        ("Run", voice.run_id[:16]),
        ("Adapter", f"sha256 {voice.adapter_sha256[:16]}"),
        ("Voice prompt", f"sha256 {voice.prompt_sha256[:16]}"),
    ]


def _recordings(found: VoiceDetails) -> str:
    rows = [
        tag("tr", tag("td", text(r.path)), tag("td", f"{r.num_samples / max(r.sample_rate_hz, 1):.1f} s", css="num"),
            tag("td", f"{r.sample_rate_hz / 1000:g} kHz", css="num"), tag("td", tag("code", r.id[:12])))
        for r in found.recordings
    ]  # fmt: skip
    heads = tag("tr", *(tag("th", t) for t in ("Recording", "Length", "Rate", "sha256")))
    return tag("h3", "Recordings") + tag("div", tag("table", heads, *rows), style="max-height:420px;overflow:auto")


def _code(slug: str) -> tuple[str, str, str]:
    ask = "what is two plus three"
    return (
        f'voicekit chat {slug} --text "{ask}" -o answer.wav\nvoicekit say {slug} "good morning" -o morning.wav',
        f'import voicekit\n\napp = voicekit.open_app()\nanswer = app.chat("{slug}", "{ask}", out="answer.wav")\n'
        "print(answer.text)",
        "from openai import OpenAI\n\n"
        'client = OpenAI(base_url="http://127.0.0.1:8000/v1", api_key="YOUR KEY")\n'
        f'speech = client.audio.speech.create(model="voicekit", voice="{slug}", input="good morning", response_format="wav")\n'
        'speech.write_to_file("morning.wav")',
    )


def _choices(versions: list[Voice]) -> list[tuple[str, int]]:
    return [(f"Version {v.version} · {v.state.value}", v.version) for v in reversed(versions)]
