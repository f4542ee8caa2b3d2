"""Whose voice it is: who was found in the recordings, to be heard, and the choice of one of them or of a sample of one's own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import gradio as gr
from gradio.blocks import BlockContext
from gradio.components import Component

from studio_app.markup import CLICKS, badge, bar, button, minutes, page, problem, sound, tag, text
from studio_app.shell import QUIET, Updates, data_of, spacer
from studio_app.watched import watched
from voicekit.app import App
from voicekit.casting import TOLD_FROM_S, SpeakerSample, SpeakersHeard
from voicekit.drafts import Draft
from voicekit.errors import VoicekitError

_SHOWN = 24
_SAMPLES = [".wav", ".flac", ".mp3", ".m4a", ".ogg", ".opus", ".webm", ".mp4", ".aac"]


class WhoseVoice:
    """A part of the recordings page. Long recordings are listened to by themselves, short ones when somebody asks."""

    def __init__(self, app: App, draft_id: gr.State) -> None:
        self.app, self.draft_id = app, draft_id
        with gr.Column(visible=False) as self.part:
            self.view = gr.HTML(js_on_load=CLICKS, elem_id="whose")
            with gr.Row(elem_classes="vk-bar"):
                self.find = gr.Button("Find out who speaks", scale=0, min_width=270, elem_id="find-speakers")
                self.sample = gr.UploadButton(
                    "Give a sample of the speaker", file_types=_SAMPLES, scale=0, min_width=230, elem_id="speaker-sample"
                )
                self.most = gr.Button(
                    "Take whoever speaks most", scale=0, min_width=230, visible=False, elem_id="who-speaks-most"
                )
                spacer()
        self.widgets: list[Component | BlockContext] = [self.part, self.view, self.find, self.sample, self.most]
        self.view.click(self.chosen, draft_id, self.widgets, **QUIET)
        self.find.click(self.asked, draft_id, self.widgets, **QUIET)
        self.sample.upload(self.given, [draft_id, self.sample], self.widgets, **QUIET)
        self.most.click(self.unnamed, draft_id, self.widgets, **QUIET)

    def shown(self, draft_id: str, told: str = "") -> Updates:
        """What is known; `told` is put above it."""
        try:
            draft, heard = self.app.drafts.get(draft_id), self.app.casting.found(draft_id)
            folder = self.app.drafts.recordings(draft_id)
            there = folder.exists() and any(folder.iterdir())
            short = heard is not None and len(self.app.drafts.material(draft_id).recordings) > heard.listened
            panel = tag("div", *self._panel(draft, heard), css="panel")
        except VoicekitError as error:
            return {self.part: gr.Column(visible=True), self.view: problem(error)}
        return {
            self.part: gr.Column(visible=there),
            self.view: page(told, panel),
            self.find: gr.Button(
                "Listen to the short recordings too" if heard else "Find out who speaks",
                visible=heard is None or (short and heard.from_s > TOLD_FROM_S),
            ),
            self.most: gr.Button(visible=bool(draft.reference)),
        }

    def changed(self, draft_id: str) -> Iterator[Updates]:
        """After recordings came or went: what is known of them, and what is heard in the new ones."""
        yield self.shown(draft_id)
        yield from self.heard_out(draft_id)

    def heard_out(self, draft_id: str) -> Iterator[Updates]:
        """Listen to what is long enough to hold several people. The page stays usable: if that was done already nothing is shown
        anew, for somebody may choose meanwhile."""
        try:
            material = self.app.drafts.material(draft_id).recordings
            long = [r for r in material if not r.fault and r.duration_s >= self.app.casting.from_s(draft_id)]
            if long and self.app.casting.found(draft_id) is None:
                yield from self._listen(draft_id, None)
        except VoicekitError as error:
            yield self.shown(draft_id, problem(error))

    def asked(self, draft_id: str) -> Iterator[Updates]:
        """Listen to short recordings too."""
        try:
            yield from self._listen(draft_id, TOLD_FROM_S)
        except VoicekitError as error:
            yield self.shown(draft_id, problem(error))

    def chosen(self, draft_id: str, event: gr.EventData) -> Updates:
        data = data_of(event)
        try:
            self.app.casting.choose(draft_id, str(data.get("recording", "")), str(data.get("speaker", "")))
        except VoicekitError as error:
            return self.shown(draft_id, problem(error))
        return self.shown(draft_id)

    def given(self, draft_id: str, file: str | None) -> Updates:
        if not file:
            return {self.view: gr.skip()}
        try:
            self.app.casting.choose_reference(draft_id, Path(file))
        except VoicekitError as error:
            return self.shown(draft_id, problem(error))
        return self.shown(draft_id)

    def unnamed(self, draft_id: str) -> Updates:
        try:
            self.app.casting.choose_who_speaks_most(draft_id)
        except VoicekitError as error:
            return self.shown(draft_id, problem(error))
        return self.shown(draft_id)

    def _listen(self, draft_id: str, from_s: float | None) -> Iterator[Updates]:
        yield {self.part: gr.Column(visible=True), self.find: gr.Button(visible=False), self.view: _busy("", 0.0)}
        remedy = "Go on without, or give a sample of the speaker."
        for event in watched(
            lambda report: self.app.casting.listen(draft_id, report, from_s), "Who speaks could not be found out", remedy
        ):
            yield {self.view: _busy(event.message, event.fraction)}
        yield self.shown(draft_id)

    def _panel(self, draft: Draft, heard: SpeakersHeard | None) -> list[str]:
        title = tag("h3", text("Who speaks?"))
        several = heard.several if heard else ()
        parts = [title, self._taken(draft, heard)]
        if several:
            parts.append(self._list(draft, several))
        elif heard and heard.speakers:
            parts.append(tag("details", tag("summary", text("Hear them")), self._list(draft, heard.speakers), css="after"))
        return parts

    def _taken(self, draft: Draft, heard: SpeakersHeard | None) -> str:
        if draft.reference:
            listed = heard and any(_called(s) == draft.whose for s in heard.speakers)
            reference = None if listed else self.app.drafts.reference(draft.id)
            player = tag("div", sound(self.app.hear(reference)), css="sample") if reference else ""
            words = tag("p", tag("b", text(draft.whose)), text(" is taken; other voices are left out."))
            return tag("div", badge("chosen", "good"), words, player, css="whose-line")
        if heard is None:
            return tag(
                "p", text("Does more than one person speak? Find out who, or give some seconds of the right one."), css="soft"
            )
        if heard.several:
            count = len({s.recording for s in heard.several})
            where = "one recording" if count == 1 else f"{count} recordings"
            return tag(
                "p",
                text(f"Several people speak in {where}. Listen and choose; without a choice, whoever speaks most is taken."),
                css="soft",
            )
        if not heard.listened:
            return tag("p", text(f"Nobody was looked for: all recordings are shorter than {heard.from_s:.0f} s."), css="soft")
        where = "it" if heard.listened == 1 else f"each of the {heard.listened} recordings listened to"
        return tag("p", text(f"One person speaks in {where}."), css="soft")

    def _list(self, draft: Draft, speakers: Sequence[SpeakerSample]) -> str:
        heads = tag("tr", *(tag("th", h) for h in ("Recording", "Who", "Speech", "Sounds like this", "")))
        rows = [self._row(draft, who) for who in speakers[:_SHOWN]]
        more = len(speakers) - _SHOWN
        note = tag("p", text(f"and {more} more"), css="faint none") if more > 0 else ""
        return tag("div", tag("table", heads, *rows), note, css="rows tall after speakers")

    def _row(self, draft: Draft, who: SpeakerSample) -> str:
        try:
            player = sound(self.app.hear(self.app.casting.sample(draft.id, who)))
        except VoicekitError:
            player = tag("span", text("the sample is gone"), css="faint")
        mine = draft.whose == _called(who)
        choice = (
            badge("chosen", "good")
            if mine
            else button("This is the voice", "choose", recording=who.recording, speaker=who.speaker)
        )
        cells = (
            tag("td", text(who.recording)),
            tag("td", text(who.speaker)),
            tag("td", text(f"{minutes(who.speech_s)} · {100 * who.share:.0f} %"), css="num"),
            tag("td", player, css="sample"),
            tag("td", choice),
        )
        return tag("tr", *cells, css="chosen" if mine else "")


def _called(who: SpeakerSample) -> str:
    return f"{who.speaker} in {who.recording}"


def _busy(message: str, fraction: float) -> str:
    words = f"Listening to {message} …" if message else "Listening …"
    lead = tag("p", text("You can go on meanwhile."), css="faint")
    return page(
        tag(
            "div",
            tag("h3", text("Who speaks?")),
            tag("p", text(words), css="soft"),
            bar(fraction),
            lead,
            css="panel",
            role="status",
        )
    )
