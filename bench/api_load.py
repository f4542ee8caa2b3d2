"""One key's abandoned requests, and how long another key waits because of them: python -m bench.api_load [--publish docs]

`voicekit serve --keys` with nano and a voice of the smoke recipe, whose sound nobody judges here. One key asks 32 times for a
long text as a whole file, and hangs up at once. Then another key asks a question, streamed. Measured is the time until its first
sound, and beside it the same question alone. Ends with an error when the median is more than twice that of alone.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import socket
import statistics
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from bench.sections import publish_section
from bench.studio_journey import RECORDINGS, served
from voicekit.app import App
from voicekit.records import VoiceState
from voicekit.settings import Settings
from voicekit.wiring import open_app

ABANDONED, MOST_TIMES_ALONE = 32, 2.0
LONG = "the old house by the sea was empty, and the wind went through it from one end to the other. " * 8
QUESTION = "what is two plus three"
CROWD, GUEST = "crowd", "guest"
PATIENCE_S = 600.0


@dataclass(frozen=True)
class Measured:
    """Seconds until the first sound, a number for each round; `answers` counts what the abandoned requests were told at once."""

    alone_s: list[float]
    after_s: list[float]
    refused: int

    @property
    def times_alone(self) -> float:
        return statistics.median(self.after_s) / statistics.median(self.alone_s)


def voices_of_two_owners(home: Path) -> dict[str, str]:
    """A published voice for each, and the secrets of their keys by owner."""
    app: App = open_app(Settings(home=home))
    made = app.create("speaker", RECORDINGS, recipe="smoke").voice  # in a home that has it already, this finds it
    for owner in (CROWD, GUEST):
        app._catalog.add_voice(replace(made, slug=owner, owner=owner, state=VoiceState.PUBLISHED))  # whatever the gate said
    return {owner: app.create_key("a bench", owner)[1] for owner in (CROWD, GUEST)}


def first_sound_s(address: str, secret: str) -> float:
    """From the question to the first piece of the answer's sound; the rest is heard to its end."""
    body = {
        "audio": {"voice": GUEST, "format": "pcm16"},
        "messages": [{"role": "user", "content": QUESTION}],
        "stream": True,
    }
    headers = {"Authorization": f"Bearer {secret}"}
    began_s, first_s = time.monotonic(), 0.0
    with httpx.stream("POST", f"{address}v1/chat/completions", json=body, headers=headers, timeout=PATIENCE_S) as answer:
        if answer.status_code != 200:
            raise SystemExit(f"{answer.status_code} {answer.read().decode()}")
        for line in answer.iter_lines():
            if not first_s and line.startswith("data: {"):
                sound = json.loads(line[6:])["choices"][0]["delta"].get("audio") or {}
                first_s = time.monotonic() - began_s if sound.get("data") else 0.0
    return first_s


def abandon(address: str, secret: str, count: int) -> int:
    """So many requests of one key are sent, and hung up on; how many had been refused by then."""
    where = urlsplit(address)
    body = json.dumps({"voice": CROWD, "input": LONG, "stream_format": "file", "response_format": "wav"}).encode()
    head = f"POST /v1/audio/speech HTTP/1.1\r\nHost: {where.netloc}\r\nAuthorization: Bearer {secret}\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    connections: list[socket.socket] = []
    for _ in range(count):
        connections.append(socket.create_connection((str(where.hostname), int(where.port or 0)), PATIENCE_S))
        connections[-1].sendall(head.encode() + body)
    time.sleep(1.0)  # the server has read them and is at work on the first
    refused = 0
    for connection in connections:
        connection.setblocking(False)
        with suppress(BlockingIOError):
            refused += b" 429 " in connection.recv(64)
        connection.close()
    return refused


def measure(home: Path, rounds: int) -> Measured:
    os.environ["VOICEKIT_REQUIRE_CONSENT"] = "false"
    secrets = voices_of_two_owners(home)
    alone_s: list[float] = []
    after_s: list[float] = []
    refused = 0
    with served(home, "serve", "--keys", "--no-worker") as address:
        first_sound_s(address, secrets[GUEST])  # opens the models
        for _ in range(rounds):
            alone_s.append(first_sound_s(address, secrets[GUEST]))
            refused = abandon(address, secrets[CROWD], ABANDONED)
            after_s.append(first_sound_s(address, secrets[GUEST]))
            print(f"alone {alone_s[-1]:.2f} s, after {ABANDONED} abandoned {after_s[-1]:.2f} s", file=sys.stderr, flush=True)
    return Measured(alone_s, after_s, refused)


def in_words(found: Measured) -> str:
    def row(name: str, seconds: list[float]) -> str:
        return f"| {name} | {statistics.median(seconds):.2f} s | {min(seconds):.2f} to {max(seconds):.2f} s |"

    rows = [row("alone", found.alone_s), row(f"right after {ABANDONED} abandoned requests", found.after_s)]
    table = "\n".join(["| another key's question | first sound, median | range |", "|---|---|---|", *rows])
    return (
        f"One key asked {ABANDONED} times for {len(LONG)} characters as a whole file and hung up; {found.refused} of these were "
        f"told at once that their key has its places already. nano, {len(found.alone_s)} rounds, {os.cpu_count()} cores "
        f"({platform.machine()}); `python -m bench.api_load`.\n\n{table}\n\n"
        f"That is {found.times_alone:.2f} times as long as alone (aim: at most {MOST_TIMES_ALONE:.0f})."
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--work", type=Path, help="where the voice is kept for another time; default: a temporary folder")
    parser.add_argument("--publish", type=Path, help="folder of benchmarks.md")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="api-load-") as folder:
        found = measure((given.work or Path(folder)) / "home", given.rounds)
    text = in_words(found)
    print(text)
    if given.publish:
        publish_section("api-load", f"## Requests that nobody waits for\n\n{text}", given.publish)
    return 0 if found.times_alone <= MOST_TIMES_ALONE else 1


if __name__ == "__main__":
    sys.exit(main())
