"""Laws of the made-up names, and of what the chat model is held to under them."""

import re

import jiwer
import numpy as np
import pytest
import torch

from recipes.nano.letters import edit_distance, letter_error_rate
from recipes.nano.names import HELD_OUT, name_pieces, random_name
from recipes.nano.naming import decided_by_words, target
from recipes.nano.voices import NAMED
from voicekit.covo.text import TextTokenizer
from voicekit.prompt import PromptFormat
from voicekit.shipped import shipped

pytestmark = pytest.mark.unit
TEXT = TextTokenizer(shipped("assets/nano"))
FORMAT = PromptFormat("voice: {speaker}", 10, 6, 0, 1, 2, 3, 4, 5)


def test_made_up_names_are_names_that_voicekit_takes_and_never_held_out() -> None:
    rng, pieces = np.random.default_rng(0), name_pieces(TEXT)
    names = [random_name(rng, pieces) for _ in range(3_000)]
    assert all(re.fullmatch(r"[a-z0-9][a-z0-9_-]{1,39}", name) for name in names)
    assert not set(names) & set(HELD_OUT)
    assert len(set(names)) > 2_500


def test_every_piece_of_a_name_can_come() -> None:
    pieces = name_pieces(TEXT)
    assert {"read", "uice", "ugust"} <= set(pieces)
    ids = {i for piece in pieces for i in TEXT.encode(piece)}
    assert {i for v in NAMED for i in TEXT.encode(v.name)} <= ids


def test_words_decide_over_words_and_over_where_speech_begins() -> None:
    said = (7, 8, 10, 11, 12, 9, 13, 1)
    assert decided_by_words(FORMAT, said) == [True, True, True, False, False, True, True, False]


def test_words_come_from_the_own_name_and_codes_from_the_new_one() -> None:
    generator = torch.Generator().manual_seed(0)
    own, new = (torch.randn(4, 16, generator=generator).log_softmax(-1) for _ in range(2))
    by_words = torch.tensor([True, True, False, False])
    wanted = target(own, new, by_words, 10)
    assert torch.allclose(wanted.sum(-1), torch.ones(4))
    assert torch.allclose(wanted[:2, :10], own[:2, :10].exp())
    codes = new[:2, 10:].exp()
    assert torch.allclose(wanted[:2, 10:] / wanted[:2, 10:].sum(-1, keepdim=True), codes / codes.sum(-1, keepdim=True))
    assert torch.allclose(wanted[2:], new[2:].exp())
    assert torch.allclose(target(own, own, by_words, 10), own.exp())


def test_edit_distances_are_those_of_jiwer() -> None:
    rng = np.random.default_rng(1)
    pairs = [["".join(rng.choice(list("abc "), rng.integers(1, 14))).strip() or "a" for _ in range(2)] for _ in range(60)]
    truths, guesses = (list(x) for x in zip(*pairs, strict=True))
    assert letter_error_rate(truths, guesses) == pytest.approx(float(jiwer.cer(truths, guesses)))
    assert edit_distance("voice", "") == 5 and edit_distance("abc", "abc") == 0
