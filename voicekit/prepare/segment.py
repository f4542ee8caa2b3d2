"""Where to cut a recording: pure decisions on times in seconds."""

from __future__ import annotations

from collections.abc import Sequence

from voicekit.records import Word

Span = tuple[float, float]

KEPT_SILENCE_S = 0.1
MIN_GAP_S = 0.12
LONG_GAP_S = 0.8
GOOD_LENGTH_S = 8.0
_SENTENCE_ENDS = ".!?…。！？"
_CLAUSE_ENDS = ",;:—–、，；："
_CLOSING = "\"'”’»)]"


def trim(spans: Sequence[Span], duration_s: float) -> Span | None:
    """From just before the first speech to just after the last; None without speech."""
    if not spans:
        return None
    return max(0.0, spans[0][0] - KEPT_SILENCE_S), min(duration_s, spans[-1][1] + KEPT_SILENCE_S)


def inside(spans: Sequence[Span], start_s: float, end_s: float) -> list[Span]:
    """The parts of `spans` between two times, counted from the first."""
    cut = [(max(a, start_s) - start_s, min(b, end_s) - start_s) for a, b in spans]
    return [(a, b) for a, b in cut if b > a]


def cut_at_words(words: Sequence[Word], max_clip_s: float) -> list[tuple[int, int]]:
    """Groups of words (first, after the last) that make clips of at most `max_clip_s`.

    Cuts lie only where there is silence between two words: after a sentence if possible, else after a clause, else at any
    pause; among such cuts, those that make clips of about GOOD_LENGTH_S. A stretch without a pause stays in one piece, too
    long as it is.
    """
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


def clip_edges(words: Sequence[Word], first: int, after: int, region: Span) -> Span:
    """Start and end of a clip of words[first:after]: up to KEPT_SILENCE_S around them, never past the middle of the silence to
    the next word outside, nor out of `region`."""
    before_s = (words[first].start_s - words[first - 1].end_s) / 2 if first > 0 else KEPT_SILENCE_S
    behind_s = (words[after].start_s - words[after - 1].end_s) / 2 if after < len(words) else KEPT_SILENCE_S
    start_s = words[first].start_s - min(KEPT_SILENCE_S, max(0.0, before_s))
    end_s = words[after - 1].end_s + min(KEPT_SILENCE_S, max(0.0, behind_s))
    return max(region[0], start_s), min(region[1], end_s)


def cut_at_pauses(spans: Sequence[Span], max_clip_s: float, duration_s: float) -> list[Span]:
    """Clips of speech without a script: neighbouring spans joined up to GOOD_LENGTH_S (at most `max_clip_s`)."""
    groups: list[Span] = []
    for start_s, end_s in spans:
        if groups and end_s - groups[-1][0] + 2 * KEPT_SILENCE_S <= min(GOOD_LENGTH_S, max_clip_s):
            groups[-1] = (groups[-1][0], end_s)
        else:
            groups.append((start_s, end_s))
    edges: list[Span] = []
    for i, (start_s, end_s) in enumerate(groups):
        before_s = (start_s - groups[i - 1][1]) / 2 if i > 0 else start_s
        behind_s = (groups[i + 1][0] - end_s) / 2 if i + 1 < len(groups) else duration_s - end_s
        edges.append((start_s - min(KEPT_SILENCE_S, before_s), end_s + min(KEPT_SILENCE_S, behind_s)))
    return edges


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
