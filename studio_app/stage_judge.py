"""Stages 6 and 7: what was measured of the new voice and what the gate decided; then let others use it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import gradio as gr
from gradio.blocks import Block

from studio_app import numbers, talk
from studio_app.markup import GAP, facts, fault, head, page, problem, said, sound_file, state_badge, tag, text
from studio_app.shell import TALK, VOICES, Shell, Updates, place, spacer
from studio_app.stage import Stage
from voicekit.drafts import Draft
from voicekit.errors import JobNotFound, VoicekitError, VoiceNotFound
from voicekit.records import Voice, VoiceState
from voicekit.results import VoiceDetails


class JudgeStage(Stage):
    key = "judge"
    title = "Judge"
    onwards = "Continue to publishing"

    def layout(self) -> list[Block]:
        gr.HTML(
            head("How did it turn out?", "Measured with questions it was not trained on. Listen before you believe the numbers.")
        )
        self.told = gr.HTML(elem_id="judge-told")
        self.hear = gr.HTML(elem_id="hear")
        self.decision = gr.HTML(elem_id="decision")
        with gr.Accordion("Everything: answers to hear, distributions, the worst replies", open=False):
            self.report = gr.HTML()
        return [self.told, self.hear, self.decision, self.report]

    def arrive(self, draft: Draft) -> Updates:
        nothing = {self.told: "", self.decision: "", self.report: "", self.hear: ""}
        found = made(self, draft)
        if isinstance(found, str):
            return {**nothing, self.told: found}
        evaluation = found.evaluation
        shown = page(numbers.decision(evaluation), GAP, numbers.tiles(evaluation), GAP, numbers.charts(evaluation))
        return {**nothing, self.decision: shown, self.report: numbers.report_frame(found.report)}

    def work(self, draft: Draft) -> Iterator[Updates]:
        found = made(self, draft)
        if isinstance(found, str):
            return
        yield {self.hear: page(tag("p", text("The voice is saying hello …"), css="soft"))}
        try:
            with self.app.turn:
                file = self.app.preview(found.voice.slug, found.voice.version)
        except VoicekitError as error:
            yield {self.hear: problem(error)}
            return
        yield {self.hear: page(tag("div", tag("h3", "Its first words"), sound_file(file), css="panel"))}

    def missing(self, draft: Draft) -> tuple[str, str]:
        return ("", "") if draft.job_id else ("There is nothing to judge yet.", "Start the training first.")


class PublishStage(Stage):
    key = "publish"
    title = "Publish"

    def __init__(self, shell: Shell, draft_id: gr.Textbox, complaint: gr.HTML, talk_name: gr.Dropdown) -> None:
        self.talk_name = talk_name
        super().__init__(shell, draft_id, complaint)

    def layout(self) -> list[Block]:
        lead = "Published, the voice may be used by other programs: its speaker must consent. You can revoke it at any time."
        gr.HTML(head("Let it speak", lead))
        self.told = gr.HTML(elem_id="publish-told")
        self.state = gr.HTML(elem_id="published")
        with gr.Row(elem_classes="vk-bar"):
            # Not to be pressed before the page has found out what it would publish: that answer would hide the other.
            self.publish = gr.Button("Publish", variant="primary", scale=0, min_width=140, elem_id="publish", interactive=False)
            self.talk = gr.Button("Talk with it", scale=0, min_width=140, elem_id="to-talk")
            self.see = gr.Button("See it among the voices", scale=0, min_width=200)
            spacer()
        return [self.told, self.state, self.publish, self.talk]

    def wire(self) -> None:
        shell = self.shell
        self.on(self.publish.click, self.published, self.draft_id, trigger_mode="once")
        self.on(self.talk.click, self.to_talk, self.draft_id, [shell.tabs, self.talk_name, shell.address])
        self.see.click(lambda: (gr.Tabs(selected=VOICES), place(VOICES)), None, [shell.tabs, shell.address])

    def arrive(self, draft: Draft) -> Updates:
        found = made(self, draft)
        if isinstance(found, str):
            off = gr.Button(interactive=False)
            return {self.told: found, self.state: "", self.publish: off, self.talk: off}
        voice = self._with_consent(found.voice, draft)
        state, refusal = self.app.consent_state(voice), self.app.refusal(voice)
        title = tag("div", tag("b", text(f"{voice.slug}, version {voice.version}")), state_badge(voice.state), css="title")
        rows = [("Consent", state.says), ("Base model", found.run.base_model)]
        waiting = voice.state is not VoiceState.PUBLISHED
        says = fault(refusal.problem, f"{refusal.remedy} You can still talk with it.") if waiting and refusal else ""
        return {
            self.told: "",
            self.talk: gr.Button(interactive=True),
            self.state: page(tag("div", title, GAP, facts(rows), css="panel")) + GAP + says,
            self.publish: gr.Button(interactive=waiting and refusal is None),
        }

    def published(self, draft_id: str) -> Updates:
        draft = self.app.drafts.get(draft_id)
        found = made(self, draft)
        if isinstance(found, str):
            return {self.told: found}
        slug, version = found.voice.slug, found.voice.version
        try:
            self.app.publish(slug, version, draft.consent_id)
        except VoicekitError as error:
            shown = self.arrive(draft)
            return {**shown, self.state: problem(error) + GAP + shown[self.state]}
        shown = self.arrive(draft)
        return {**shown, self.state: said(f"{slug} is published.", "good") + GAP + shown[self.state]}

    def _with_consent(self, voice: Voice, draft: Draft) -> Voice:
        """The version with the consent that the draft has by now: publishing gives it to the voice."""
        if not draft.consent_id or draft.consent_id == voice.consent_id:
            return voice
        return replace(voice, consent_id=draft.consent_id, consent_cosine=None)

    def to_talk(self, draft_id: str) -> Updates:
        name = self.app.drafts.get(draft_id).name
        known: Any = gr.Dropdown(talk.names(self.app), value=name)
        return {self.shell.tabs: gr.Tabs(selected=TALK), self.talk_name: known, self.shell.address: place(TALK, voice=name)}


def made(stage: Stage, draft: Draft) -> VoiceDetails | str:
    """The version that this draft's job made, or in markup why there is none."""
    try:
        job = stage.app.job(draft.job_id) if draft.job_id else None
        if job is None or not job.version:
            return fault("There is no finished voice yet.", "Go back to the training.")
        return stage.app.show(job.name, job.version)
    except (JobNotFound, VoiceNotFound):
        return fault(f"The voice {draft.name} was removed.", "You can go back to the training and make it again.")
    except VoicekitError as error:
        return problem(error)
