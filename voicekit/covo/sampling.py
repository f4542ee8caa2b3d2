"""How the next token is chosen from the chat model's logits: freely in a reply, along a given text in reading.

What a row may say is planned before it begins (`Plan`), so that all rows' tokens are picked where the logits are
(voicekit.covo.picking); the host follows, and says when a row has ended (`Chooser.take`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from voicekit.prompt import PromptFormat
from voicekit.records import IntArray


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


class Pool(IntEnum):
    """Of which ids one is drawn: of all; of speech where the likeliest id is speech, else that one; of speech alone."""

    ALL = 0
    LIKELIEST_TEXT = 1
    SPEECH = 2


@dataclass(frozen=True, eq=False)
class Plan:
    """What is known of a row's next n tokens: `forced` int64 [n] (-1: to be picked), `may_end` bool [n] (an end beats speech that
    is less likely; Pool.SPEECH only), and the `uniform` numbers in 0..1 float64 [n] by which is drawn."""

    forced: IntArray
    may_end: NDArray[np.bool_]
    uniform: NDArray[np.float64]


class Chooser(Protocol):
    """Decides one row's tokens; `finished` is set once the model itself has ended. All rows of a batch share one sampling and
    one `prompt` format, which says what is speech (None: not needed)."""

    finished: bool

    @property
    def prompt(self) -> PromptFormat | None: ...

    @property
    def sampling(self) -> Sampling: ...

    @property
    def pool(self) -> Pool: ...

    def plan(self, count: int) -> Plan:
        """Of the first `count` tokens; asked for once, before the first."""
        ...

    def take(self, token: int) -> int | None:
        """The token that was picked next -> itself, or None when the row has ended."""
        ...


def _free(seed: int, count: int) -> Plan:
    return Plan(np.full(count, -1, np.int64), np.zeros(count, bool), np.random.default_rng(seed).random(count))


class FreeReply:
    """The model says what it likes until it ends, or until there is far more speech than its text can need."""

    def __init__(self, prompt: PromptFormat, sampling: Sampling, seed: int = 0, max_audio_per_text: float = 12.0) -> None:
        self.sampling = sampling
        self.pool = Pool.LIKELIEST_TEXT if sampling.greedy_text and sampling.temperature > 0 else Pool.ALL
        self.prompt, self._seed = prompt, seed
        self._max_audio_per_text = max_audio_per_text
        self._texts = self._codes = 0
        self.finished = False

    def plan(self, count: int) -> Plan:
        return _free(self._seed, count)

    def take(self, token: int) -> int | None:
        if token in (self.prompt.im_end, self.prompt.end_of_text):
            self.finished = True
            return None
        audio = self.prompt.is_audio(token)
        self._codes, self._texts = self._codes + audio, self._texts + (not audio)
        return None if self._codes > speech_limit(self._texts, 2 * self._max_audio_per_text) else token


def speech_limit(num_text: int, max_audio_per_text: float) -> float:
    """Speech tokens beyond which a reading of so many text tokens has run away: a second, and so much for each."""
    return 25.0 + max_audio_per_text * num_text


class Reading:
    """The text is given, the model speaks it: text blocks are forced, speech is the model's own, and so is the end after the
    last text token.
    """

    pool = Pool.SPEECH

    def __init__(
        self, prompt: PromptFormat, text: Sequence[int], sampling: Sampling, seed: int = 0, max_audio_per_text: float = 12.0
    ) -> None:
        self.sampling = sampling
        self.prompt, self._seed, self._text = prompt, seed, list(text)
        self._limit = speech_limit(len(self._text), max_audio_per_text)
        self._texts = self._codes = 0
        self.finished = False

    def plan(self, count: int) -> Plan:
        forced, may_end = np.full(count, -1, np.int64), np.zeros(count, bool)
        texts = codes = 0
        for place in range(count):
            if self._text_is_due(texts, codes):
                forced[place] = self._text[texts]
                texts += 1
            else:
                may_end[place] = texts == len(self._text) and codes >= len(self._text)
                codes += 1
        return Plan(forced, may_end, np.random.default_rng(self._seed).random(count))

    def _text_is_due(self, texts: int, codes: int) -> bool:
        block = codes // self.prompt.audio_block + 1
        return texts < min(len(self._text), block * self.prompt.text_block)

    def take(self, token: int) -> int | None:
        if self._text_is_due(self._texts, self._codes):
            self._texts += 1
            return token
        if token == self.prompt.im_end:
            self.finished = True
            return None
        if self._codes >= self._limit:
            return None
        self._codes += 1
        return token


class Continuation:
    """Every id may follow every other, until one of `stop_ids`."""

    pool = Pool.ALL
    prompt = None

    def __init__(self, sampling: Sampling, stop_ids: Sequence[int], seed: int = 0) -> None:
        self.sampling = sampling
        self._stop_ids, self._seed = set(stop_ids), seed
        self.finished = False

    def plan(self, count: int) -> Plan:
        return _free(self._seed, count)

    def take(self, token: int) -> int | None:
        if token in self._stop_ids:
            self.finished = True
            return None
        return token
