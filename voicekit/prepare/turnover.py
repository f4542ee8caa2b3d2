"""Where one speaker goes over into another without a pause: pure decisions on times in seconds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

from voicekit.prepare.loudness import Loudness
from voicekit.prepare.segment import MIN_GAP_S
from voicekit.prepare.spans import Span
from voicekit.records import Word

UNSURE_S = 0.8
"""Nobody knows who speaks this near to a change: a diarizer hears more than a second at a time, and people interrupt."""

LISTENED_S = 8.0
_SURE = 0.5  # edges between two such words of the embedded transcriber were right to 60 ms, others up to 0.3 s off
_NEAR_S = 0.03

WordsIn = Callable[[float, float], Sequence[Word]]
"""What is said between two times, with times in seconds of the recording."""


def drawn_back(
    spans: Sequence[Span], others: Sequence[Span], loudness: Loudness, words_in: WordsIn
) -> tuple[list[Span], list[Span]]:
    """(kept, left): speech that goes over into that of `others` without a pause ends after the last word that is surely its
    own, or at its last pause if that is later, and begins likewise; no change of turn is heard to the word, so what is left may
    hold half of one. Speech with neither is left."""
    kept: list[Span] = []
    left: list[Span] = []
    for start_s, end_s in spans:
        dips = loudness.dips(start_s, end_s)
        before, behind = (start_s, start_s), (end_s, end_s)
        if any(abs(b - start_s) < MIN_GAP_S for _, b in others):
            before = _begin((start_s, end_s), dips, loudness, words_in)
        if any(abs(a - end_s) < MIN_GAP_S for a, _ in others):
            behind = _end((start_s, end_s), dips, loudness, words_in)
        if behind[0] > before[1]:
            kept.append((before[1], behind[0]))
            left += [span for span in ((start_s, before[0]), (behind[1], end_s)) if span[1] > span[0]]
        else:
            left.append((start_s, end_s))
    return kept, left


def _end(span: Span, dips: Sequence[Span], loudness: Loudness, words_in: WordsIn) -> Span:
    """Where speech ends that somebody else goes on with, and where the rest begins."""
    pause = dips[-1] if dips else (span[0], span[0])
    if span[1] - UNSURE_S > pause[1]:
        cuts = _between_words(words_in(max(pause[1], span[1] - LISTENED_S), span[1]), loudness)
        sure = [cut_s for cut_s in cuts if pause[1] < cut_s < span[1] - UNSURE_S]
        if sure:
            return sure[-1], sure[-1]
    return pause


def _begin(span: Span, dips: Sequence[Span], loudness: Loudness, words_in: WordsIn) -> Span:
    """Where what may be somebody else's ends, and where the speech begins."""
    pause = dips[0] if dips else (span[1], span[1])
    if span[0] + UNSURE_S < pause[0]:
        cuts = _between_words(words_in(span[0], min(pause[0], span[0] + LISTENED_S)), loudness)
        sure = [cut_s for cut_s in cuts if span[0] + UNSURE_S < cut_s < pause[0]]
        if sure:
            return sure[0], sure[0]
    return pause


def _between_words(words: Sequence[Word], loudness: Loudness) -> list[float]:
    """The quietest point where one word ends and the next begins, both surely heard."""
    pairs = [(a, b) for a, b in pairwise(words) if min(a.confidence, b.confidence) >= _SURE]
    return [loudness.quietest(a.end_s - _NEAR_S, max(a.end_s, b.start_s) + _NEAR_S) for a, b in pairs]
