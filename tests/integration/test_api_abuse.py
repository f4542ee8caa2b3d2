"""One client cannot take the server away from others: who goes away, sends too much, too slowly or nothing, asks too often."""

from __future__ import annotations

import base64
import json
import socket
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.api_house import BERT, ApiHouse, client, furnished, serving, spoken
from tests.fake_base import FakeSpeaker
from tests.integration.test_api_rights import routes
from voicekit.api.connections import Connections
from voicekit.api.factory import make_api
from voicekit.api.limits import Limits
from voicekit.api.server import Server
from voicekit.app import App
from voicekit.audio_formats import encode
from voicekit.ports import SpeechDelta

PATIENCE_S = 60.0
TEXT = "the old house by the sea was empty"
SPEECH: dict[str, Any] = {"voice": "ada", "input": TEXT, "response_format": "pcm"}
CHAT: dict[str, Any] = {"audio": {"voice": "ada"}, "messages": [{"role": "user", "content": "what is two plus three"}]}
# Whatever waits for a model: (method, path, body).
ASKING = {
    "file": ("POST", "/v1/audio/speech", {**SPEECH, "stream_format": "file"}),
    "audio": ("POST", "/v1/audio/speech", SPEECH),
    "events": ("POST", "/v1/audio/speech", {**SPEECH, "stream_format": "sse"}),
    "chat": ("POST", "/v1/chat/completions", CHAT),
    "streamed chat": ("POST", "/v1/chat/completions", {**CHAT, "stream": True}),
    "preview": ("GET", "/v1/audio/voices/ada/preview", None),
}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> ApiHouse:
    return furnished(tmp_path_factory.mktemp("api"))


@contextmanager
def live(house: ApiHouse, limits: Limits | None = None) -> Generator[tuple[str, Server], None, None]:
    api = make_api(house.app(), limits=limits)
    with serving(api, limits) as address:
        yield address, api.state.server


def until(true: Callable[[], object], what: str) -> None:
    end_s = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < end_s, f"waited in vain: {what}"
        time.sleep(0.02)


def sent(address: str, key: str, method: str, path: str, body: dict[str, Any] | None) -> socket.socket:
    """A connection on which a request was sent, and nothing of the answer is read."""
    where = urlsplit(address)
    assert where.hostname and where.port
    data = b"" if body is None else json.dumps(body).encode()
    head = f"{method} {path} HTTP/1.1\r\nHost: {where.netloc}\r\nAuthorization: Bearer {key}\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n"
    connection = socket.create_connection((where.hostname, where.port), PATIENCE_S)
    connection.sendall(head.encode() + data)
    return connection


@pytest.mark.parametrize("form", ASKING)
def test_nothing_is_made_for_a_client_that_has_gone(house: ApiHouse, monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    """Replies that are not streamed went on to their end for nobody, and so did streams that had not begun."""
    begun: list[str] = []
    for name in ("speech", "dialogue", "preview"):
        real = getattr(App, name)
        monkeypatch.setattr(App, name, lambda *given, name=name, real=real: (begun.append(name), real(*given))[1])
    (house.home / house.catalog.versions("ada")[0].folder / "preview.wav").unlink(missing_ok=True)
    key, other = house.key(), house.key(BERT)
    with live(house) as (address, server):
        with server.app.turn:  # nobody's model is free
            gone = [sent(address, key, *ASKING[form]) for _ in range(4)]
            until(lambda: server.model.sessions == 4, "all of them waiting")
            for connection in gone:
                connection.close()
            # What one of them had begun cannot be stopped in its middle, a preview not at all.
            until(lambda: server.model.sessions == (1 if form == "preview" else 0), "their places")
        asked = {**CHAT, "audio": {"voice": "bert"}}
        answer = client(address, other).post("/v1/chat/completions", json=asked).json()
        assert answer["choices"][0]["message"]["audio"]["transcript"] == "five"
        until(lambda: server.model.sessions == 0, "the end of all")
    assert len(begun) <= 2 and begun[-1] == "dialogue"


def test_a_reply_ends_when_its_reader_goes_away_in_its_middle(house: ApiHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    asked_for, closed, go_on = threading.Event(), threading.Event(), threading.Event()
    real = FakeSpeaker.speak_stream
    pieces: list[int] = []

    def counted(self: FakeSpeaker, text: str, seed: int = 0) -> Iterator[SpeechDelta]:
        try:
            for delta in real(self, text, seed):
                pieces.append(1)
                asked_for.set()
                assert go_on.wait(PATIENCE_S)
                yield delta
        finally:
            closed.set()

    monkeypatch.setattr(FakeSpeaker, "speak_stream", counted)
    with live(house) as (address, server):
        connection = sent(address, house.key(), *ASKING["file"])
        assert asked_for.wait(PATIENCE_S)
        connection.close()
        until(lambda: server.model.sessions == 0, "its place")
        go_on.set()
        assert closed.wait(PATIENCE_S), "the generator is closed, not left to be collected"
    assert len(pieces) == 1


def test_a_key_has_its_own_places_and_leaves_those_of_others(house: ApiHouse) -> None:
    limits = Limits(sessions=3, sessions_of_key=2)
    key, second, other = house.key(), house.key(), house.key(BERT)
    with live(house, limits) as (address, server):
        with server.app.turn:
            waiting = [sent(address, key, *ASKING["file"]) for _ in range(2)]
            until(lambda: server.model.sessions == 2, "both waiting")
            refused = client(address, key).post("/v1/audio/speech", json=SPEECH)
            assert refused.status_code == 429 and refused.json()["error"]["code"] == "busy" and refused.headers["retry-after"]
            assert "this key" in refused.json()["error"]["message"]
            theirs = sent(address, other, "POST", "/v1/audio/speech", {**SPEECH, "voice": "bert"})
            until(lambda: server.model.sessions == 3, "the other key's place")
            assert client(address, second).post("/v1/audio/speech", json=SPEECH).status_code == 429, "all places are taken"
        assert all(b"200 OK" in connection.recv(4096) for connection in (*waiting, theirs))


TAKES_FILES = ("/v1/uploads", "/v1/audio/voices", "/v1/audio/voice_consents")
READS_JSON = ("/v1/audio/speech", "/v1/chat/completions")


def routes_without_files() -> list[tuple[str, str]]:
    every = [(sorted(route.methods or ())[0], route.path) for route in routes()]
    return [(method, path) for method, path in every if not (method == "POST" and path in TAKES_FILES)]


@pytest.mark.parametrize(
    "kind", ["multipart/form-data; boundary=x", "Multipart/Form-Data; boundary=x", "application/json", "text/plain"]
)
def test_what_takes_no_files_takes_no_large_body(house: ApiHouse, kind: str) -> None:
    """A multipart body of 400 MB was held in memory by routes that take none."""
    with live(house, Limits(json_bytes=5_000, small_bytes=1_000)) as (address, _), client(address, house.key()) as http:
        for method, path in routes_without_files():
            where, allowed = path.replace("{", "").replace("}", ""), 5_000 if path == "/v1/chat/completions" else 1_000
            body = b"x" * (allowed + 1)
            answer = http.request(method, where, content=body, headers={"Content-Type": kind})
            assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_large"), path
            in_pieces = (body[i : i + 500] for i in range(0, len(body), 500))
            unannounced = http.request(method, where, content=in_pieces, headers={"Content-Type": kind})
            assert unannounced.status_code == (413 if path in READS_JSON or method == "PATCH" else unannounced.status_code) != 500


@pytest.mark.parametrize("path", TAKES_FILES)
def test_what_takes_files_holds_only_small_fields_in_memory(house: ApiHouse, path: str) -> None:
    with live(house) as (address, _), client(address, house.key()) as http:
        field = http.post(path, data={"name": "x" * 100_000}, files={"file": ("a.wav", b"x")})
        assert field.status_code == 400 and "size" in field.json()["error"]["message"]
        encoded = http.post(
            path, content=b"name=" + b"x" * 2_000_000, headers={"Content-Type": "application/x-www-form-urlencoded"}
        )
        assert encoded.status_code == 413


def test_a_consent_is_no_archive(house: ApiHouse) -> None:
    with live(house, Limits(consent_bytes=10_000)) as (address, _), client(address, house.key()) as http:
        answer = http.post(TAKES_FILES[2], data={"speaker": "Ada"}, files={"recording": ("a.wav", b"x" * 20_000)})
        assert answer.status_code == 413
        assert http.post(TAKES_FILES[0], files={"file": ("a.wav", b"x" * 20_000)}).status_code == 201


@pytest.mark.parametrize("part", ["[],", '{"a": 1},', "1,"])
def test_a_body_of_a_million_parts_is_not_taken_apart(house: ApiHouse, part: str) -> None:
    """30 MB of empty lists stopped every other answer for 8 s."""
    body = '{"audio": {"voice": "ada"}, "messages": [' + part * 400_000 + "1]}"
    with live(house) as (address, _), client(address, house.key()) as http:
        answer = http.post("/v1/chat/completions", content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code == 413 and "parts" in answer.json()["error"]["message"]


LONG = "k" * 900_000


@pytest.mark.parametrize(
    ("method", "path", "sent"),
    [
        ("POST", "/v1/audio/speech", {"json": {"voice": LONG, "input": "hi"}}),
        ("POST", "/v1/audio/speech", {"json": {"voice": "ada", "input": "hi", "model": LONG}}),
        ("POST", "/v1/audio/speech", {"json": {"voice": "ada", "input": "hi", LONG: 1}}),
        ("POST", "/v1/chat/completions", {"json": {**CHAT, LONG * 30: 1}}),
        ("POST", "/v1/chat/completions", {"json": {**CHAT, "messages": [{"role": LONG, "content": "x"}]}}),
        ("PATCH", "/v1/audio/voices/ada", {"json": {"consent_id": "c" * 120, LONG: 1}}),
        ("GET", f"/v1/jobs?{LONG[:50_000]}=1", {}),
        ("POST", "/v1/uploads", {"files": {LONG[:5_000]: ("a.wav", b"RIFF")}}),
        (
            "POST",
            "/v1/audio/voices",
            {"data": {"name": "new", "upload_ids": LONG[:15_000]}, "files": {"recordings": ("a.wav", b"R")}},
        ),
    ],
)
def test_an_error_repeats_little_of_what_was_sent(house: ApiHouse, method: str, path: str, sent: dict[str, Any]) -> None:
    """A name of 30 MB came back twice, and kept the health endpoint waiting for ten seconds."""
    with live(house) as (address, _), client(address, house.key()) as http:
        answer = http.request(method, path, **sent)
        assert 400 <= answer.status_code < 500 and len(answer.content) < 4_000
        assert answer.json()["error"]["message"] and answer.json()["error"]["remedy"]


def test_unknown_fields_are_not_listed_by_the_hundred_thousand(house: ApiHouse) -> None:
    """An error was made for each of 270 000."""
    with live(house) as (address, _), client(address, house.key()) as http:
        for messages in (CHAT["messages"], [{**CHAT["messages"][0], **{f"k{n}": 1 for n in range(1_000)}}]):
            asked = {**CHAT, "messages": messages, **({f"k{n}": 1 for n in range(1_000)} if messages is CHAT["messages"] else {})}
            answer = http.post("/v1/chat/completions", json=asked)
            assert answer.status_code == 422 and "no more than 100" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    "answered",
    [
        {"content": "a" * 5_000},
        {"content": [{"type": "text", "text": "a" * 5_000}]},
        {"content": [{"type": "text", "text": "a"}] * 9},
        {"content": "a", "refusal": "a" * 5_000},
        {"content": [{"type": "refusal", "refusal": "a" * 5_000}]},
    ],
)
def test_an_earlier_answer_is_no_longer_than_a_question(house: ApiHouse, answered: dict[str, Any]) -> None:
    """30 MB of it were given to the model, and everybody waited for that."""
    with live(house) as (address, _), client(address, house.key()) as http:
        messages = [{"role": "assistant", **answered}, *CHAT["messages"]]
        refused = http.post("/v1/chat/completions", json={**CHAT, "messages": messages})
        assert refused.status_code == 422 and refused.json()["error"]["param"].startswith("messages.0.")


@pytest.mark.parametrize("body", ["[" * 200_000, '{"a":' * 50_000, "9" * 500_000, '{"voice": "caf\xe9"}', ""])
def test_what_is_no_json_is_said_to_be_none(house: ApiHouse, body: str) -> None:
    with live(house) as (address, _), client(address, house.key()) as http:
        answer = http.post("/v1/audio/speech", content=body.encode("latin-1"), headers={"Content-Type": "application/json"})
        assert answer.status_code in (400, 422) and "JSON" in answer.json()["error"]["message"]


def test_a_long_conversation_with_sounds_is_no_million_parts(house: ApiHouse) -> None:
    data = encode_base64("what is two plus three")
    sound = {"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": data, "format": "wav"}}]}
    messages = [sound, {"role": "assistant", "content": "five, " * 600}] * 31 + [sound]
    with live(house) as (address, _), client(address, house.key()) as http:
        answer = http.post("/v1/chat/completions", json={"audio": {"voice": "ada"}, "messages": messages})
        assert answer.status_code == 200, answer.text


def encode_base64(text: str) -> str:
    return base64.b64encode(encode(spoken(text).mono(), "wav")).decode()


IMPATIENT = Limits(pause_s=0.5, connections=Connections(head_s=0.5, rest_s=0.5, unread_s=0.5))


@pytest.mark.parametrize("start", [b"", b"GET /health HTTP/1.1\r\nHost:"])
def test_a_connection_on_which_no_request_comes_is_closed(house: ApiHouse, start: bytes) -> None:
    with live(house, IMPATIENT) as (address, _):
        where = urlsplit(address)
        connection = socket.create_connection((str(where.hostname), int(where.port or 0)), PATIENCE_S)
        connection.sendall(start)
        assert ended(connection) == b""


def test_a_head_that_comes_drop_by_drop_is_not_waited_for(house: ApiHouse) -> None:
    with live(house, IMPATIENT) as (address, _):
        where = urlsplit(address)
        connection = socket.create_connection((str(where.hostname), int(where.port or 0)), PATIENCE_S)
        with pytest.raises(OSError):
            for letter in b"GET /health HTTP/1.1\r\nX-Long: " + b"x" * 100_000:
                connection.sendall(bytes([letter]))
                time.sleep(0.05)


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("drops", [False, True])
def test_a_body_that_does_not_come_is_answered(house: ApiHouse, drops: bool, chunked: bool) -> None:
    limits = replace(IMPATIENT, slowest_bytes_per_s=1_000_000)
    with live(house, limits) as (address, _):
        where = urlsplit(address)
        connection = socket.create_connection((str(where.hostname), int(where.port or 0)), PATIENCE_S)
        head = f"POST /v1/audio/speech HTTP/1.1\r\nHost: {where.netloc}\r\nAuthorization: Bearer {house.key()}\r\n"
        length, drop = ("Transfer-Encoding: chunked", b"1\r\n \r\n") if chunked else ("Content-Length: 900000", b" ")
        connection.sendall(f"{head}Content-Type: application/json\r\n{length}\r\n\r\n".encode() + drop)
        dropping = threading.Thread(target=_drip, args=(connection, drop), daemon=True)
        if drops:
            dropping.start()
        answer = ended(connection)
        assert answer.startswith(b"HTTP/1.1 408 ") and b'"too_slow"' in answer


def _drip(connection: socket.socket, drop: bytes = b" ") -> None:
    with suppress(OSError):
        while True:
            connection.sendall(drop)
            time.sleep(0.05)


def ended(connection: socket.socket) -> bytes:
    """All that comes until the other side closes."""
    got = b""
    with suppress(ConnectionResetError):
        while more := connection.recv(65536):
            got += more
    return got


def test_who_is_refused_need_not_be_heard_out(house: ApiHouse) -> None:
    """Without a key, or with too large a body: the answer is there, and the rest of the body keeps no connection open."""
    with live(house, IMPATIENT) as (address, _):
        where = urlsplit(address)
        connection = socket.create_connection((str(where.hostname), int(where.port or 0)), PATIENCE_S)
        head = f"POST /v1/uploads HTTP/1.1\r\nHost: {where.netloc}\r\nContent-Length: 900000\r\n\r\n"
        connection.sendall(head.encode())
        threading.Thread(target=_drip, args=(connection,), daemon=True).start()
        assert ended(connection).startswith(b"HTTP/1.1 401 ")


def test_who_reads_nothing_loses_the_place(house: ApiHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    def endless(self: FakeSpeaker, text: str, seed: int = 0) -> Iterator[SpeechDelta]:
        piece = next(self._deltas(text, self.speak(text)))
        while True:
            yield piece

    monkeypatch.setattr(FakeSpeaker, "speak_stream", endless)
    with live(house, IMPATIENT) as (address, server):
        connection = sent(address, house.key(), *ASKING["audio"])
        until(lambda: server.model.sessions == 1, "the reply's begin")
        until(lambda: server.model.sessions == 0, "its end")
        connection.close()


def test_health_answers_while_a_large_body_comes(house: ApiHouse, tmp_path: Path) -> None:
    large = tmp_path / "large.wav"
    with large.open("wb") as file:
        file.truncate(50_000_000)
    with live(house) as (address, _), client(address, house.key()) as http, client(address) as other:
        half = threading.Event()
        done: list[int] = []

        def pieces() -> Iterator[bytes]:
            yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'
            data = large.read_bytes()
            yield data[: len(data) // 2]
            half.set()
            assert answered.wait(PATIENCE_S)
            yield data[len(data) // 2 :] + b"\r\n--x--\r\n"

        answered = threading.Event()
        headers = {"Content-Type": "multipart/form-data; boundary=x"}
        sending = threading.Thread(
            target=lambda: done.append(http.post("/v1/uploads", content=pieces(), headers=headers).status_code)
        )
        sending.start()
        assert half.wait(PATIENCE_S)
        assert other.get("/health").status_code == 200 and other.get("/health/ready").status_code == 200
        answered.set()
        sending.join(PATIENCE_S)
    assert done == [201]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"model": "nano" "messages": []}', "Expecting ',' delimiter at character 17"),
        (b"{'model': 1}", "Expecting property name"),
        (b'{"model": "\xff\xfe"}', "cannot be read as JSON"),
        (b'{"messages": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "cannot be read as JSON"),
        (b'{"max_tokens": ' + b"9" * 5_000 + b"}", "cannot be read as JSON"),
    ],
)
def test_what_is_no_json_is_told_where(house: ApiHouse, body: bytes, said: str) -> None:
    with live(house) as (address, _), client(address, house.key()) as http:
        answer = http.post("/v1/chat/completions", content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code in (400, 422)
        assert said in answer.json()["error"]["message"]
