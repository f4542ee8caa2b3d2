"""Decoding on tensors that never move (what a GPU records) says what plain decoding and transformers' generate say."""

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import torch
from transformers import GenerationConfig

from voicekit.covo import decoding
from voicekit.covo.chat import CovoChat, Prompt
from voicekit.covo.decoding import FixedLine, Line, Lines
from voicekit.covo.sampling import GREEDY, Chooser, Continuation, FreeReply, Reading, Sampling
from voicekit.prompt import PromptFormat

SAMPLED = Sampling(temperature=1.0, top_k=20, top_p=0.9, repetition_penalty=1.05)


@pytest.fixture
def fixed(tiny_chat: CovoChat, monkeypatch: pytest.MonkeyPatch) -> Iterator[CovoChat]:
    """The same model, decoding as on a GPU but for the recording; a step sees 16, 32, 64, ... places."""
    monkeypatch.setattr(decoding, "FEWEST_SEEN", 16)
    other = tiny_chat.with_llm(tiny_chat.llm)
    other.__dict__["_lines"] = Lines(tiny_chat.llm, fixed=True)
    yield other


def prompts(lengths: Sequence[int]) -> list[Prompt]:
    return [Prompt([40 + (7 * i + 3 * n) % 90 for i in range(n)]) for n in lengths]


def choosers(prompt: PromptFormat, sampling: Sampling) -> list[Chooser]:
    free = [FreeReply(prompt, sampling, seed, max_audio_per_text=3.0) for seed in range(2)]
    return [*free, Reading(prompt, [40, 41, 42, 43, 44, 45, 46], sampling, 9), Continuation(sampling, (prompt.im_end,), 3)]


def test_greedy_tokens_are_those_of_generate(tiny_chat: CovoChat, fixed: CovoChat) -> None:
    """transformers' own loop on the same model, alone and as a left-padded batch."""
    some = prompts([5, 19, 33])
    longest = max(len(p.ids) for p in some)
    settings = GenerationConfig(max_new_tokens=60, min_new_tokens=60, do_sample=False, pad_token_id=0, use_cache=True)
    ids = torch.tensor([[0] * (longest - len(p.ids)) + list(p.ids) for p in some])
    mask = torch.tensor([[0] * (longest - len(p.ids)) + [1] * len(p.ids) for p in some])
    stock = tiny_chat.llm.generate(ids, attention_mask=mask, generation_config=settings)[:, longest:].tolist()  # pyright: ignore
    for chat in (tiny_chat, fixed):
        assert chat.batch(some, [Continuation(GREEDY, ()) for _ in some], 60) == stock
        assert [chat.generate(p.ids, max_new_tokens=60) for p in some] == stock


@pytest.mark.parametrize("sampling", [GREEDY, SAMPLED])
def test_fixed_decoding_is_plain_decoding(
    tiny_chat: CovoChat, fixed: CovoChat, tiny_prompt: PromptFormat, sampling: Sampling
) -> None:
    some = prompts([12, 3, 28, 17])
    wanted = tiny_chat.batch(some, choosers(tiny_prompt, sampling), 90)
    assert fixed.batch(some, choosers(tiny_prompt, sampling), 90) == wanted
    assert [list(fixed.stream(p, c, 90)) for p, c in zip(some, choosers(tiny_prompt, sampling), strict=True)] == wanted
    assert len({len(said) for said in wanted}) > 1, "rows end at different times"


def test_what_a_line_said_before_does_not_matter(tiny_chat: CovoChat, fixed: CovoChat) -> None:
    long, short = prompts([40, 6])
    for one in (long, short, long, short):
        assert fixed.generate(one.ids, max_new_tokens=40) == tiny_chat.generate(one.ids, max_new_tokens=40)
    lines = fixed._lines
    assert list(lines.idle) == [1] and len(lines.idle) == 1, "one line served them all"


def test_two_streams_at_once_do_not_share_a_line(tiny_chat: CovoChat, fixed: CovoChat) -> None:
    one, other = prompts([9, 14])
    wanted = [tiny_chat.generate(p.ids, max_new_tokens=30) for p in (one, other)]
    streams = [fixed.stream(p, Continuation(GREEDY, ()), 30) for p in (one, other)]
    said = list(zip(*streams, strict=True))
    assert [list(row) for row in zip(*said, strict=True)] == wanted


def test_a_stream_that_is_left_gives_its_line_back(fixed: CovoChat) -> None:
    stream = fixed.stream(prompts([9])[0], Continuation(GREEDY, ()), 30)
    next(stream)
    assert not fixed._lines.idle
    stream.close()
    assert list(fixed._lines.idle) == [1]


def test_tokens_are_made_when_asked_for_and_a_block_ahead_where_the_host_would_wait(
    fixed: CovoChat, tiny_chat: CovoChat, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []

    def counted(real: Any) -> Any:
        def advance(line: Line) -> None:
            made.append(1)
            real(line)

        return advance

    for kind in (Line, FixedLine):
        monkeypatch.setattr(kind, "advance", counted(kind.advance))

    def steps_for(chat: CovoChat, tokens: int) -> int:
        made.clear()
        stream = chat.stream(prompts([9])[0], Continuation(GREEDY, ()), 100)
        for _ in range(tokens):
            next(stream)
        stream.close()
        return len(made)

    assert [steps_for(tiny_chat, n) for n in (1, 2, 7)] == [0, 1, 6]
    assert [steps_for(fixed, n) for n in (1, 5, 6)] == [9, 9, 14]


def test_steps_see_few_different_numbers_of_places() -> None:
    seen = {decoding.seen_places(length, 3000) for length in range(1, 3001)}
    assert seen == {256, 512, 1024, 2048, 3000}
    assert all(decoding.seen_places(length, 3000) >= length for length in range(1, 3001))
