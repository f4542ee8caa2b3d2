"""Jobs: everything that is being made or was, live; open one for its steps, its curve and what it said."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress

import gradio as gr

from studio_app import job_view
from studio_app.answering import answering
from studio_app.markup import CLICKS, LOADING, button, empty, fault, head, page, problem, said, tag, text
from studio_app.shell import JOBS, QUIET, Shell, Updates, kept, place, spacer
from studio_app.sure import Sure
from voicekit.errors import JobNotFound, VoicekitError
from voicekit.records import JobState, JobStatus

_EVERY_S = 2.0


class JobsTab:
    """The list; below it the job that was opened. The cutting of recordings for a review stands among them."""

    def __init__(self, shell: Shell) -> None:
        self.shell, self.app = shell, shell.app
        self.job_id = kept()
        with gr.Row(elem_classes="vk-bar"):
            gr.HTML(head("Jobs", "They go on without this page, and are still here after a restart."))
            self.only = gr.Radio(
                ["All", "Going on", "Over"], value="All", show_label=False, container=False, scale=0, min_width=280
            )
        self.told = gr.HTML(elem_id="job-told")
        self.list = gr.HTML(LOADING, js_on_load=CLICKS, elem_id="jobs")
        with gr.Column(visible=False) as self.detail:
            self.title = gr.HTML()
            self.live = gr.HTML(elem_id="job")
            with gr.Accordion("Log", open=False):
                self.log = gr.Textbox(show_label=False, lines=14, max_lines=14, interactive=False, elem_id="job-log")
            with gr.Row(elem_classes="vk-bar"):
                self.stop = gr.Button("Stop", variant="stop", scale=0, min_width=110)
                self.retry = gr.Button("Try again", variant="primary", scale=0, min_width=130)
                self.draft = gr.Button("Open it under New voice", scale=0, min_width=210)
                self.remove = gr.Button("Remove this job", scale=0, min_width=150, elem_id="remove-job")
                spacer()
            self.sure = Sure("remove-job", "Yes, remove it", "Keep it")
        self.timer = gr.Timer(_EVERY_S, active=False)
        self.outputs = [
            self.job_id, self.list, self.detail, self.title, self.told, self.live, self.log, self.stop, self.retry, self.draft,
            self.remove, *self.sure.widgets, self.timer, shell.address, shell.tabs,
        ]  # fmt: skip
        self._wire()

    def _wire(self) -> None:
        at = [self.job_id, self.only]
        self.only.change(answering(self.refreshed, self.told), at, self.outputs, **QUIET)
        self.timer.tick(self.ticked, at, self.outputs, **QUIET)
        for button_, action in ((self.stop, self.app.cancel), (self.retry, self.app.retry)):
            button_.click(answering(self._acting(action), self.told), at, self.outputs)
        self.remove.click(answering(self.removal_asked, self.told), self.job_id, [*self.sure.widgets, self.told])
        self.sure.yes.click(answering(self.removed, self.told), at, self.outputs)

    def arrive(self, job_id: str = "", only: str = "All") -> Updates:
        at = {self.shell.address: place(JOBS, job=job_id), self.timer: gr.Timer(active=True)}
        try:
            return {self.told: "", **self.refreshed(job_id, only), **at}
        except VoicekitError as error:
            return {self.told: problem(error), **at}

    def clicked(self, only: str, data: Mapping[str, str]) -> Updates:
        """A row of the list was chosen."""
        job_id = data.get("job", "")
        return {**self.sure.hidden(), **self.refreshed(job_id, only), self.shell.address: place(JOBS, job=job_id)}

    def refreshed(self, job_id: str, only: str) -> Updates:
        """The list, and the job that is open. One that was removed is closed, in words."""
        rows = [
            (job.created_at, job_view.row(job, self.app.steps()))
            for job in self.app.jobs(self.shell.owner)
            if _fits(job.state, only)
        ]
        cut = [pair for pair in self.app.cuttings.all(self.shell.owner) if _fits(pair[1].state, only)]
        rows += [(cutting.began_at, job_view.cutting_row(draft, cutting)) for draft, cutting in cut]
        rows.sort(key=lambda row: row[0], reverse=True)
        shown = {self.list: self._list([row for _, row in rows], only)}
        try:
            job = self.app.job(job_id) if job_id else None
        except JobNotFound:
            gone = fault("The job that was open here was removed.", "It goes with its voice when that is removed.")
            return {**shown, self.job_id: "", self.told: gone, **self._detail(None), self.shell.address: place(JOBS)}
        return {**shown, self.job_id: job_id, **self._detail(job)}

    def ticked(self, job_id: str, only: str) -> Updates:
        """What is new; a catalog that cannot be asked just now is asked again."""
        try:
            return self.refreshed(job_id, only)
        except VoicekitError as error:
            return {self.list: problem(error)}

    def _acting(self, action: Callable[[str], JobStatus]) -> Callable[[str, str], Updates]:
        def done(job_id: str, only: str) -> Updates:
            with suppress(JobNotFound):  # what follows says so
                action(job_id)
            return self.refreshed(job_id, only)

        return done

    def removal_asked(self, job_id: str) -> Updates:
        says = self.app.removal_of_job(job_id).in_words("This deletes it for good, and the voice that it made stays")
        return self.sure.asked(says)

    def removed(self, job_id: str, only: str) -> Updates:
        """A job that is over is forgotten; the voice that it made stays."""
        gone = self.app.remove_job(job_id)
        told = {self.told: said(gone.in_words("Removed")), self.shell.address: place(JOBS)}
        return {**self.refreshed("", only), **self.sure.hidden(), **told}

    def draft_of(self, job_id: str) -> str:
        """The draft that was submitted as this job; "" if it came by another door."""
        return next((d.id for d in self.app.drafts.all(self.shell.owner) if d.job_id == job_id), "")

    def _list(self, rows: list[str], only: str) -> str:
        if not rows and only == "All":
            make = button("Make a voice", "new", main=True)
            return empty("No jobs yet", "When a voice is being made, you can watch it here from any browser.", make)
        if not rows:
            return empty("None of these", "No job is in this state right now.")
        heads = tag("tr", *(tag("th", t) for t in ("Voice", "State", "Progress", "Begun (UTC)", "Last news", "Job")))
        return page(tag("div", tag("table", heads, *rows), css="rows tall"))

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


def _fits(state: JobState, only: str) -> bool:
    return only == "All" or state.over == (only == "Over")
