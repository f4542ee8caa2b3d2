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
# Gradio lets a click fall while an earlier one on the same widget is being worked on, unless it is told to take each.
EACH: Any = {"trigger_mode": "multiple"}


# An empty value is none: on a busy machine it would wipe out the address before the page has read where it is to land.
_KEEP_ADDRESS = "watch('value', () => { if (props.value) history.replaceState(null, '', location.pathname + props.value); });"


@dataclass
class Latest:
    """What a browser tab wants to see at last, for work that is overtaken: put into a gr.State, it is one object for the tab."""

    wanted: str = ""
    number: int = 0

    def now(self, wanted: str) -> int:
        """Something else is wanted from here on; its number."""
        self.wanted = wanted
        self.number += 1
        return self.number


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


def kept(value: str = "") -> gr.Textbox:
    """Invisible: a value that lies in the page. A handler gets what it was when the button was pressed, however late it runs
    (of a gr.State it would get what it is by then)."""
    return gr.Textbox(value, visible="hidden", container=False, show_label=False)


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
