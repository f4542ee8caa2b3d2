"""What is asked before something is done that cannot be taken back."""

from __future__ import annotations

import gradio as gr

from studio_app.markup import fault
from studio_app.shell import QUIET, Updates


class Sure:
    """A question with two buttons, hidden until it is asked; the handler of `yes` hides it again."""

    def __init__(self, key: str, yes: str, no: str) -> None:
        with gr.Row(visible=False, elem_classes="vk-bar") as self.row:
            self.says = gr.HTML(elem_id=f"{key}-sure")
            self.yes = gr.Button(yes, variant="stop", scale=0, min_width=150, elem_id=f"{key}-yes")
            self.no = gr.Button(no, scale=0, min_width=110, elem_id=f"{key}-no")
        self.no.click(lambda: gr.Row(visible=False), None, self.row, **QUIET)
        self.widgets = [self.row, self.says]

    def asked(self, says: str) -> Updates:
        return {self.row: gr.Row(visible=True), self.says: fault("Are you sure?", says)}

    def hidden(self) -> Updates:
        return {self.row: gr.Row(visible=False)}
