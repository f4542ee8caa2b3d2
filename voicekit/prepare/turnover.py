"""Where one speaker goes over into another without a pause: pure decisions on times in seconds."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from voicekit.ports import Reading
from voicekit.prepare.loudness import Loudness
from voicekit.prepare.segment import MIN_GAP_S
from voicekit.prepare.spans import Span
from voicekit.records import Word

UNSURE_S = 0.4
"""Nobody knows who speaks this near to a change: people interrupt, and a diarizer is late by some tenths of a second."""

LISTENED_S = 8.0
_SURE = 0.5
_DOUBT = 1.8  # nats a letter and the transcriber's own doubt together: of the edges between such words one in ten was wrong
_PARTED = 0.75  # "thunder storm" has a space in which no reader hears one
_MOVED_S = 0.25  # where a word is missing, transcriber and aligner disagree about its neighbours; attention is 0.1 s off anyway
_NEAR_S = 0.01  # 30 ms around them, the quietest point is often the closed mouth in front of a stop
_AS_QUIET = 2.0  # 3 dB above the noise; over a telephone an s is 25 dB below the vowels, too, and louder than that
_SILENCE = 1e-8


@dataclass(frozen=True)
class Said:
    """A word at its place by an aligner and as sure as the transcriber is, in seconds of the recording; when it began and ended
    for the transcriber; and what somebody else reads there, if they can."""

    word: Word
    heard_start_s: float
    heard_end_s: float
    reading: Reading | None = None


WordsIn = Callable[[float, float], Sequence[Said]]
"""What is said between two times."""


def drawn_back(
    spans: Sequence[Span], others: Sequence[Span], loudness: Loudness, noise_power: float, words_in: WordsIn
) -> tuple[list[Span], list[Span]]:
    """(kept, left): speech that goes over into that of `others` without a pause ends after the last word that is surely its
    own, or at its last pause if that is later, and begins likewise; no change of turn is heard to the word, so what is left may
    hold half of one. Speech with neither is left. A pause is as quiet as the recording is where nobody speaks."""
    kept: list[Span] = []
    left: list[Span] = []
    for start_s, end_s in spans:
        dips = _pauses((start_s, end_s), loudness, noise_power)
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


def _pauses(span: Span, loudness: Loudness, noise_power: float) -> list[Span]:
    return [dip for dip in loudness.dips(*span) if loudness.usual(*dip) <= max(_AS_QUIET * noise_power, _SILENCE)]


def _between_words(said: Sequence[Said], loudness: Loudness) -> list[float]:
    """The quietest point where one word ends and the next begins, both surely heard."""
    pairs = [(a.word, b.word) for a, b in pairwise(said) if _sure(a, b)]
    return [loudness.quietest(a.end_s - _NEAR_S, max(a.end_s, b.start_s) + _NEAR_S) for a, b in pairs]


def _sure(before: Said, behind: Said) -> bool:
    """Whether one word surely ends and the next begins where they are said to."""
    moved_s = abs(before.word.end_s - before.heard_end_s) + abs(behind.word.start_s - behind.heard_start_s)
    if moved_s > _MOVED_S:
        return False
    if before.reading is None or behind.reading is None:
        return min(before.word.confidence, behind.word.confidence) >= _SURE
    return (
        behind.reading.parted >= _PARTED
        and max(_doubt(before.word, before.reading), _doubt(behind.word, behind.reading)) < _DOUBT
    )


def _doubt(word: Word, reading: Reading) -> float:
    return 1.0 - word.confidence - math.log(max(reading.letters, 1e-9))
