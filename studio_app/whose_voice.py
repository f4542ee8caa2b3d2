"""Whose voice it is: who was found in the recordings, to be heard, and the choice of one of them or of a sample of one's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import gradio as gr
from gradio.blocks import BlockContext
from gradio.components import Component

from studio_app.answering import answering
from studio_app.handed_in import taken_over
from studio_app.markup import CLICKS, badge, bar, button, minutes, page, problem, sound, tag, text
from studio_app.shell import EACH, QUIET, Updates, data_of, spacer
from studio_app.watched import watched
from voicekit.app import App
from voicekit.casting import TOLD_FROM_S, PassedOver, Person, SpeakersHeard
from voicekit.drafts import Draft
from voicekit.errors import VoicekitError

_SHOWN = 24
_NAMED = 6
_SAMPLES = [".wav", ".flac", ".mp3", ".m4a", ".ogg", ".opus", ".webm", ".mp4", ".aac"]


class WhoseVoice:
    """A part of the recordings page. Long recordings are listened to by themselves, short ones when somebody asks."""

    def __init__(self, app: App, draft_id: gr.Textbox, complaint: gr.HTML) -> None:
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
        self.told = gr.HTML(elem_id="whose-told")
        self.widgets: list[Component | BlockContext] = [self.part, self.told, self.view, self.find, self.sample, self.most]
        outputs = [*self.widgets, complaint]

        def on(event: Callable[..., object], handler: Callable[..., object], *inputs: gr.Component) -> None:
            event(answering(handler, self.told, complaint), [draft_id, *inputs], outputs, **QUIET, **EACH)

        on(self.view.click, self.chosen)
        on(self.find.click, self.asked)
        on(self.sample.upload, self.given, self.sample)
        on(self.most.click, self.unnamed)

    def shown(self, draft_id: str) -> Updates:
        """What is known."""
        draft, heard = self.app.drafts.get(draft_id), self.app.casting.found(draft_id)
        folder = self.app.drafts.recordings(draft_id)
        there = folder.exists() and any(folder.iterdir())
        short = heard is not None and len(self.app.drafts.material(draft_id).recordings) > heard.listened
        return {
            self.part: gr.Column(visible=there),
            self.view: page(tag("div", *self._panel(draft, heard), css="panel")),
            self.find: gr.Button(
                "Listen to the short recordings too" if heard else "Find out who speaks",
                visible=heard is None or (short and heard.from_s > TOLD_FROM_S),
            ),
            self.most: gr.Button(visible=bool(draft.reference)),
        }

    def changed(self, draft_id: str) -> Iterator[Updates]:
        """After recordings came or went: what is known of them, and what is heard in the new ones."""
        try:
            yield {self.told: "", **self.shown(draft_id)}
        except VoicekitError as error:
            yield {self.told: problem(error)}
            return
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
            yield {self.told: problem(error)}

    def asked(self, draft_id: str) -> Iterator[Updates]:
        """Listen to short recordings too."""
        yield from self._listen(draft_id, TOLD_FROM_S)

    def chosen(self, draft_id: str, event: gr.EventData) -> Updates:
        data = data_of(event)
        self.app.casting.choose(draft_id, str(data.get("recording", "")), str(data.get("speaker", "")))
        return self.shown(draft_id)

    def given(self, draft_id: str, file: str | None) -> Updates:
        if not file:
            return {self.view: gr.skip()}
        with taken_over(self.app.home, file) as sample:
            self.app.casting.choose_reference(draft_id, sample)
        return self.shown(draft_id)

    def unnamed(self, draft_id: str) -> Updates:
        self.app.casting.choose_who_speaks_most(draft_id)
        return self.shown(draft_id)

    def _listen(self, draft_id: str, from_s: float | None) -> Iterator[Updates]:
        yield {self.part: gr.Column(visible=True), self.find: gr.Button(visible=False), self.view: _busy("", 0.0)}
        remedy = "Go on without, or give a sample of the speaker."
        try:
            for event in watched(
                lambda report: self.app.casting.listen(draft_id, report, from_s), "Who speaks could not be found out", remedy
            ):
                yield {self.view: _busy(event.message, event.fraction)}
        except VoicekitError:
            yield self.shown(draft_id)  # it is not being listened to any more
            raise
        yield self.shown(draft_id)

    def _panel(self, draft: Draft, heard: SpeakersHeard | None) -> list[str]:
        parts = [tag("h3", text("Who speaks?")), self._taken(draft, heard)]
        people = heard.people if heard else ()
        if len(people) > 1:
            parts.append(self._list(draft, people))
        elif people:
            parts.append(tag("details", tag("summary", text("Hear them")), self._list(draft, people), css="after"))
        if heard and heard.passed_over:
            parts.append(_unheard(heard.passed_over))
        return parts

    def _taken(self, draft: Draft, heard: SpeakersHeard | None) -> str:
        if draft.reference:
            listed = heard and _whose(draft, heard.people) is not None
            reference = None if listed else self.app.drafts.reference(draft.id)
            player = tag("div", sound(self.app.hear(reference)), css="sample") if reference else ""
            words = tag("p", tag("b", text(draft.whose)), text(" is taken; other voices are left out."))
            return tag("div", badge("chosen", "good"), words, player, css="whose-line")
        return tag("p", text(_found(heard)), css="soft")

    def _list(self, draft: Draft, people: Sequence[Person]) -> str:
        heads = tag("tr", *(tag("th", h) for h in ("Who", "Speaks in", "Speech", "Sounds like this", "")))
        all_s = sum(person.speech_s for person in people)
        mine = _whose(draft, people)
        rows = [self._row(draft, person, person.speech_s / max(all_s, 1e-9), person is mine) for person in people[:_SHOWN]]
        more = len(people) - _SHOWN
        note = tag("p", text(f"and {more} more"), css="faint none") if more > 0 else ""
        return tag("div", tag("table", heads, *rows), note, css="rows tall after speakers")

    def _row(self, draft: Draft, person: Person, share: float, mine: bool) -> str:
        who = person.longest
        try:
            player = sound(self.app.hear(self.app.casting.sample(draft.id, who)))
        except VoicekitError:
            player = tag("span", text("the sample is gone"), css="faint")
        choice = (
            badge("chosen", "good")
            if mine
            else button("This is the voice", "choose", recording=who.recording, speaker=who.speaker)
        )
        where = sorted(s.recording for s in person.speakers)
        cells = (
            tag("td", text(person.name)),
            tag("td", text(where[0] if len(where) == 1 else f"{len(where)} recordings"), title=", ".join(where[:_NAMED])),
            tag("td", text(f"{minutes(person.speech_s)} · {100 * share:.0f} %"), css="num"),
            tag("td", player, css="sample"),
            tag("td", choice),
        )
        return tag("tr", *cells, css="chosen" if mine else "")


def _whose(draft: Draft, people: Sequence[Person]) -> Person | None:
    """Who of them was chosen, if anybody."""
    return next((p for p in people for s in p.speakers if draft.whose == f"{s.person} in {s.recording}"), None)


def _found(heard: SpeakersHeard | None) -> str:
    """In a sentence, who was found so far."""
    if heard is None:
        return "Does more than one person speak? Find out who, or give some seconds of the right one."
    if not heard.listened:
        return f"Nobody was looked for: no recording of {heard.from_s:g} s or more with speech is there."
    where = "the recording" if heard.listened == 1 else f"the {heard.listened} recordings that were listened to"
    if len(heard.people) == 1:
        return f"One person speaks in {where}."
    least = "whoever speaks most is taken" if heard.listened == 1 else "whoever speaks most in each is taken"
    return f"{len(heard.people)} people speak in {where}. Listen and choose; without a choice, {least}."


def _unheard(passed_over: Sequence[PassedOver]) -> str:
    """Which recordings nobody was looked for in, by reason."""
    reasons = list(dict.fromkeys(p.reason for p in passed_over))
    lines = [
        f"{len(names)} not listened to, {reason}: {', '.join(names[:_NAMED])}{' …' if len(names) > _NAMED else ''}"
        for reason in reasons
        if (names := [p.recording for p in passed_over if p.reason == reason])
    ]
    return tag("p", *(tag("span", text(line)) for line in lines), css="faint after unheard")


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
