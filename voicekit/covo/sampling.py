"""How the next token is chosen from the chat model's logits: freely in a reply, along a given text in reading."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from voicekit.prompt import PromptFormat

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Sampling:
    """Temperature 0 is greedy. With `greedy_text` the likeliest token decides whether text or speech comes next; text is
    taken as it is and only speech is sampled. The repetition penalty divides positive logits of the last
    `repetition_window` tokens and multiplies negative ones.
    """

    temperature: float = 0.7
    top_k: int = 30
    top_p: float = 1.0
    greedy_text: bool = True
    repetition_penalty: float = 1.0
    repetition_window: int = 8


USUAL = Sampling()
GREEDY = Sampling(temperature=0.0)


class Chooser(Protocol):
    """Decides one row's tokens; `finished` is set once the model itself has ended."""

    finished: bool

    def next(self, logits: Tensor) -> int | None:
        """logits [V] -> the next id, or None when the row has ended."""
        ...


def penalised(logits: Tensor, recent: Sequence[int], penalty: float) -> Tensor:
    """The logits [V] with those of recent ids made less likely."""
    if penalty == 1.0 or not recent:
        return logits
    index = logits.new_tensor(sorted(set(recent))).long()
    old = logits[index]
    return logits.index_copy(0, index, (old / penalty).where(old > 0, old * penalty))


def draw(logits: Tensor, sampling: Sampling, uniform: float) -> int:
    """One index of logits [V], by a uniform number in 0..1: equal numbers give equal draws on every machine."""
    if sampling.temperature <= 0:
        return int(logits.argmax())
    count = min(sampling.top_k, logits.shape[0]) if sampling.top_k > 0 else logits.shape[0]
    values, ids = logits.float().topk(count)
    scaled = values.cpu().numpy().astype(np.float64) / sampling.temperature
    mass = np.exp(scaled - scaled[0])
    total = np.cumsum(mass)
    if sampling.top_p < 1.0:
        kept = int(np.searchsorted(total, sampling.top_p * total[-1])) + 1
        total = total[:kept]
    return int(ids[min(int(np.searchsorted(total, uniform * total[-1], side="right")), len(total) - 1)])


class FreeReply:
    """The model says what it likes until it ends, or until there is far more speech than its text can need."""

    def __init__(self, prompt: PromptFormat, sampling: Sampling, seed: int = 0, max_audio_per_text: float = 12.0) -> None:
        self._prompt, self._sampling = prompt, sampling
        self._rng = np.random.default_rng(seed)
        self._max_audio_per_text = max_audio_per_text
        self._said: list[int] = []
        self._texts = self._codes = 0
        self.finished = False

    def next(self, logits: Tensor) -> int | None:
        sampling, prompt = self._sampling, self._prompt
        uniform = float(self._rng.random())
        logits = penalised(logits, self._said[-sampling.repetition_window :], sampling.repetition_penalty)
        chosen = int(logits.argmax()) if sampling.greedy_text or sampling.temperature <= 0 else draw(logits, sampling, uniform)
        if sampling.greedy_text and sampling.temperature > 0 and prompt.is_audio(chosen):
            speech = logits[prompt.audio_offset : prompt.audio_offset + prompt.num_codes]
            chosen = prompt.audio_offset + draw(speech, sampling, uniform)
        if chosen in (prompt.im_end, prompt.end_of_text):
            self.finished = True
            return None
        audio = prompt.is_audio(chosen)
        self._codes, self._texts = self._codes + audio, self._texts + (not audio)
        if self._codes > speech_limit(self._texts, 2 * self._max_audio_per_text):
            return None
        self._said.append(chosen)
        return chosen


def speech_limit(num_text: int, max_audio_per_text: float) -> float:
    """Speech tokens beyond which a reading of so many text tokens has run away: a second, and so much for each."""
    return 25.0 + max_audio_per_text * num_text


class Reading:
    """The text is given, the model speaks it: text blocks are forced, speech is the model's own, and so is the end after the
    last text token.
    """

    def __init__(
        self, prompt: PromptFormat, text: Sequence[int], sampling: Sampling, seed: int = 0, max_audio_per_text: float = 12.0
    ) -> None:
        self._prompt, self._sampling, self._text = prompt, sampling, list(text)
        self._rng = np.random.default_rng(seed)
        self._limit = speech_limit(len(self._text), max_audio_per_text)
        self._fewest = len(self._text)
        self._said: list[int] = []
        self._texts = self._codes = 0
        self.finished = False

    def next(self, logits: Tensor) -> int | None:
        prompt, sampling = self._prompt, self._sampling
        uniform = float(self._rng.random())
        block = self._codes // prompt.audio_block + 1
        if self._texts < min(len(self._text), block * prompt.text_block):
            self._texts += 1
            return self._text[self._texts - 1]
        first, last = prompt.audio_offset, prompt.audio_offset + prompt.num_codes
        logits = penalised(logits, self._said[-sampling.repetition_window :], sampling.repetition_penalty)
        speech = logits[first:last]
        may_end = self._texts == len(self._text) and self._codes >= self._fewest
        if may_end and float(logits[prompt.im_end]) > float(speech.max()):
            self.finished = True
            return None
        if self._codes >= self._limit:
            return None
        self._codes += 1
        self._said.append(first + draw(speech, sampling, uniform))
        return self._said[-1]
