"""Voices: a gallery to search and hear, and the page of one voice."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import gradio as gr

from studio_app import numbers, talk
from studio_app.markup import (
    CLICKS,
    GAP,
    button,
    consent_badge,
    empty,
    face,
    facts,
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
from studio_app.shell import LOOK_EVERY_S, NEW, QUIET, TALK, VOICES, Shell, Updates, data_of, place, spacer
from voicekit.app import App
from voicekit.errors import NotPublishable, VoicekitError
from voicekit.records import ConsentState, Voice, VoiceState
from voicekit.results import VoiceDetails

_ALL = "all"


class VoicesTab:
    """The gallery, and behind it the page of the voice that was opened."""

    def __init__(self, shell: Shell, talk_name: gr.Dropdown, new: NewVoiceTab) -> None:
        self.shell, self.app, self.talk_name, self.new = shell, shell.app, talk_name, new
        self.name = gr.State("")
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
            self.heard = gr.HTML()
            self.gallery = gr.HTML(js_on_load=CLICKS, elem_id="gallery")

    def _detail(self) -> None:
        with gr.Column(visible=False) as self.detail:
            with gr.Row(elem_classes="vk-bar"):
                self.back = gr.Button("← All voices", size="sm", scale=0, min_width=120)
                spacer()
                self.versions = gr.Dropdown([], show_label=False, container=False, scale=0, min_width=190)
                self.talk = gr.Button("Talk with it", variant="primary", size="sm", scale=0, min_width=120)
            self.top = gr.HTML()
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
                    self.managed = gr.HTML()
                    with gr.Row():
                        self.publish = gr.Button("Publish this version")
                        self.revoke = gr.Button("Revoke this version")
                        self.remove = gr.Button("Remove the voice for good", variant="stop")
                    with gr.Row(visible=False) as self.sure:
                        self.goes = gr.HTML(elem_id="goes")
                        self.yes = gr.Button("Yes, remove it", variant="stop", scale=0, min_width=150)
                        self.no = gr.Button("Keep it", scale=0, min_width=110)
        self.seen = gr.State("")
        self.timer = gr.Timer(LOOK_EVERY_S, active=False)
        self.inside = [
            self.seen, self.timer, self.top, self.figures, self.report, self.lineage, self.shell_code, self.python_code,
            self.http_code, self.managed, self.publish, self.revoke, self.versions,
        ]  # fmt: skip

    def _wire(self) -> None:
        shell, sought = self.shell, [self.search, self.state]
        views = [self.name, self.heard, self.listing, self.detail, self.gallery, self.timer, shell.address, shell.tabs]
        self.gallery.click(self.clicked, None, list(dict.fromkeys([*views, *self.inside, *self.new.outputs])))
        self.search.change(self.cards, sought, self.gallery, show_progress="hidden")
        self.state.change(self.cards, sought, self.gallery, show_progress="hidden")
        self.versions.input(self.filled, [self.name, self.versions], self.inside)
        self.back.click(self.all_voices, sought, views)
        self.publish.click(lambda n, v: self.changed(self.app.publish, n, v), [self.name, self.versions], self.inside)
        self.revoke.click(lambda n, v: self.changed(self.app.revoke, n, v), [self.name, self.versions], self.inside)
        self.remove.click(self.asked, self.name, [self.sure, self.goes])
        self.timer.tick(self.noticed, [self.name, self.versions, self.seen, *sought], [*views, *self.inside], **QUIET)
        self.no.click(lambda: gr.Row(visible=False), None, self.sure)
        self.yes.click(self.removed, [self.name, *sought], [*views, self.managed, self.sure])
        self.talk.click(self.to_talk, self.name, [shell.tabs, self.talk_name, shell.address])

    def cards(self, wanted: str = "", in_state: str = _ALL) -> str:
        try:
            return gallery_of(self.app, wanted, in_state)
        except VoicekitError as error:
            return problem(error)

    def clicked(self, event: gr.EventData) -> Iterator[Updates]:
        data = data_of(event)
        slug = str(data.get("name", ""))
        match data.get("act"):
            case "new":
                yield {self.shell.tabs: gr.Tabs(selected=NEW), **self.new.begun()}
            case "listen":
                yield {self.heard: page(tag("p", text(f"{slug} takes a breath …"), css="soft"))}
                yield {self.heard: _preview(self.shell, slug)}
            case "open":
                yield self.opened(slug)
            case _:
                yield {self.name: gr.skip()}

    def opened(self, slug: str) -> Updates:
        """Show one voice instead of the gallery; the gallery where it is not there any more."""
        try:
            self.app.versions(slug)
        except VoicekitError as error:
            return {self.gallery: self.cards(), self.heard: problem(error)}
        shown = {self.name: slug, self.heard: "", self.listing: gr.Column(visible=False), self.detail: gr.Column(visible=True)}
        return {**shown, self.shell.address: place(VOICES, voice=slug), **self.filled(slug)}

    def filled(self, slug: str, version: int | None = None) -> Updates:
        try:
            found, of_name = self.app.show(slug, version or 0), self.app.versions(slug)
            refusal = self.app.refusal(found.voice)
        except VoicekitError as error:
            return {self.top: problem(error)}
        voice, evaluation = found.voice, found.evaluation
        codes = dict(zip((self.shell_code, self.python_code, self.http_code), _code(voice.slug), strict=True))
        return {
            self.seen: _state_of(of_name),
            self.timer: gr.Timer(active=True),
            self.top: _title(voice, found.consent),
            self.figures: page(numbers.decision(evaluation), GAP, numbers.tiles(evaluation), GAP, numbers.charts(evaluation)),
            self.report: numbers.report_frame(found.report),
            self.lineage: page(tag("div", facts(_lineage(found)), css="panel"), tag("div", _recordings(found), css="panel")),
            **codes,
            self.managed: page(tag("p", text(_what_can_be_done(found, refusal)), css="lead")),
            self.publish: gr.Button(interactive=refusal is None and voice.state is not VoiceState.PUBLISHED),
            self.revoke: gr.Button(interactive=voice.state is not VoiceState.REVOKED),
            self.versions: gr.Dropdown(_choices(of_name), value=voice.version),
        }

    def all_voices(self, wanted: str, in_state: str) -> Updates:
        back = {self.listing: gr.Column(visible=True), self.detail: gr.Column(visible=False), self.heard: "", self.name: ""}
        back[self.timer] = gr.Timer(active=False)
        return {**back, self.gallery: self.cards(wanted, in_state), self.shell.address: place(VOICES)}

    def changed(self, action: Callable[[str, int], Voice], slug: str, version: int) -> Updates:
        try:
            action(slug, version)
        except VoicekitError as error:
            return {self.managed: problem(error)}
        return self.filled(slug, version)

    def asked(self, slug: str) -> Updates:
        """What would be gone, before somebody says yes."""
        try:
            goes = self.app.removal_of(slug).in_words(f"This deletes {slug} and cannot be undone")
        except VoicekitError as error:
            return {self.goes: problem(error), self.sure: gr.Row(visible=True)}
        return {self.goes: said(goes, "bad"), self.sure: gr.Row(visible=True)}

    def noticed(self, slug: str, version: int, seen: str, wanted: str, in_state: str) -> Updates:
        """Somebody may have removed or changed what this page shows."""
        if not slug:
            return {self.name: gr.skip()}
        try:
            of_name = self.app.versions(slug)
        except VoicekitError:
            back = self.all_voices(wanted, in_state)
            del back[self.shell.address]  # another page may be open by now
            return {**back, self.heard: said(f"{slug} was removed meanwhile.")}
        if _state_of(of_name) == seen:
            return {self.name: gr.skip()}
        return self.filled(slug, version if any(v.version == version for v in of_name) else 0)

    def removed(self, slug: str, wanted: str, in_state: str) -> Updates:
        try:
            removed = self.app.remove(slug)
        except VoicekitError as error:
            return {self.managed: problem(error), self.sure: gr.Row(visible=False)}
        gone = {self.heard: said(removed.in_words(f"Removed {slug}")), self.sure: gr.Row(visible=False)}
        return {**self.all_voices(wanted, in_state), **gone}

    def to_talk(self, slug: str) -> Updates:
        chosen = gr.Dropdown(talk.names(self.app), value=slug)
        return {self.shell.tabs: gr.Tabs(selected=TALK), self.talk_name: chosen, self.shell.address: place(TALK, voice=slug)}


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


def _state_of(versions: list[Voice]) -> str:
    """Equal while nobody changed anything that the page shows."""
    return repr([(v.version, v.state.value, v.consent_id, v.consent_cosine) for v in versions])


def _choices(versions: list[Voice]) -> list[tuple[str, int]]:
    return [(f"Version {v.version} · {v.state.value}", v.version) for v in reversed(versions)]
