"""New voice: the way from a consent to a published voice, which can be left at every point and gone on with later."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gradio as gr

from studio_app.answering import answering, together
from studio_app.markup import CLICKS, LOADING, button, empty, face, fault, head, page, problem, said, tag, text, when
from studio_app.shell import EACH, NEW, QUIET, Latest, Shell, Updates, data_of, kept, place, spacer
from studio_app.stage import Stage
from studio_app.stage_consent import ConsentStage
from studio_app.stage_judge import JudgeStage, PublishStage
from studio_app.stage_lessons import LessonsStage
from studio_app.stage_recordings import RecordingsStage
from studio_app.stage_review import ReviewStage
from studio_app.stage_train import TrainStage
from voicekit.drafts import Draft
from voicekit.errors import VoicekitError

# Stages that are being worked on at once, in all browsers together.
_AT_WORK = 32


class NewVoiceTab:
    """First the unfinished voices; then one stage at a time, with the way above it and the next step below it. Which stage a
    browser tab is at is known to that tab alone; the draft only remembers where somebody was last."""

    def __init__(self, shell: Shell, talk_name: gr.Dropdown) -> None:
        self.shell, self.app = shell, shell.app
        self.draft_id, self.step, self.latest = kept(), kept(), gr.State(Latest())
        # Which draft of the list is asked about before it is discarded: whatever lists them anew asks again.
        self.asking = gr.State(Latest())
        with gr.Column() as self.begin_view:
            with gr.Row(elem_classes="vk-bar"):
                gr.HTML(
                    head("New voice", "From recordings to a voice you can talk with. Leave at any point; everything is kept.")
                )
                self.begin = gr.Button("Begin a new voice", variant="primary", scale=0, min_width=190, elem_id="begin")
            self.told = gr.HTML(elem_id="drafts-told")
            self.unfinished = gr.HTML(LOADING, js_on_load=CLICKS, elem_id="drafts")
        with gr.Column(visible=False) as self.path_view:
            with gr.Row(elem_classes="vk-bar"):
                self.leave = gr.Button("← Leave it for now", size="sm", scale=0, min_width=150)
                self.way = gr.HTML(js_on_load=CLICKS, elem_id="way")
            self.complaint = gr.HTML(elem_id="complaint", render=False)
            at = shell, self.draft_id, self.complaint
            self.consent = ConsentStage(*at)
            self.stages: list[Stage] = [self.consent, *(kind(*at) for kind in (RecordingsStage, ReviewStage, LessonsStage))]
            self.train = TrainStage(*at)
            self.stages += [self.train, JudgeStage(*at), PublishStage(*at, talk_name)]
            self.complaint.render()
            with gr.Row(elem_classes="vk-bar onwards"):
                self.back = gr.Button("Back", scale=0, min_width=110)
                spacer()
                self.onwards = gr.Button("Continue", variant="primary", scale=0, min_width=260, elem_id="onwards")
        self.by_key = {stage.key: stage for stage in self.stages}
        frame: list[Any] = [
            self.draft_id, self.step, self.begin_view, self.path_view, self.told, self.unfinished, self.way, self.complaint,
            self.back, self.onwards,
        ]  # fmt: skip
        inside = [widget for stage in self.stages for widget in (stage.column, *stage.widgets)]
        self.outputs = together(frame, [shell.address], inside)
        self._wire()

    def _wire(self) -> None:
        at = [self.draft_id, self.step]
        steps = [
            self.begin.click(answering(self.begun, self.told), None, self.outputs),
            self.unfinished.click(answering(self.resumed, self.told), self.asking, self.outputs, **EACH),
            self.way.click(answering(self.jumped, self.complaint), self.draft_id, self.outputs, **QUIET, **EACH),
            self.onwards.click(answering(self.went_on, self.complaint), [*at, *self.consent.fields], self.outputs),
            self.train.finished.click(answering(self.went_on, self.complaint), at, self.outputs),
            self.back.click(answering(self.went_back, self.complaint), at, self.outputs),
        ]
        for step in steps:
            self.then_work(step)
        self.leave.click(answering(self.left, self.told), None, self.outputs)

    def then_work(self, event: Any) -> None:
        """After an event that showed a stage: the slow part of it."""
        event.then(
            self.worked, [self.draft_id, self.step, self.latest], self.outputs, **QUIET, **EACH, concurrency_limit=_AT_WORK
        )

    def arrive(self, draft_id: str = "", step: str = "") -> Updates:
        """What a visitor of this address sees: the draft at its stage, or where it was left; or the list of drafts."""
        if not draft_id:
            return {self.unfinished: self._unfinished()}
        try:
            return self.at(self.app.drafts.get(draft_id), step)
        except VoicekitError as error:
            return {**self.left(), self.told: problem(error)}

    def listed(self, asking: Latest) -> Updates:
        """The drafts, when their page is turned to."""
        return {self.unfinished: self._unfinished(asked_about=asking.wanted)}

    def at(self, draft: Draft, key: str = "") -> Updates:
        """Show one stage of a draft and remember that somebody was there."""
        stage = self.by_key.get(key or draft.stage, self.stages[0])
        if stage.key != draft.stage:
            draft = self.app.drafts.change(draft.id, stage=stage.key)
        number = self.stages.index(stage)
        columns = {s.column: gr.Column(visible=s is stage) for s in self.stages}
        try:
            shown = stage.arrive(draft)
        except VoicekitError as error:
            shown = {stage.told: problem(error)}
        return {
            self.draft_id: draft.id,
            self.step: stage.key,
            self.begin_view: gr.Column(visible=False),
            self.path_view: gr.Column(visible=True),
            self.way: _way(self.stages, number, draft),
            self.complaint: "",
            self.back: gr.Button(visible=number > 0),
            self.onwards: gr.Button(stage.onwards, visible=stage.leads_on and number + 1 < len(self.stages)),
            self.shell.address: place(NEW, draft=draft.id, step=stage.key),
            self.train.timer: gr.Timer(active=False),
            **columns,
            **shown,
        }

    def begun(self) -> Updates:
        try:
            return self.at(self.app.drafts.new(self.shell.owner))
        except OSError as error:
            raise VoicekitError("A new voice cannot be begun here.", str(error)) from error

    def resumed(self, asking: Latest, event: gr.EventData) -> Updates:
        """Go on with a draft; or discard it, which is asked about first."""
        data = data_of(event)
        draft_id = str(data.get("draft", ""))
        asking.now(draft_id if data.get("act") == "discard" else "")
        match data.get("act"):
            case "discard":
                return {self.unfinished: self._unfinished(asked_about=draft_id)}
            case "keep":
                return {self.unfinished: self._unfinished()}
            case "discard-for-good":
                removed = self.app.remove_draft(draft_id)
                return {self.told: said(removed.in_words("Discarded")), self.unfinished: self._unfinished()}
            case _:
                return self._resumed(draft_id)

    def jumped(self, draft_id: str, event: gr.EventData) -> Updates:
        return self._moved(draft_id, str(data_of(event).get("stage", "")))

    def went_on(self, draft_id: str, step: str, *typed: str) -> Updates:
        """To the next stage, or say what is missing for it. What was `typed` last may not have been kept yet."""
        stage = self.by_key[step]
        if typed and stage is self.consent:
            self.consent.keep(draft_id, *typed)
        what, remedy = stage.missing(self.app.drafts.get(draft_id))
        if what:
            return {self.complaint: fault(what, remedy)}
        return self._moved(draft_id, self.stages[self.stages.index(stage) + 1].key)

    def went_back(self, draft_id: str, step: str) -> Updates:
        return self._moved(draft_id, self.stages[max(0, self.stages.index(self.by_key[step]) - 1)].key)

    def left(self) -> Updates:
        shown = {self.begin_view: gr.Column(visible=True), self.path_view: gr.Column(visible=False), self.draft_id: ""}
        shown |= {self.step: "", self.train.timer: gr.Timer(active=False)}
        return {**shown, self.unfinished: self._unfinished(), self.shell.address: place(NEW)}

    def worked(self, draft_id: str, step: str, latest: Latest) -> Iterator[Updates]:
        """The slow part of the stage that was just opened, as long as the tab is there."""
        mine = latest.now(f"{draft_id} {step}")
        yield {self.step: gr.skip()}
        if not draft_id or step not in self.by_key:
            return
        stage = self.by_key[step]
        try:
            for shown in stage.work(self.app.drafts.get(draft_id)):
                if latest.number != mine:
                    return
                yield shown
        except VoicekitError as error:
            yield {stage.told: problem(error)}

    def gone(self, draft_id: str, step: str) -> Updates | None:
        """What is to be shown once the draft that is open was removed; None while it is there."""
        if not draft_id or self.app.drafts.is_there(draft_id):
            return None
        words = "The unfinished voice that was open here was removed."
        return {**self.left(), self.told: fault(words, "It was done in another window or program.")}

    def _resumed(self, draft_id: str) -> Updates:
        try:
            return self.at(self.app.drafts.get(draft_id))
        except VoicekitError as error:
            return {self.told: problem(error), self.unfinished: self._unfinished()}

    def _moved(self, draft_id: str, key: str) -> Updates:
        return self.at(self.app.drafts.get(draft_id), key)

    def _unfinished(self, asked_about: str = "") -> str:
        drafts = self.app.drafts.all(self.shell.owner)
        if not drafts:
            return empty(
                "No voice is in the making",
                "You need a few minutes of one speaker. You are led through consent, recordings, review and training to a voice "
                "you can talk with.",
            )
        title = tag("h3", text("Go on with"), style="margin-top:8px")
        return page(title, tag("div", *(self._card(d, d.id == asked_about) for d in drafts), css="voices"))

    def _card(self, draft: Draft, is_asked: bool) -> str:
        stage = self.by_key.get(draft.stage, self.stages[0])
        name = draft.name or "no name yet"
        words = tag(
            "div", tag("div", text(name), css="name"), tag("div", text(f"last touched {when(draft.updated_at)} UTC"), css="meta")
        )
        top = tag("div", face(draft.name or "?"), words, tag("span", text(stage.title), css="badge busy"), css="top")
        acts = button("Go on", "resume", main=True, draft=draft.id) + button("Discard", "discard", draft=draft.id)
        if is_asked:
            return tag("article", top, self._sure(draft), css="voice")
        return tag("article", top, tag("div", acts, css="acts"), css="voice")

    def _sure(self, draft: Draft) -> str:
        """Before a draft is discarded."""
        goes = self.app.removal_of_draft(draft.id).in_words("This deletes its recordings and all that was decided about them")
        says = f"{goes} It cannot be undone." + (" A voice that was made of it stays." if draft.job_id else "")
        facts = {"data-act": "discard-for-good", "data-draft": draft.id}
        yes = tag("button", "Yes, discard it", css="btn bad", type="button", **facts)
        return tag("div", text(says), css="say bad", role="alert") + tag("div", yes, button("Keep it", "keep"), css="acts")


def _way(stages: list[Stage], now: int, draft: Draft) -> str:
    """All stages in a row; those that were reached can be gone back to."""
    reached = len(stages) if draft.job_id else now
    dots: list[str] = []
    for number, stage in enumerate(stages):
        state = "now" if number == now else "done" if number < now else ""
        is_open = number != now and number <= reached
        inside = (tag("span", "✓" if state == "done" else str(number + 1), css="dot"), tag("span", text(stage.title), css="name"))
        facts = {"data-act": "stage", "data-stage": stage.key} if is_open else {"disabled": "disabled"}
        dots.append(tag("button", *inside, css=f"step {state} {'open' if is_open else ''}".strip(), type="button", **facts))
    return page(tag("nav", *dots, css="steps", **{"aria-label": "Stages"}))
