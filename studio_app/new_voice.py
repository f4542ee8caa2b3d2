"""New voice: the way from a consent to a published voice, which can be left at every point and gone on with later."""

from __future__ import annotations

from collections.abc import Iterator

import gradio as gr

from studio_app.markup import CLICKS, button, empty, face, fault, head, page, problem, said, tag, text, when
from studio_app.shell import LOOK_EVERY_S, NEW, QUIET, Shell, Updates, data_of, place, spacer
from studio_app.stage import Stage
from studio_app.stage_consent import ConsentStage
from studio_app.stage_judge import JudgeStage, PublishStage
from studio_app.stage_lessons import LessonsStage
from studio_app.stage_recordings import RecordingsStage
from studio_app.stage_review import ReviewStage
from studio_app.stage_train import TrainStage
from voicekit.drafts import Draft
from voicekit.errors import VoicekitError


class NewVoiceTab:
    """First the unfinished voices; then one stage at a time, with the way above it and the next step below it."""

    def __init__(self, shell: Shell, talk_name: gr.Dropdown) -> None:
        self.shell, self.app = shell, shell.app
        self.draft_id = gr.State("")
        with gr.Column() as self.begin_view:
            with gr.Row(elem_classes="vk-bar"):
                gr.HTML(
                    head("New voice", "From recordings to a voice you can talk with. Leave at any point; everything is kept.")
                )
                self.begin = gr.Button("Begin a new voice", variant="primary", scale=0, min_width=190, elem_id="begin")
            self.unfinished = gr.HTML(js_on_load=CLICKS, elem_id="drafts")
        with gr.Column(visible=False) as self.path_view:
            with gr.Row(elem_classes="vk-bar"):
                self.leave = gr.Button("← Leave it for now", size="sm", scale=0, min_width=150)
                self.way = gr.HTML(js_on_load=CLICKS, elem_id="way")
            before = [kind(shell, self.draft_id) for kind in (ConsentStage, RecordingsStage, ReviewStage, LessonsStage)]
            self.train = TrainStage(shell, self.draft_id)
            after = [JudgeStage(shell, self.draft_id), PublishStage(shell, self.draft_id, talk_name)]
            self.stages: list[Stage] = [*before, self.train, *after]
            self.complaint = gr.HTML(elem_id="complaint")
            with gr.Row(elem_classes="vk-bar onwards"):
                self.back = gr.Button("Back", scale=0, min_width=110)
                spacer()
                self.onwards = gr.Button("Continue", variant="primary", scale=0, min_width=260, elem_id="onwards")
        self.timer = gr.Timer(LOOK_EVERY_S, active=False)
        self.by_key = {stage.key: stage for stage in self.stages}
        frame = [
            self.draft_id,
            self.begin_view,
            self.path_view,
            self.unfinished,
            self.way,
            self.complaint,
            self.back,
            self.onwards,
            self.timer,
        ]
        inside = [widget for stage in self.stages for widget in (stage.column, *stage.widgets)]
        self.outputs = [*frame, shell.address, *inside]
        self._wire()

    def _wire(self) -> None:
        steps = [
            self.begin.click(self.begun, None, self.outputs),
            self.unfinished.click(self.resumed, None, self.outputs),
            self.way.click(self.jumped, self.draft_id, self.outputs, show_progress="hidden"),
            self.onwards.click(self.went_on, self.draft_id, self.outputs),
            self.train.finished.click(self.went_on, self.draft_id, self.outputs),
            self.back.click(self.went_back, self.draft_id, self.outputs),
        ]
        for step in steps:
            step.then(self.worked, self.draft_id, self.outputs, show_progress="hidden")
        self.leave.click(self.left, None, self.outputs)
        self.timer.tick(self.noticed, self.draft_id, self.outputs, **QUIET)

    def arrive(self, draft_id: str = "") -> Updates:
        """What a visitor of this address sees: the draft where it was left, or the list of them."""
        if draft_id:
            try:
                return self.at(self.app.drafts.get(draft_id))
            except VoicekitError as error:
                return {**self.left(), self.unfinished: problem(error) + self._unfinished()}
        return {self.unfinished: self._unfinished()}

    def at(self, draft: Draft, key: str = "") -> Updates:
        """Show one stage of a draft and remember that it was there."""
        stage = self.by_key.get(key or draft.stage, self.stages[0])
        if stage.key != draft.stage:
            draft = self.app.drafts.change(draft.id, stage=stage.key)
        number = self.stages.index(stage)
        columns = {s.column: gr.Column(visible=s is stage) for s in self.stages}
        return {
            self.draft_id: draft.id,
            self.begin_view: gr.Column(visible=False),
            self.path_view: gr.Column(visible=True),
            self.way: _way(self.stages, number, draft),
            self.complaint: "",
            self.back: gr.Button(visible=number > 0),
            self.onwards: gr.Button(stage.onwards, visible=stage.leads_on and number + 1 < len(self.stages)),
            self.shell.address: place(NEW, draft=draft.id),
            self.timer: gr.Timer(active=True),
            **columns,
            **stage.arrive(draft),
        }

    def begun(self) -> Updates:
        try:
            return self.at(self.app.drafts.new(self.shell.owner))
        except (VoicekitError, OSError) as error:
            return {self.unfinished: fault("A new voice cannot be begun here.", str(error))}

    def resumed(self, event: gr.EventData) -> Updates:
        data = data_of(event)
        draft_id = str(data.get("draft", ""))
        try:
            if data.get("act") == "discard":
                removed = self.app.remove_draft(draft_id)
                return {self.unfinished: said(removed.in_words("Discarded")) + self._unfinished()}
            return self.at(self.app.drafts.get(draft_id))
        except VoicekitError as error:
            return {self.unfinished: problem(error) + self._unfinished()}

    def jumped(self, draft_id: str, event: gr.EventData) -> Updates:
        return self._moved(draft_id, str(data_of(event).get("stage", "")))

    def went_on(self, draft_id: str) -> Updates:
        """To the next stage, or say what is missing for it."""
        try:
            draft = self.app.drafts.get(draft_id)
            stage = self.by_key[draft.stage]
            what, remedy = stage.missing(draft)
        except VoicekitError as error:
            return {self.complaint: problem(error)}
        if what:
            return {self.complaint: fault(what, remedy)}
        return self._moved(draft_id, self.stages[self.stages.index(stage) + 1].key)

    def went_back(self, draft_id: str) -> Updates:
        try:
            number = self.stages.index(self.by_key[self.app.drafts.get(draft_id).stage])
        except VoicekitError as error:
            return {self.complaint: problem(error)}
        return self._moved(draft_id, self.stages[max(0, number - 1)].key)

    def left(self) -> Updates:
        shown = {
            self.begin_view: gr.Column(visible=True),
            self.path_view: gr.Column(visible=False),
            self.draft_id: "",
            self.timer: gr.Timer(active=False),
        }
        return {**shown, self.unfinished: self._unfinished(), self.shell.address: place(NEW)}

    def noticed(self, draft_id: str) -> Updates:
        """Somebody may have removed what this page is about: in another tab, or with the voice."""
        if not draft_id or any(draft.id == draft_id for draft in self.app.drafts.all(self.shell.owner)):
            return {self.draft_id: gr.skip()}
        left = self.left()
        del left[self.shell.address]  # another page may be open by now
        return {**left, self.unfinished: said("This unfinished voice was removed meanwhile.") + self._unfinished()}

    def worked(self, draft_id: str) -> Iterator[Updates]:
        """The slow part of the stage that was just opened."""
        if not draft_id:
            yield {self.draft_id: gr.skip()}
            return
        try:
            draft = self.app.drafts.get(draft_id)
            yield {self.draft_id: gr.skip()}
            yield from self.by_key[draft.stage].work(draft)
        except VoicekitError as error:
            yield {self.complaint: problem(error)}

    def _moved(self, draft_id: str, key: str) -> Updates:
        try:
            return self.at(self.app.drafts.get(draft_id), key)
        except VoicekitError as error:
            return {self.complaint: problem(error)}

    def _unfinished(self) -> str:
        drafts = self.app.drafts.all(self.shell.owner)
        if not drafts:
            return empty(
                "No voice is in the making",
                "You need a few minutes of one speaker. You are led through consent, recordings, review and training to a voice "
                "you can talk with.",
            )
        title = tag("h3", text("Go on with"), style="margin-top:8px")
        return page(title, tag("div", *(self._card(d) for d in drafts), css="voices"))

    def _card(self, draft: Draft) -> str:
        stage = self.by_key.get(draft.stage, self.stages[0])
        name = draft.name or "no name yet"
        words = tag(
            "div", tag("div", text(name), css="name"), tag("div", text(f"last touched {when(draft.updated_at)} UTC"), css="meta")
        )
        top = tag("div", face(draft.name or "?"), words, tag("span", text(stage.title), css="badge busy"), css="top")
        acts = button("Go on", "resume", main=True, draft=draft.id) + button("Discard", "discard", draft=draft.id)
        return tag("article", top, tag("div", acts, css="acts"), css="voice")


def _way(stages: list[Stage], now: int, draft: Draft) -> str:
    """All stages in a row; those that were reached can be gone back to."""
    reached = len(stages) if draft.job_id else now
    dots: list[str] = []
    for number, stage in enumerate(stages):
        state = "now" if number == now else "done" if number < now else ""
        is_open = number != now and number <= reached
        inside = (tag("span", "✓" if state == "done" else str(number + 1), css="dot"), text(stage.title))
        facts = {"data-act": "stage", "data-stage": stage.key} if is_open else {"disabled": "disabled"}
        dots.append(tag("button", *inside, css=f"step {state} {'open' if is_open else ''}".strip(), type="button", **facts))
    return page(tag("nav", *dots, css="steps", **{"aria-label": "Stages"}))
