"""The fake base keeps the promises of the port that other tests rest on."""

from tests.fake_base import FakeBase, codes_of, pitch_hz, sums
from voicekit.ports import BaseModel


def test_it_is_a_base_model_whose_tokens_survive_decoding() -> None:
    base: BaseModel = FakeBase()
    voice = base.voice("low")
    reply = voice.reply("what is two plus three")
    assert reply.text == "five"
    assert base.read_speech(reply.speech) == "five"
    assert pitch_hz(reply.speech) == 100.0
    assert base.encode_speech(voice.decode(reply.speech)).tolist() == list(codes_of("five", 0))


def test_streamed_deltas_joined_are_the_reply_and_it_hears_questions() -> None:
    base = FakeBase()
    voice = base.voice("mid")
    question = sums()[12].text
    reply = voice.reply(voice.decode(voice.speak(question)))
    deltas = list(voice.stream(question))
    assert "".join(d.text for d in deltas) == reply.text == sums()[12].answer
    assert [c for d in deltas for c in d.codes] == reply.speech.tolist()
