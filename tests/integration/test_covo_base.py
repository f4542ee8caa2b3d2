"""A whole base on a very small random model: what the port promises, and that voices never mix."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.makers import tiny_base, tokenized
from tests.tiny import hum
from voicekit.conversations import Weights, encode
from voicekit.covo import Base, load_base
from voicekit.errors import BaseModelError, InputError, RecordingsError, UsageError
from voicekit.ports import BaseModel, Progress, Reader
from voicekit.records import Conversation, Question, Reply, TrainingExample, Turn, Waveform
from voicekit.specs import Full, Lora, TrainSpec
from voicekit.storage import base_revision

QUESTIONS = ("what is two plus three?", "hello", "which colour is the sky?", "say hello to me, please.")


def quiet(_: Progress) -> None:
    return None


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_base(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def base(folder: Path) -> Base:
    return load_base(folder)


def wave(seconds: float = 2.5, pitch_hz: float = 120.0) -> Waveform:
    return Waveform(hum(seconds, pitch_hz)[None], 24_000)


def lesson(base: Base, speech: Sequence[int]) -> TrainingExample:
    turns = (Turn("user", "hello"), Turn("assistant", "hello, my friend.", speech=tuple(speech)))
    return encode(Conversation(turns, "anna", "test"), Weights(text=1.0, audio=1.0), base.prompt, base.encode_text)


def adapter(base: Base, folder: Path, speech: Sequence[int], method: Lora | Full | None = None) -> Path:
    spec = TrainSpec(steps=6, learning_rate=3e-2, warmup_steps=1, method=method or Lora(rank=4, alpha=8.0), checkpoint_every=99)
    return base.finetune([lesson(base, speech)] * 2, spec, folder, quiet).adapter


@pytest.fixture(scope="module")
def adapters(base: Base, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("adapters")
    return adapter(base, folder / "a", [3] * 30), adapter(base, folder / "b", [50] * 30)


def same(one: Reply, other: Reply) -> bool:
    return one.text == other.text and one.speech.tolist() == other.speech.tolist()


def test_it_is_a_base_model_that_knows_itself(base: Base, folder: Path) -> None:
    port: BaseModel = base
    assert port.info.name == "tiny" and port.info.default_speaker in port.info.speakers
    assert port.info.folder == folder and len(port.info.revision) == 64
    assert len(port.material.train) == len(port.material.dev) == len(port.material.test) == 12
    assert port.decode_text(port.encode_text("hello, my friend.")) == "hello, my friend."
    assert port.prompt.num_codes == 64


def test_equal_seeds_give_equal_replies_and_many_at_once_are_the_same(base: Base) -> None:
    voice = base.voice("low")
    alone = [voice.reply(q, seed=5) for q in QUESTIONS]
    assert all(same(a, b) for a, b in zip(alone, voice.reply_many(QUESTIONS, seed=5), strict=True))
    assert all(len(r.speech) and ((r.speech >= 0) & (r.speech < 64)).all() for r in alone)
    assert not same(voice.reply(QUESTIONS[0], seed=6), alone[0])
    assert not same(base.voice("high").reply(QUESTIONS[0], seed=5), alone[0])


def test_a_streamed_reading_says_what_a_whole_one_says(base: Base) -> None:
    voice = base.voice("low")
    text = "hello, my friend. " * 12
    deltas = list(voice.speak_stream(text, seed=3))
    codes = [code for delta in deltas for code in delta.codes]
    assert codes == voice.speak(text, seed=3).tolist()
    assert sum(len(delta.samples) for delta in deltas) == 960 * len(codes)
    assert [bool(len(delta.samples)) for delta in deltas].index(True) < len(deltas) // 2


def test_streamed_deltas_joined_are_the_reply(base: Base) -> None:
    voice = base.voice("low")
    for question in (*QUESTIONS, wave()):
        reply, deltas = voice.reply(question, seed=3), list(voice.stream(question, seed=3))
        assert "".join(d.text for d in deltas) == reply.text
        assert [code for d in deltas for code in d.codes] == reply.speech.tolist()
        assert sum(len(d.samples) for d in deltas) == 960 * len(reply.speech)
        assert sum(1 for d in deltas if len(d.samples)) > 1


def test_earlier_turns_are_heard_typed_or_spoken(base: Base) -> None:
    voice = base.voice("low")
    first = voice.reply(wave(), seed=1)
    answer = Turn("assistant", first.text, speech=tuple(first.speech.tolist()))
    alone = voice.reply("hello", seed=1)
    spoken = voice.reply("hello", [Turn("user", "", clip_id=wave().digest()), answer], seed=1)
    typed = voice.reply("hello", [Turn("user", "what?"), answer], seed=1)
    assert not same(spoken, alone) and not same(typed, alone) and not same(spoken, typed)
    unknown = voice.reply("hello", [Turn("user", "", clip_id="never heard"), answer], seed=1)
    assert same(unknown, alone), "an exchange whose question is unknown is left out"


def test_a_long_history_loses_its_oldest_exchanges(base: Base) -> None:
    voice = base.voice("low")
    exchange = [Turn("user", "hello"), Turn("assistant", "yes", speech=tuple(range(60)))]
    long = voice.reply("hello", exchange * 30, seed=1)
    assert same(long, voice.reply("hello", exchange * 29, seed=1))
    assert [k for k in range(1, 12) if same(long, voice.reply("hello", exchange * k, seed=1))][:2] == [6, 7]
    with pytest.raises(UsageError, match="too long"):
        voice.reply("what is two? " * 300)
    with pytest.raises(UsageError, match="no sound"):
        voice.reply(Waveform(np.zeros((1, 100), np.float32), 24_000))


def test_spoken_questions_may_have_any_rate_and_channels(base: Base) -> None:
    voice = base.voice("low")
    stereo = Waveform(np.repeat(hum(1.0)[None], 2, axis=0), 24_000)
    assert same(voice.reply(stereo, seed=1), voice.reply(Waveform(hum(1.0)[None], 24_000), seed=1))
    assert len(voice.reply(Waveform(hum(1.0)[None], 48_000), seed=1).speech)


def test_a_reading_says_its_text(base: Base) -> None:
    voice = base.voice("low")
    short, long = voice.speak("hello"), voice.speak("hello, my friend. what is two plus three? " * 6)
    assert short.dtype == np.int64 and 5 <= len(short) <= 25 + 12 * len(base.encode_text("hello"))
    assert len(long) > 2 * len(short)
    assert voice.speak("hello").tolist() == short.tolist()
    with pytest.raises(UsageError, match="nothing to say"):
        voice.speak("  ")


def test_speech_in_and_out(base: Base) -> None:
    tokens = base.encode_speech(wave(2.5))
    assert tokens.shape == (63,) and base.prompt.num_codes > tokens.max() >= tokens.min() >= 0
    assert isinstance(base.read_speech(tokens), str)
    assert base.copy_synthesis(wave(1.01)).num_samples == wave(1.01).num_samples
    words = base.align(wave(), "hello you")
    assert words is not None and [w.text for w in words[0]] == ["hello", "you"]
    readings = base.read_words(wave(), "hello you") if isinstance(base, Reader) else None
    assert readings is not None and all(0.0 <= share <= 1.0 for reading in readings for share in reading)
    assert len(readings) == 2
    decoded = base.voice("low").decode(tokens)
    assert decoded.sample_rate_hz == 24_000 and decoded.samples.shape == (1, 960 * 63)


def test_a_voice_prompt_is_short_and_colours_the_sound(base: Base, folder: Path) -> None:
    prompt = base.extract_prompt(tokenized(base, wave(2.0, 200.0), wave(1.0, 200.0), wave(0.3, 200.0)))
    assert len(prompt.tokens) == 24 and prompt.latents.shape == (96, 64) and prompt.speaker.shape == (128,)
    tokens = base.encode_speech(wave(1.0))
    own, neutral = base.voice("anna", prompt).decode(tokens), base.voice("anna").decode(tokens)
    assert not np.allclose(own.samples, neutral.samples)
    with_neutral = base.voice("anna", prompt).decode(tokens, base.neutral_prompt())
    assert np.array_equal(with_neutral.samples, neutral.samples)
    with pytest.raises(RecordingsError):
        base.extract_prompt([])


def test_a_voice_prompt_holds_the_tokens_that_came_with_the_clip(base: Base) -> None:
    """Those of a clip whose words are known differ from what is heard of its sound alone; the decoder is fitted to the same."""
    clip = wave(1.0, 200.0)
    given = np.arange(25)
    assert base.extract_prompt([(clip, given)]).tokens.tolist() == given[-24:].tolist()


def test_adapters_do_not_leak(base: Base, adapters: tuple[Path, Path], tmp_path: Path) -> None:
    """Voices of two adapters and the base itself, used in turns, say what each says alone."""
    untouched = {name: p.clone() for name, p in base._chat.llm.named_parameters()}
    before = base.voice("anna").reply("hello", seed=1)
    first, second = (base.voice("anna", adapter=path) for path in adapters)
    a, b = first.reply("hello", seed=1), second.reply("hello", seed=1)
    assert not same(a, before) and not same(b, before) and not same(a, b)
    assert np.mean(a.speech == 3) > 0.5 and np.mean(b.speech == 50) > 0.5
    assert same(base.voice("anna").reply("hello", seed=1), before)
    assert same(first.reply("hello", seed=1), a) and same(second.reply("hello", seed=1), b)
    fresh = load_base(base.info.folder).voice("anna", adapter=adapters[1])
    assert same(fresh.reply("hello", seed=1), b)
    for name, p in base._chat.llm.named_parameters():
        assert torch.equal(p, untouched[name]) and not p.requires_grad


def test_given_answers_are_said_word_for_word(base: Base) -> None:
    answers = ["five", "hello", "blue, it is", "hi"]
    voice = base.voice("anna")
    replies = voice.say_answers(QUESTIONS, answers, seed=1)
    assert [r.text for r in replies] == answers and all(len(r.speech) for r in replies)
    alone = voice.say_answers(QUESTIONS[2:3], answers[2:3], seed=1)
    assert same(alone[0], replies[2])


def test_a_voice_is_known_by_its_weights_not_by_its_path(base: Base, adapters: tuple[Path, Path], tmp_path: Path) -> None:
    place = tmp_path / "voice"
    shutil.copytree(adapters[0], place)
    a = base.voice("anna", adapter=place).reply("hello", seed=1)
    shutil.rmtree(place)
    shutil.copytree(adapters[1], place)
    b = base.voice("anna", adapter=place).reply("hello", seed=1)
    assert same(b, base.voice("anna", adapter=adapters[1]).reply("hello", seed=1)) and not same(a, b)
    with pytest.raises(InputError, match="adapter"):
        base.voice("anna", adapter=tmp_path)


def test_text_kl_is_zero_for_the_base_and_grows_with_training(base: Base, adapters: tuple[Path, Path], tmp_path: Path) -> None:
    questions = [Question(q, a) for q, a in zip(QUESTIONS, ("five", "hello", "blue, it is blue all day", "hi"), strict=True)]
    still = TrainSpec(steps=1, learning_rate=0.0, warmup_steps=1, method=Lora(rank=2, alpha=4.0))
    same_text = base.finetune([lesson(base, [3] * 30)], still, tmp_path / "still", quiet).adapter
    assert base.text_kl(same_text, base.info.default_speaker, questions) == pytest.approx([0.0] * 4, abs=1e-5)
    # The base is asked under its own name, so what a name alone changes is drift too.
    assert max(base.text_kl(same_text, "somebody", questions)) > 1e-5
    moved = base.text_kl(adapters[0], "anna", questions)
    assert len(moved) == 4 and min(moved) > 1e-3
    assert base.text_kl(adapters[0], "anna", questions[1:2]) == pytest.approx(moved[1:2], rel=1e-3)


def test_full_fine_tuning_leaves_the_base_as_it_was(base: Base, tmp_path: Path) -> None:
    before = base.voice("anna").reply("hello", seed=1)
    spec = TrainSpec(steps=6, learning_rate=1e-2, warmup_steps=1, method=Full(), checkpoint_every=99)
    path = base.finetune([lesson(base, [7] * 30)] * 2, spec, tmp_path, quiet).adapter
    assert same(base.voice("anna").reply("hello", seed=1), before)
    assert np.mean(base.voice("anna", adapter=path).reply("hello", seed=1).speech == 7) > 0.5


def test_decoder_weights_belong_to_one_voice(base: Base, tmp_path: Path) -> None:
    clips = tokenized(base, wave())
    prompt = base.extract_prompt(clips)
    spec = TrainSpec(decoder_steps=3, decoder_learning_rate=1e-1)
    file = base.adapt_decoder(clips, prompt, spec, tmp_path, quiet)
    assert file is not None and file.is_file()
    tokens = base.encode_speech(wave(1.0))
    plain, tuned = base.voice("anna", prompt), base.voice("anna", prompt, decoder_weights=file)
    before = plain.decode(tokens).samples
    assert not np.allclose(tuned.decode(tokens).samples, before)
    assert np.array_equal(plain.decode(tokens).samples, before)
    neutral = base.neutral_prompt()
    assert np.array_equal(tuned.decode(tokens, neutral).samples, plain.decode(tokens, neutral).samples)
    assert base.adapt_decoder(clips, prompt, TrainSpec(decoder_steps=0), tmp_path / "none", quiet) is None


def test_the_revision_is_of_what_the_base_does(folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    assert base_revision(copy) == base_revision(folder) == base_revision(tiny_base(tmp_path / "again"))
    (copy / "README.md").write_text("about it")
    assert base_revision(copy) == base_revision(folder)
    (copy / "base.json").write_text((copy / "base.json").read_text() + " ")
    assert base_revision(copy) != base_revision(folder)


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        ("base.json", "base.json"),
        ("model.safetensors", "model.safetensors"),
        ("tokenizer.json", "tokenizer.json"),
        ("speech_tokenizer/model.safetensors", "speech_tokenizer"),
        ("token2wav/config.json", "token2wav"),
        ("token2wav/global_mean_var.npy", "global_mean_var.npy"),
        ("voice_prompts/neutral.safetensors", "neutral.safetensors"),
    ],
)
def test_a_part_that_is_missing_is_named(folder: Path, tmp_path: Path, damage: str, named: str) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    (copy / damage).unlink()
    with pytest.raises(BaseModelError, match=named):
        used = load_base(copy)
        used.encode_speech(wave(0.2))
        used.voice("low").decode(np.arange(4))


def test_parts_of_another_codebook_are_refused(folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    config = json.loads((copy / "config.json").read_text())
    config["llm_config"]["vocab_size"] += 1
    (copy / "config.json").write_text(json.dumps(config))
    with pytest.raises(BaseModelError, match=r"llm\.lm_head\.weight"):
        load_base(copy)
    with pytest.raises(BaseModelError, match="no base directory"):
        load_base(tmp_path / "nowhere")


def test_half_precision_bases_speak_too(folder: Path) -> None:
    half = load_base(folder, dtype=torch.bfloat16)
    assert half._chat.llm.dtype == torch.bfloat16
    voice = half.voice("low")
    assert len(voice.reply("hello", seed=1).speech) and len(voice.reply(wave(), seed=1).speech)
