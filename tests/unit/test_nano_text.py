"""Laws of the text that nano's voices read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recipes.nano.text import ALPHABET, clauses, normalise

pytestmark = pytest.mark.unit
WRITTEN = st.one_of(st.text(), st.text(alphabet="abmrst MDS0123456789.,'?!$£%&:;-()\"\u2019"))


@given(WRITTEN)
def test_any_string_becomes_text_of_the_alphabet(text: str) -> None:
    assert set(normalise(text)) <= ALPHABET


@given(WRITTEN)
def test_normalising_twice_changes_nothing(text: str) -> None:
    assert normalise(normalise(text)) == normalise(text)


@given(WRITTEN, st.integers(1, 20))
def test_clauses_keep_the_words_and_the_limit(text: str, most_words: int) -> None:
    pieces = clauses(text, most_words)
    words = [word.strip(".,?") for piece in pieces for word in piece.split()]
    assert words == [word.strip(".,?") for word in normalise(text).split()]
    assert all(len(piece.split()) <= most_words for piece in pieces)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("Mr. Smith's 2 cats", "mister smith's two cats"),
        ("In 1963, on the 22nd!", "in nineteen sixty three, on the twenty second."),
        ("It cost $1,250.50.", "it cost one thousand two hundred and fifty dollars and fifty cents."),
        ("the 1960s -- so they say;", "the nineteen sixties, so they say,"),
        ("50% of 3.14", "fifty percent of three point one four"),
        ("\u201cDon\u2019t,\u201d said J. F. Kennedy", "don't, said j f kennedy"),
        ("caf\u00e9", "cafe"),
        ("?!", ""),
    ],
)
def test_what_is_said(written: str, said: str) -> None:
    assert normalise(written) == said
