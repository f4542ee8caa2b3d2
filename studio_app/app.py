"""The studio as one page of four tabs, for `voicekit studio` and under /studio of `voicekit serve`."""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from typing import Any

# Nothing leaves the machine; Gradio reads this when it is imported.
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"

import gradio as gr
import uvicorn
from fastapi import FastAPI
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from studio_app.jobs import JobsTab
from studio_app.markup import tag, text
from studio_app.new_voice import NewVoiceTab
from studio_app.shell import JOBS, NEW, QUIET, TALK, VOICES, Shell, Updates, address_bar, place
from studio_app.talk import TalkTab
from studio_app.theme import CSS, HEAD, LIGHT, theme
from studio_app.voices import VoicesTab
from voicekit.app import App
from voicekit.loopback import is_foreign

_MARK = (
    '<svg class="mark" viewBox="0 0 32 32" aria-hidden="true"><rect width="32" height="32" rx="8" fill="#2457c5"/>'
    '<path d="M8 14v4M12 10v12M16 7v18M20 11v10M24 14v4" stroke="#fff" stroke-width="2.4" stroke-linecap="round"/></svg>'
)
_LOOK: dict[str, Any] = {
    "css_paths": CSS,
    "head": HEAD,
    "js": LIGHT,
    "max_file_size": "1gb",
    "footer_links": [],
    "ssr_mode": False,
    "run_history": False,
    "enable_monitoring": False,
}


class Studio:
    """All tabs around one App. `owner` is whose voices and jobs these are: "" is the local user."""

    def __init__(self, app: App, owner: str = "") -> None:
        self.app = app
        with gr.Blocks(title="voicekit studio", analytics_enabled=False, fill_width=True, delete_cache=(3600, 86400)) as page:
            says = text("Recordings in, a voice you can talk with out.")
            gr.HTML(tag("div", _MARK, tag("b", "voicekit studio"), tag("span", says), css="vk-head"))
            with gr.Tabs(selected=VOICES, elem_id="tabs") as tabs:
                places = {key: gr.Tab(title, id=key) for key, title in _TITLES.items()}
            self.shell = Shell(app, tabs, address_bar(), owner)
            with places[TALK]:
                self.talk = TalkTab(self.shell)
            with places[NEW]:
                self.new = NewVoiceTab(self.shell, self.talk.name)
            with places[VOICES]:
                self.voices = VoicesTab(self.shell, self.talk.name, self.new)
            with places[JOBS]:
                self.jobs = JobsTab(self.shell)
            self._wire(page, places)
        self.page = page

    def _wire(self, page: gr.Blocks, places: dict[str, gr.Tab]) -> None:
        shell = self.shell
        of_voices = [self.voices.name, self.voices.heard, self.voices.listing, self.voices.detail, self.voices.gallery]
        of_talk = [self.talk.name, self.talk.other, self.talk.transcript]
        everything = list(
            dict.fromkeys([shell.tabs, *of_voices, *self.voices.inside, *of_talk, *self.new.outputs, *self.jobs.outputs])
        )
        page.load(self.landed, None, everything, **QUIET).then(self.new.worked, self.new.draft_id, self.new.outputs, **QUIET)
        sought = [self.voices.search, self.voices.state]
        places[VOICES].select(
            self.to_voices, [*sought, self.voices.name], [self.voices.gallery, shell.address, self.jobs.timer], **QUIET
        )
        places[NEW].select(self.to_new, self.new.draft_id, [self.new.unfinished, shell.address, self.jobs.timer], **QUIET)
        places[TALK].select(self.to_talk, [self.talk.talk, self.talk.name], [*of_talk, shell.address, self.jobs.timer], **QUIET)
        places[JOBS].select(
            lambda job, only: self.jobs.arrive(job, only), [self.jobs.job_id, self.jobs.only], self.jobs.outputs, **QUIET
        )
        opened = self.jobs.draft.click(self.to_draft, self.jobs.job_id, list(dict.fromkeys([*self.new.outputs, shell.tabs])))
        opened.then(self.new.worked, self.new.draft_id, self.new.outputs, **QUIET)

    def landed(self, request: gr.Request) -> Updates:
        """Everything as the address says: a reload, a second tab or a link find their place again."""
        query = dict(request.query_params)
        tab = query.get("tab", VOICES)
        voice, draft, job = query.get("voice", ""), query.get("draft", ""), query.get("job", "")
        shown: Updates = {
            self.shell.tabs: gr.Tabs(selected=tab if tab in _TITLES else VOICES),
            self.voices.gallery: self.voices.cards(),
            **self.talk.arrive(voice if tab == TALK else ""),
            **self.new.arrive(draft if tab == NEW else ""),
        }
        if tab == VOICES and voice:
            shown.update(self.voices.opened(voice))
        if tab == JOBS:
            shown.update(self.jobs.arrive(job))
        return shown

    def to_voices(self, wanted: str, in_state: str, opened: str) -> Updates:
        return {
            self.voices.gallery: self.voices.cards(wanted, in_state),
            self.shell.address: place(VOICES, voice=opened),
            self.jobs.timer: gr.Timer(active=False),
        }

    def to_new(self, draft_id: str) -> Updates:
        shown = {} if draft_id else self.new.arrive()
        return {**shown, self.shell.address: place(NEW, draft=draft_id), self.jobs.timer: gr.Timer(active=False)}

    def to_talk(self, state: Any, name: str | None) -> Updates:
        """Voices that were made meanwhile are offered; a conversation that has begun stays."""
        shown = self.talk.arrive(name or "")
        if state and state.said:
            del shown[self.talk.transcript]
            del shown[self.talk.other]
        return {**shown, self.shell.address: place(TALK, voice=name or ""), self.jobs.timer: gr.Timer(active=False)}

    def to_draft(self, job_id: str) -> Updates:
        draft_id = self.jobs.draft_of(job_id)
        return {self.shell.tabs: gr.Tabs(selected=NEW), **self.new.arrive(draft_id)}


_TITLES = {VOICES: "Voices", NEW: "New voice", TALK: "Talk", JOBS: "Jobs"}


def mount(server: FastAPI, app: App, owner: str = "", path: str = "/studio") -> FastAPI:
    """The studio under a path of another server."""
    page = Studio(app, owner).page.queue(default_concurrency_limit=8)
    return gr.mount_gradio_app(server, page, path=path, theme=theme(), show_error=False, **_LOOK)


class OwnPagesOnly:
    """Middleware: what pages of other origins make a browser ask is turned away (voicekit.loopback)."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and is_foreign(scope["method"], Headers(scope=scope)):
            await PlainTextResponse("The studio is for its own pages on this machine.", 403)(scope, receive, send)
            return
        await self._app(scope, receive, send)


class Served:
    """The studio being served to this machine, until it is closed. Raises OSError when the port is taken."""

    def __init__(self, app: App, port: int) -> None:
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind(("127.0.0.1", port))
        self.address = f"http://127.0.0.1:{port}/"
        pages = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
        pages.add_middleware(OwnPagesOnly)
        mount(pages, app, path="/")
        self._server = uvicorn.Server(uvicorn.Config(pages, log_level="warning", timeout_graceful_shutdown=2))
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],), daemon=True)
        self._thread.start()
        while self._thread.is_alive() and not self._server.started:
            time.sleep(0.05)

    def close(self) -> None:
        """Open pages hold requests that are cut off here; Uvicorn would print a traceback for each."""
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
        self._server.should_exit = True
        self._thread.join(10.0)


def launch(app: App, port: int = 7860) -> Served:
    """Serve the studio to this machine. Not by Gradio's own `launch`, which gives up where a machine is busy."""
    return Served(app, port)
