"""Where a script and what was heard disagree."""

from __future__ import annotations

from difflib import SequenceMatcher

from voicekit.prepare.spoken import joined, spoken_form, spoken_tokens
from voicekit.verbalization import simplified

Differences = tuple[tuple[str, str], ...]
Marked = tuple[tuple[str, bool], ...]
"""Words in order, and whether the other side lacks each."""


def differences(text: str, heard: str, language: str) -> tuple[Differences, float]:
    """(written, heard) of each stretch in which the words said for `text` are not those heard, and the share (0..1) of the
    script's words that were heard in their order. Written words keep their spelling; one side is "" where it has none."""
    tokens = [(token, word) for token, words in spoken_tokens(text, language) for word in words]
    said, found = [simplified(word, language) for _, word in tokens], _found(heard, language)
    matcher = SequenceMatcher(None, said, found, autojunk=False)
    out: list[tuple[str, str]] = []
    for kind, a, b, c, d in matcher.get_opcodes():
        if kind != "equal":
            written = list(dict.fromkeys(token for token, _ in tokens[a:b]))
            out.append((joined(written), joined(found[c:d])))
    same = sum(block.size for block in matcher.get_matching_blocks())
    return tuple(out), same / max(len(said), 1)


def marked(text: str, heard: str, language: str) -> tuple[Marked, Marked]:
    """The words as written and the words as heard, with those marked that the other side does not have in that place."""
    tokens = spoken_tokens(text, language)
    said = [simplified(word, language) for _, words in tokens for word in words]
    found = _found(heard, language)
    blocks = SequenceMatcher(None, said, found, autojunk=False).get_matching_blocks()
    both = {block.a + k for block in blocks for k in range(block.size)}
    heard_too = {block.b + k for block in blocks for k in range(block.size)}
    written: list[tuple[str, bool]] = []
    at = 0
    for token, words in tokens:
        written.append((token, any(k not in both for k in range(at, at + len(words)))))
        at += len(words)
    return tuple(written), tuple((word, k not in heard_too) for k, word in enumerate(found))


def _found(heard: str, language: str) -> list[str]:
    return [simplified(word, language) for word in spoken_form(heard, language).split()]
