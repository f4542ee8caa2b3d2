"""How surely words are in letters that somebody else heard."""

import numpy as np
import pytest

from voicekit.covo.ctc_alignment import read_words
from voicekit.covo.speech_tokenizer import SYMBOLS, text_symbols
from voicekit.records import FloatArray


def heard(text: str, sure: float = 0.97) -> FloatArray:
    """Log probabilities [T, SYMBOLS] of a text, a letter and a blank in turn."""
    said = [symbol for letter in text_symbols(text) for symbol in (letter, 0)]
    probabilities = np.full((len(said), SYMBOLS), (1 - sure) / (SYMBOLS - 1), np.float32)
    probabilities[np.arange(len(said)), said] = sure
    return np.log(probabilities)


def test_words_that_are_there_are_sure_and_others_are_not() -> None:
    readings = read_words(heard("the brass candle"), "the grass candle")
    assert readings is not None
    assert readings[0].letters == pytest.approx(1.0) == readings[2].letters
    assert 0.2 < readings[1].letters < 0.6, "four letters of five"
    assert min(r.parted for r in readings) > 0.9


def test_a_compound_in_two_is_not_parted() -> None:
    whole, apart = read_words(heard("thunderstorm"), "thunder storm"), read_words(heard("thunder storm"), "thunder storm")
    assert whole is not None and apart is not None
    assert whole[1].parted < 0.1 < 0.9 < apart[1].parted
    assert whole[0].letters > 0.5


def test_what_cannot_be_read_is_not_judged() -> None:
    assert read_words(heard("a"), "much longer than that") is None
    assert read_words(heard("the brass"), "") is None
    assert read_words(heard("the brass"), "the 9") is None, "no word may go without a reading"
