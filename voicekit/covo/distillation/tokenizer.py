"""Train a DistilledTokenizer on pairs, and its reader on what the tokens are known to say."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from voicekit.covo.distillation.learning import Course, learn
from voicekit.covo.distillation.pairs import Pair
from voicekit.covo.distillation.sequences import Spoken
from voicekit.covo.distillation.sound import disturbed
from voicekit.covo.distilled_tokenizer import DistilledTokenizer
from voicekit.covo.speech_tokenizer import text_symbols
from voicekit.covo.token_reader import reading_loss, with_errors
from voicekit.ports import OnProgress
from voicekit.timebase import SAMPLES_PER_TOKEN

BATCH, CROP_TOKENS = 8, 80
PEAK_RATE, PRETRAINED_RATE = 1e-3, 5e-5
SMOOTHING = 0.1
READER_BATCH, READER_RATE, MOST_ERRORS = 16, 1e-3, 0.25


def teach(tokenizer: DistilledTokenizer, pairs: Sequence[Pair], course: Course, file: Path, report: OnProgress) -> float:
    """Cross-entropy to the tokens; the last smoothed loss in nats. The reader is left alone."""
    device = tokenizer.codebook.device
    tokenizer.requires_grad_(True)
    tokenizer.reader.requires_grad_(False)

    def loss(step: int) -> Tensor:
        heard, tokens = batch(tokenizer, pairs, np.random.default_rng((course.seed, step)))
        logits = tokenizer.logits(heard.to(device))
        return F.cross_entropy(logits.float().flatten(0, 1), tokens.to(device).flatten(), label_smoothing=SMOOTHING)

    return learn(tokenizer, loss, course, file, report)


def batch(tokenizer: DistilledTokenizer, pairs: Sequence[Pair], rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """(what the tokenizer hears of BATCH disturbed crops, their tokens int64 [BATCH, N])."""
    some = [pairs[int(i)] for i in rng.choice(len(pairs), BATCH)]
    width = min(CROP_TOKENS, *(len(pair.tokens) for pair in some))
    heard, tokens = [], []
    for pair in some:
        start = int(rng.integers(len(pair.tokens) - width + 1))
        samples = pair.wave[SAMPLES_PER_TOKEN * start : SAMPLES_PER_TOKEN * (start + width)]
        heard.append(torch.from_numpy(tokenizer.hearing(disturbed(samples, rng) if rng.random() < 0.8 else samples)))
        tokens.append(torch.from_numpy(pair.tokens[start : start + width]))
    return torch.stack(heard), torch.stack(tokens)


def teach_reader(
    tokenizer: DistilledTokenizer, spoken: Sequence[Spoken], course: Course, file: Path, report: OnProgress
) -> float | None:
    """CTC on tokens with text, some of them wrong; None where no text has letters that the reader knows."""
    known = [(s.codes, s.text) for s in spoken if 0 < len(text_symbols(s.text)) <= 2 * len(s.codes)]
    if not known:
        return None
    reader, count = tokenizer.reader, tokenizer.config.num_codes
    reader.requires_grad_(True)

    def loss(step: int) -> Tensor:
        rng = np.random.default_rng((course.seed, step, 1))
        some = [known[int(i)] for i in rng.choice(len(known), READER_BATCH)]
        return reading_loss(reader, [(with_errors(c, count, rng.uniform(0, MOST_ERRORS), rng), t) for c, t in some])

    return learn(reader, loss, course, file, report)
