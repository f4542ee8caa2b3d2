"""Train the ears of a finished base: encoder and adapter learn to hear questions, for a chat model that stays as it is.

Three losses: the letters of what is said (CTC on the encoder), its word pieces (CTC of the adapter's frames against the chat
model's own embeddings), and the words of the answer that the frozen chat model gives to the same question when it is typed.
Voices made with the base do not change, because nothing they use does.

python -m recipes.nano.listening --work DIR --base DIR [--steps N] [--device cpu]; resumable, step-based. Writes the new ears
into the base's model.safetensors at the end.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from recipes.nano.bare import BareBase
from recipes.nano.hearing import (
    SEGMENT_FRAMES,
    Heard,
    Pieces,
    cer,
    collate,
    ctc_of,
    encode,
    heard_right,
    load,
    new_encoder,
    prepare,
)
from recipes.nano.loop import Run, chosen, options, rate
from recipes.nano.mixed import MasterAdamW, working_type
from recipes.nano.pack import put
from recipes.nano.shape import ENCODER, Places
from voicekit.covo.chat import CovoChat
from voicekit.covo.speech_tokenizer import BLANK, SYMBOLS, text_symbols
from voicekit.evaluate.text import same_answer

SHARES = {"questions_train": 0.72, "readers": 0.08, "open_train": 0.13, "answers_train": 0.07}
BATCH_FRAMES = 7_000
PEAK_RATE = 1.0e-3
WARM_UP_STEPS = 200
WORDS_WEIGHT, ANSWER_WEIGHT = 0.5, 1.0
ANSWERS_FROM = 300  # steps in which the new CTC heads learn alone
LONGEST_TEXT = 40


@dataclass(frozen=True)
class Answer:
    """What the base says to a typed question under `speaker`: ids up to the last of its words, and which of them are words."""

    speaker: str
    ids: tuple[int, ...]
    is_text: tuple[bool, ...]


def answers_of(base: BareBase, chat: CovoChat, seed: int) -> dict[str, Answer]:
    """By right answer: the reply of the base to a typed training question, under a speaker drawn for each answer."""
    rng = np.random.default_rng(seed)
    material, speakers = base.material, base.card.speakers
    first = {question.answer: question for question in reversed(material.train)}
    drawn = {answer: speakers[int(rng.integers(len(speakers)))] for answer in sorted(first)}
    found: dict[str, Answer] = {}
    for speaker in speakers:
        asked = [first[answer] for answer, whose in drawn.items() if whose == speaker]
        for question, (text, codes) in zip(asked, base.replies(chat, speaker, [q.text for q in asked]), strict=True):
            if same_answer(text, question.answer):
                ids = base.prompt.interleave(base.text.encode(question.answer), codes)
                words = [not base.prompt.is_audio(i) for i in ids]
                end = len(words) - words[::-1].index(True)
                found[question.answer] = Answer(speaker, tuple(ids[:end]), tuple(words[:end]))
    return found


class Listener:
    """The frozen chat model behind the ears: how well it answers what it hears."""

    def __init__(self, base: BareBase, device: str, seed: int) -> None:
        chat = base.chat(device, torch.float32)
        self._base, self._device = base, device
        self._answers = answers_of(base, chat, seed)
        self.llm = chat.llm
        nn.Module.to(self.llm, working_type(device))
        self._right = {q.text: q.answer for q in base.material.train}

    def loss(self, heard: Tensor, counts: Tensor, texts: list[str]) -> Tensor:
        """Cross-entropy in nats per word piece of the answers. heard [B, F, D]: adapter frames; counts [B]: the real ones."""
        prompt, encode_text, embed = self._base.prompt, self._base.text.encode, self.llm.model.embed_tokens
        rows, wanted, places = [], [], []
        for row, text in enumerate(texts):
            answer = self._answers.get(self._right.get(text, ""))
            if answer is None:
                continue
            system = prompt.system(encode_text, answer.speaker)
            asked = [*system, *prompt.user_audio(encode_text, int(counts[row])), *prompt.assistant_open(encode_text)]
            ids = torch.tensor([*asked, *answer.ids], device=self._device)
            embeds = embed(ids)
            where = ids == prompt.audio_pad
            rows.append(embeds.masked_scatter(where[:, None], heard[row, : int(counts[row])].to(embeds)))
            words = [len(asked) + i for i, is_text in enumerate(answer.is_text) if is_text]
            places.append(torch.tensor(words))
            wanted.append(ids[words])
        if not rows:
            return heard.sum() * 0.0
        embeds = nn.utils.rnn.pad_sequence(rows, batch_first=True)
        hidden = self.llm.model(inputs_embeds=embeds, use_cache=False).last_hidden_state
        predicting = torch.cat([hidden[i, p - 1] for i, p in enumerate(places)])
        return F.cross_entropy(self.llm.lm_head(predicting).float(), torch.cat(wanted))


def draw(parts: dict[str, list[Heard]], rng: np.random.Generator) -> tuple[list[Heard], int]:
    """A batch of similar lengths, and the mel frames it is padded to: up to a whole segment, as it is when nano listens."""
    names = [name for name in SHARES if parts.get(name)]
    shares = np.array([SHARES[name] for name in names])
    drawn = zip(names, rng.multinomial(120, shares / shares.sum()), strict=True)
    pool = [parts[name][int(i)] for name, count in drawn for i in rng.integers(len(parts[name]), size=count)]
    pool.sort(key=lambda item: len(item[0]))
    start = int(rng.integers(len(pool) - 8))
    spare = int(rng.integers(0, SEGMENT_FRAMES)) if rng.random() < 0.4 else 0
    batch = pool[start : start + 1]
    for item in pool[start + 1 :]:
        if (len(batch) + 1) * min(SEGMENT_FRAMES, len(item[0]) + spare) > BATCH_FRAMES:
            break
        batch.append(item)
    longest = min(SEGMENT_FRAMES, len(batch[-1][0]) + spare)
    return batch, longest + longest % 2


class Ears(nn.Module):
    """What is trained: the base's encoder and adapter, and the two heads that only training needs."""

    def __init__(self, base: BareBase, device: str) -> None:
        super().__init__()
        weights = {k: v.float() for k, v in load_file(base.folder / "model.safetensors").items()}
        self.encoder = new_encoder(device)
        self.encoder.load_state_dict({k[8:]: v for k, v in weights.items() if k.startswith("encoder.")})
        self.pieces = Pieces(weights["llm.model.embed_tokens.weight"][: len(base.text)])
        own = {k[14:]: v for k, v in weights.items() if k.startswith("audio_adapter.")}
        self.pieces.audio_adapter.load_state_dict(own)
        self.letters = nn.Linear(ENCODER["d_model"], SYMBOLS)
        self.text = base.text
        self.to(device)

    def ctc(self, batch: list[Heard], made: Tensor, heard: Tensor) -> tuple[Tensor, Tensor]:
        """(letters, word pieces) in nats per symbol."""
        frames = torch.tensor([len(m) // 2 for m, _ in batch])
        said = [torch.tensor(text_symbols(row["text"])) for _, row in batch]
        wanted = [torch.tensor(self.text.encode(row["text"])[:LONGEST_TEXT]) for _, row in batch]
        letters = ctc_of(self.letters(made).float(), said, frames, BLANK)
        return letters, ctc_of(self.pieces.logits(heard)[0], wanted, -(-frames // 8), len(self.text))


def train(places: Places, base: BareBase, steps: int, device: str, seed: int) -> tuple[Ears, list[Tensor]]:
    """The ears, and their trained parameters in float32."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    parts = {name: load(file) for name in SHARES if (file := places.hearing / f"{name}.npz").exists()}
    test = load(places.hearing / "questions_test.npz")
    ears, listener = Ears(base, device), Listener(base, device, seed)
    opt = MasterAdamW([ears])
    run = Run(places.hearing / "listening.pt", steps, opt, rng)
    while not run.over:
        batch, longest = draw(parts, rng)
        made = encode(ears.encoder, collate(batch, rng, longest).to(device, working_type(device)))
        heard = ears.pieces.audio_adapter(made)
        letters, words = ears.ctc(batch, made, heard)
        loss = letters + WORDS_WEIGHT * words
        terms = {"letters": letters, "pieces": words}
        if run.step >= ANSWERS_FROM:
            counts = torch.tensor([-(-(len(m) // 2) // 8) for m, _ in batch])
            terms["answers"] = listener.loss(heard, counts, [row["text"] for _, row in batch])
            loss = loss + ANSWER_WEIGHT * terms["answers"]
        loss.backward()
        opt.step(rate(run.step, steps, PEAK_RATE, WARM_UP_STEPS, floor=0.02))
        run.done(terms)
        if run.due(100):
            note = ""
            if run.due(500):
                right = heard_right(ears.encoder, ears.pieces, ears.text, test[:200])
                note = f" CER {cer(ears.encoder, ears.letters, test[:100]):.3f} questions heard {right:.3f}"
            run.say(note)
            run.keep()
    return ears, opt.master


def write(base: BareBase, ears: Ears, masters: list[Tensor]) -> None:
    """The trained ears into the base's model.safetensors."""
    trained = dict(zip([n for n, p in ears.named_parameters() if p.requires_grad], masters, strict=True))
    own = {n: trained[n] for n in trained if n.startswith(("encoder.", "pieces.audio_adapter."))}
    put(base.folder, {n.removeprefix("pieces."): t.detach().cpu() for n, t in own.items()})


def main() -> None:
    parser = options(__doc__, steps=3000)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--base", type=Path, required=True, help="the packed base whose ears are trained")
    args = chosen(parser)
    places = Places(args.work)
    prepare(places)
    base = BareBase.read(args.base)
    write(base, *train(places, base, args.steps, args.device, args.seed))


if __name__ == "__main__":
    main()
