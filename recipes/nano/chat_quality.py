"""How well the chat model's words answer, before any voice: python -m recipes.nano.chat_quality --work DIR [--typed]

Questions of the splits, and those in bench/questions that were written by hand and that nobody trains on: free wording,
questions outside the world, follow-ups. Answers are the likeliest words (greedy), without speech.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from bench.questions import Asked, follow_ups, free_wording, outside
from recipes.nano.chat import Nano
from recipes.nano.lessons import SPEAKER_NAMES, prompt_format
from recipes.nano.outside import UNKNOWN
from recipes.nano.shape import Places
from recipes.nano.world import split
from voicekit.covo.text import TextTokenizer
from voicekit.evaluate.statistics import share

_MOST_TOKENS = 40
_BATCH = 32


class Answerer:
    """The chat model of a build, its words alone."""

    def __init__(self, work: Path, *, typed: bool) -> None:
        places = Places(work)
        self._text = TextTokenizer(places.text.parent)
        self._prompt = prompt_format(self._text)
        model = Nano(len(self._text)).eval()
        state = torch.load(places.chat / ("typed.pt" if typed else "last.pt"), weights_only=False)
        words = {name.removeprefix("llm."): value.float() for name, value in state["model"].items() if name.startswith("llm.")}
        model.llm.load_state_dict(words)
        self._llm: Any = model.llm

    def answers(self, asked: Sequence[Asked]) -> list[str]:
        """One answer to each conversation."""
        prompts = [self._ids(one, n) for n, one in enumerate(asked)]
        order = sorted(range(len(asked)), key=lambda n: len(prompts[n]))
        found = [""] * len(asked)
        for start in range(0, len(order), _BATCH):
            part = order[start : start + _BATCH]
            for n, text in zip(part, self._batch([prompts[n] for n in part]), strict=True):
                found[n] = text
        return found

    def _ids(self, asked: Asked, number: int) -> list[int]:
        encode, prompt = self._text.encode, self._prompt
        ids = prompt.system(encode, SPEAKER_NAMES[number % len(SPEAKER_NAMES)])
        for question, answer in asked.before:
            ids += [*prompt.user_text(encode, question), *prompt.assistant_open(encode), *encode(answer), prompt.im_end]
            ids += encode("\n")
        return [*ids, *prompt.user_text(encode, asked.question), *prompt.assistant_open(encode)]

    @torch.inference_mode()
    def _batch(self, prompts: list[list[int]]) -> list[str]:
        longest = max(map(len, prompts))
        pad = [longest - len(ids) for ids in prompts]
        ids = torch.tensor([[0] * p + x for p, x in zip(pad, prompts, strict=True)])
        mask = torch.tensor([[0] * p + [1] * len(x) for p, x in zip(pad, prompts, strict=True)])
        out = self._llm.generate(
            ids,
            attention_mask=mask,
            max_new_tokens=_MOST_TOKENS,
            do_sample=False,
            eos_token_id=self._prompt.im_end,
            pad_token_id=0,
        )
        said = []
        for row in out[:, longest:].tolist():
            words = row[: row.index(self._prompt.im_end)] if self._prompt.im_end in row else row
            said.append(self._text.decode([token for token in words if token < len(self._text)]).strip())
        return said


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--typed", action="store_true", help="the checkpoint of the typed part")
    parser.add_argument("--wrong", action="store_true", help="show the wrong answers")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    answerer = Answerer(chosen.work, typed=chosen.typed)
    dev, test = split()[1:]
    sets = {
        "development": [Asked(q.text, (q.fact.answer,)) for q in dev],
        "test": [Asked(q.text, (q.fact.answer,)) for q in test],
        "free wording": free_wording(),
        "outside": [Asked(q.question, UNKNOWN) for q in outside()],
        "follow-ups": follow_ups(),
    }
    for name, asked in sets.items():
        answers = answerer.answers(asked)
        right = share([said in x.right for said, x in zip(answers, asked, strict=True)])
        refused = sum(said in UNKNOWN for said in answers) / len(answers)
        print(f"{name}: {right.value:.3f} ({right.low:.3f} to {right.high:.3f}) of {right.n}, refused {refused:.3f}", flush=True)
        if chosen.wrong:
            for said, x in zip(answers, asked, strict=True):
                if said not in x.right:
                    print(f"    {x.question} -> {said} [{x.right[0]}]")


if __name__ == "__main__":
    main()
