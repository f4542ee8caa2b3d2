"""A long text as pieces that can be read in one breath."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

# Sentences first, then clauses, then words: a piece is only cut finer when it is too long.
BREAKS = (r"(?<=[.!?…])\s+|(?<=[。！？])", r"(?<=[,;:])\s+|(?<=[，；：、])", r"\s+")


def pieces(text: str, encode: Callable[[str], Sequence[int]], max_tokens: int) -> list[list[int]]:
    """Token ids of consecutive stretches of the text, each at most `max_tokens` long, as few as its breaks allow."""
    return _split(text.strip(), encode, max_tokens, 0)


def _split(text: str, encode: Callable[[str], Sequence[int]], max_tokens: int, level: int) -> list[list[int]]:
    ids = list(encode(text))
    if len(ids) <= max_tokens:
        return [ids] if ids else []
    if level == len(BREAKS):
        return [ids[i : i + max_tokens] for i in range(0, len(ids), max_tokens)]
    made: list[list[int]] = []
    start = end = 0
    for cut in [*(match.end() for match in re.finditer(BREAKS[level], text)), len(text)]:
        if end > start and len(encode(text[start:cut].strip())) > max_tokens:
            made += _split(text[start:end].strip(), encode, max_tokens, level + 1)
            start = end
        end = cut
    return made + _split(text[start:].strip(), encode, max_tokens, level + 1)
