"""Where to cut a recording: pure decisions on times in seconds."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from voicekit.prepare.loudness import Loudness
from voicekit.prepare.spans import Span, without
from voicekit.records import Word

KEPT_SILENCE_S = 0.1
MIN_GAP_S = 0.12
LONG_GAP_S = 0.8
GOOD_LENGTH_S = 8.0
_FARTHEST_SILENCE_S = 0.3
_SENTENCE_ENDS = ".!?…。！？"
_CLAUSE_ENDS = ",;:—–、，；："
_CLOSING = "\"'”’»)]"


def trim(spans: Sequence[Span], duration_s: float) -> Span | None:
    """From just before the first speech to just after the last; None without speech."""
    if not spans:
        return None
    return max(0.0, spans[0][0] - KEPT_SILENCE_S), min(duration_s, spans[-1][1] + KEPT_SILENCE_S)


def cut_at_words(words: Sequence[Word], max_clip_s: float, breaks: Sequence[Span] = ()) -> list[tuple[int, int]]:
    """Groups of words (first, after the last) that make clips of at most `max_clip_s`, none with one of `breaks` inside.

    Cuts lie only where there is silence between two words: after a sentence if possible, else after a clause, else at any
    pause; among such cuts, those that make clips of about GOOD_LENGTH_S. A stretch without a pause stays in one piece, too
    long as it is.
    """
    forced = {_word_after(words, (a + b) / 2) for a, b in breaks}
    bounds = sorted({0, len(words), *forced})
    return [(a + first, a + after) for a, b in pairwise(bounds) for first, after in _cheapest(words[a:b], max_clip_s)]


def _word_after(words: Sequence[Word], time_s: float) -> int:
    """Index of the first word of which the middle is after a time."""
    return next((i for i, w in enumerate(words) if (w.start_s + w.end_s) / 2 > time_s), len(words))


def _cheapest(words: Sequence[Word], max_clip_s: float) -> list[tuple[int, int]]:
    gaps_s = {i: words[i].start_s - words[i - 1].end_s for i in range(1, len(words))}
    ends = [0, *(i for i, gap_s in gaps_s.items() if gap_s >= MIN_GAP_S), len(words)]
    long_s = [max(0.0, gaps_s.get(end, 0.0) - LONG_GAP_S) for end in ends]
    best: list[float] = [0.0] + [float("inf")] * (len(ends) - 1)
    back = [0] * len(ends)
    for j in range(1, len(ends)):
        for i in range(j - 1, -1, -1):
            length_s = words[ends[j] - 1].end_s - words[ends[i]].start_s + 2 * KEPT_SILENCE_S
            if length_s > max_clip_s and i < j - 1:
                break
            cost = best[i] + _length_cost(length_s, max_clip_s) + 5.0 * sum(long_s[i + 1 : j])
            cost += _cut_cost(words[ends[j] - 1]) if j < len(ends) - 1 else 0.0
            if cost < best[j]:
                best[j], back[j] = cost, i
    groups: list[tuple[int, int]] = []
    j = len(ends) - 1
    while j > 0:
        groups.append((ends[back[j]], ends[j]))
        j = back[j]
    return groups[::-1]


def clip_edges(
    words: Sequence[Word], first: int, after: int, room: Span, loudness: Loudness, max_clip_s: float = float("inf")
) -> Span:
    """Start and end of a clip of words[first:after]: about KEPT_SILENCE_S around them, where it is quiet; in a shorter pause
    to the next word outside, its quietest point. Never out of `room`, never into a word."""
    before_s = words[first - 1].end_s if first > 0 else None
    behind_s = words[after].start_s if after < len(words) else None
    return edges((words[first].start_s, words[after - 1].end_s), before_s, behind_s, room, loudness, max_clip_s)


def cut_at_pauses(
    spans: Sequence[Span], max_clip_s: float, duration_s: float, loudness: Loudness, breaks: Sequence[Span] = ()
) -> list[Span]:
    """Clips of speech without a script: neighbouring spans joined up to GOOD_LENGTH_S (at most `max_clip_s`), never over one of
    `breaks`; a span that is too long is parted where it is silent for a moment, if it is anywhere."""
    longest_s = min(GOOD_LENGTH_S, max_clip_s)
    groups: list[Span] = []
    for start_s, end_s in _parted(spans, max_clip_s, loudness):
        if (
            groups
            and end_s - groups[-1][0] + 2 * KEPT_SILENCE_S <= longest_s
            and not any(a < start_s and b > groups[-1][1] for a, b in breaks)
        ):
            groups[-1] = (groups[-1][0], end_s)
        else:
            groups.append((start_s, end_s))
    cut: list[Span] = []
    for i, group in enumerate(groups):
        before_s = groups[i - 1][1] if i > 0 else None
        behind_s = groups[i + 1][0] if i + 1 < len(groups) else None
        cut.append(edges(group, before_s, behind_s, _room(group, breaks, duration_s), loudness, max_clip_s))
    return cut


def edges(
    speech: Span, before_s: float | None, behind_s: float | None, room: Span, loudness: Loudness, max_clip_s: float
) -> Span:
    """Start and end of a clip around `speech`; `before_s` and `behind_s` are where other speech ends and begins."""
    low_s, high_s = room
    if before_s is not None:
        low_s = max(low_s, _middle(before_s, speech[0], loudness))
    if behind_s is not None:
        high_s = min(high_s, _middle(speech[1], behind_s, loudness))
    low_s, high_s = min(low_s, speech[0]), max(high_s, speech[1])
    spare_s = (max_clip_s - (speech[1] - speech[0])) / 2
    farthest_s = min(_FARTHEST_SILENCE_S, max(KEPT_SILENCE_S, spare_s))
    start_s, end_s = max(low_s, speech[0] - KEPT_SILENCE_S), min(high_s, speech[1] + KEPT_SILENCE_S)
    # Times of words and of speech are some hundredths off: an edge that is not quiet moves outwards.
    start_s = loudness.settled(start_s, max(low_s, speech[0] - farthest_s))
    end_s = loudness.settled(end_s, min(high_s, speech[1] + farthest_s))
    return start_s, end_s


def _middle(end_s: float, start_s: float, loudness: Loudness) -> float:
    """The quietest point in the middle half of a pause, so that both sides keep some of it."""
    quarter_s = max(0.0, start_s - end_s) / 4
    if quarter_s == 0.0:
        return (end_s + start_s) / 2
    return loudness.quietest(end_s + quarter_s, start_s - quarter_s)


def _room(speech: Span, breaks: Sequence[Span], duration_s: float) -> Span:
    low_s = max((b for _, b in breaks if b <= speech[0]), default=0.0)
    high_s = min((a for a, _ in breaks if a >= speech[1]), default=duration_s)
    return low_s, high_s


def _parted(spans: Sequence[Span], max_clip_s: float, loudness: Loudness) -> list[Span]:
    out: list[Span] = []
    for span in spans:
        fits = span[1] - span[0] + 2 * KEPT_SILENCE_S <= max_clip_s
        out.extend([span] if fits else without([span], loudness.dips(*span)))
    return out


def _length_cost(length_s: float, max_clip_s: float) -> float:
    """0 at the good length, 1 at nothing or at twice the length; a clip that is too long is the last resort."""
    good_s = min(GOOD_LENGTH_S, max_clip_s)
    return ((length_s - good_s) / good_s) ** 2 + (1000.0 if length_s > max_clip_s else 0.0)


def _cut_cost(last: Word) -> float:
    """Of a cut after a word: sentence ends are free, clauses cost a bit, the middle of a clause much."""
    text = last.text.rstrip(_CLOSING)
    if text.endswith(tuple(_SENTENCE_ENDS)):
        return 0.0
    return 0.6 if text.endswith(tuple(_CLAUSE_ENDS)) or text.endswith("--") else 2.5
