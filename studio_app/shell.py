"""What every page shares: the App, the tabs to jump between, the address that a reload comes back to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import gradio as gr

from voicekit.app import App

# What a handler returns: the new value or look of each widget that changes.
Updates = dict[Any, Any]

# A page looks so often whether what it shows is still there.
LOOK_EVERY_S = 3.0

VOICES, NEW, TALK, JOBS = "voices", "new", "talk", "jobs"

# For events that answer at once: no spinner over what is being read.
QUIET: Any = {"show_progress": "hidden"}


_KEEP_ADDRESS = "watch('value', () => { history.replaceState(null, '', location.pathname + (props.value || '')); });"


@dataclass(frozen=True)
class Shell:
    """`owner` is whose voices and jobs are shown: "" is the local user. `app.turn` is held piece by piece, so that two who talk
    at once both hear something, and each hears what they would hear alone."""

    app: App
    tabs: gr.Tabs
    address: gr.HTML
    owner: str = ""


def address_bar() -> gr.HTML:
    """Invisible: its value becomes the query of the page's address."""
    return gr.HTML("", html_template="<i></i>", js_on_load=_KEEP_ADDRESS, elem_classes="hide")


def spacer() -> gr.HTML:
    """Pushes what follows in a row to its right edge."""
    return gr.HTML('<span class="spacer"></span>')


def place(tab: str, **facts: str) -> str:
    """The address of a place in the studio."""
    return "?" + urlencode({"tab": tab, **{k: v for k, v in facts.items() if v}})


def data_of(event: gr.EventData) -> Mapping[str, Any]:
    """The data-* of the button that was clicked."""
    found = event._data
    return found if isinstance(found, dict) else {}
