"""What is seen before Gradio's own scripts have come, which takes a while on a machine that trains: the page is named and says
that it is loading, and nothing of it is shown until it is filled. It is put into the page as it is sent: Gradio adds its `head`
late, by a script."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]
Receive = Callable[[], Awaitable[Message]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

_LINE_SCRIPT = Path(__file__).with_name("line.js").read_text(encoding="utf-8")
# However slow it is, after this the page is shown as far as it has come.
_LONGEST_MS = 60_000
# What the address said at first is kept as `vkQuery`: where a machine is busy, the page may have changed it before it is asked.
# A page that has arrived says so by this; see app.Studio.
SHOW = "document.documentElement.classList.remove('vk-landing');"
_EARLY = f"""<meta name="color-scheme" content="light"><meta name="robots" content="noindex">
<style>
.vk-landing gradio-app {{ visibility: hidden; }}
.vk-landing body::before {{
  content: "voicekit studio\\A Loading …"; white-space: pre; position: fixed; inset: 40vh 0 auto; text-align: center;
  font: 16px/1.8 system-ui, sans-serif; color: #57606a;
}}
</style>
<script>
window.vkQuery = location.search;
document.documentElement.classList.add('vk-landing');
setTimeout(() => {{ {SHOW} }}, {_LONGEST_MS});
{_LINE_SCRIPT}
</script>
"""


class FirstPaint:
    """An ASGI app around Gradio's: its page gets `_EARLY` into its head, everything else passes as it is."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        path = str(scope.get("path", "")).removeprefix(str(scope.get("root_path", "")))
        if scope["type"] != "http" or scope.get("method") != "GET" or path not in ("", "/"):
            await self._app(scope, receive, send)
            return
        plain = [(name, value) for name, value in scope["headers"] if name != b"accept-encoding"]
        await self._app({**scope, "headers": plain}, receive, _Page(send).send)


class _Page:
    """Holds an answer until all of it is there, if it is a page."""

    def __init__(self, send: Send) -> None:
        self._send, self._start, self._body = send, dict[str, Any](), b""

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = dict(message["headers"])
            if b"text/html" not in headers.get(b"content-type", b""):
                await self._send(message)
                return
            self._start = dict(message)
            return
        if not self._start or message["type"] != "http.response.body":
            await self._send(message)
            return
        self._body += message.get("body", b"")
        if message.get("more_body"):
            return
        body = self._body.replace(b"<head>", b"<head>" + _EARLY.encode(), 1)
        headers = [(name, value) for name, value in self._start["headers"] if name != b"content-length"]
        await self._send({**self._start, "headers": [*headers, (b"content-length", str(len(body)).encode())]})
        await self._send({"type": "http.response.body", "body": body})
