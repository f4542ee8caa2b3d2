"""Stage 5: choose how, start, and watch it learn; stop and go on."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import gradio as gr
from gradio.blocks import Block

from studio_app import job_view
from studio_app.markup import CLICKS, fault, head, long, page, problem, tag, text
from studio_app.shell import QUIET, Updates, data_of, spacer
from studio_app.stage import Stage
from voicekit.drafts import Draft
from voicekit.errors import DraftNotFound, JobNotFound, VoicekitError
from voicekit.presets import Preset
from voicekit.records import JobState, JobStatus

_EVERY_S = 1.5


class TrainStage(Stage):
    key = "train"
    title = "Train"
    onwards = "See how it turned out"
    leads_on = False

    def layout(self) -> list[Block]:
        gr.HTML(head("Train the voice", "Choose how much effort it is worth. You can close the page meanwhile."))
        self.told = gr.HTML(elem_id="train-told")
        with gr.Column() as self.choosing:
            self.presets = gr.HTML(js_on_load=CLICKS, elem_id="presets")
            with gr.Row(elem_classes="vk-bar"):
                self.start = gr.Button("Start the training", variant="primary", scale=0, min_width=260, elem_id="start")
                spacer()
        with gr.Column(visible=False) as self.watching:
            self.live = gr.HTML(elem_id="live-job")
            with gr.Row(elem_classes="vk-bar"):
                self.stop = gr.Button("Stop", variant="stop", scale=0, min_width=110, elem_id="stop")
                self.resume = gr.Button("Go on", variant="primary", scale=0, min_width=130, elem_id="resume")
                self.again = gr.Button("Change how it is trained", scale=0, min_width=200)
                spacer()
                self.finished = gr.Button(self.onwards, variant="primary", scale=0, min_width=260, elem_id="finished")
        self.timer = gr.Timer(_EVERY_S, active=False)
        return [
            self.told,
            self.choosing,
            self.presets,
            self.watching,
            self.live,
            self.stop,
            self.resume,
            self.again,
            self.finished,
            self.timer,
        ]

    def wire(self) -> None:
        self.on(self.presets.click, self.chosen, self.draft_id, **QUIET)
        self.on(self.start.click, self.started, self.draft_id, trigger_mode="once")
        self.on(self.stop.click, lambda d: self.acted(d, self.app.cancel), self.draft_id)
        self.on(self.resume.click, lambda d: self.acted(d, self.app.retry), self.draft_id)
        self.on(self.again.click, self.choose_again, self.draft_id)
        self.timer.tick(self.ticked, self.draft_id, self.widgets, **QUIET)

    def arrive(self, draft: Draft) -> Updates:
        if draft.job_id:
            return {self.told: "", **self._watched(draft)}
        wait = page(tag("p", text("Asking this machine what it can do …"), css="soft"))
        return {self.told: "", **self._choosing(True), self.presets: wait, self.timer: gr.Timer(active=False)}

    def work(self, draft: Draft) -> Iterator[Updates]:
        if not draft.job_id or self._job(draft) is None:
            yield self._presets(draft)

    def missing(self, draft: Draft) -> tuple[str, str]:
        if not draft.job_id:
            return "The training was not started.", "Choose a preset and start it."
        job = self._job(draft)
        if job is not None and job.version:
            return "", ""
        return "The voice is not finished yet.", "Wait for it here, or come back later: it is also listed under Jobs."

    def chosen(self, draft_id: str, event: gr.EventData) -> Updates:
        draft = self.app.drafts.change(draft_id, recipe=str(data_of(event).get("recipe", "lora")))
        return self._presets(draft)

    def started(self, draft_id: str) -> Updates:
        """Hand what was chosen to the queue; the same again is the same job. What the review has made is not made again."""
        drafts, draft = self.app.drafts, self.app.drafts.get(draft_id)
        job = self.app.submit(
            draft.name,
            drafts.recordings(draft_id),
            script=drafts.script(draft_id),
            reference=drafts.reference(draft_id),
            language=draft.language,
            recipe=self.app.reviewer.recipe(draft_id),
            new_version=True,
            owner=draft.owner,
            consent_id=draft.consent_id,
            prepared=drafts.dataset(draft_id),
            foreseen=next(p.steps_s for p in self._found(draft) if p.recipe == draft.recipe),
        )
        return self._watched(drafts.change(draft_id, job_id=job.id))

    def acted(self, draft_id: str, action: Callable[[str], JobStatus]) -> Updates:
        """Stop the job or go on with it."""
        draft = self.app.drafts.get(draft_id)
        if self._job(draft) is not None:
            action(draft.job_id)
        return self._watched(draft)

    def choose_again(self, draft_id: str) -> Updates:
        draft = self.app.drafts.change(draft_id, job_id="")
        return {**self._choosing(True), **self._presets(draft), self.timer: gr.Timer(active=False)}

    def ticked(self, draft_id: str) -> Updates:
        """What is new; a catalog that cannot be asked just now is asked again."""
        try:
            draft = self.app.drafts.get(draft_id)
            if draft.job_id:
                return self._watched(draft)
            return {**self._choosing(True), **self._presets(draft), self.timer: gr.Timer(active=False)}
        except DraftNotFound:
            return {self.timer: gr.Timer(active=False)}
        except VoicekitError as error:
            return {self.live: problem(error)}

    def _job(self, draft: Draft) -> JobStatus | None:
        """The job of a draft; None once it was removed."""
        try:
            return self.app.job(draft.job_id)
        except JobNotFound:
            return None

    def _watched(self, draft: Draft) -> Updates:
        job = self._job(draft)
        if job is None:
            draft = self.app.drafts.change(draft.id, job_id="")
            gone = fault("The job of this voice was removed.", "Choose how to train it, and start again.")
            return {self.told: gone, **self._choosing(True), **self._presets(draft), self.timer: gr.Timer(active=False)}
        stopped = job.state in (JobState.FAILED, JobState.CANCELLED)
        return {
            **self._choosing(False),
            self.live: self._live(job),
            self.stop: gr.Button(visible=not job.state.over),
            self.resume: gr.Button("Try again" if job.state is JobState.FAILED else "Go on", visible=stopped),
            self.again: gr.Button(visible=job.state.over),
            self.finished: gr.Button(visible=bool(job.version)),
            self.timer: gr.Timer(active=not job.state.over),
        }

    def _live(self, job: JobStatus) -> str:
        return job_view.whole(job, self.app.steps(), self.app.home)

    def _choosing(self, yes: bool) -> Updates:
        return {self.choosing: gr.Column(visible=yes), self.watching: gr.Column(visible=not yes)}

    def _found(self, draft: Draft) -> tuple[Preset, ...]:
        return self.app.presets(self.app.reviewer.show(draft.id).accepted)

    def _presets(self, draft: Draft) -> Updates:
        try:
            found = self._found(draft)
        except VoicekitError as error:
            return {self.presets: problem(error)}
        return {self.presets: page(tag("div", *(_card(p, draft.recipe) for p in found), css="presets"), _where(found))}


def _card(preset: Preset, chosen: str) -> str:
    need = tag(
        "div",
        tag("span", text(f"about {long(60 * preset.minutes)}")),
        tag("span", text(f"{preset.memory_gb:.1f} GB memory")),
        css="need",
    )
    css = "preset chosen" if preset.recipe == chosen else "preset"
    pressed = "true" if preset.recipe == chosen else "false"
    facts = {"data-act": "preset", "data-recipe": preset.recipe, "aria-pressed": pressed}
    return tag(
        "button", tag("b", text(preset.title)), tag("span", text(preset.says), css="soft"), need, css=css, type="button", **facts
    )


def _where(found: tuple[Preset, ...]) -> str:
    measured = any(p.measured for p in found)
    how = "as earlier voices took on this machine" if measured else "by how fast this machine is: nothing was trained here yet"
    return tag("p", text(f"Times are estimates, {how}. While it runs, the time that is left is corrected."), css="faint after")
