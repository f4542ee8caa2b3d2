"""Voices, consents, uploads and jobs over HTTP, against a live server on fakes."""

import io
import json
import zipfile
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.api_house import ADA, ApiHouse, client, served, spoken
from tests.fake_engines import told_turns
from voicekit.audio_formats import encode
from voicekit.consent import statement
from voicekit.records import JobFault, JobState, VoiceState, Waveform

SAID = statement("en").lower().replace(".", "")


@pytest.fixture
def address(house: ApiHouse) -> Generator[str, None, None]:
    with served(house.app()) as found:
        yield found


@pytest.fixture
def http(house: ApiHouse, address: str) -> Generator[httpx.Client, None, None]:
    with client(address, house.key()) as found:
        yield found


def wav(wave: Waveform) -> bytes:
    return encode(wave.mono(), "wav")


def recordings_of(house: ApiHouse) -> list[tuple[str, Any]]:
    return [("recordings", (p.name, p.read_bytes())) for p in sorted(house.recordings.iterdir())]


def consent(http: httpx.Client, text: str = SAID, pitch: int = 6) -> dict[str, Any]:
    sound = {"recording": ("yes.wav", wav(spoken(text, pitch)))}
    answer = http.post("/v1/audio/voice_consents", data={"speaker": "Anna"}, files=sound)
    assert answer.status_code == 201, answer.text
    return answer.json()


def test_the_list_has_pages_a_search_and_only_the_owners_voices(http: httpx.Client) -> None:
    first = http.get("/v1/audio/voices", params={"limit": 1}).json()
    assert [v["id"] for v in first["data"]] == ["ada"] and first["next"]
    second = http.get("/v1/audio/voices", params={"limit": 1, "after": first["next"]}).json()
    assert [v["id"] for v in second["data"]] == ["ada-draft"] and second["next"] is None
    http.patch("/v1/audio/voices/ada", json={"description": "calm and close", "tags": ["night"]})
    for words, expected in (("NIGHT calm", ["ada"]), ("ada", ["ada", "ada-draft"]), ("bert", []), ("home", [])):
        assert [v["id"] for v in http.get("/v1/audio/voices", params={"search": words}).json()["data"]] == expected
    drafts = http.get("/v1/audio/voices", params={"state": "draft"}).json()["data"]
    assert [v["id"] for v in drafts] == ["ada-draft"]
    assert http.get("/v1/audio/voices", params={"after": "ä"}).json()["error"]["code"] == "bad_cursor"


def test_a_voice_shows_its_numbers_its_lineage_and_how_it_sounds(http: httpx.Client) -> None:
    shown = http.get("/v1/audio/voices/ada").json()
    assert shown["versions"] == [{"version": 1, "state": "published"}] and shown["state"] == "published"
    measured = http.get("/v1/audio/voices/ada@1/evaluation").json()
    assert measured["passed"] and measured["metrics"]["retention"] > 0.8 and len(measured["metrics"]["retention_ci"]) == 2
    lineage = http.get("/v1/audio/voices/ada/lineage").json()
    assert len(lineage["recordings"]) == 10 and lineage["spec_hash"] and not any(str(v)[:1] == "/" for v in lineage.values())
    for voice in ("ada", "ada-draft"):
        heard = http.get(f"/v1/audio/voices/{voice}/preview")
        assert heard.headers["content-type"] == "audio/wav" and heard.content[:4] == b"RIFF"


def test_a_consent_that_says_the_statement_lets_a_draft_be_published(http: httpx.Client) -> None:
    refused = http.post("/v1/audio/voices/ada-draft/publish")
    assert refused.status_code == 409 and refused.json()["error"]["code"] == "not_publishable"
    given = consent(http)
    assert given["words_ok"] and given["voice_ok"] is None and given["heard"] == SAID
    assert http.patch("/v1/audio/voices/ada-draft", json={"consent_id": given["id"]}).json()["consent_id"] == given["id"]
    assert http.post("/v1/audio/voices/ada-draft/publish").json()["state"] == "published"
    after = http.get(f"/v1/audio/voice_consents/{given['id']}").json()
    assert after["voice_ok"] and after["cosine"] > 0.9
    assert http.post("/v1/audio/voices/ada-draft/revoke").json()["state"] == "revoked"
    said = http.post("/v1/audio/speech", json={"voice": "ada-draft", "input": "hello"})
    assert said.status_code == 409 and said.json()["error"]["code"] == "voice_revoked"


@pytest.mark.parametrize(
    ("text", "pitch", "words_ok"),
    [(SAID, 1, True), (SAID.replace("i agree", "i do not agree"), 6, False), ("the old house by the sea was empty", 6, False)],
)
def test_other_words_or_another_voice_do_not_publish(http: httpx.Client, text: str, pitch: int, words_ok: bool) -> None:
    given = consent(http, text, pitch)
    assert given["words_ok"] is words_ok
    http.patch("/v1/audio/voices/ada-draft", json={"consent_id": given["id"]})
    refused = http.post("/v1/audio/voices/ada-draft/publish")
    assert refused.status_code == 409 and "consent" in refused.json()["error"]["message"]


def test_the_statement_is_there_in_several_languages(http: httpx.Client) -> None:
    assert http.get("/v1/audio/voice_consents/statement").json()["statement"] == statement("en")
    assert "Stimme" in http.get("/v1/audio/voice_consents/statement", params={"language": "de-AT"}).json()["statement"]
    unknown = http.get("/v1/audio/voice_consents/statement", params={"language": "tlh"})
    assert unknown.status_code == 422 and unknown.json()["error"]["code"] == "bad_language"


def test_recordings_become_a_job_and_the_same_request_again_the_same_job(http: httpx.Client, house: ApiHouse) -> None:
    asked = {"name": "new", "recipe": "smoke", "consent_id": consent(http)["id"], "tags": ["one", "two"]}
    made = http.post("/v1/audio/voices", data=asked, files=recordings_of(house), headers={"Idempotency-Key": "first-request"})
    assert made.status_code == 202, made.text
    job = made.json()["job"]
    assert job["state"] == "queued" and job["voice"] == "new" and http.get(f"/v1/jobs/{job['id']}").json() == job
    early = http.get("/v1/audio/voices/new")
    assert early.status_code == 404 and early.json()["error"]["remedy"].endswith(f"/v1/jobs/{job['id']}")
    again = http.post("/v1/audio/voices", data=asked, files=recordings_of(house), headers={"Idempotency-Key": "first-request"})
    assert again.json() == made.json() and again.headers["idempotent-replayed"] == "true"
    unkeyed = http.post("/v1/audio/voices", data=asked, files=recordings_of(house))
    assert unkeyed.json()["job"]["id"] == job["id"] and len(http.get("/v1/jobs").json()["data"]) == 1
    stored = house.catalog.job(job["id"])
    assert stored is not None and stored.status.owner == ADA and tuple(stored.request["tags"]) == ("one", "two")
    assert len(list(Path(stored.request["recordings"]).iterdir())) == 11 and http.get("/v1/uploads").json()["data"] == []
    taken = http.post("/v1/audio/voices", data={**asked, "name": "bert"}, files=recordings_of(house))
    assert taken.status_code == 409 and taken.json()["error"]["code"] == "name_taken"


def test_uploads_and_a_zip_are_recordings_too(http: httpx.Client, house: ApiHouse) -> None:
    ids = [http.post("/v1/uploads", files={"file": sent}).json()["id"] for _, sent in recordings_of(house)]
    made = http.post("/v1/audio/voices", data={"name": "new", "upload_ids": ids})
    assert made.status_code == 202, made.text
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for _, (name, data) in recordings_of(house):
            archive.writestr(name, data)
    zipped = [("recordings", ("all.zip", packed.getvalue()))]
    assert http.post("/v1/audio/voices", data={"name": "zipped"}, files=zipped).status_code == 202
    mixed = http.post("/v1/audio/voices", data={"name": "mixed"}, files=[*zipped, *recordings_of(house)])
    assert mixed.status_code == 400 and "zip" in mixed.json()["error"]["message"]
    assert http.delete(f"/v1/uploads/{ids[0]}").status_code == 204
    assert http.post("/v1/audio/voices", data={"name": "more", "upload_ids": ids}).json()["error"]["code"] == "upload_not_found"


def test_whose_voice_is_meant_is_part_of_what_is_asked_for(http: httpx.Client, house: ApiHouse) -> None:
    sent, told = recordings_of(house), told_turns(house.recordings).encode()
    clip = ("reference", ("ada.wav", (house.recordings / "000.wav").read_bytes()))
    turns = ("turns", ("told.rttm", told))
    jobs: list[str] = []
    for data, files in (({}, []), ({}, [clip]), ({"speaker": "ann"}, [turns]), ({"speaker": "ben"}, [turns])):
        made = http.post("/v1/audio/voices", data={"name": "new", **data}, files=[*sent, *files])
        assert made.status_code == 202, made.text
        job = made.json()["job"]["id"]
        jobs.append(job)
        stored = house.catalog.job(job)
        assert stored is not None and stored.request["speaker"] == data.get("speaker", "")
        for param, content in (("reference", clip[1][1]), ("turns", told)):
            kept = stored.request[param]
            assert (Path(kept).read_bytes() if kept else None) == (content if param in dict(files) else None)
        http.post(f"/v1/jobs/{job}/cancel")
    assert len(set(jobs)) == 4
    fields = http.get("/openapi.json").json()["components"]["schemas"]["Body_make_v1_audio_voices_post"]["properties"]
    assert all(fields[name]["description"] for name in ("reference", "speaker", "turns"))
    both = http.post("/v1/audio/voices", data={"name": "new", "speaker": "ann"}, files=[*sent, clip])
    assert both.status_code == 400 and both.json()["error"]["code"] == "usage"
    bad = http.post("/v1/audio/voices", data={"name": "new"}, files=[*sent, ("reference", ("a.txt", b"x"))])
    assert bad.status_code == 415 and bad.json()["error"]["param"] == "reference"


@pytest.mark.parametrize(
    ("data", "files", "status", "code"),
    [
        ({"name": "x!"}, [("recordings", ("a.wav", b"x"))], 422, "invalid_request"),
        ({"name": "new"}, [], 422, "bad_recordings"),
        ({"name": "new"}, [("recordings", ("a.exe", b"x"))], 415, "unsupported_media_type"),
        ({"name": "new"}, [("recordings", ("a.wav", b""))], 422, "bad_recordings"),
        ({"name": "new", "recipe": "other"}, [("recordings", ("a.wav", b"x"))], 422, "unknown_recipe"),
        ({"name": "new", "recipe": "../../etc"}, [("recordings", ("a.wav", b"x"))], 422, "invalid_request"),
        ({"name": "new", "base": "/etc"}, [("recordings", ("a.wav", b"x"))], 422, "invalid_request"),
        ({"name": "new", "consent_id": "none"}, [("recordings", ("a.wav", b"x"))], 404, "consent_not_found"),
    ],
)
def test_requests_that_cannot_be_met(http: httpx.Client, data: Any, files: Any, status: int, code: str) -> None:
    answer = http.post("/v1/audio/voices", data=data, files=files)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


def test_recordings_of_another_voice_than_the_consents_are_refused_at_once(http: httpx.Client, house: ApiHouse) -> None:
    asked = {"name": "new", "consent_id": consent(http, pitch=1)["id"]}
    refused = http.post("/v1/audio/voices", data=asked, files=recordings_of(house), headers={"Idempotency-Key": "try-once-more"})
    assert refused.status_code == 422 and refused.json()["error"]["code"] == "consent_voice"
    asked["consent_id"] = consent(http)["id"]
    better = http.post("/v1/audio/voices", data=asked, files=recordings_of(house), headers={"Idempotency-Key": "try-once-more"})
    assert better.status_code == 202, "a failed request does not use up its key"


def test_a_zip_that_a_consent_is_compared_with_is_not_kept_unpacked(http: httpx.Client, house: ApiHouse) -> None:
    """Somebody's recordings lay beside the consents for good once, whatever was removed later."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as zipped:
        for file in house.recordings.iterdir():
            zipped.write(file, file.name)
    asked = {"name": "new", "consent_id": consent(http)["id"]}
    made = http.post("/v1/audio/voices", data=asked, files=[("recordings", ("all.zip", packed.getvalue()))])
    assert made.status_code == 202, made.text
    assert {p.suffix for p in (house.home / "consents").rglob("*")} == {".flac"}


def test_a_job_is_listened_to_cancelled_and_tried_again(http: httpx.Client, house: ApiHouse) -> None:
    job = http.post("/v1/audio/voices", data={"name": "new"}, files=recordings_of(house)).json()["job"]
    assert http.post(f"/v1/jobs/{job['id']}/retry").status_code == 409
    with http.stream("GET", f"/v1/jobs/{job['id']}/events") as stream:
        lines = stream.iter_lines()
        seen = [json.loads(line[6:]) for line in [next(lines) for _ in range(4)] if line.startswith("data: ")]
        status = house.app().job(job["id"])
        fault = JobFault("out_of_resources", "There is not enough memory.", "Close other programs.")
        failed = replace(status, state=JobState.FAILED, fault=fault, losses=((1, 3.0), (2, float("nan"))), updated_at="later")
        assert house.catalog.save_job(failed, status.attempt, [JobState.QUEUED])
        seen += [json.loads(line[6:]) for line in lines if line.startswith("data: ")]
    assert [s["state"] for s in seen] == ["queued", "failed"] and seen[-1]["losses"] == [[1, 3.0], [2, None]]
    assert seen[-1]["error"] == {"code": fault.code, "message": fault.problem, "remedy": fault.remedy}
    assert http.post(f"/v1/jobs/{job['id']}/retry").json()["state"] == "queued"
    assert http.post(f"/v1/jobs/{job['id']}/cancel").json()["state"] == "cancelled"
    assert [j["id"] for j in http.get("/v1/jobs", params={"state": "cancelled"}).json()["data"]] == [job["id"]]


def test_deleting_leaves_nothing_of_a_voice(http: httpx.Client, house: ApiHouse) -> None:
    gone = http.delete("/v1/audio/voices/ada").json()
    removed = gone.pop("removed")
    assert gone == {"object": "voice.deleted", "id": "ada", "deleted": True, "versions": 1}
    assert removed["versions"] == ["ada@1"] and removed["num_files"] > 10 and removed["num_bytes"] > 10_000
    assert http.get("/v1/audio/voices/ada").status_code == 404 and not (house.home / "voices" / "ada").exists()
    assert [v.slug for v in house.catalog.voices()] == ["ada-draft", "bert", "home"]
    assert http.delete("/v1/audio/voices/bert").status_code == 404
    assert house.catalog.versions("bert")[0].state is VoiceState.PUBLISHED
