"""Speech tokens of utterances whose words are known: what a tokenizer hears, weighed with what the chat model would say.

A tokenizer learned from the decoder hears real speakers in tokens that the chat model hardly ever says; a voice made of them
has to unlearn the model's own speech. By Bayes' rule p(token | sound, words) is proportional to p(sound | token) times
p(token | words, tokens before): the tokenizer gives the first, the chat model the second, under the name of that speaker of
its own whom the recordings are most like. Tokens are taken one after the other, each the likeliest of the few that the tokenizer
hears best. Where the chat model would end rather than speak, it knows nothing of what is still heard: it counts by the share of
speech in its expectation. Without that a voice learns to go on where its words are over.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers import DynamicCache

from voicekit.covo.chat import CovoChat
from voicekit.covo.speaking import Words
from voicekit.covo.text import Said, dialogue_ids
from voicekit.records import IntArray

# How much the chat model's word counts beside the tokenizer's: in full it puts words before sounds.
PRIOR = 0.4
CANDIDATES = 16
REQUEST = "Tell me something."
ROWS = 16
NAMED_BY = 8


class Utterance(NamedTuple):
    """Its words' ids and the log-probabilities of the tokens heard, float32 [N, num_codes]."""

    text: Sequence[int]
    heard: Tensor


class KnownWords:
    """The tokens of one speaker's utterances. All of them are heard under one name, which the first utterances settle."""

    def __init__(self, chat: CovoChat, words: Words) -> None:
        self._chat, self._words = chat, words

    def tokens(self, utterances: Iterable[Utterance]) -> Iterator[IntArray]:
        """int64 [N] of each utterance, in order; one that is too long for the chat model keeps what was heard alone.

        ROWS utterances are held at a time.
        """
        waiting = iter(utterances)
        some = list(islice(waiting, ROWS))
        name = self.name(some[:NAMED_BY])
        while some:
            yield from self._together(name, some)
            some = list(islice(waiting, ROWS))

    def name(self, utterances: Sequence[Utterance]) -> str:
        """Of the base's speakers the one who would say most probably what is heard."""
        names = self._words.card.speakers
        if len(names) == 1:
            return names[0]
        costs = [sum(self._surprise(name, utterance) for utterance in utterances) for name in names]
        return names[int(np.argmin(costs))]

    @torch.inference_mode()
    def _surprise(self, name: str, utterance: Utterance) -> float:
        """Cross-entropy in nats between the tokens heard and those expected under a name, after the likeliest ones heard; 0 for
        an utterance that is too long."""
        ids, places = self._laid_out(self._prompt(name), utterance)
        if not places:
            return 0.0
        off, heard = self._words.prompt.audio_offset, utterance.heard
        sequence = np.array(ids)
        sequence[places] = heard.argmax(-1).cpu().numpy() + off
        logits = self._chat.logits(sequence.tolist())[[p - 1 for p in places]]
        expected = torch.log_softmax(logits[:, off : off + heard.shape[1]], -1)
        return -float((heard.exp().to(expected) * expected).sum())

    @torch.inference_mode()
    def _together(self, name: str, utterances: Sequence[Utterance]) -> list[IntArray]:
        """Rows of one prompt, a token of each at a time; what comes after a row's end is thrown away."""
        made = [u.heard.argmax(-1).cpu().numpy().astype(np.int64) for u in utterances]
        prompt = self._prompt(name)
        every = [self._laid_out(prompt, utterance) for utterance in utterances]
        rows = [i for i, (_, places) in enumerate(every) if places]
        if not rows:
            return made
        laid = [every[i] for i in rows]
        first, off, device = len(prompt), self._words.prompt.audio_offset, self._chat.device
        longest = max(len(ids) for ids, _ in laid)
        sequences = torch.zeros(len(rows), longest, dtype=torch.long)
        turn = torch.full((len(rows), longest), -1)  # which of its tokens stands where in a row
        for row, (ids, places) in enumerate(laid):
            sequences[row, : len(ids)] = torch.tensor(ids)
            turn[row, places] = torch.arange(len(places))
        sequences, turn = sequences.to(device), turn.to(device)
        heard, codes = (
            pad_sequence([column.to(device) for column in columns], batch_first=True)
            for columns in zip(*(utterances[i].heard.topk(CANDIDATES) for i in rows), strict=True)
        )
        speech, every_row = slice(off, off + self._words.prompt.num_codes), torch.arange(len(rows), device=device)
        cache, given = DynamicCache(), sequences[:, :first]
        for place in range(first, longest):
            logits = self._chat.llm(input_ids=given, past_key_values=cache, use_cache=True).logits[:, -1].float()
            expected = torch.log_softmax(logits[:, speech], -1)
            weight = PRIOR * torch.softmax(logits, -1)[:, speech].sum(-1, keepdim=True)
            now = turn[:, place]
            at = every_row, now.clamp(min=0)
            likely = heard[at] + weight * expected.gather(1, codes[at])
            taken = off + codes[at].gather(1, likely.argmax(-1, keepdim=True))[:, 0]
            sequences[:, place] = torch.where(now >= 0, taken, sequences[:, place])
            given = sequences[:, place : place + 1]
        said = sequences.cpu().numpy()
        for row, (_, places) in enumerate(laid):
            made[rows[row]] = said[row, places] - off
        return made

    def _prompt(self, name: str) -> list[int]:
        return dialogue_ids(self._words.prompt, self._words.tokenizer.encode, name, [Said("user", REQUEST)])

    def _laid_out(self, prompt: list[int], utterance: Utterance) -> tuple[list[int], list[int]]:
        """Prompt, words and a place for each token, as the chat model would say them; and these places, none where all of it is
        too long for the chat model."""
        answer = self._words.prompt.interleave(utterance.text, [0] * len(utterance.heard))
        ids = [*prompt, *answer]
        if len(ids) > self._chat.config.max_positions:
            return ids, []
        return ids, [i for i in range(len(prompt), len(ids)) if self._words.prompt.is_audio(ids[i])]
