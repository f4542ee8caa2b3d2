"""What docs/api.md says of the server, done: origins, preflights, repeated requests, unknown fields, names, stops, files."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.api_house import ADA, ApiHouse, client, served
from tests.fake_engines import fake_recipe, fake_recordings
from tests.integration.test_job_workers import Works
from voicekit import storage
from voicekit.catalog.store import SqlCatalog
from voicekit.commands.common import workers
from voicekit.records import JobState, VoiceState

ROOT = Path(__file__).parents[2]
PATIENCE_S = 180.0
SPEECH: dict[str, Any] = {"voice": "ada", "input": "the old house by the sea was empty", "response_format": "pcm"}
CHAT: dict[str, Any] = {"audio": {"voice": "ada"}, "messages": [{"role": "user", "content": "what is two plus three"}]}


@pytest.fixture
def http(house: ApiHouse) -> Generator[httpx.Client, None, None]:
    with served(house.app()) as address, client(address, house.key()) as found:
        yield found


def until(true: Callable[[], object], what: str) -> None:
    end_s = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < end_s, f"waited in vain: {what}"
        time.sleep(0.05)


# --- pages of others -----------------------------------------------------------------------------------------------------

FOREIGN = {
    "null": {"Origin": "null"},
    "a file": {"Origin": "file://"},
    "elsewhere": {"Origin": "https://elsewhere.example"},
    "another program of this machine": {"Origin": "http://127.0.0.1:1"},
    "this machine, another name": {"Origin": "http://localhost:PORT"},
    "a name that begins alike": {"Origin": "http://127.0.0.1.elsewhere.example"},
    "no origin at all": {"Origin": "nonsense"},
    "a broken one": {"Origin": "http://[::1"},
    "an extension": {"Origin": "chrome-extension://127.0.0.1:PORT"},
    "not said, but betrayed": {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"},
    "a neighbour": {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "cors"},
    "a form that is sent": {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"},
    "a name that resolves to here": {"Host": "elsewhere.example"},
    "a broken host": {"Host": "[::1"},
}


@pytest.mark.parametrize("headers", FOREIGN.values(), ids=FOREIGN)
def test_no_page_of_others_revokes_a_voice(house: ApiHouse, headers: dict[str, str]) -> None:
    """`Origin: null` went through: a sandboxed frame of any page could revoke a voice of a server without keys."""
    with served(house.app(), keys_required=False) as address, client(address) as http:
        sent = {name: value.replace("PORT", address.rpartition(":")[2]) for name, value in headers.items()}
        answer = http.post("/v1/audio/voices/home/revoke", headers=sent)
        assert answer.status_code == 403 and answer.json()["error"]["code"] == "not_local"
        assert house.catalog.versions("home")[0].state is VoiceState.PUBLISHED
        preflight = http.options(
            "/v1/audio/voices/home/revoke", headers={**sent, "Access-Control-Request-Method": "POST"} | {"Origin": "null"}
        )
        assert preflight.status_code == 403 and "access-control-allow-origin" not in preflight.headers


def test_own_pages_programs_and_links_are_served(house: ApiHouse) -> None:
    with served(house.app(), keys_required=False) as address, client(address) as http:
        own = {"Origin": address, "Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors"}
        link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
        assert http.get("/docs", headers=link).status_code == 200
        assert http.post("/v1/audio/voices/home/revoke", headers=own).json()["state"] == "revoked"


@pytest.mark.parametrize("headers", FOREIGN.values(), ids=FOREIGN)
def test_the_studio_turns_away_pages_of_others(headers: dict[str, str]) -> None:
    from fastapi import FastAPI
    from fastapi.testclient import TestClient

    from studio_app.app import OwnPagesOnly

    pages = FastAPI()
    pages.add_middleware(OwnPagesOnly)
    pages.add_api_route("/do", lambda: "done", methods=["POST"])
    with TestClient(pages, base_url="http://127.0.0.1:7860") as browser:
        sent = {name: value.replace("PORT", "7860") for name, value in headers.items()}
        assert browser.post("/do", headers=sent).status_code == 403
        assert browser.post("/do", headers={"Origin": "http://127.0.0.1:7860"}).status_code == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/v1/audio/speech"), ("GET", "/v1/jobs"), ("PATCH", "/v1/audio/voices/ada"), ("DELETE", "/v1/uploads/x")],
)
def test_with_keys_a_browsers_preflight_is_answered(http: httpx.Client, method: str, path: str) -> None:
    """A browser asks without the key whether it may send it; it was told 401."""
    page = "https://app.example"
    asked = {"Origin": page, "Access-Control-Request-Method": method}
    asked["Access-Control-Request-Headers"] = "authorization, content-type, idempotency-key"
    with httpx.Client(base_url=http.base_url) as browser:
        allowed = browser.options(path, headers=asked)
        refused = browser.request(method, path, headers={"Origin": page})
    assert allowed.status_code == 200 and allowed.headers["access-control-allow-origin"] == "*"
    assert method in allowed.headers["access-control-allow-methods"]
    for name in ("authorization", "content-type", "idempotency-key"):
        assert name in allowed.headers["access-control-allow-headers"].lower()
    assert refused.status_code == 401 and refused.headers["access-control-allow-origin"] == "*", "the page may read why"
    answered = http.request(method, path, headers={"Origin": page}, json={} if method == "PATCH" else None)
    assert answered.headers["access-control-allow-origin"] == "*" and "access-control-allow-credentials" not in answered.headers


# --- the same request again, and what nobody reads -------------------------------------------------------------------------


def again(http: httpx.Client, path: str, **sent: Any) -> httpx.Response:
    return http.post(path, headers={"Idempotency-Key": "the-same-key"}, **sent)


def test_an_idempotency_key_with_another_body_is_refused(http: httpx.Client, house: ApiHouse) -> None:
    """It replayed the first answer, and the second file was never kept."""
    first = again(http, "/v1/uploads", files={"file": ("a.wav", b"RIFF one")})
    same = again(http, "/v1/uploads", files={"file": ("a.wav", b"RIFF one")})
    assert same.json() == first.json() and same.headers["idempotent-replayed"] == "true"
    for other in (("a.wav", b"RIFF two"), ("b.wav", b"RIFF one")):
        refused = again(http, "/v1/uploads", files={"file": other})
        assert (refused.status_code, refused.json()["error"]["code"]) == (422, "idempotency_key_reused")
    assert [u["id"] for u in http.get("/v1/uploads").json()["data"]] == [first.json()["id"]]


def test_an_idempotency_key_sees_fields_too_in_any_order(http: httpx.Client, house: ApiHouse) -> None:
    files = [("recordings", (p.name, p.read_bytes())) for p in sorted(house.recordings.iterdir())]
    first = again(http, "/v1/audio/voices", data={"name": "new", "tags": ["one", "two"]}, files=files)
    assert first.status_code == 202
    same = again(http, "/v1/audio/voices", data={"tags": ["two", "one"], "name": "new"}, files=files[::-1])
    assert same.json() == first.json()
    other = again(http, "/v1/audio/voices", data={"name": "new", "tags": ["one"]}, files=files)
    assert other.status_code == 422 and other.json()["error"]["code"] == "idempotency_key_reused"


def test_an_answer_kept_by_an_older_version_is_given_again(http: httpx.Client, house: ApiHouse) -> None:
    """Version 0.10 did not note what was sent."""
    first = again(http, "/v1/uploads", files={"file": ("a.wav", b"RIFF one")})
    with house.catalog.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE idempotency_keys SET request = ''")
    assert again(http, "/v1/uploads", files={"file": ("a.wav", b"RIFF one")}).json() == first.json()


@pytest.mark.parametrize(
    ("path", "data", "file"),
    [
        ("/v1/audio/voices", {"name": "new", "langauge": "de"}, "recordings"),
        ("/v1/audio/voices", {"name": "new", "publish": "true"}, "recordings"),
        ("/v1/audio/voice_consents", {"speaker": "Ada", "name": "x"}, "recording"),
        ("/v1/uploads", {"purpose": "x"}, "file"),
    ],
)
def test_an_unknown_form_field_is_named(http: httpx.Client, house: ApiHouse, path: str, data: dict[str, str], file: str) -> None:
    answer = http.post(path, data=data, files={file: ("a.wav", b"RIFF")})
    assert answer.status_code == 422 and answer.json()["error"]["param"] == list(data)[-1]
    misnamed = http.post(path, data=dict(list(data.items())[:-1]), files={"voice_file": ("a.wav", b"RIFF")})
    assert misnamed.status_code == 422 and misnamed.json()["error"]["param"] == "voice_file"
    assert file in misnamed.json()["error"]["remedy"]
    assert not list(house.home.glob("uploads/*"))


@pytest.mark.parametrize("path", ["/v1/audio/voices?serach=x", "/v1/jobs?limt=3", "/v1/uploads?page=2"])
def test_an_unknown_query_parameter_is_named(http: httpx.Client, path: str) -> None:
    answer = http.get(path)
    assert answer.status_code == 422 and answer.json()["error"]["param"] in ("serach", "limt", "page")


TOOL = {"type": "function", "function": {"name": "f", "parameters": {}}}


@pytest.mark.parametrize(
    ("name", "value", "nothing"),
    [
        ("tools", [TOOL], []),
        ("tool_choice", "required", "none"),
        ("functions", [TOOL["function"]], []),
        ("function_call", {"name": "f"}, "auto"),
        ("stop", ["five"], None),
        ("response_format", {"type": "json_object"}, {"type": "text"}),
        ("logprobs", True, False),
        ("top_logprobs", 3, None),
        ("n", 2, 1),
        ("web_search_options", {"user_location": None}, {}),
        ("prediction", {"type": "content", "content": "x"}, None),
        ("language", "de", ""),
    ],
)
def test_what_a_voice_cannot_heed_is_refused_not_ignored(http: httpx.Client, name: str, value: Any, nothing: Any) -> None:
    refused = http.post("/v1/chat/completions", json={**CHAT, name: value})
    assert refused.status_code == 422 and refused.json()["error"]["param"] == name, refused.text
    assert http.post("/v1/chat/completions", json={**CHAT, name: nothing}).status_code == 200


@pytest.mark.parametrize(("name", "value"), [("instructions", "Speak like a pirate."), ("language", "de"), ("stop", "x")])
def test_speech_heeds_what_it_takes(http: httpx.Client, name: str, value: Any) -> None:
    refused = http.post("/v1/audio/speech", json={**SPEECH, name: value})
    assert refused.status_code == 422 and refused.json()["error"]["param"] == name


@pytest.mark.parametrize("stream", [False, True])
def test_what_has_no_effect_is_said(http: httpx.Client, stream: bool) -> None:
    asked = {
        **CHAT,
        "stream": stream,
        "temperature": 0.2,
        "max_tokens": 100,
        "user": None,
        "stream_options": {"include_usage": True},
    }
    answer = http.post("/v1/chat/completions", json=asked)
    assert answer.status_code == 200 and answer.headers["voicekit-no-effect"] == "max_tokens, stream_options, temperature"
    assert "voicekit-no-effect" not in http.post("/v1/chat/completions", json=CHAT).headers


def test_an_answer_can_be_sent_back_as_it_came(http: httpx.Client) -> None:
    """As OpenAI's clients do: with the fields of its message that are empty."""
    message = http.post("/v1/chat/completions", json=CHAT).json()["choices"][0]["message"]
    back = {**message, "tool_calls": None, "function_call": None, "annotations": []}
    asked = {**CHAT, "messages": [*CHAT["messages"], back, {"role": "user", "content": "what is one plus one"}]}
    assert http.post("/v1/chat/completions", json=asked).status_code == 200
    called = {**back, "tool_calls": [{"id": "x", "type": "function", "function": {"name": "f", "arguments": "{}"}}]}
    refused = http.post("/v1/chat/completions", json={**asked, "messages": [CHAT["messages"][0], called, CHAT["messages"][0]]})
    assert refused.status_code == 422 and "tool_calls" in refused.json()["error"]["param"]


TWICE = [
    ("/v1/uploads", ["file"], []),
    ("/v1/audio/voices", ["recordings", "script"], ["name"]),
    ("/v1/audio/voices", ["recordings"], ["name", "recipe"]),
    ("/v1/audio/voice_consents", ["recording"], ["speaker"]),
]


@pytest.mark.parametrize(("path", "files", "fields"), TWICE)
def test_what_is_sent_twice_where_one_is_taken_is_refused(
    http: httpx.Client, house: ApiHouse, path: str, files: list[str], fields: list[str]
) -> None:
    """Of two files the last one was kept, and nobody was told of the other."""
    for doubled in [*files, *fields]:
        if doubled == "recordings":
            continue  # many are taken
        values = {name: ["smoke" if name == "recipe" else "newvoice"] * (1 + (name == doubled)) for name in fields}
        sent = [
            (name, (f"{n}.csv" if name == "script" else f"{n}.wav", b"RIFF"))
            for name in files
            for n in range(1 + (name == doubled))
        ]
        answer = http.post(path, data=values, files=sent)
        assert answer.status_code == 422 and answer.json()["error"]["param"] == doubled, answer.text
    assert not list(house.home.glob("uploads/*")) and not house.app().jobs_of("newvoice")


def test_a_parameter_of_an_address_that_comes_twice_is_refused(http: httpx.Client) -> None:
    answer = http.get("/v1/jobs?limit=5&limit=6")
    assert answer.status_code == 422 and answer.json()["error"]["param"] == "limit"


@pytest.mark.parametrize("lost", [1, 3, 12, 60])
def test_a_form_that_breaks_off_makes_nothing(http: httpx.Client, house: ApiHouse, lost: int) -> None:
    """Its last recording was dropped without a word, and a voice was made of the others."""
    parts = [
        ("name", "", "newvoice"),
        ("recordings", '; filename="a.wav"', "RIFF one"),
        ("recordings", '; filename="b.wav"', "RIFF two"),
    ]
    form = "".join(f'--x\r\nContent-Disposition: form-data; name="{n}"{f}\r\n\r\n{v}\r\n' for n, f, v in parts) + "--x--"
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    broken = http.post("/v1/audio/voices", content=form[:-lost], headers=headers)
    assert broken.status_code == 400 and "breaks off" in broken.json()["error"]["message"]
    assert not house.app().jobs_of("newvoice") and not list(house.home.glob("uploads/*"))
    for epilogue in ("", "\r\n", "\r\nan epilogue that nobody reads"):
        assert http.post("/v1/audio/voices", content=form + epilogue, headers=headers).status_code == 202


def test_a_revoked_voice_is_heard_nowhere(http: httpx.Client, house: ApiHouse) -> None:
    """Its preview was still played: `revoke` says that it speaks no more."""
    assert http.get("/v1/audio/voices/ada/preview").status_code == 200
    assert http.post("/v1/audio/voices/ada/revoke").json()["state"] == "revoked"
    for name in ("ada", "ada@1"):
        for method, path, body in (
            ("GET", f"/v1/audio/voices/{name}/preview", None),
            ("POST", "/v1/audio/speech", {**SPEECH, "voice": name}),
            ("POST", "/v1/audio/speech", {**SPEECH, "voice": {"id": name}, "stream_format": "file"}),
            ("POST", "/v1/chat/completions", {**CHAT, "audio": {"voice": name}}),
            ("POST", "/v1/chat/completions", {**CHAT, "audio": {"voice": name}, "modalities": ["text"], "stream": True}),
        ):
            answer = http.request(method, path, json=body)
            assert (answer.status_code, answer.json()["error"]["code"]) == (409, "voice_revoked"), path
        assert http.post(f"/v1/audio/voices/{name}/publish").status_code == 409
    assert http.get("/v1/audio/voices/ada").json()["state"] == "revoked"


RANGES = {
    "bytes=0-9": (206, 10),
    "bytes=-9": (206, 9),
    "bytes=5-": (206, -5),
    "bytes=0-99999999": (206, 0),
    "bytes=99999999-": (416, None),
    "bytes=-0": (416, None),
    "lines=1-2": (200, 0),
    "bytes=9-2": (200, 0),
    "bytes=x-": (200, 0),
    "bytes=": (200, 0),
    "nonsense": (200, 0),
}


@pytest.mark.parametrize("wanted", RANGES)
def test_a_part_of_a_sound_can_be_asked_for(http: httpx.Client, wanted: str) -> None:
    """What is no range is as if it were not there; an error has the one shape."""
    whole = http.get("/v1/audio/voices/ada/preview").content
    answer = http.get("/v1/audio/voices/ada/preview", headers={"Range": wanted})
    status, length = RANGES[wanted]
    assert answer.status_code == status
    if length is None:
        assert answer.json()["error"]["code"] == "bad_range" and answer.headers["content-range"] == f"bytes */{len(whole)}"
    else:
        assert len(answer.content) == (length if length > 0 else len(whole) + length)


PLACES = [
    ({"content": "a" * 5000}, "messages.0.content", "4096"),
    ({"content": []}, "messages.0.content", "at least 1"),
    ({"content": [{"type": "image_url", "image_url": {"url": "x"}}]}, "messages.0.content.0", "input_audio"),
    (
        {"content": [{"type": "input_audio", "input_audio": {"format": "wav"}}]},
        "messages.0.content.0.input_audio.data",
        "required",
    ),
    ({"content": [{"type": "text", "text": "a" * 5000}]}, "messages.0.content.0.text", "4096"),
    ({"content": "hi", "tool_calls": []}, None, ""),
    ({"content": "hi", "x\x1b[31m": 1}, "messages.0.x?[31m", "not supported"),
]


@pytest.mark.parametrize(("message", "place", "said"), PLACES)
def test_a_fault_is_named_as_the_request_names_it(
    http: httpx.Client, message: dict[str, Any], place: str | None, said: str
) -> None:
    """`messages.0.user.content.function-after[visible(), constrained-str]` is nothing that anybody wrote."""
    answer = http.post("/v1/chat/completions", json={**CHAT, "messages": [{"role": "user", **message}]})
    if place is None:
        assert answer.status_code == 200
        return
    error = answer.json()["error"]
    assert (
        (answer.status_code, error["param"]) == (422, place)
        and error["message"].startswith(f"{place}: ")
        and said in error["message"]
    )


# --- names ------------------------------------------------------------------------------------------------------------------

NAMES = {
    "300 bytes": "a" * 296 + ".wav",
    "300 bytes of Unicode": "ä" * 148 + ".wav",
    "NUL": "a\0b.wav",
    "a line end": "a\nb.wav",
    "an escape": "\x1b[31mred.wav",
}


def multipart(name: str, field: str, fields: dict[str, str]) -> tuple[bytes, dict[str, str]]:
    """As it is written by who does not escape anything but what must be."""
    parts = [f'--x\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n'.encode() for k, v in fields.items()]
    encoded = name.replace("\n", "%0A").encode()
    head = f'--x\r\nContent-Disposition: form-data; name="{field}"; filename="'.encode() + encoded + b'"\r\n\r\n'
    return b"".join([*parts, head, b"RIFF\r\n--x--\r\n"]), {"Content-Type": "multipart/form-data; boundary=x"}


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
@pytest.mark.parametrize(
    ("path", "field", "fields"),
    [
        ("/v1/uploads", "file", {}),
        ("/v1/audio/voices", "recordings", {"name": "new"}),
        ("/v1/audio/voice_consents", "recording", {"speaker": "Ada"}),
    ],
)
def test_a_name_that_is_none_is_refused_in_words(
    http: httpx.Client, house: ApiHouse, path: str, field: str, fields: dict[str, str], name: str
) -> None:
    content, headers = multipart(name, field, fields)
    answer = http.post(path, content=content, headers=headers)
    if "\n" in name:  # parsers leave %0A as it is, or read it: a name, or refused
        assert answer.status_code < 500
    else:
        assert answer.status_code in (400, 422) and answer.json()["error"]["message"], answer.text
    assert "\\u001b" not in answer.text and "\x1b" not in answer.text


def test_a_long_name_that_fits_is_kept(http: httpx.Client) -> None:
    name = "ä" * 98 + ".wav"
    assert http.post("/v1/uploads", files={"file": (name, b"RIFF")}).json()["filename"] == name


@pytest.mark.parametrize("bad", ["\\ud800", "\\u0000", "\\udfff\\ud83d"])
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/v1/audio/speech", '{{"voice": "{0}", "input": "hello"}}'),
        ("POST", "/v1/audio/speech", '{{"voice": "ada", "input": "{0}"}}'),
        ("POST", "/v1/audio/speech", '{{"voice": "ada", "input": "hello", "{0}": 1}}'),
        ("POST", "/v1/audio/speech", '{{"voice": "ada", "input": "hello", "model": "{0}"}}'),
        ("POST", "/v1/chat/completions", '{{"audio": {{"voice": "ada"}}, "messages": [{{"role": "user", "content": "{0}"}}]}}'),
        ("POST", "/v1/chat/completions", '{{"audio": {{"voice": "ada"}}, "messages": [{{"role": "{0}", "content": "x"}}]}}'),
        ("PATCH", "/v1/audio/voices/ada", '{{"description": "{0}"}}'),
        ("PATCH", "/v1/audio/voices/ada", '{{"tags": ["{0}"]}}'),
        ("PATCH", "/v1/audio/voices/ada", '{{"consent_id": "{0}"}}'),
    ],
)
def test_halves_of_characters_and_nul_in_json_are_no_failure(
    http: httpx.Client, method: str, path: str, body: str, bad: str
) -> None:
    headers = {"Content-Type": "application/json"}
    answer = http.request(method, path, content=body.format(bad), headers=headers)
    assert 400 <= answer.status_code < 500, answer.text
    assert answer.json()["error"]["message"] and answer.json()["error"]["remedy"]


@pytest.mark.parametrize("bad", ["%00", "a%00b", "%ff", "a" * 300])
@pytest.mark.parametrize(
    "path",
    ["/v1/audio/voices/{0}", "/v1/jobs/{0}", "/v1/audio/voice_consents/{0}", "/v1/audio/voices?search={0}", "/v1/jobs?after={0}"],
)
def test_such_texts_in_addresses_are_no_failure(http: httpx.Client, path: str, bad: str) -> None:
    answer = http.get(path.format(bad))
    assert answer.status_code < 500
    if "00" in bad:
        assert answer.status_code >= 400 and answer.json()["error"]["message"]


@pytest.mark.parametrize("field", ["speaker", "language"])
def test_such_texts_in_forms_are_no_failure(http: httpx.Client, field: str) -> None:
    answer = http.post(
        "/v1/audio/voice_consents", data={"speaker": "Ada", field: "a\0b"}, files={"recording": ("a.wav", b"RIFF")}
    )
    assert answer.status_code == 422 and answer.json()["error"]["param"] == field


# --- what an answer betrays, and what it costs -----------------------------------------------------------------------------


def test_no_answer_names_a_place_on_the_servers_disk(http: httpx.Client, house: ApiHouse) -> None:
    (house.home / house.catalog.versions("ada")[0].folder / "prompt.safetensors").write_bytes(b"changed")
    answer = http.post("/v1/audio/speech", json=SPEECH)
    assert answer.status_code == 500 and answer.json()["error"]["code"] == "files_changed"
    assert (
        "prompt.safetensors" in answer.text and str(house.home) not in answer.text and str(house.home.parent) not in answer.text
    )


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("GET /v1/audio/voices lists yours.", "GET /v1/audio/voices lists yours."),
        ("See /docs.", "See /docs."),
        ("It is missing (/srv/voicekit/voices/ada/1/adapter).", "It is missing (adapter)."),
        ("'/tmp/voicekit-upload-x/sent.wav' is no sound", "'sent.wav' is no sound"),
        ("The database postgresql+psycopg://me:secret@10.0.0.3:5432/db is away", "The database the database is away"),
        ("sqlite:////srv/catalog.db: locked", "the database locked"),
        ("two plus/minus three, 3/4 of 24/7", "two plus/minus three, 3/4 of 24/7"),
        ("half \ud800", "half ?"),
    ],
)
def test_places_are_taken_out_of_texts(text: str, shown: str) -> None:
    from voicekit.api.errors import without_places

    assert without_places(text) == shown


def test_a_voices_files_are_read_once_and_again_after_a_change(
    house: ApiHouse, http: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three files were hashed for every reply; of a 7B voice with all its weights that is 15 GB each time."""
    read: list[str] = []
    real = storage.file_sha256
    monkeypatch.setattr(storage, "file_sha256", lambda path: (read.append(path.name), real(path))[1])
    monkeypatch.setattr(storage, "_SETTLED_NS", 0)  # these files are older than what is asked of old ones
    folder = house.home / house.catalog.versions("ada")[0].folder
    for _ in range(3):
        assert http.post("/v1/audio/speech", json=SPEECH).status_code == 200
        assert http.post("/v1/chat/completions", json=CHAT).status_code == 200
    assert "prompt.safetensors" in read and len(read) == len(set(read))
    known = len(read)
    prompt = folder / "prompt.safetensors"
    before, data = prompt.stat(), bytearray(prompt.read_bytes())
    data[-1] ^= 1
    prompt.write_bytes(bytes(data))  # as long as before, and as old
    os.utime(prompt, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert http.post("/v1/audio/speech", json=SPEECH).json()["error"]["code"] == "files_changed"
    assert read[known:] == ["prompt.safetensors"]


def test_what_was_changed_a_moment_ago_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second change within one tick of the clock looks like none."""
    file = tmp_path / "weights"
    file.write_bytes(b"one")
    hashes = storage.KnownHashes()
    first = hashes.tree_sha256(file)
    monkeypatch.setattr(storage, "_look", lambda path: ((str(path), 0, 0, 0, time.time_ns()),))
    file.write_bytes(b"two")
    assert hashes.tree_sha256(file) == storage.tree_sha256(file) != first


# --- stops, workers, files -------------------------------------------------------------------------------------------------


@contextmanager
def held_server(house: ApiHouse) -> Generator[tuple[str, subprocess.Popen[bytes]], None, None]:
    """A server in a process of its own, whose replies stop after their first piece until HOME/hold is gone."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    (house.home / "hold").touch()
    program = [sys.executable, str(ROOT / "tests" / "fake_server.py"), str(house.home), str(port)]
    server = subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        assert server.stdout is not None and server.stdout.readline() == b"ready\n"
        yield f"http://127.0.0.1:{port}", server
        server.wait(PATIENCE_S)
        assert server.stderr is not None and b"Traceback" not in server.stderr.read()
    finally:
        server.kill()


def test_a_stop_lets_replies_end_and_takes_no_more(house: ApiHouse) -> None:
    """SIGTERM cut off every reply that took longer than ten seconds."""
    job = house.app().submit("new", house.recordings, recipe=fake_recipe())
    key = house.app().create_key("all", "")[1]
    got: dict[str, Any] = {}
    with held_server(house) as (address, server), client(address, key) as http, client(address, key) as watching:
        asked = {**SPEECH, "voice": "home", "stream_format": "file"}
        whole = threading.Thread(target=lambda: got.update(file=http.post("/v1/audio/speech", json=asked)))
        whole.start()
        until(lambda: (house.home / "held").exists(), "the reply's first piece")
        with watching.stream("GET", f"/v1/jobs/{job.id}/events") as events:
            lines = events.iter_lines()
            assert next(lines).startswith("id: ")
            server.send_signal(signal.SIGTERM)
            assert list(lines), "who only watches is let go"
        with pytest.raises(httpx.TransportError):
            httpx.get(f"{address}/health")
        assert server.poll() is None and not got
        (house.home / "hold").unlink()
        whole.join(PATIENCE_S)
        assert got["file"].status_code == 200 and len(got["file"].content) == 2 * 960 * len(SPEECH["input"])


def test_a_stop_lets_every_kind_of_request_end(house: ApiHouse) -> None:
    """Those that wait for the model too, and a file that is being sent."""
    (house.home / house.catalog.versions("ada")[0].folder / "preview.wav").unlink(missing_ok=True)
    stopped, key, got = threading.Event(), house.key(), dict[str, httpx.Response]()

    def slowly() -> Iterator[bytes]:
        content, _ = multipart("a.wav", "file", {})
        yield content[:60]
        assert stopped.wait(PATIENCE_S)
        yield content[60:]

    asking: dict[str, dict[str, Any]] = {
        "file": {"url": "/v1/audio/speech", "json": {**SPEECH, "stream_format": "file"}},
        "audio": {"url": "/v1/audio/speech", "json": SPEECH},
        "sse": {"url": "/v1/audio/speech", "json": {**SPEECH, "stream_format": "sse"}},
        "chat": {"url": "/v1/chat/completions", "json": CHAT},
        "streamed chat": {
            "url": "/v1/chat/completions",
            "json": {**CHAT, "stream": True, "audio": {"voice": "ada", "format": "pcm16"}},
        },
        "upload": {"url": "/v1/uploads", "content": slowly(), "headers": {"Content-Type": "multipart/form-data; boundary=x"}},
        "preview": {"method": "GET", "url": "/v1/audio/voices/ada/preview"},
    }

    def ask(kind: str) -> None:
        with client(address, key) as http:
            got[kind] = http.request(**{"method": "POST", **asking[kind]})

    with held_server(house) as (address, server):
        threads = [threading.Thread(target=ask, args=(kind,)) for kind in asking]
        for thread in threads:
            thread.start()
        until(lambda: (house.home / "under-way").read_text() == str(len(asking)), "all requests")
        server.send_signal(signal.SIGTERM)
        until(lambda: _refuses(address), "that no more are taken")
        assert not got
        stopped.set()
        (house.home / "hold").unlink()
        for thread in threads:
            thread.join(PATIENCE_S)
    sound = 2 * 960 * len(SPEECH["input"])
    assert {kind: answer.status_code for kind, answer in got.items()} == {**dict.fromkeys(asking, 200), "upload": 201}
    assert len(got["file"].content) == len(got["audio"].content) == sound
    assert "speech.audio.done" in got["sse"].text and got["streamed chat"].text.endswith("data: [DONE]\n\n")
    assert got["chat"].json()["choices"][0]["message"]["audio"]["transcript"] == "five"
    assert len(got["preview"].content) > 44 and len(house.app().uploads(ADA)) == 1


def _refuses(address: str) -> bool:
    try:
        httpx.get(f"{address}/health")
    except httpx.TransportError:
        return True
    return False


def test_a_killed_worker_is_reported_and_replaced_and_its_job_goes_on(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    works, said = Works(home, f"sqlite:///{home / 'catalog.db'}"), list[str]()
    job = works.app.submit("anna", fake_recordings(tmp_path / "recordings"), recipe=fake_recipe())
    pause = works.ask("pause-chat")
    command = [sys.executable, str(ROOT / "tests" / "fake_worker.py"), "work", str(home), works.url]
    with workers(1, said.append, command) as crew:
        works.reached("chat")
        (first,) = works.app.workers()
        os.kill(first.pid, signal.SIGKILL)
        until(lambda: works.app.workers() and works.app.workers()[0].pid != first.pid, "another worker")
        assert "SIGKILL" in said[0] and crew.starting
        works.gone("chat")
        pause.unlink()
        status = works.over(job.id)
        assert (status.state, status.attempt) == (JobState.FINISHED, 1)
        crew.check()


def test_a_worker_that_cannot_live_is_said_to_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from voicekit.commands import common
    from voicekit.errors import StepCrashed

    monkeypatch.setattr(common, "_FIRST_WAIT_S", 0.01)
    said: list[str] = []
    with workers(1, said.append, [sys.executable, "-c", "raise SystemExit(8)"]) as crew:
        crew.check()
        until(lambda: len(said) > 8, "several attempts")
        assert not crew.starting and "exit code 8" in said[0]
        with pytest.raises(StepCrashed, match="as soon as they are started"):
            crew.check()


@pytest.fixture
def real(voicekit_home: Path) -> Generator[tuple[str, subprocess.Popen[bytes], Path], None, None]:
    """`voicekit serve` with its worker, in a home that everybody may read."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    voicekit_home.mkdir()
    voicekit_home.chmod(0o755)
    log = voicekit_home.parent / "said.txt"
    with log.open("wb") as said:
        program = [sys.executable, "-m", "voicekit.cli", "serve", "--port", str(port)]
        server = subprocess.Popen(program, stderr=said, stdout=said, cwd=ROOT, umask=0o022)
    address = f"http://127.0.0.1:{port}"
    try:
        until(lambda: "Serving" in log.read_text() or server.poll() is not None, "the server")
        yield address, server, log
    finally:
        server.kill()
        server.wait()


def test_a_server_says_that_its_worker_is_gone_and_starts_another(
    real: tuple[str, subprocess.Popen[bytes], Path], voicekit_home: Path
) -> None:
    """A killed worker was neither replaced nor reported, and readiness said 200."""
    address, server, log = real
    catalog = SqlCatalog(f"sqlite:///{voicekit_home / 'catalog.db'}")
    until(catalog.workers, "a worker")
    assert httpx.get(f"{address}/health/ready").json() == {"status": "ok"}
    (first,) = catalog.workers()
    os.kill(first.pid, signal.SIGKILL)
    until(lambda: httpx.get(f"{address}/health/ready").status_code == 503, "the word that the worker is gone")
    gone = httpx.get(f"{address}/health/ready")
    assert gone.status_code == 200 or (gone.json()["code"], gone.headers["retry-after"]) == ("no_worker", "2")
    until(lambda: httpx.get(f"{address}/health/ready").status_code == 200, "another worker")
    until(lambda: [w for w in catalog.workers() if w.pid != first.pid], "its sign of life")
    until(lambda: first.pid not in [w.pid for w in catalog.workers()], "that it takes over from the dead one")
    lines = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    assert any(line["event"] == "worker" and "SIGKILL" in line["said"] for line in lines)
    server.send_signal(signal.SIGTERM)
    assert server.wait(PATIENCE_S) == 0
    until(lambda: not catalog.workers(), "the worker's end")
    assert "Traceback" not in log.read_text()


def test_what_a_server_keeps_only_its_owner_may_read(
    real: tuple[str, subprocess.Popen[bytes], Path], voicekit_home: Path
) -> None:
    address, _, log = real
    catalog = SqlCatalog(f"sqlite:///{voicekit_home / 'catalog.db'}")
    sent = httpx.post(f"{address}/v1/uploads", files={"file": ("a.wav", b"RIFF")}, timeout=PATIENCE_S)
    assert sent.status_code == 201
    # Neither a request that is none nor a form that is none breaks the form of the log.
    with socket.create_connection(("127.0.0.1", int(address.rpartition(":")[2]))) as connection:
        connection.sendall(b"\x16\x03\x01\r\n\r\n")
        assert b"400" in connection.recv(4096)
    headers = {"Content-Type": "multipart/form-data; boundary=y"}
    assert httpx.post(f"{address}/v1/uploads", content=b"--x\r\n\r\n--y--", headers=headers).status_code == 400
    until(lambda: log.read_text().count('"event": "request"') >= 2, "a line for each request")
    events = [json.loads(line)["event"] for line in log.read_text().splitlines() if line.startswith("{")]
    assert "Invalid HTTP request received." in events
    assert "WARNING" not in log.read_text() and "boundary" not in log.read_text()
    until(catalog.workers, "a worker")
    until(lambda: (voicekit_home / "jobs.db").exists(), "the worker's own records")
    found = [voicekit_home, *voicekit_home.rglob("*")]
    assert len(found) > 4
    open_to_others = {p.name: oct(p.stat().st_mode) for p in found if stat.S_IMODE(p.stat().st_mode) & 0o077}
    assert open_to_others == {}


def test_a_home_that_a_group_shares_stays_the_groups(tmp_path: Path) -> None:
    from voicekit.workplace import make_private

    modes = {0o755: (0o700, 0o077), 0o700: (0o700, 0o077), 0o777: (0o770, 0o007), 0o2775: (0o2770, 0o007)}
    for before, (after, umask) in modes.items():
        home = tmp_path / oct(before)
        home.mkdir()
        home.chmod(before)
        assert make_private(home) == umask and stat.S_IMODE(home.stat().st_mode) == after
    fresh = tmp_path / "fresh" / "home"
    assert make_private(fresh) == 0o077 and stat.S_IMODE(fresh.stat().st_mode) == 0o700
