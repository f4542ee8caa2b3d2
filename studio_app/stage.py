"""What every stage of making a voice offers to the page that leads through them."""

from __future__ import annotations

from collections.abc import Iterator

import gradio as gr
from gradio.blocks import Block

from studio_app.shell import Shell, Updates
from voicekit.drafts import Draft


class Stage:
    """One step of the way: a column of widgets around a draft whose id is in `draft_id`."""

    key = ""
    title = ""
    onwards = "Continue"
    # False for a stage that has a button of its own for going on, once there is something to go on to.
    leads_on = True

    def __init__(self, shell: Shell, draft_id: gr.State) -> None:
        self.shell, self.app, self.draft_id = shell, shell.app, draft_id
        with gr.Column(visible=False) as self.column:
            self.widgets: list[Block] = self.layout()
        self.wire()

    def layout(self) -> list[Block]:
        """Make the widgets; returns those that `arrive` and `work` change."""
        raise NotImplementedError

    def wire(self) -> None:
        """Connect the stage's own events."""

    def arrive(self, draft: Draft) -> Updates:
        """Quickly show what is known of the draft."""
        return {}

    def work(self, draft: Draft) -> Iterator[Updates]:
        """What takes time, once the stage is seen."""
        yield from ()

    def missing(self, draft: Draft) -> tuple[str, str]:
        """(what is missing before one can go on, what to do); ("", "") for nothing."""
        return "", ""
