"""A long text is cut at its natural breaks, loses no word, and no piece is too long."""

from hypothesis import given
from hypothesis import strategies as st

from voicekit.covo.reading import pieces


def letters(text: str) -> list[int]:
    """One token a character."""
    return [ord(c) for c in text]


def said(text: str, most: int) -> list[str]:
    return ["".join(map(chr, ids)) for ids in pieces(text, letters, most)]


def test_sentences_are_joined_up_to_the_limit_and_cut_at_clauses_then_words() -> None:
    assert said("one. two. three is longer.", 40) == ["one. two. three is longer."]
    assert said("one. two. three is longer.", 18) == ["one. two.", "three is longer."]
    assert said("first this part, then that part.", 18) == ["first this part,", "then that part."]
    assert said("no marks in here at all", 10) == ["no marks", "in here at", "all"]
    assert said("unbreakable", 4) == ["unbr", "eaka", "ble"]
    assert said("你好。再见。", 3) == ["你好。", "再见。"]
    assert said("  ", 5) == []


@given(st.text(alphabet="ab .,!?;\n", max_size=80), st.integers(1, 30))
def test_nothing_is_lost_and_no_piece_is_too_long(text: str, most: int) -> None:
    parts = said(text, most)
    assert all(0 < len(part) <= most for part in parts)
    assert "".join("".join(parts).split()) == "".join(text.split())
