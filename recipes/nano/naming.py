"""Make a finished chat model the same under any name: taught with few names, it gives wrong answers under some of the others.

It learns from itself, on the base's own rehearsal dialogues. The name in the prompt is replaced by a made-up one, and what the
model would say next is held to two references: for the words, the untouched model under the name whose dialogue it was; for
the speech codes, the untouched model under the made-up name. So nothing changes but what a name does to the words. One name in
thirty does harm, so they are looked for: most of each batch are the first words of answers under the names that did most harm, of
thousands that were tried; the rest are whole dialogues under new names and under the base's own.

python -m recipes.nano.naming --work DIR --base DIR [--steps N] [--device cpu]; resumable, step-based. Writes the language
model into the base's model.safetensors at the end. Voices made with the base have to be made again.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from recipes.nano.bare import BareBase
from recipes.nano.loop import Run, chosen, options, rate
from recipes.nano.mixed import MasterAdamW, working_type
from recipes.nano.names import name_pieces, random_name
from recipes.nano.pack import put
from voicekit.covo.chat import CovoChat
from voicekit.prompt import READ_REQUEST, PromptFormat
from voicekit.records import Turn
from voicekit.storage import file_sha256

HARD_ROWS, NEW_ROWS, KNOWN_ROWS = 14, 3, 1
HARDEST = 192
LOOKED_AT, LOOKED_AT_TOGETHER, LOOK_EVERY = 3_840, 48, 100
READING_SHARE, WHOLE_SHARE = 0.2, 0.3
TEXT_WEIGHT = 3.0
PEAK_RATE = 1.5e-4
WARM_UP_STEPS = 20


@dataclass(frozen=True)
class Case:
    """A dialogue of the base's speaker `own`, said under `name`: ids between system prompt and answer, and of the answer."""

    name: str
    own: str
    asked: tuple[int, ...]
    said: tuple[int, ...]


@dataclass
class Cases:
    """Draws batches; keeps the names that do most harm, each with the nats it did last."""

    base: BareBase
    pieces: list[str]
    hard: dict[str, float] = field(default_factory=dict[str, float])

    def batch(self, rng: np.random.Generator) -> list[Case]:
        """Dialogues with their speech, under new names and under the base's own."""
        names = [random_name(rng, self.pieces) for _ in range(NEW_ROWS)] + [""] * KNOWN_ROWS
        return [self._case(name, rng, rng.random() < WHOLE_SHARE) for name in names]

    def hard_batch(self, rng: np.random.Generator) -> list[Case]:
        """The first words of answers, each under one of the hardest names."""
        worst = list(self.hard)
        return [self.probe([worst[int(i)]], rng)[0] for i in rng.integers(len(worst), size=HARD_ROWS)]

    def probe(self, names: list[str], rng: np.random.Generator) -> list[Case]:
        """One dialogue under all these names, its answer no further than the first words."""
        case = self._case("", rng, whole=False)
        words = next((n for n, i in enumerate(case.said) if self.base.prompt.is_audio(i)), len(case.said))
        return [replace(case, name=name, said=case.said[:words]) for name in names]

    def _case(self, name: str, rng: np.random.Generator, whole: bool) -> Case:
        """Without a name the dialogue keeps its own. Sometimes the answer is what a user asks to be read."""
        base, prompt = self.base, self.base.prompt
        rehearsal = base.material.rehearsal
        own, (question, answer) = rehearsal[int(rng.integers(len(rehearsal)))]
        reads = rng.random() < READING_SHARE
        request = READ_REQUEST.format(text=answer.text) if reads else question.text
        asked = [*prompt.user_text(base.text.encode, request), *prompt.assistant_open(base.text.encode)]
        return Case(name or own, own, tuple(asked), self._said(answer, whole))

    def _said(self, answer: Turn, whole: bool) -> tuple[int, ...]:
        """The answer with its end, or as far as the block of speech behind its last word."""
        prompt, words = self.base.prompt, self.base.text.encode(answer.text)
        ids = (*prompt.interleave(words, answer.speech), prompt.im_end)
        blocks = -(-len(words) // prompt.text_block)
        return ids if whole else ids[: len(words) + blocks * prompt.audio_block]

    def remember(self, batch: list[Case], harm: list[float]) -> None:
        """`harm` of each case's name, in nats of its words; the HARDEST stay, each with what it did last."""
        self.hard |= {case.name: nats for case, nats in zip(batch, harm, strict=True)}
        self.hard = dict(sorted(self.hard.items(), key=lambda pair: -pair[1])[:HARDEST])

    @torch.no_grad()
    def look_for_more(self, student: CovoChat, teacher: CovoChat, rng: np.random.Generator) -> None:
        """Hear LOOKED_AT new names by the first words of an answer, and remember the hardest: one in thirty does harm."""
        for _ in range(LOOKED_AT // LOOKED_AT_TOGETHER):
            batch = self.probe([random_name(rng, self.pieces) for _ in range(LOOKED_AT_TOGETHER)], rng)
            own = words_of(self.base, teacher, batch[:1]).repeat(len(batch), 1)
            self.remember(batch, harm(batch, words_kl(self.base, student, batch, own)))


def log_probs(base: BareBase, chat: CovoChat, batch: list[Case], names: list[str]) -> Tensor:
    """float32 [P, V] before each token of the answers, one case after the other, with these names in the prompts."""
    rows, where = [], []
    for case, name in zip(batch, names, strict=True):
        before = [*base.prompt.system(base.text.encode, name), *case.asked]
        rows.append(torch.tensor([*before, *case.said], device=chat.device))
        where.append(torch.arange(len(before) - 1, len(rows[-1]) - 1, device=chat.device))
    padded = nn.utils.rnn.pad_sequence(rows, batch_first=True)  # causal: what is padded on the right is not seen
    hidden = chat.llm.model(input_ids=padded, use_cache=False).last_hidden_state
    predicting = torch.cat([hidden[i, w] for i, w in enumerate(where)])
    return chat.llm.lm_head(predicting).float().log_softmax(-1)


def decided_by_words(prompt: PromptFormat, said: tuple[int, ...]) -> list[bool]:
    """For each token of an answer: is it a word, or the first speech code after one (so that the words have ended)?"""
    audio = [prompt.is_audio(i) for i in said]
    before = [False, *audio[:-1]]
    return [not b if a else i != prompt.im_end for i, a, b in zip(said, audio, before, strict=True)]


def target(own: Tensor, new: Tensor, by_words: Tensor, audio_offset: int) -> Tensor:
    """Probabilities [P, V] of what is to be said, from log-probabilities under the own name and under the new one.

    Where `by_words` [P]: words, and whether a word or a speech code comes, as under the own name; which code, as under the new
    one. Elsewhere all as under the new one.
    """
    p, q = own.exp(), new.exp()
    codes = q[:, audio_offset:]
    share = p[:, audio_offset:].sum(-1, keepdim=True) / codes.sum(-1, keepdim=True).clamp(min=1e-9)
    return torch.where(by_words[:, None], torch.cat([p[:, :audio_offset], codes * share], dim=-1), q)


def divergences(base: BareBase, student: CovoChat, teacher: CovoChat, batch: list[Case]) -> tuple[Tensor, Tensor]:
    """KL(target || student) in nats [P], and which positions the words decide, bool [P]."""
    names = [case.name for case in batch]
    with torch.no_grad():
        new = log_probs(base, teacher, batch, names)
        own = words_of(base, teacher, batch)
        by_words = torch.tensor([w for case in batch for w in decided_by_words(base.prompt, case.said)], device=new.device)
        wanted = target(own, new, by_words, base.prompt.audio_offset)
    guess = log_probs(base, student, batch, names)
    return (wanted * (wanted.clamp(min=1e-12).log() - guess)).sum(-1), by_words


@torch.no_grad()
def words_of(base: BareBase, teacher: CovoChat, batch: list[Case]) -> Tensor:
    """Log-probabilities float32 [P, V] of the untouched model, each dialogue under its own name."""
    return log_probs(base, teacher, batch, [case.own for case in batch])


def words_kl(base: BareBase, student: CovoChat, batch: list[Case], own: Tensor) -> Tensor:
    """KL(own || student) in nats [P] of answers that are words alone."""
    return (own.exp() * (own - log_probs(base, student, batch, [case.name for case in batch]))).sum(-1)


def harm(batch: list[Case], kl: Tensor) -> list[float]:
    """The mean of each case's KL, in nats."""
    return [float(own.mean()) for own in kl.detach().split([len(case.said) for case in batch])]


def hardest(cases: Cases) -> str:
    known = list(cases.hard.items())
    return f"{sum(nats > 0.1 for _, nats in known)} names over 0.1 nats, " + ", ".join(f"{k} {v:.2f}" for k, v in known[:3])


def train(args: argparse.Namespace) -> None:
    torch.manual_seed(args.seed)
    rng = np.random.default_rng(args.seed)
    base = BareBase.read(args.base)
    teacher, student = base.chat(args.device, working_type(args.device)), base.chat(args.device, torch.float32)
    student.llm.requires_grad_(True)
    opt, cases = MasterAdamW([student.llm], decay=0.0), Cases(base, name_pieces(base.text))
    args.work.mkdir(parents=True, exist_ok=True)
    last, untouched = args.work / "naming.pt", file_sha256(args.base / "model.safetensors")
    run = Run(last, args.steps, opt, rng, memory=0.95)
    if run.kept:
        if not run.over and run.kept["base"] != untouched:
            raise SystemExit(f"{last} belongs to another base than {args.base}. Remove it to begin anew.")
        cases.hard = run.kept["hard"]
    while not run.over:
        if run.step % LOOK_EVERY == 0:
            cases.look_for_more(student, teacher, rng)
            run.say(f"; {hardest(cases)}")
        hard = cases.hard_batch(rng)
        hard_kl = words_kl(base, student, hard, words_of(base, teacher, hard))
        kl, by_words = divergences(base, student, teacher, cases.batch(rng))
        losses = {"hard names' words": hard_kl.mean(), "words": kl[by_words].mean(), "speech": kl[~by_words].mean()}
        (TEXT_WEIGHT * (losses["hard names' words"] + losses["words"]) + losses["speech"]).backward()
        opt.step(rate(run.step, args.steps, PEAK_RATE, WARM_UP_STEPS, floor=0.02))
        run.done(losses)
        cases.remember(hard, harm(hard, hard_kl))
        if run.due(20):
            run.say(f"; {hardest(cases)}")
            run.keep(hard=cases.hard, base=untouched)
    trained = [f"llm.{name}" for name, _ in student.llm.named_parameters()]
    put(args.base, dict(zip(trained, (m.detach().cpu() for m in opt.master), strict=True)))


def main() -> None:
    parser = options(__doc__, steps=400)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--base", type=Path, required=True, help="the packed base whose language model is trained")
    args = chosen(parser)
    train(args)


if __name__ == "__main__":
    main()
