"""Stretches of time (start_s, end_s) in order: what two lists share, what one has alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

Span = tuple[float, float]


def merged(spans: Iterable[Span]) -> list[Span]:
    """In order and not overlapping; empty ones are dropped."""
    out: list[Span] = []
    for start_s, end_s in sorted(s for s in spans if s[1] > s[0]):
        if out and start_s <= out[-1][1]:
            out[-1] = (out[-1][0], max(out[-1][1], end_s))
        else:
            out.append((start_s, end_s))
    return out


def common(one: Sequence[Span], two: Sequence[Span]) -> list[Span]:
    """What lies in both; each list is in order and without overlaps."""
    out: list[Span] = []
    i = j = 0
    while i < len(one) and j < len(two):
        start_s, end_s = max(one[i][0], two[j][0]), min(one[i][1], two[j][1])
        if end_s > start_s:
            out.append((start_s, end_s))
        if one[i][1] <= two[j][1]:
            i += 1
        else:
            j += 1
    return out


def without(spans: Sequence[Span], holes: Sequence[Span]) -> list[Span]:
    """`spans` outside `holes`."""
    out: list[Span] = []
    for start_s, end_s in spans:
        for a, b in holes:
            if b <= start_s or a >= end_s:
                continue
            if a > start_s:
                out.append((start_s, a))
            start_s = max(start_s, b)
        if end_s > start_s:
            out.append((start_s, end_s))
    return out


def inside(spans: Sequence[Span], start_s: float, end_s: float) -> list[Span]:
    """The parts of `spans` between two times, counted from the first."""
    return [(a - start_s, b - start_s) for a, b in common(spans, [(start_s, end_s)])]


def total_s(spans: Iterable[Span]) -> float:
    return sum(b - a for a, b in spans)


def free_around(time_s: float, holes: Sequence[Span], duration_s: float) -> Span:
    """The stretch without a hole that holds a time."""
    start_s = max((b for _, b in holes if b <= time_s), default=0.0)
    end_s = min((a for a, _ in holes if a >= time_s), default=duration_s)
    return start_s, end_s
