"""Who may do what, for every route that there is; limits; and that no request whatever makes the server stumble."""

import io
import json
import logging
import re
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, Phase, given, settings

from tests.api_house import ADA, BERT, ApiHouse, furnished, spoken
from voicekit.api.factory import make_api
from voicekit.api.limits import Limits
from voicekit.audio_formats import encode
from voicekit.consent import statement

SLOW = [HealthCheck.too_slow, HealthCheck.filter_too_much]
PUBLIC = ("/health", "/health/ready")
# For people, not in the document.
PAGES = ("/", "/docs", "/docs/oauth2-redirect")


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> ApiHouse:
    return furnished(tmp_path_factory.mktemp("api"))


@pytest.fixture(scope="module")
def http(house: ApiHouse) -> Generator[TestClient, None, None]:
    with TestClient(make_api(house.app()), raise_server_exceptions=False) as found:
        yield found


@pytest.fixture(scope="module")
def theirs(house: ApiHouse, http: TestClient) -> dict[str, str]:
    """Ids of what belongs to team-b."""
    headers = bearer(house.key(BERT))
    sound = encode(spoken(statement("en").lower()).mono(), "wav")
    consent = http.post(
        "/v1/audio/voice_consents", data={"speaker": "Bert"}, files={"recording": ("a.wav", sound)}, headers=headers
    )
    upload = http.post("/v1/uploads", files={"file": ("a.wav", sound)}, headers=headers)
    files = [("recordings", (p.name, p.read_bytes())) for p in house.recordings.iterdir()]
    made = http.post("/v1/audio/voices", data={"name": "berts-next"}, files=files, headers=headers)
    return {
        "voice": "bert",
        "job_id": made.json()["job"]["id"],
        "consent_id": consent.json()["id"],
        "upload_id": upload.json()["id"],
    }


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


def routes() -> list[APIRoute]:
    nowhere = ApiHouse(Path("nowhere"), Path("nowhere"))  # its routes are asked for, nothing else
    return [route for route in every(make_api(nowhere.app())) if route.path not in (*PUBLIC, *PAGES)]


def every(router: Any) -> list[APIRoute]:
    """All routes, those of included routers too."""
    found: list[APIRoute] = []
    for route in router.routes:
        if isinstance(route, APIRoute):
            found.append(route)
        elif hasattr(route, "effective_candidates"):
            found += [c for c in route.effective_candidates() if hasattr(c, "dependant")]
    return found


def scope_of(route: APIRoute) -> str:
    scopes = [d.call.__dict__["scope"] for d in route.dependant.dependencies if d.call and "scope" in d.call.__dict__]
    assert len(scopes) == 1, f"{route.path} does not say who may use it"
    return scopes[0]


ROUTES = [(sorted(route.methods or ())[0], route.path, scope_of(route)) for route in routes()]
BODIES: dict[str, Any] = {
    "/v1/audio/speech": {"json": {"voice": "bert", "input": "hello"}},
    "/v1/chat/completions": {"json": {"audio": {"voice": "bert"}, "messages": [{"role": "user", "content": "hello"}]}},
}


def ask(http: TestClient, method: str, path: str, headers: dict[str, str], ids: dict[str, str]) -> Any:
    options = BODIES.get(path, {"json": {}} if method == "PATCH" else {})
    return http.request(method, path.format(**ids), headers=headers, **options)


def test_every_route_is_in_the_matrix() -> None:
    assert len(ROUTES) >= 25 and {scope for _, _, scope in ROUTES} == {"read", "write", "speak"}


@pytest.mark.parametrize(("method", "path", "scope"), ROUTES)
def test_only_the_right_key_opens_a_route(
    http: TestClient, house: ApiHouse, theirs: dict[str, str], method: str, path: str, scope: str
) -> None:
    revoked, secret = house.app().create_key("old", BERT)
    house.app().revoke_key(revoked.id)
    others = [s for s in ("read", "write", "speak") if s != scope]
    for headers, status, code in (
        ({}, 401, "no_key"),
        ({"Authorization": "Basic dXNlcg=="}, 401, "no_key"),
        (bearer("vk_wrong"), 401, "wrong_key"),
        (bearer(secret), 401, "wrong_key"),
        (bearer(house.key(BERT, *others)), 403, "missing_scope"),
    ):
        found = ask(http, method, path, headers, theirs)
        assert (found.status_code, found.json()["error"]["code"]) == (status, code)


@pytest.mark.parametrize(("method", "path", "scope"), ROUTES)
def test_what_belongs_to_others_is_not_there(
    http: TestClient, house: ApiHouse, theirs: dict[str, str], method: str, path: str, scope: str
) -> None:
    found = ask(http, method, path, bearer(house.key(ADA)), theirs)
    if "{" in path or path in BODIES:
        assert found.status_code == 404 and found.json()["error"]["code"].endswith("_not_found")
    unknown = ask(http, method, path, bearer(house.key(ADA)), dict.fromkeys(theirs, "unknown"))
    if "{" in path:
        assert unknown.status_code == 404
        theirs_said = [json.dumps(found.json()["error"][k]) for k in ("code", "message", "remedy")]
        unknown_said = [json.dumps(unknown.json()["error"][k]) for k in ("code", "message", "remedy")]
        plain = "|".join(theirs.values())
        assert [_without(s, plain) for s in theirs_said] == [_without(s, "unknown") for s in unknown_said]
    assert found.status_code >= 400 or "bert" not in found.text


def _without(text: str, ids: str) -> str:
    for name in ids.split("|"):
        text = text.replace(f"'{name}'", "it")
    return text


@pytest.mark.parametrize("given", ["consent_id", "upload_ids"])
def test_others_consents_and_uploads_make_no_voice(http: TestClient, house: ApiHouse, theirs: dict[str, str], given: str) -> None:
    data = {"name": "mine", given: theirs[given.removesuffix("s")]}
    files = [("recordings", (p.name, p.read_bytes())) for p in house.recordings.iterdir()]
    found = http.post("/v1/audio/voices", data=data, files=files, headers=bearer(house.key(ADA)))
    assert found.status_code == 404
    patched = http.patch("/v1/audio/voices/ada", json={"consent_id": theirs["consent_id"]}, headers=bearer(house.key(ADA)))
    assert patched.status_code == 404


def test_idempotency_keys_of_two_owners_do_not_meet(http: TestClient, house: ApiHouse) -> None:
    sent = {"file": ("a.wav", b"RIFFxxxx")}
    answers = [
        http.post("/v1/uploads", files=sent, headers={**bearer(house.key(owner)), "Idempotency-Key": "the-same-key"})
        for owner in (ADA, BERT, ADA)
    ]
    ids = [a.json()["id"] for a in answers]
    assert ids[0] == ids[2] != ids[1]


def test_bodies_that_are_too_large_are_not_read_to_their_end(house: ApiHouse) -> None:
    with TestClient(make_api(house.app(), limits=Limits(json_bytes=1000, upload_bytes=3000))) as http:
        headers = bearer(house.key())
        announced = http.post("/v1/audio/speech", json={"voice": "ada", "input": "a" * 2000}, headers=headers)
        streamed = http.post("/v1/audio/speech", content=(b"x" * 600 for _ in range(5)), headers=headers)
        upload = http.post("/v1/uploads", files={"file": ("a.wav", b"x" * 4000)}, headers=headers)
        for found in (announced, streamed, upload):
            assert found.status_code == 413 and found.json()["error"]["code"] == "too_large"
        assert http.post("/v1/uploads", files={"file": ("a.wav", b"x" * 2000)}, headers=headers).status_code == 201


def test_a_long_question_is_too_long(house: ApiHouse) -> None:
    import base64

    with TestClient(make_api(house.app(), limits=Limits(question_s=0.5))) as http:
        data = base64.b64encode(encode(spoken("what is two plus three").mono(), "wav")).decode()
        content = [{"type": "input_audio", "input_audio": {"data": data, "format": "wav"}}]
        asked = {"audio": {"voice": "ada"}, "messages": [{"role": "user", "content": content}]}
        found = http.post("/v1/chat/completions", json=asked, headers=bearer(house.key()))
        assert found.status_code == 422 and "long" in found.json()["error"]["message"]


def test_more_sessions_than_allowed_are_told_to_come_again(house: ApiHouse) -> None:
    with TestClient(make_api(house.app(), limits=replace(Limits(), sessions=0))) as http:
        found = http.post("/v1/audio/speech", json={"voice": "ada", "input": "hello"}, headers=bearer(house.key()))
        assert found.status_code == 429 and found.headers["retry-after"] and found.json()["error"]["code"] == "busy"


def test_logs_say_what_happened_and_nothing_that_was_said(
    http: TestClient, house: ApiHouse, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from voicekit.api.logs import JsonLines

    text, stream = "a secret sentence", io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines())
    log = logging.getLogger("voicekit.api")
    monkeypatch.setattr(log, "handlers", [handler])
    caplog.set_level(logging.INFO, log.name)
    secret = house.key()
    http.post("/v1/audio/speech", json={"voice": "ada", "input": text}, headers=bearer(secret))
    monkeypatch.setattr(type(house.app()), "speech", lambda *_: (_ for _ in ()).throw(RuntimeError(text)))
    broken = http.post("/v1/audio/speech", json={"voice": "ada", "input": text}, headers=bearer(secret))
    assert broken.status_code == 500 and broken.json()["error"]["code"] == "internal" and text not in broken.text
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [(line["event"], line.get("status")) for line in lines] == [("request", 200), ("failure", None), ("request", 500)]
    assert lines[0]["route"] == "/v1/audio/speech" and lines[0]["ms"] > 0 and lines[0]["bytes_out"] > 1000 and lines[0]["key"]
    assert text not in stream.getvalue() and secret not in stream.getvalue()


def test_every_route_has_an_example_and_every_error_its_shape(http: TestClient) -> None:
    document = http.get("/openapi.json").json()
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            assert operation["description"], path
            if path not in PUBLIC:
                assert operation["responses"]["4XX"]["content"]["application/json"]["schema"]["$ref"].endswith("ErrorBody")
                assert operation["security"], (method, path)


def test_the_bare_address_leads_to_pages_that_ask_nobody_else(http: TestClient) -> None:
    page = http.get("/")
    assert page.url.path == "/docs" and '"validatorUrl": null' in page.text
    assets = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(assets) == 3 and all(a.startswith("/") and http.get(a).status_code == 200 for a in assets)
    assert "//" not in page.text.replace(" // ", " ").replace("`SwaggerUIBundle`", "").replace("://testserver", "")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"content": b"hello"}, "The body is not a JSON object."),
        ({"content": b'{"messages": ', "headers": {"content-type": "application/json"}}, "The body is not valid JSON: "),
        ({"json": {"messages": [{"role": "user", "content": "hi"}]}}, "say which voice answers: "),
    ],
)
def test_a_request_of_a_wrong_shape_is_told_what_to_send(house: ApiHouse, http: TestClient, body: Any, said: str) -> None:
    headers = {**body.pop("headers", {}), **bearer(house.key())}
    answered = http.post("/v1/chat/completions", headers=headers, **body)
    assert answered.status_code == 422 and answered.json()["error"]["message"].startswith(said)
    assert answered.json()["error"]["param"] is None


def test_a_part_of_a_wrong_shape_is_named(house: ApiHouse, http: TestClient) -> None:
    asked = {"audio": "ada", "messages": [{"role": "user", "content": "hi"}]}
    error = http.post("/v1/chat/completions", headers=bearer(house.key()), json=asked).json()["error"]
    assert error["param"] == "audio" and error["message"].startswith("audio: ")


@pytest.fixture(scope="module")
def operations(house: ApiHouse) -> dict[str, Any]:
    described = schemathesis.openapi.from_asgi("/openapi.json", make_api(house.app()))
    found: list[Any] = [operation.ok() for operation in described.get_all_operations()]  # pyright: ignore[reportAttributeAccessIssue]
    return {operation.label: operation for operation in found}


@pytest.mark.parametrize("label", [*(f"{method} {path}" for method, path, _ in ROUTES), *(f"GET {path}" for path in PUBLIC)])
def test_no_request_makes_the_server_stumble(house: ApiHouse, operations: dict[str, Any], label: str) -> None:
    headers = bearer(house.key())

    @settings(max_examples=6, suppress_health_check=SLOW, derandomize=True, database=None, phases=[Phase.generate])
    @given(case=operations[label].as_strategy())
    def holds(case: Any) -> None:
        answered = case.call(headers=headers)
        assert answered.status_code < 500, answered.content
        if answered.status_code >= 400:
            error = json.loads(answered.content)["error"]
            assert set(error) == {"code", "message", "remedy", "type", "param", "request_id"}

    holds()
