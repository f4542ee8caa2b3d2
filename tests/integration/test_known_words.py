"""Tokens of utterances whose words are known: the tokenizer's say and the chat model's, weighed as it is written."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.makers import tiny_base
from tests.tiny import hum
from voicekit.covo import Base, known_words, load_base
from voicekit.covo.distilled_tokenizer import DistilledTokenizer, fresh
from voicekit.covo.known_words import CANDIDATES, PRIOR, REQUEST, KnownWords, Utterance
from voicekit.covo.layout import SPEECH_TOKENIZER
from voicekit.covo.text import Said, dialogue_ids
from voicekit.records import Waveform


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Base:
    torch.set_num_threads(1)
    return load_base(tiny_base(tmp_path_factory.mktemp("tiny")))


@pytest.fixture(scope="module")
def known(base: Base) -> KnownWords:
    return KnownWords(base._chat, base._words)


def undecided(count: int, codes: int, seed: int, sharpness: float = 0.05) -> Tensor:
    return torch.log_softmax(sharpness * torch.randn(count, codes, generator=torch.Generator().manual_seed(seed)), -1)


def utterance(base: Base, text: str, count: int, seed: int) -> Utterance:
    return Utterance(base.encode_text(text), undecided(count, base.prompt.num_codes, seed))


SAID = (("hello, my friend.", 31), ("yes.", 9), ("what is two plus three?", 40), ("say hello to me, please.", 3))


@pytest.fixture(scope="module")
def said(base: Base) -> list[Utterance]:
    return [utterance(base, text, count, seed) for seed, (text, count) in enumerate(SAID)]


def test_each_token_is_the_likeliest_after_those_before(base: Base, known: KnownWords, said: list[Utterance]) -> None:
    """Asked again of the whole sequence at once, without caches and other rows."""
    name, off = known.name(said), base.prompt.audio_offset
    prompt = dialogue_ids(base.prompt, base.encode_text, name, [Said("user", REQUEST)])
    for one, codes in zip(said, known.tokens(said), strict=True):
        assert codes.shape == (len(one.heard),) and codes.dtype == np.int64
        ids = [*prompt, *base.prompt.interleave(one.text, codes.tolist())]
        logits = base._chat.logits(ids)
        expected = torch.log_softmax(logits[:, off : off + base.prompt.num_codes], -1)
        speaking = logits.softmax(-1)[:, off : off + base.prompt.num_codes].sum(-1, keepdim=True)
        assert float(speaking.min()) < 0.9
        places = [i for i in range(len(prompt), len(ids)) if base.prompt.is_audio(ids[i])]
        weighed = one.heard + (PRIOR * speaking * expected)[[p - 1 for p in places]]
        worst = one.heard.topk(CANDIDATES, -1).values[:, -1:]
        assert weighed.masked_fill(one.heard < worst, -torch.inf).argmax(-1).tolist() == codes.tolist()
    assert any(codes.tolist() != one.heard.argmax(-1).tolist() for one, codes in zip(said, known.tokens(said), strict=True))


def test_an_utterance_is_heard_alike_alone_and_among_others(known: KnownWords, said: list[Utterance]) -> None:
    name = known.name(said)
    alone = [known._together(name, [one])[0].tolist() for one in said]
    assert [codes.tolist() for codes in known._together(name, said)] == alone


def test_few_utterances_are_held_at_a_time(base: Base, known: KnownWords, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known_words, "ROWS", 3)
    asked: list[int] = []

    def coming() -> Iterator[Utterance]:
        for number in range(8):
            asked.append(number)
            yield utterance(base, "yes.", 5 + number, number)

    tokens = known.tokens(coming())
    assert len(next(tokens)) == 5 and asked == [0, 1, 2]
    assert [len(codes) for codes in tokens] == [6, 7, 8, 9, 10, 11, 12]


def test_what_was_heard_for_certain_stays(base: Base, known: KnownWords) -> None:
    heard = undecided(20, base.prompt.num_codes, 5, sharpness=1e3)
    (codes,) = known.tokens([Utterance(base.encode_text("hello"), heard)])
    assert codes.tolist() == heard.argmax(-1).tolist()


def test_the_name_is_that_of_who_would_say_it(base: Base, known: KnownWords, monkeypatch: pytest.MonkeyPatch) -> None:
    """What each of the base's speakers says, left to itself, is heard under that speaker's name."""
    monkeypatch.setattr(known_words, "CANDIDATES", base.prompt.num_codes)
    flat = torch.zeros(40, base.prompt.num_codes).log_softmax(-1)
    found: list[bool] = []
    for name in base.info.speakers:
        texts = [Utterance(base.encode_text(text), flat) for text, _ in SAID]
        own = known._together(name, texts)
        heard = [torch.eye(base.prompt.num_codes)[torch.from_numpy(codes)].clamp(min=1e-6).log() for codes in own]
        found.append(known.name([Utterance(u.text, h) for u, h in zip(texts, heard, strict=True)]) == name)
    assert all(found)


def test_too_long_for_the_chat_model_is_heard_by_ear_alone(base: Base, known: KnownWords, said: list[Utterance]) -> None:
    long = utterance(base, "hello", base._chat.config.max_positions, 9)
    codes = list(known.tokens([said[0], long, Utterance((), torch.zeros(0, base.prompt.num_codes))]))
    assert codes[0].tolist() == next(known.tokens([said[0]])).tolist()
    assert codes[1].tolist() == long.heard.argmax(-1).tolist() and len(codes[2]) == 0


def test_only_a_learned_tokenizer_needs_the_words(base: Base, tmp_path: Path) -> None:
    clips = [(Waveform(hum(seconds, 120.0)[None], 24_000), text) for seconds, text in ((1.2, "hello"), (0.5, "yes."))]
    assert [c.tolist() for c in base.encode_clips(clips)] == [base.encode_speech(w).tolist() for w, _ in clips]
    folder = tiny_base(tmp_path / "learned")
    for file in (folder / SPEECH_TOKENIZER).iterdir():
        file.unlink()
    torch.manual_seed(0)
    fresh("tiny", base.prompt.num_codes, base.decoder.decoder.token_embedding.weight.detach()).save(folder / SPEECH_TOKENIZER)
    learned = load_base(folder)
    tokenizer = learned.own_tokenizer()
    assert isinstance(tokenizer, DistilledTokenizer)
    heard = [tokenizer.log_probs(w.samples[0]) for w, _ in clips]
    assert [h.argmax(-1).tolist() for h in heard] == [learned.encode_speech(w).tolist() for w, _ in clips]
    told = [Utterance(learned.encode_text(text), h) for (_, text), h in zip(clips, heard, strict=True)]
    helped = [c.tolist() for c in KnownWords(learned._chat, learned._words).tokens(told)]
    assert [c.tolist() for c in learned.encode_clips(clips)] == helped and [len(c) for c in helped] == [30, 13]
