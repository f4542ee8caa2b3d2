"""Jobs: everything that is being made or was, live; open one for its steps, its curve and what it said."""

from __future__ import annotations

from contextlib import suppress

import gradio as gr

from studio_app import job_view
from studio_app.markup import CLICKS, button, empty, head, page, problem, said, tag, text
from studio_app.shell import JOBS, NEW, Shell, Updates, data_of, place, spacer
from voicekit.errors import JobNotFound, VoicekitError
from voicekit.records import JobState, JobStatus

_EVERY_S = 2.0


class JobsTab:
    """The list; below it the job that was opened."""

    def __init__(self, shell: Shell) -> None:
        self.shell, self.app = shell, shell.app
        self.job_id = gr.State("")
        with gr.Row(elem_classes="vk-bar"):
            gr.HTML(head("Jobs", "They go on without this page, and are still here after a restart."))
            self.only = gr.Radio(
                ["All", "Going on", "Over"], value="All", show_label=False, container=False, scale=0, min_width=280
            )
        self.said = gr.HTML(elem_id="jobs-said")
        self.list = gr.HTML(js_on_load=CLICKS, elem_id="jobs")
        with gr.Column(visible=False) as self.detail:
            self.title = gr.HTML()
            self.told = gr.HTML()
            self.live = gr.HTML(elem_id="job")
            with gr.Accordion("Log", open=False):
                self.log = gr.Textbox(show_label=False, lines=14, max_lines=14, interactive=False, elem_id="job-log")
            with gr.Row(elem_classes="vk-bar"):
                self.stop = gr.Button("Stop", variant="stop", scale=0, min_width=110)
                self.retry = gr.Button("Try again", variant="primary", scale=0, min_width=130)
                self.draft = gr.Button("Open it under New voice", scale=0, min_width=210)
                self.remove = gr.Button("Remove this job", scale=0, min_width=150, elem_id="remove-job")
                spacer()
        self.timer = gr.Timer(_EVERY_S, active=False)
        self.outputs = [
            self.job_id, self.list, self.detail, self.title, self.told, self.live, self.log, self.stop, self.retry, self.draft,
            self.said, self.remove, self.timer, shell.address, shell.tabs,
        ]  # fmt: skip
        self._wire()

    def _wire(self) -> None:
        at = [self.job_id, self.only]
        self.list.click(self.clicked, self.only, self.outputs, show_progress="hidden")
        self.only.change(self.refreshed, at, self.outputs, show_progress="hidden")
        self.timer.tick(self.refreshed, at, self.outputs, show_progress="hidden")
        self.stop.click(lambda j, o: self.acted(j, o, "cancel"), at, self.outputs)
        self.retry.click(lambda j, o: self.acted(j, o, "retry"), at, self.outputs)
        self.remove.click(self.removed, at, self.outputs)

    def arrive(self, job_id: str = "", only: str = "All") -> Updates:
        return {**self.refreshed(job_id, only), self.shell.address: place(JOBS, job=job_id), self.timer: gr.Timer(active=True)}

    def clicked(self, only: str, event: gr.EventData) -> Updates:
        data = data_of(event)
        if data.get("act") == "new":
            return {self.shell.tabs: gr.Tabs(selected=NEW), self.shell.address: place(NEW)}
        job_id = str(data.get("job", ""))
        return {self.said: "", **self.refreshed(job_id, only), self.shell.address: place(JOBS, job=job_id)}

    def refreshed(self, job_id: str, only: str) -> Updates:
        gone: Updates = {}
        job: JobStatus | None = None
        try:
            shown = [j for j in self.app.jobs(self.shell.owner) if _fits(j, only)]
            with suppress(JobNotFound):
                job = self.app.job(job_id) if job_id else None
            if job is None and job_id:
                gone, job_id = {self.said: said("The job that was open here was removed.")}, ""
        except VoicekitError as error:
            return {self.list: problem(error)}
        return {self.job_id: job_id, self.list: self._list(shown, only), **self._detail(job), **gone}

    def acted(self, job_id: str, only: str, action: str) -> Updates:
        try:
            self.app.cancel(job_id) if action == "cancel" else self.app.retry(job_id)
        except VoicekitError as error:
            return {self.told: problem(error)}
        return {self.told: "", **self.refreshed(job_id, only)}

    def removed(self, job_id: str, only: str) -> Updates:
        """A job that is over is forgotten; the voice that it made stays."""
        try:
            gone = self.app.remove_job(job_id)
        except VoicekitError as error:
            return {self.told: problem(error)}
        return {**self.refreshed("", only), self.said: said(gone.in_words("Removed")), self.shell.address: place(JOBS)}

    def draft_of(self, job_id: str) -> str:
        """The draft that was submitted as this job; "" if it came by another door."""
        return next((d.id for d in self.app.drafts.all(self.shell.owner) if d.job_id == job_id), "")

    def _list(self, jobs: list[JobStatus], only: str) -> str:
        if not jobs and only == "All":
            make = button("Make a voice", "new", main=True)
            return empty("No jobs yet", "When a voice is being made, you can watch it here from any browser.", make)
        if not jobs:
            return empty("None of these", "No job is in this state right now.")
        heads = tag("tr", *(tag("th", t) for t in ("Voice", "State", "Progress", "Begun (UTC)", "Last news", "Job")))
        return page(tag("div", tag("table", heads, *(job_view.row(j, self.app.steps()) for j in jobs)), css="rows tall"))

    def _detail(self, job: JobStatus | None) -> Updates:
        if job is None:
            return {self.detail: gr.Column(visible=False)}
        name = tag("div", tag("h2", text(job.name)), job_view.job_badge(job), css="title")
        return {
            self.detail: gr.Column(visible=True),
            self.title: page(name),
            self.live: job_view.whole(job, self.app.steps(), self.app.home),
            self.log: self.app.job_log(job.id) or "Nothing was printed so far.",
            self.stop: gr.Button(visible=not job.state.over),
            self.retry: gr.Button(visible=job.state in (JobState.FAILED, JobState.CANCELLED)),
            self.draft: gr.Button(visible=bool(self.draft_of(job.id))),
            self.remove: gr.Button(visible=job.state.over),
        }


def _fits(job: JobStatus, only: str) -> bool:
    return only == "All" or job.state.over == (only == "Over")
