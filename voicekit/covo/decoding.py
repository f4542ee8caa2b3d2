"""Rows that are continued together, token by token: the model's steps, the picking, and the host that follows.

On a processor a token is taken before the next is made, and rows that have ended are dropped. On a GPU steps are recorded once as
CUDA graphs and replayed without asking the host; it reads the tokens a block behind, so the device never waits, and what was
made behind a row's end is thrown away.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F

from voicekit.covo.picking import Picker, Way, way_of
from voicekit.covo.sampling import Chooser
from voicekit.covo.steps import FixedSteps, Steps

if TYPE_CHECKING:
    from transformers import Qwen2ForCausalLM

# Tokens that the host reads at once from a GPU: a block of text, a third of a block of speech.
BLOCK = 5
# A recorded step looks at so many places, whatever is there: the fewest, doubled as a row grows.
FEWEST_SEEN = 256
WARM_UP_STEPS = 2
# Lines that are kept for other prompts: their caches are gigabytes.
KEPT_LINES = 2


class Line:
    """Steps and picking for one batch, each token made when it is asked for: what a processor does."""

    block = depth = 1
    drops_rows = True

    def __init__(self, llm: Qwen2ForCausalLM, choosers: Sequence[Chooser], count: int) -> None:
        self._steps: Steps = Steps(llm, len(choosers))
        self._picker = Picker(choosers, count, llm.device)
        self._ids: Tensor | None = None

    def begin(self, embeds: Tensor, pads: list[int]) -> None:
        """The prompts [B, T, H]; the first tokens are picked."""
        self._ids = self._picker.pick(self._steps.start(embeds, pads))

    def advance(self) -> None:
        assert self._ids is not None
        self._ids = self._picker.pick(self._steps.step(self._ids))

    def said(self, first: int, end: int) -> Callable[[], list[list[int]]]:
        """Asks for the tokens [B, end - first]; they are there when the answer is called."""
        columns = self._picker.said[:, first:end]
        return columns.tolist

    def keep(self, places: list[int]) -> None:
        index = torch.tensor(places, device=self._picker.said.device)
        self._steps.keep(places)
        self._picker.keep(index)
        assert self._ids is not None
        self._ids = self._ids.index_select(0, index)


class FixedLine(Line):
    """The same on tensors that stay where they are, so that it serves other prompts later; on a GPU its steps are graphs."""

    block, depth = BLOCK, 2
    drops_rows = False

    def __init__(self, llm: Qwen2ForCausalLM, choosers: Sequence[Chooser], count: int, capacity: int) -> None:
        self._fixed = self._steps = FixedSteps(llm, len(choosers), capacity)
        self._picker = Picker(choosers, count, llm.device)
        self._next = torch.zeros(len(choosers), dtype=torch.long, device=llm.device)
        self._capacity = capacity
        self._graphs: dict[int, torch.cuda.CUDAGraph] = {}

    def fits(self, way: Way, count: int, length: int) -> bool:
        return way == self._picker.way and count <= self._picker.said.shape[1] and length <= self._capacity

    def load(self, choosers: Sequence[Chooser]) -> None:
        """Begin anew with other rows."""
        self._fixed.release()
        self._picker.load(choosers)

    def begin(self, embeds: Tensor, pads: list[int]) -> None:
        self._next.copy_(self._picker.pick(self._fixed.start(embeds, pads)))
        self._fixed.fix()

    def advance(self) -> None:
        steps, length = self._fixed, self._fixed.length
        steps.seen = seen_places(length + 1, self._capacity)
        if self._next.is_cuda:
            if steps.seen not in self._graphs:
                self._graphs[steps.seen] = self._recorded()
            self._graphs[steps.seen].replay()
        else:
            self._tick()
        steps.length = length + 1

    def _tick(self) -> None:
        self._next.copy_(self._picker.pick(self._fixed.step(self._next)))

    def _recorded(self) -> torch.cuda.CUDAGraph:
        """A step as a graph. It is run to warm up, and what that changed is put back; the places it wrote to will be again."""
        kept = [(t, t.clone()) for t in (self._next, self._fixed.position, *self._picker.state())]
        length = self._fixed.length
        beside = torch.cuda.Stream()
        beside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(beside):
            for _ in range(WARM_UP_STEPS):
                self._tick()
                _put_back(kept)
                self._fixed.length = length
        torch.cuda.current_stream().wait_stream(beside)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self._tick()
        self._fixed.length = length
        return graph

    def said(self, first: int, end: int) -> Callable[[], list[list[int]]]:
        columns = self._picker.said[:, first:end]
        if not columns.is_cuda:
            return columns.tolist
        host = torch.empty(columns.shape, dtype=columns.dtype, pin_memory=True)
        host.copy_(columns, non_blocking=True)
        copied = torch.cuda.Event()
        copied.record()

        def wait() -> list[list[int]]:
            copied.synchronize()
            return host.tolist()

        return wait


def _put_back(kept: Sequence[tuple[Tensor, Tensor]]) -> None:
    for tensor, before in kept:
        tensor.copy_(before)


def seen_places(length: int, capacity: int) -> int:
    """Of `length` positions, rounded up to few numbers: each costs a graph."""
    seen = FEWEST_SEEN
    while seen < length:
        seen *= 2
    return min(seen, capacity)


@dataclass
class Lines:
    """What a chat model decodes with. `fixed` lines are kept for a while, and lent to one batch at a time."""

    llm: Qwen2ForCausalLM
    fixed: bool
    idle: dict[int, FixedLine] = field(default_factory=dict[int, FixedLine])

    def lend(self, choosers: Sequence[Chooser], count: int, length: int) -> Line:
        """For so many new tokens behind prompts of at most `length - count`."""
        if not self.fixed:
            return Line(self.llm, choosers, count)
        line = self.idle.pop(len(choosers), None)
        if line is None or not line.fits(way_of(choosers), count, length):
            return FixedLine(self.llm, choosers, count, -(-length // FEWEST_SEEN) * FEWEST_SEEN)
        line.load(choosers)
        return line

    def give_back(self, line: Line, rows: int) -> None:
        if isinstance(line, FixedLine):
            self.idle[rows] = line
            while len(self.idle) > KEPT_LINES:
                self.idle.pop(next(iter(self.idle)))


def rounds(
    lines: Lines, embedded: Sequence[Tensor], choosers: Sequence[Chooser], rooms: Sequence[int]
) -> Generator[list[tuple[int, int]], None, None]:
    """(row, id) of all rows that go on, a round a token, until all have ended. `embedded` [T, H] are the prompts, `rooms` how
    many tokens a row may become."""
    count, longest = max(rooms), max(e.shape[0] for e in embedded)
    if count <= 0:
        return
    line = lines.lend(choosers, count, longest + count)
    try:
        yield from _Follower(line, choosers, rooms, count).follow(embedded, longest)
    finally:
        lines.give_back(line, len(choosers))


class _Follower:
    """The host's side."""

    def __init__(self, line: Line, choosers: Sequence[Chooser], rooms: Sequence[int], count: int) -> None:
        self._line, self._choosers, self._rooms, self._count = line, choosers, rooms, count
        self._made = 0
        self._asked: list[Callable[[], list[list[int]]]] = []
        self._places = list(range(len(choosers)))  # row -> its place among those that are computed; -1: it has ended

    def follow(self, embedded: Sequence[Tensor], longest: int) -> Iterator[list[tuple[int, int]]]:
        pads = [longest - e.shape[0] for e in embedded]
        with torch.inference_mode():
            self._line.begin(torch.stack([F.pad(e, (0, 0, p, 0)) for e, p in zip(embedded, pads, strict=True)]), pads)
        taken = 0
        while taken < self._count and any(place >= 0 for place in self._places):
            for column in zip(*self._next_block(), strict=True):
                told = self._take(column, taken)
                taken += 1
                if not told:
                    return
                yield told
                if taken >= self._count:
                    return

    @torch.inference_mode()
    def _next_block(self) -> list[list[int]]:
        line = self._line
        while len(self._asked) < line.depth and self._made < self._count:
            end = min(self._made + line.block, self._count)
            for place in range(self._made, end):
                if place:
                    line.advance()
            self._asked.append(line.said(self._made, end))
            self._made = end
        return self._asked.pop(0)()

    @torch.inference_mode()
    def _take(self, column: Sequence[int], taken: int) -> list[tuple[int, int]]:
        told: list[tuple[int, int]] = []
        ended = False
        for row, place in enumerate(self._places):
            if place < 0:
                continue
            token = self._choosers[row].take(column[place]) if taken < self._rooms[row] else None
            if token is None:
                self._places[row], ended = -1, True
            else:
                told.append((row, token))
        if ended and told and self._line.drops_rows:
            self._line.keep([self._places[row] for row, _ in told])
            for place, (row, _) in enumerate(told):
                self._places[row] = place
        return told
