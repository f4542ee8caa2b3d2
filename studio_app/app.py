"""The studio as one page of four tabs, for `voicekit studio` and under /studio of `voicekit serve`."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qsl

import gradio as gr
import uvicorn
from fastapi import FastAPI
from gradio.routes import App as GradioApp
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.routing import Mount
from starlette.types import ASGIApp, Receive, Scope, Send

from studio_app.answering import answering, together
from studio_app.first_paint import SHOW, FirstPaint
from studio_app.handed_in import TIDY_EVERY_S, WAITS_S, make_room
from studio_app.jobs import JobsTab
from studio_app.markup import problem, tag, text
from studio_app.new_voice import NewVoiceTab
from studio_app.shell import (
    EACH,
    JOBS,
    LOOK_EVERY_S,
    NEW,
    QUIET,
    TALK,
    VOICES,
    Latest,
    Shell,
    Updates,
    address_bar,
    data_of,
    kept,
    place,
)
from studio_app.stage_review import ReviewStage
from studio_app.talk import Talk, TalkTab
from studio_app.theme import CSS, LIGHT, theme
from studio_app.voices import VoicesTab
from voicekit.app import App
from voicekit.errors import VoicekitError
from voicekit.loopback import is_foreign

_MARK = (
    '<svg class="mark" viewBox="0 0 32 32" aria-hidden="true"><rect width="32" height="32" rx="8" fill="#2457c5"/>'
    '<path d="M8 14v4M12 10v12M16 7v18M20 11v10M24 14v4" stroke="#fff" stroke-width="2.4" stroke-linecap="round"/></svg>'
)
_LOOK: dict[str, Any] = {
    "css_paths": CSS,
    "js": LIGHT,
    "max_file_size": "1gb",
    "footer_links": [],
    "ssr_mode": False,
    "run_history": False,
    "enable_monitoring": False,
}
# An answer of which nothing was seen for so long does not come any more.
LOST_AFTER_S = 15.0
_SHOW = f"watch('value', () => {{ if (props.value) {{ {SHOW} }} }});"


class Studio:
    """All tabs around one App. `owner` is whose voices and jobs these are: "" is the local user."""

    def __init__(self, app: App, owner: str = "") -> None:
        self.app = app
        make_room(app.home)
        kept_s = (TIDY_EVERY_S, WAITS_S)
        with gr.Blocks(title="voicekit studio", analytics_enabled=False, fill_width=True, delete_cache=kept_s) as page:
            says = text("Recordings in, a voice you can talk with out.")
            gr.HTML(tag("div", _MARK, tag("b", "voicekit studio"), tag("span", says), css="vk-head"))
            with gr.Tabs(selected=VOICES, elem_id="tabs") as tabs:
                places = {key: gr.Tab(title, id=key) for key, title in _TITLES.items()}
            self.shell = Shell(app, tabs, address_bar(), owner)
            # Says once what the page shows, which is then seen.
            self.query = kept()
            self.arrived = gr.HTML("", html_template="<i></i>", js_on_load=_SHOW, elem_id="arrived", elem_classes="hide")
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
        shell, new, jobs = self.shell, self.new, self.jobs
        of_voices, of_talk = together(self.voices.views, self.voices.inside), self.talk.inside
        everything = self._with_tabs_last([self.arrived], of_voices, of_talk, new.outputs, jobs.outputs)
        # The object is the page's own: a State is copied for each.
        landed = gr.State(Latest())
        said_at_first = "(_, ...rest) => [window.vkQuery, ...rest]"
        landing = page.load(self.first, [self.query, landed], everything, js=said_at_first, **QUIET)
        new.then_work(landing)
        sought, beside = [self.voices.search, self.voices.state], [shell.address, jobs.timer]
        # Gradio says that the first tab was chosen also where nobody chose it: before a page has arrived that is nobody's wish.
        places[VOICES].select(
            self.to_voices,
            [self.arrived, *sought, self.voices.name],
            [self.voices.gallery, self.voices.known, *beside],
            **QUIET,
            **EACH,
        )
        at = [new.draft_id, new.step]
        places[NEW].select(self.to_new, [*at, new.asking], [new.told, new.unfinished, *beside], **QUIET, **EACH)
        places[TALK].select(self.to_talk, [self.talk.talk, self.talk.name], [*of_talk, *beside], **QUIET, **EACH)
        places[JOBS].select(lambda job, only: jobs.arrive(job, only), [jobs.job_id, jobs.only], jobs.outputs, **QUIET, **EACH)
        with_new = self._with_tabs_last(new.outputs, jobs.outputs)
        new.then_work(jobs.draft.click(answering(self.to_draft, jobs.told), jobs.job_id, with_new, **EACH))
        new.then_work(jobs.list.click(answering(self.job_clicked, jobs.told), jobs.only, with_new, **QUIET, **EACH))
        opened = [self.voices.name, self.voices.versions, self.voices.known, *sought]
        open_ = [*opened, self.talk.name, self.talk.other, self.talk.known, *at]
        looked = [self.query, landed, self.arrived, *open_]
        gr.Timer(LOOK_EVERY_S).tick(self.noticed, looked, everything, js=said_at_first, **QUIET)

    def _with_tabs_last(self, *widgets: Sequence[Any]) -> list[Any]:
        """What a page is filled with is there before it is turned to."""
        return [*(widget for widget in together(*widgets) if widget is not self.shell.tabs), self.shell.tabs]

    def first(self, address: str | None, landed: Latest) -> Updates:
        """The page as it came, once: a second answer to that, on a busy machine, would undo what somebody has done meanwhile."""
        if not self._is_due(landed):
            return {self.voices.name: gr.skip()}
        return self.landed(address)

    @staticmethod
    def _is_due(landed: Latest) -> bool:
        """Whether nobody has filled the page, or the answer must have been lost."""
        now_s = time.monotonic()
        if landed.wanted and now_s - float(landed.wanted) < LOST_AFTER_S:
            return False
        landed.now(str(now_s))
        return True

    def landed(self, address: str | None) -> Updates:
        """What the address said when the page came: a reload, a second tab or a link find their place again. Other pages are
        filled once they are chosen."""
        query = dict(parse_qsl((address or "").removeprefix("?")))
        tab = query.get("tab", VOICES)
        voice, draft, job = query.get("voice", ""), query.get("draft", ""), query.get("job", "")
        match tab:
            case "talk":
                shown = self.talk.arrive(voice)
            case "new":
                shown = self.new.arrive(draft, query.get("step", ""))
            case "jobs":
                shown = self.jobs.arrive(job)
            case _:
                shown = self._voices(voice)
        tab = tab if tab in _TITLES else VOICES
        return {self.arrived: tab, self.shell.tabs: gr.Tabs(selected=tab), **shown}

    def _voices(self, voice: str) -> Updates:
        try:
            return self.voices.opened(voice) if voice else self.voices.listed()
        except VoicekitError as error:
            return {self.voices.gallery: problem(error)}

    def to_voices(self, arrived: str, wanted: str, in_state: str, opened: str) -> Updates:
        if not arrived:
            return {self.jobs.timer: gr.skip()}
        shown = {} if opened else self.voices.listed(wanted, in_state)
        return {**shown, self.shell.address: place(VOICES, voice=opened), self.jobs.timer: gr.Timer(active=False)}

    def to_new(self, draft_id: str, step: str, asking: Latest) -> Updates:
        shown = {} if draft_id else self.new.listed(asking)
        return {**shown, self.shell.address: place(NEW, draft=draft_id, step=step), self.jobs.timer: gr.Timer(active=False)}

    def to_talk(self, state: Talk, name: str | None) -> Updates:
        """Voices that were made meanwhile are offered; a conversation that has begun stays."""
        shown = self.talk.arrive(name or "")
        if state.said or state.line:
            for widget in (self.talk.transcript, self.talk.other):
                shown.pop(widget, None)
        return {**shown, self.shell.address: place(TALK, voice=name or ""), self.jobs.timer: gr.Timer(active=False)}

    def to_draft(self, job_id: str) -> Updates:
        return {self.shell.tabs: gr.Tabs(selected=NEW), **self.new.arrive(self.jobs.draft_of(job_id))}

    def job_clicked(self, only: str, event: gr.EventData) -> Updates:
        """A row of the list of jobs: recordings that are cut are seen where their clips are reviewed."""
        data = data_of(event)
        match data.get("act"):
            case "new":
                return {self.shell.tabs: gr.Tabs(selected=NEW), **self.new.left()}
            case "review":
                return {self.shell.tabs: gr.Tabs(selected=NEW), **self.new.arrive(str(data.get("draft", "")), ReviewStage.key)}
            case _:
                return self.jobs.clicked(only, data)

    def noticed(
        self,
        address: str | None,
        landed: Latest,
        arrived: str,
        voice: str,
        version: int,
        voices_known: str,
        wanted: str,
        in_state: str,
        first: str,
        second: str,
        talk_known: str,
        draft_id: str,
        step: str,
    ) -> Updates:
        """What is open and was removed or changed in another window or program is shown as it is by now. A page whose first
        answer was lost is filled after all."""
        if not arrived:
            return self.first(address, landed)
        shown: Updates = {self.voices.name: gr.skip()}
        try:
            if voices_known:
                shown |= self.voices.noticed(voice, version, voices_known, wanted, in_state) or {}
            if talk_known:
                shown |= self.talk.noticed(first, second, talk_known) or {}
            shown |= self.new.gone(draft_id, step) or {}
        except VoicekitError:
            return {self.voices.name: gr.skip()}  # the catalog cannot be asked just now; it is asked again
        shown.pop(self.shell.address, None)  # another page may be open by now
        return shown


_TITLES = {VOICES: "Voices", NEW: "New voice", TALK: "Talk", JOBS: "Jobs"}


def mount(server: FastAPI, app: App, owner: str = "", path: str = "/studio") -> FastAPI:
    """The studio under a path of another server."""
    page = Studio(app, owner).page.queue(default_concurrency_limit=8)
    mounted = gr.mount_gradio_app(server, page, path=path, theme=theme(), show_error=False, **_LOOK)
    for route in mounted.routes:
        if isinstance(route, Mount) and isinstance(route.app, GradioApp):
            route.app = FirstPaint(route.app)
    return mounted


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
