"""What holds nothing to say or to answer is refused with words: a model would invent something. In every interface."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import httpx
import numpy as np
import pytest

from tests.api_house import ApiHouse, client, furnished, served, spoken
from tests.fake_engines import fake_recipe, fake_recordings
from tests.inline_worker import inline_app
from voicekit import audio, wiring
from voicekit.app import App, collect
from voicekit.audio_formats import encode
from voicekit.backends.vad import SileroVad
from voicekit.cli import run
from voicekit.dialogue import Failed, UserAudio, UserText
from voicekit.errors import RecordingsError, UsageError
from voicekit.records import Waveform
from voicekit.verbalization import sayable

WORDLESS = ["...", "!?", "—", "😀👍", "«»", "\u200b\u200d", "_ * ~", "你好", "Привет"]
SILENCE = Waveform(np.zeros((1, 24_000), np.float32), 24_000)


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> App:
    folder = tmp_path_factory.mktemp("wordless")
    made = inline_app(folder / "home")
    made.create("anna", fake_recordings(folder / "r"), recipe=fake_recipe())
    return made


@pytest.mark.parametrize(
    ("text", "languages", "yes"),
    [
        ("five", ["en"], True),
        ("5", ["en"], True),
        ("&", ["en"], True),
        ("50 %", ["de"], True),
        ("你好", ["zh"], True),
        ("안녕", ["ko"], True),
        ("\u3164\u115f", ["ko"], False),
        ("你好", ["en", "zh"], True),
        ("hello", ["ja"], False),
        ("Привет, мир", ["ru"], True),
        ("naïve", ["fr"], True),
        *((text, ["en"], False) for text in WORDLESS),
    ],
)
def test_what_can_be_said_is_told_from_what_cannot(text: str, languages: list[str], yes: bool) -> None:
    assert sayable(text, languages) is yes


@pytest.mark.parametrize("text", WORDLESS)
def test_a_text_without_words_is_neither_said_nor_answered(app: App, tmp_path: Path, text: str) -> None:
    out = tmp_path / "a.wav"
    for ask in (
        lambda: app.say("anna", text, out),
        lambda: app.chat("anna", text, out=out),
        lambda: app.speech("anna", text),
    ):
        with pytest.raises(UsageError, match="nothing in the text"):
            ask()
    assert not out.exists()


def test_a_conversation_goes_on_after_a_question_without_words(app: App) -> None:
    dialogue = app.dialogue("anna")
    for question in (UserText("..."), UserAudio(SILENCE)):
        dialogue.send(question)
        assert [type(event) for event in dialogue.events()] == [Failed]
    dialogue.send(UserText("what is two plus three"))
    assert collect(dialogue).text == "five" and len(dialogue.history) == 2


def test_a_silent_question_is_not_answered(app: App, tmp_path: Path) -> None:
    audio.write_wav(tmp_path / "silent.wav", SILENCE)
    with pytest.raises(RecordingsError, match="no speech"):
        app.chat("anna", audio_file=tmp_path / "silent.wav", out=tmp_path / "a.wav")
    assert not (tmp_path / "a.wav").exists()


def test_noise_and_a_hum_are_no_speech_to_the_ears_that_listen() -> None:
    rng, t = np.random.default_rng(0), np.arange(48_000) / 24_000
    for samples in (0.05 * rng.standard_normal(48_000), 0.3 * np.sin(2 * np.pi * 50 * t)):
        assert SileroVad().speech_spans(Waveform(samples[None].astype(np.float32), 24_000)) == []


def test_the_command_line_says_so(app: App, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setattr(wiring, "open_app", lambda: app)
    audio.write_wav(tmp_path / "silent.wav", SILENCE)
    out = str(tmp_path / "a.wav")
    for command, code in (
        (["say", "anna", "...", "-o", out], 2),
        (["chat", "anna", "--text", "?!", "-o", out], 2),
        (["chat", "anna", "--audio", str(tmp_path / "silent.wav"), "-o", out], 3),
    ):
        assert run(command) == code and capsys.readouterr().err.startswith("Error: There is no")
    assert not Path(out).exists()


@pytest.fixture(scope="module")
def http(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    house: ApiHouse = furnished(tmp_path_factory.mktemp("api"))
    with served(house.app()) as address, client(address, house.key()) as found:
        yield found


@pytest.mark.parametrize("form", ["file", "audio", "sse"])
def test_over_http_a_text_without_words_is_a_bad_request(http: httpx.Client, form: str) -> None:
    found = http.post("/v1/audio/speech", json={"voice": "ada", "input": "…", "stream_format": form})
    assert found.status_code == 400 and "nothing in the text" in found.json()["error"]["message"]


@pytest.mark.parametrize("stream", [False, True])
def test_over_http_nothing_is_answered_where_nothing_was_asked(http: httpx.Client, stream: bool) -> None:
    sound = {"data": base64.b64encode(encode(SILENCE.mono(), "wav")).decode(), "format": "wav"}
    for content, status in (("?!", 400), ([{"type": "input_audio", "input_audio": sound}], 422)):
        asked = {"audio": {"voice": "ada"}, "messages": [{"role": "user", "content": content}], "stream": stream}
        found = http.post("/v1/chat/completions", json=asked)
        assert found.status_code == status and found.json()["error"]["message"].startswith("There is no")


def tagged(file: Path, tag: bytes) -> Path:
    """A spoken question as m4a whose title is these bytes, in no encoding that anybody knows."""
    wave, placeholder = spoken("what is two plus three"), "X" * len(tag)
    with av.open(file, "w", format="mp4") as container:
        container.metadata["title"] = placeholder
        stream = container.add_stream("aac", rate=24_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(wave.samples, format="fltp", layout="mono")
        frame.sample_rate = 24_000
        for packet in (*stream.encode(frame), *stream.encode(None)):
            container.mux(packet)
    file.write_bytes(file.read_bytes().replace(placeholder.encode(), tag))
    return file


@pytest.mark.parametrize(
    "tag", ["Café 2024".encode("latin-1"), b"Son num\x8eriq.", "日本".encode("utf-16-le"), b"\xff\xfe\x00\x80"]
)
def test_a_spoken_question_with_odd_tags_is_heard(app: App, tmp_path: Path, tag: bytes) -> None:
    question = tagged(tmp_path / "asked.m4a", tag)
    plain = tagged(tmp_path / "plain.m4a", b"plain")
    assert audio.probe(question) == audio.probe(plain)
    np.testing.assert_array_equal(audio.read(question).samples, audio.read(plain).samples)
    assert app.chat("anna", audio_file=question).wave.num_samples > 0
    assert app.add_consent("", "Anna", "en", question).words_ok is False, "read as a consent, too"
