"""Speech and conversations through OpenAI's own client, against a live server on fakes."""

import base64
import threading
import time
from collections.abc import Generator, Iterator
from typing import Any

import openai
import pytest

from tests.api_house import ApiHouse, client, furnished, samples_of, served, spoken
from tests.fake_base import FakeSpeaker
from voicekit.app import App
from voicekit.audio_formats import FORMATS, encode
from voicekit.ports import SpeechDelta
from voicekit.timebase import SAMPLES_PER_TOKEN

TEXT = "the old house by the sea was empty"
QUESTION = "what is two plus three"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> ApiHouse:
    return furnished(tmp_path_factory.mktemp("api"))


@pytest.fixture(scope="module")
def address(house: ApiHouse) -> Generator[str, None, None]:
    with served(house.app()) as found:
        yield found


@pytest.fixture(scope="module")
def ai(house: ApiHouse, address: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{address}/v1", api_key=house.key(), max_retries=0)


def asked_aloud(data: str) -> list[Any]:
    return [{"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": data, "format": "wav"}}]}]


def test_a_model_is_not_entered_while_another_door_of_the_same_app_is_in_it(house: ApiHouse) -> None:
    app = house.app()
    got: list[int] = []
    with served(app) as address:
        ai = openai.OpenAI(base_url=f"{address}/v1", api_key=house.key(), max_retries=0)
        asking = threading.Thread(
            target=lambda: got.append(len(ai.audio.speech.create(model="voicekit", voice="ada", input=TEXT).content))
        )
        with app.turn:
            asking.start()
            asking.join(1.0)
            assert asking.is_alive() and not got
        asking.join(60.0)
    assert got


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("stream_format", ["audio", "file"])
def test_speech_in_every_format_is_as_long_as_what_was_said(ai: openai.OpenAI, name: Any, stream_format: Any) -> None:
    body = {"stream_format": stream_format}
    got = ai.audio.speech.create(model="voicekit", voice="ada", input=TEXT, response_format=name, extra_body=body)
    assert got.response.headers["content-type"] == FORMATS[name].media_type
    expected = len(TEXT) * SAMPLES_PER_TOKEN
    assert abs(len(samples_of(got.content, name)) - expected) <= (1_800 if name == "mp3" else 2)


def test_speech_as_events_is_the_same_speech(ai: openai.OpenAI, house: ApiHouse, address: str) -> None:
    import json

    whole = ai.audio.speech.create(model="voicekit", voice="ada", input=TEXT, response_format="pcm").content
    asked = {"voice": "ada", "input": TEXT, "response_format": "pcm", "stream_format": "sse"}
    lines = client(address, house.key()).post("/v1/audio/speech", json=asked).text.split("\n\n")
    events = [json.loads(line.removeprefix("data: ")) for line in lines if line]
    assert [e["type"] for e in events[:-1]] == ["speech.audio.delta"] * (len(events) - 1) and len(events) > 2
    assert events[-1] == {"type": "speech.audio.done"}
    assert b"".join(base64.b64decode(e["audio"]) for e in events[:-1]) == whole


def test_the_first_sound_is_there_before_the_last_is_made(house: ApiHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    go_on = threading.Event()
    real = FakeSpeaker.speak_stream

    def held(self: FakeSpeaker, text: str, seed: int = 0) -> Iterator[SpeechDelta]:
        deltas = real(self, text, seed)
        yield next(deltas)
        assert go_on.wait(20)
        yield from deltas

    monkeypatch.setattr(FakeSpeaker, "speak_stream", held)
    with served(house.app()) as address:
        ai = openai.OpenAI(base_url=f"{address}/v1", api_key=house.key(), max_retries=0)
        with ai.audio.speech.with_streaming_response.create(
            model="voicekit", voice="ada", input=TEXT, response_format="mp3"
        ) as response:
            chunks = response.iter_bytes()
            first = next(chunks)
            assert first and not go_on.is_set()
            go_on.set()
            assert len(samples_of(first + b"".join(chunks), "mp3")) > 30 * SAMPLES_PER_TOKEN


def test_a_typed_question_is_answered_in_words_and_sound(ai: openai.OpenAI) -> None:
    got = ai.chat.completions.create(
        model="voicekit",
        modalities=["text", "audio"],
        audio={"voice": "ada", "format": "wav"},
        messages=[{"role": "user", "content": QUESTION}],
    )
    message = got.choices[0].message
    assert got.choices[0].finish_reason == "stop" and got.object == "chat.completion"
    assert message.audio is not None and message.audio.transcript == "five" and message.content is None
    assert len(samples_of(base64.b64decode(message.audio.data), "wav")) == 4 * SAMPLES_PER_TOKEN
    assert message.audio.expires_at > time.time()


def test_a_spoken_question_is_heard(ai: openai.OpenAI) -> None:
    data = base64.b64encode(encode(spoken(QUESTION).mono(), "wav")).decode()
    content: Any = [{"type": "input_audio", "input_audio": {"data": data, "format": "wav"}}]
    got = ai.chat.completions.create(
        model="fake",
        modalities=["text"],
        audio={"voice": "ada", "format": "wav"},
        messages=[{"role": "user", "content": content}],
    )
    assert got.choices[0].message.content == "five" and got.choices[0].message.audio is None


@pytest.mark.parametrize("name", ["pcm16", "mp3", "opus"])
def test_a_streamed_answer_joined_is_the_whole_one(ai: openai.OpenAI, name: Any) -> None:
    chunks = ai.chat.completions.create(
        model="voicekit",
        modalities=["text", "audio"],
        audio={"voice": "ada", "format": name},
        messages=[{"role": "user", "content": "what is nine plus eight"}],
        stream=True,
    )
    text, data, finish, ids = "", b"", None, set()
    for chunk in chunks:
        sound = chunk.choices[0].delta.audio
        text += (sound and sound.transcript) or ""
        data += base64.b64decode((sound and sound.data) or "")
        finish = chunk.choices[0].finish_reason or finish
        ids |= {sound.id} if sound else set()
    assert text == "seventeen" and finish == "stop" and len(ids) == 1
    tolerance = 1_800 if name == "mp3" else 2
    expected = len("seventeen") * SAMPLES_PER_TOKEN
    assert abs(len(samples_of(data, "pcm" if name == "pcm16" else name)) - expected) <= tolerance


def test_a_conversation_goes_on_by_the_id_of_an_answer(
    ai: openai.OpenAI, house: ApiHouse, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = ai.chat.completions.create(
        model="voicekit", audio={"voice": "ada", "format": "wav"}, messages=[{"role": "user", "content": QUESTION}]
    )
    assert first.choices[0].message.audio is not None
    seen: list[Any] = []
    real = FakeSpeaker.stream

    def watching(self: FakeSpeaker, user: Any, history: Any = (), seed: int = 0) -> Iterator[SpeechDelta]:
        seen.append(history)
        return real(self, user, history, seed)

    monkeypatch.setattr(FakeSpeaker, "stream", watching)
    messages: Any = [
        {"role": "user", "content": QUESTION},
        {"role": "assistant", "audio": {"id": first.choices[0].message.audio.id}},
        {"role": "user", "content": "what is one plus one"},
    ]
    asked: Any = {"model": "voicekit", "audio": {"voice": "ada", "format": "wav"}, "messages": messages}
    ai.chat.completions.create(**asked)
    assert [t.role for t in seen[-1]] == ["user", "assistant"]
    assert seen[-1][1].text == "five" and len(seen[-1][1].speech) == 4
    other = client(address, house.key("team-b")).post("/v1/chat/completions", json={**asked, "audio": {"voice": "bert"}})
    assert other.status_code == 400 and other.json()["error"]["code"] == "reply_not_found"


def test_two_sessions_at_once_give_what_each_gives_alone(house: ApiHouse, address: str) -> None:
    keys = {"ada": house.key(), "bert": house.key("team-b")}
    texts = [f"{TEXT} {word}" for word in ("one", "two two", "three three three")]

    def say(voice: str, text: str) -> bytes:
        asked = {"voice": voice, "input": text, "response_format": "pcm"}
        return client(address, keys[voice]).post("/v1/audio/speech", json=asked).content

    jobs = [(voice, text) for voice in keys for text in texts]
    alone = [say(*job) for job in jobs]
    together: dict[int, bytes] = {}
    threads = [threading.Thread(target=lambda i=i, job=job: together.update({i: say(*job)})) for i, job in enumerate(jobs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [together[i] for i in range(len(jobs))] == alone


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"voice": "nobody"}, 404, "voice_not_found"),
        ({"voice": "bert"}, 404, "voice_not_found"),
        ({"voice": "ada@7"}, 404, "voice_not_found"),
        ({"voice": "../etc"}, 404, "voice_not_found"),
        ({"voice": "ada-draft"}, 409, "voice_not_published"),
        ({"input": ""}, 422, "invalid_request"),
        ({"input": "  "}, 400, "usage"),
        ({"input": "a" * 4097}, 422, "invalid_request"),
        ({"response_format": "aac"}, 422, "invalid_request"),
        ({"speed": 2.0}, 422, "invalid_request"),
        ({"model": "tts-1"}, 404, "model_not_found"),
    ],
)
def test_what_cannot_be_said_is_refused_with_a_code_and_a_remedy(
    ai: openai.OpenAI, change: dict[str, Any], status: int, code: str
) -> None:
    asked: Any = {"model": "voicekit", "voice": "ada", "input": TEXT, **change}
    with pytest.raises(openai.APIStatusError) as caught:
        ai.audio.speech.create(**asked)
    error: Any = caught.value.body
    assert caught.value.status_code == status and error["code"] == code
    assert error["message"] and error["remedy"] and error["request_id"]


@pytest.mark.parametrize(
    ("messages", "status", "code"),
    [
        ([{"role": "system", "content": "be kind"}, {"role": "user", "content": QUESTION}], 400, "system_message"),
        ([{"role": "assistant", "content": "hello"}], 422, "invalid_request"),
        ([], 422, "invalid_request"),
        (asked_aloud("!"), 400, "bad_base64"),
        (asked_aloud("aGk="), 422, "bad_recordings"),
        ([{"role": "user", "content": "   "}], 400, "usage"),
    ],
)  # fmt: skip
def test_questions_that_make_no_sense(ai: openai.OpenAI, messages: Any, status: int, code: str) -> None:
    with pytest.raises(openai.APIStatusError) as caught:
        ai.chat.completions.create(model="voicekit", audio={"voice": "ada", "format": "wav"}, messages=messages)
    assert caught.value.status_code == status and getattr(caught.value.body, "get", dict().get)("code") == code


def test_health_and_models(house: ApiHouse, address: str, ai: openai.OpenAI) -> None:
    assert client(address).get("/health").json()["status"] == "ok"
    assert client(address).get("/health/ready").json() == {"status": "ok"}
    assert [m.id for m in ai.models.list()] == ["voicekit", "fake"]


def test_a_server_without_keys_serves_its_own_machine_only(house: ApiHouse) -> None:
    app: App = house.app()
    with served(app, keys_required=False) as address, client(address) as http:
        assert http.get("/v1/models").status_code == 200
        for headers in ({"Origin": "https://elsewhere.example"}, {"Host": "elsewhere.example"}):
            answer = http.get("/v1/models", headers=headers)
            assert answer.status_code == 403 and answer.json()["error"]["code"] == "not_local"
