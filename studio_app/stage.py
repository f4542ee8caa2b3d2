"""What every stage of making a voice offers to the page that leads through them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import gradio as gr
from gradio.blocks import Block

from studio_app.answering import answering, together
from studio_app.shell import EACH, Shell, Updates
from voicekit.drafts import Draft


class Stage:
    """One step of the way: a column of widgets around a draft whose id is in `draft_id`. `complaint` is where the page says what
    is missing for the next step."""

    key = ""
    title = ""
    onwards = "Continue"
    # False for a stage that has a button of its own for going on, once there is something to go on to.
    leads_on = True
    # Where the stage says what went wrong; made by `layout`.
    told: gr.HTML

    def __init__(self, shell: Shell, draft_id: gr.Textbox, complaint: gr.HTML) -> None:
        self.shell, self.app, self.draft_id, self.complaint = shell, shell.app, draft_id, complaint
        with gr.Column(visible=False) as self.column:
            self.widgets: list[Block] = self.layout()
        self.wire()

    def layout(self) -> list[Block]:
        """Make the widgets; returns those that `arrive` and `work` change, `told` among them."""
        raise NotImplementedError

    def wire(self) -> None:
        """Connect the stage's own events."""

    def on(
        self,
        event: Callable[..., Any],
        handler: Callable[..., Any],
        inputs: Any,
        outputs: Sequence[Any] = (),
        told: gr.HTML | None = None,
        **how: Any,
    ) -> Any:
        """Have `handler` answer an event, each time that it happens. An error stands in `told` (by default the stage's) until
        something else is done. Returns what `then` can be added to."""
        where = told or self.told
        answer = answering(handler, where, *{self.told, self.complaint} - {where})
        return event(answer, inputs, together(outputs or self.widgets, [where, self.told, self.complaint]), **{**EACH, **how})

    def arrive(self, draft: Draft) -> Updates:
        """Quickly show what is known of the draft."""
        return {}

    def work(self, draft: Draft) -> Iterator[Updates]:
        """What takes time, once the stage is seen."""
        yield from ()

    def missing(self, draft: Draft) -> tuple[str, str]:
        """(what is missing before one can go on, what to do); ("", "") for nothing."""
        return "", ""
