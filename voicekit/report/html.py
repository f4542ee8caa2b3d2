"""Markup from Python. `text` escapes; everything that is given to `tag` is markup already."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from voicekit.records import Waveform
from voicekit.report.media import audio_uri


def text(content: str) -> str:
    return escape(content, quote=True)


def tag(name: str, *content: str, css: str = "", **attributes: str) -> str:
    written = {"class": css, **attributes} if css else attributes
    inside = "".join(f' {key}="{text(value)}"' for key, value in written.items())
    return f"<{name}{inside}>{''.join(content)}</{name}>"


def table(heads: Sequence[tuple[str, str]], rows: Sequence[str], css: str = "") -> str:
    """`heads` are (title, class of the column's head)."""
    return tag("table", tag("tr", *(tag("th", text(title), css=kind) for title, kind in heads)), *rows, css=css)


def row(*cells: tuple[str, str], css: str = "") -> str:
    """`cells` are (markup, class)."""
    return tag("tr", *(tag("td", content, css=kind) for content, kind in cells), css=css)


def items(lines: Sequence[str]) -> str:
    """A list of plain sentences; "" for none."""
    return tag("ul", *(tag("li", text(line)) for line in lines)) if lines else ""


def player(wave: Waveform) -> str:
    uri = audio_uri(wave)
    return f'<audio controls preload="metadata" src="{uri}"></audio>' if uri else tag("span", "no speech", css="answer")


def figure(title: str, uri: str, caption: str, css: str = "") -> str:
    picture = f'<img src="{uri}" alt="{text(title)}">'
    return tag("figure", tag("h3", text(title)), picture, tag("figcaption", text(caption)), css=css)
