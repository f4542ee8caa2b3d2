"""Train nano's chat model: Qwen2 in miniature on typed dialogues (`--typed`), on speech, and then with its ears open.

python -m recipes.nano.chat --work DIR [--typed] [--steps N] [--spoken-from 0.5] [--device cpu]; resumable, step-based.
`--typed` comes first and needs no tokenizer: questions and answers in words, which the other part starts from.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import Qwen2Config, Qwen2ForCausalLM

from recipes.nano.lessons import Lesson, Material
from recipes.nano.loop import Run, chosen, options, rate
from recipes.nano.mixed import MasterAdamW
from recipes.nano.shape import ADAPTER_HIDDEN, ENCODER, HIDDEN, Places, llm_config
from voicekit.covo.adapter import AudioAdapter

BATCH_TOKENS = 1800
PEAK_RATE = 1.5e-3
WARM_UP_STEPS = 200


class Nano(nn.Module):
    """Language model and adapter under the names they are released with; the encoder is trained before and frozen."""

    def __init__(self, text_tokens: int) -> None:
        super().__init__()
        config = Qwen2Config(**llm_config(text_tokens))
        config._attn_implementation = "eager"
        self.llm = Qwen2ForCausalLM(config)
        self.audio_adapter = AudioAdapter(ENCODER["d_model"], ADAPTER_HIDDEN, HIDDEN)


def pad_batch(lessons: list[Lesson]) -> tuple[Tensor, Tensor, Tensor]:
    """ids, weights and attention mask [B, T], padded on the right."""
    ids = nn.utils.rnn.pad_sequence([torch.from_numpy(x.ids) for x in lessons], batch_first=True)
    weight = nn.utils.rnn.pad_sequence([torch.from_numpy(x.weight) for x in lessons], batch_first=True)
    mask = nn.utils.rnn.pad_sequence([torch.ones(len(x.ids), dtype=torch.long) for x in lessons], batch_first=True)
    return ids, weight, mask


def draw(material: Material, rng: np.random.Generator) -> list[Lesson]:
    """About BATCH_TOKENS tokens of lessons of similar length."""
    pool = sorted((material.draw(rng) for _ in range(48 if material.speech else 64)), key=lambda x: len(x.ids))
    start = int(rng.integers(len(pool)))
    batch = [pool[start]]
    for lesson in [*pool[start + 1 :], *reversed(pool[:start])]:
        longest = max(len(lesson.ids), max(len(x.ids) for x in batch))
        if (len(batch) + 1) * longest > BATCH_TOKENS:
            break
        batch.append(lesson)
    return batch


def loss_of(model: Nano, lessons: list[Lesson], audio_pad: int, device: str) -> tuple[Tensor, Tensor]:
    """(weighted sum of cross-entropy, sum of weights), logits only where something is learned."""
    ids, weight, mask = (t.to(device) for t in pad_batch(lessons))
    embeds = model.llm.model.embed_tokens(ids)
    heard = {i: x.heard for i, x in enumerate(lessons) if x.heard is not None}
    if heard:
        padded = nn.utils.rnn.pad_sequence([torch.from_numpy(h) for h in heard.values()], batch_first=True)
        frames = model.audio_adapter(padded.to(embeds))
        embeds = embeds.clone()
        for row, made in zip(heard, frames, strict=True):
            where = ids[row] == audio_pad
            embeds[row, where] = made[: int(where.sum())]
    hidden = model.llm.model(inputs_embeds=embeds, attention_mask=mask, use_cache=False).last_hidden_state
    wanted = weight[:, 1:] > 0
    logits = model.llm.lm_head(hidden[:, :-1][wanted]).float()
    losses = F.cross_entropy(logits, ids[:, 1:][wanted], reduction="none", label_smoothing=0.0)
    w = weight[:, 1:][wanted]
    return (losses * w).sum(), w.sum()


def train(args: argparse.Namespace) -> None:
    places = Places(args.work)
    torch.manual_seed(args.seed)
    rng = np.random.default_rng(args.seed)
    material = Material(places, None if args.typed else places.codes)
    spoken_at = args.steps if args.typed else int(args.spoken_from * args.steps)
    model = Nano(len(material.text)).to(args.device)
    if args.init:
        packed = load_file(args.init / "model.safetensors")
        model.load_state_dict({k: v.float() for k, v in packed.items() if not k.startswith("encoder.")})
    typed = places.chat / "typed.pt"
    if not args.typed and typed.exists():
        model.load_state_dict({k: v.float() for k, v in torch.load(typed, weights_only=False)["model"].items()})
    opt = MasterAdamW([model.llm, model.audio_adapter], decay=0.05)
    places.chat.mkdir(parents=True, exist_ok=True)
    run = Run(typed if args.typed else places.chat / "last.pt", args.steps, opt, rng)
    listening = run.kept.get("listening", False)
    while not run.over:
        if run.step >= spoken_at and not material.spoken:
            material = Material(places, places.codes, places.features)
            if not listening:
                opt.adopt(model.audio_adapter, torch.load(places.adapter, weights_only=False)["adapter"])
                listening = True
        total, weight = loss_of(model, draw(material, rng), material.prompt.audio_pad, args.device)
        loss = total / weight
        loss.backward()
        opt.step(rate(run.step, args.steps, PEAK_RATE, WARM_UP_STEPS, floor=0.02))
        run.done({"loss": loss})
        if run.due(100):
            run.say()
            run.keep(listening=listening, model=model.state_dict())


def main() -> None:
    parser = options(__doc__, steps=5000)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--init", type=Path, help="go on from this packed base's weights")
    parser.add_argument("--typed", action="store_true", help="the first part: words only")
    parser.add_argument("--spoken-from", type=float, default=0.5, help="share of the steps before spoken questions join")
    train(chosen(parser))


if __name__ == "__main__":
    main()
