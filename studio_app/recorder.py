"""A microphone, or a sound that is uploaded: one player, no button that sends it anywhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import gradio as gr


def recorder(label: str, elem_id: str, sources: Sequence[Literal["microphone", "upload"]] = ("microphone",)) -> gr.Audio:
    return gr.Audio(sources=list(sources), type="filepath", label=label, editable=False, buttons=[], elem_id=elem_id)
