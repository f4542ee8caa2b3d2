"""How tokens are chosen: the stream greedily, speech by chance; a reading follows its text and cannot run away."""

import numpy as np
import pytest
import torch
from torch import Tensor

from voicekit.covo.picking import Picker, draw, penalised
from voicekit.covo.sampling import GREEDY, Chooser, Continuation, FreeReply, Reading, Sampling
from voicekit.prompt import PromptFormat

PROMPT = PromptFormat("{speaker}", 20, 10, im_start=0, im_end=1, end_of_text=2, audio_begin=3, audio_pad=4, audio_end=5)


def likely(*ids: int) -> Tensor:
    """Logits over 30 ids, the first named the likeliest, the rest far below."""
    logits = torch.full((30,), -9.0)
    for rank, i in enumerate(ids):
        logits[i] = 5.0 - 0.1 * rank
    return logits


class Row:
    """One chooser, asked token by token."""

    def __init__(self, chooser: Chooser, count: int = 200) -> None:
        self.chooser, self.picker = chooser, Picker([chooser], count, torch.device("cpu"))

    def next(self, logits: Tensor) -> int | None:
        return self.chooser.take(int(self.picker.pick(logits[None])[0]))

    @property
    def finished(self) -> bool:
        return self.chooser.finished


def test_draws_follow_the_probabilities_within_top_k_and_top_p() -> None:
    logits = torch.tensor([0.5, 0.3, 0.15, 0.05]).log()
    uniforms = (np.arange(1000) + 0.5) / 1000

    def counts(sampling: Sampling) -> list[int]:
        rows = logits.expand(len(uniforms), -1)
        return np.bincount(draw(rows, sampling, torch.from_numpy(uniforms)).numpy(), minlength=4).tolist()

    assert counts(Sampling(temperature=1.0, top_k=0)) == [500, 300, 150, 50]
    assert counts(Sampling(temperature=1.0, top_k=2)) == [625, 375, 0, 0]
    assert counts(Sampling(temperature=1.0, top_k=0, top_p=0.6)) == [625, 375, 0, 0]
    assert counts(GREEDY) == [1000, 0, 0, 0]


def test_the_penalty_makes_recent_ids_less_likely_whatever_their_sign() -> None:
    logits = torch.tensor([[2.0, -2.0, 1.0]] * 2)
    recent = torch.tensor([[0, 1, 0], [-1, -1, 2]])
    assert penalised(logits, recent, 2.0).tolist() == [[1.0, -4.0, 1.0], [2.0, -2.0, 0.5]]
    assert penalised(logits, recent, 1.0) is logits


def test_only_the_latest_tokens_are_penalised() -> None:
    row = Row(Continuation(Sampling(0.0, repetition_penalty=4.0, repetition_window=2), ()))
    assert [row.next(likely(5, 6, 7)) for _ in range(6)] == [5, 6, 7, 5, 6, 7]


def test_rows_of_different_kinds_are_picked_together_as_alone() -> None:
    def choosers() -> list[Chooser]:
        sampling = Sampling(temperature=1.0, repetition_penalty=1.3)
        free = [FreeReply(PROMPT, sampling, seed) for seed in range(3)]
        return [*free, Reading(PROMPT, [6, 7], sampling, 4), Continuation(sampling, (2,), 5)]

    some = torch.randn(40, 5, 30, generator=torch.Generator().manual_seed(0)) * 3
    together, alone = Picker(choosers(), 40, torch.device("cpu")), [Picker([c], 40, torch.device("cpu")) for c in choosers()]
    for logits in some:
        assert together.pick(logits).tolist() == [int(p.pick(row[None])[0]) for p, row in zip(alone, logits, strict=True)]


def test_rows_that_are_sampled_differently_are_no_batch() -> None:
    with pytest.raises(ValueError, match="one way"):
        Picker([FreeReply(PROMPT, GREEDY), FreeReply(PROMPT, Sampling())], 5, torch.device("cpu"))


def test_text_is_greedy_and_speech_is_sampled() -> None:
    sampling = Sampling(temperature=1.0)
    for seed in range(20):
        assert Row(FreeReply(PROMPT, sampling, seed)).next(likely(7, 25, 8)) == 7
    spoken = {Row(FreeReply(PROMPT, sampling, seed)).next(likely(25, 7, 26, 27)) for seed in range(40)}
    assert spoken == {25, 26, 27}


def test_a_reply_ends_with_the_end_token_and_is_cut_when_it_runs_away() -> None:
    ended = Row(FreeReply(PROMPT, GREEDY))
    assert (ended.next(likely(7)), ended.next(likely(PROMPT.im_end)), ended.finished) == (7, None, True)
    running = Row(FreeReply(PROMPT, GREEDY, max_audio_per_text=2.0))
    said = [running.next(likely(25)) for _ in range(40)]
    assert said == [25] * 25 + [None] * 15 and not running.finished


@pytest.mark.parametrize("length", [1, 5, 7, 12])
def test_a_reading_says_its_text_in_blocks_and_ends_when_the_model_ends(length: int) -> None:
    text = list(range(6, 6 + length))
    reading = Row(Reading(PROMPT, text, GREEDY))
    speech = 15 * ((length - 1) // 5) + 8
    said: list[int] = []
    while True:
        codes = sum(map(PROMPT.is_audio, said))
        chosen = reading.next(likely(PROMPT.im_end, 9, 25) if codes >= speech else likely(9, 25, PROMPT.im_end))
        if chosen is None:
            break
        said.append(chosen)
    assert reading.finished
    assert said == PROMPT.interleave(text, [5] * sum(map(PROMPT.is_audio, said)))
    assert sum(map(PROMPT.is_audio, said)) == max(speech, length)


def test_a_reading_that_never_ends_is_cut() -> None:
    reading = Row(Reading(PROMPT, [6, 7], GREEDY, max_audio_per_text=12.0))
    said = list(iter(lambda: reading.next(likely(25)), None))
    assert len(said) == 2 + 25 + 24 and not reading.finished


def test_equal_seeds_make_equal_choices() -> None:
    logits = likely(*range(20, 30))

    def said(seed: int) -> list[int | None]:
        chooser = Row(FreeReply(PROMPT, Sampling(temperature=1.0), seed))
        return [chooser.next(logits) for _ in range(20)]

    assert said(3) == said(3) != said(4)
