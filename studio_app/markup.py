"""Markup that several pages share. What a user or a file said goes through `text` before it gets here."""

from __future__ import annotations

import base64
import math
from collections.abc import Sequence
from pathlib import Path

from voicekit.errors import VoicekitError
from voicekit.records import ConsentKind, ConsentState, Metric, VoiceState, Waveform
from voicekit.report.html import items, tag, text
from voicekit.report.labels import LABELS, interval, shown
from voicekit.report.media import audio_uri, picture_uri

__all__ = ["audio_uri", "interval", "items", "picture_uri", "shown", "tag", "text"]

# A click on anything with data-act is an event with all its data-* in it; Enter on a row is one too.
CLICKS = """element.addEventListener('click', (event) => {
  const button = event.target.closest('[data-act]');
  if (button) trigger('click', {...button.dataset});
});
element.addEventListener('keydown', (event) => {
  if (event.key === 'Enter' && event.target.matches('[data-act]:not(button)')) event.target.click();
});"""

GAP = '<div class="gap"></div>'
# What stands on a page until its content has come.
LOADING = '<div class="vk"><p class="soft loading" role="status">Loading …</p></div>'

_STATES = {VoiceState.PUBLISHED: ("published", "good"), VoiceState.DRAFT: ("draft", "warn"), VoiceState.REVOKED: ("revoked", "")}
_FACES = ("#2457c5", "#0f766e", "#9a3d73", "#8a5a14", "#5b49b0", "#3d6b21", "#a3402f")


def page(*content: str) -> str:
    """The class that gives plain markup the studio's look."""
    return tag("div", *content, css="vk")


def head(title: str, lead: str = "") -> str:
    return page(tag("h1", text(title)), tag("p", text(lead), css="lead") if lead else "")


def badge(label: str, kind: str = "") -> str:
    return tag("span", text(label), css=f"badge {kind}".strip())


def state_badge(state: VoiceState) -> str:
    return badge(*_STATES[state])


def consent_badge(consent: ConsentState) -> str:
    """Beside the state of a voice; nothing where a speaker's consent holds, as is usual."""
    if consent.holds:
        return badge("synthetic speaker") if consent.kind is ConsentKind.SYNTHETIC else ""
    return tag("span", text("no consent that holds"), css="badge warn", title=consent.says)


def button(label: str, act: str, main: bool = False, **data: str) -> str:
    facts = {f"data-{key}": value for key, value in data.items()}
    return tag("button", text(label), css="btn main" if main else "btn", type="button", **{"data-act": act}, **facts)


def face(name: str) -> str:
    """A coloured initial: the same name has the same colour everywhere."""
    colour = _FACES[sum(name.encode()) % len(_FACES)]
    return tag("span", text(name[:1].upper()), css="face", style=f"background:{colour}")


def empty(title: str, says: str, *acts: str) -> str:
    below = tag("div", *acts, css="acts") if acts else ""
    return page(tag("div", tag("h2", text(title)), tag("p", text(says)), below, css="empty"))


def problem(error: VoicekitError) -> str:
    """An error where it arose: what is wrong, and what to do."""
    return fault(error.problem, error.remedy)


def fault(what: str, remedy: str = "") -> str:
    return page(tag("div", tag("b", text(what)), " ", text(remedy), css="say bad", role="alert"))


def said(sentence: str, kind: str = "note", more: Sequence[str] = ()) -> str:
    return page(tag("div", tag("b", text(sentence)), items(more), css=f"say {kind}"))


def tile(label: str, value: str, beside: str = "") -> str:
    parts = (tag("div", text(label), css="label"), tag("div", text(value), css="value"), tag("div", text(beside), css="beside"))
    return tag("div", *parts, css="tile")


def bar(fraction: float, kind: str = "") -> str:
    percent = f"{100 * min(max(fraction, 0.0), 1.0):.1f}%"
    return tag("div", tag("i", style=f"width:{percent}"), css=f"bar {kind}".strip(), role="progressbar")


def meter(label: str, name: str, metric: Metric, pale: bool = False, full: float = 1.0) -> str:
    """One metric as a bar with its 95 % interval; `full` is the value that fills it."""
    if not math.isfinite(metric.value):
        track, value = "", "–"
    else:
        low, high = (v if math.isfinite(v) else metric.value for v in (metric.low, metric.high))
        left, right = _percent(low / full), _percent(high / full)
        spread = tag("div", css="spread", style=f"left:{left:.1f}%;width:{right - left:.1f}%")
        track = tag("div", css="fill", style=f"width:{_percent(metric.value / full):.1f}%") + spread
        value = shown(name, metric.value)
    title = f"{LABELS[name].meaning} 95 %: {interval(name, metric) or 'unknown'}, n = {metric.n}"
    cells = (tag("div", text(label)), tag("div", track, css="track"), tag("div", value, css="value"))
    return tag("div", *cells, css="meter pale" if pale else "meter", title=title)


def sound(wave: Waveform, autoplay: bool = False) -> str:
    uri = audio_uri(wave)
    return player(uri, autoplay) if uri else tag("span", "no sound", css="faint")


def sound_file(path: Path, autoplay: bool = False) -> str:
    """A small wav file of our own, inside the page."""
    return player(f"data:audio/wav;base64,{base64.b64encode(path.read_bytes()).decode()}", autoplay)


def player(uri: str, autoplay: bool = False) -> str:
    return f'<audio controls preload="metadata"{" autoplay" if autoplay else ""} src="{uri}"></audio>'


def facts(pairs: Sequence[tuple[str, str]]) -> str:
    return tag("dl", *(tag("dt", text(k)) + tag("dd", text(v)) for k, v in pairs if v), css="facts")


def when(utc: str) -> str:
    """2026-01-02T03:04:05+00:00 -> 2026-01-02 03:04"""
    return utc[:16].replace("T", " ")


def minutes(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 600 else f"{seconds / 60:.0f} min"


def long(seconds: float) -> str:
    """A time that something will take, no more exactly than it is known."""
    minutes_ = seconds / 60
    if minutes_ < 0.75:
        return "less than a minute"
    if minutes_ < 1.5:
        return "1 minute"
    return f"{minutes_:.0f} minutes" if minutes_ < 100 else f"{minutes_ / 60:.1f} hours"


def _percent(value: float) -> float:
    return 100 * min(max(value, 0.0), 1.0)
