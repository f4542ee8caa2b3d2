"""Teach the reader of speech tokens, and put the speech tokenizer together as the product loads it.

python -m recipes.nano.reading --tokenizer DIR --codes DIR --out DIR [--steps N] [--device cpu]; resumable, step-based.

The reader gives letters back from tokens alone (CTC), by which replies are compared with their own text. Some tokens are replaced
by others while it learns: what it reads later was said by a chat model, with faults.
"""

from __future__ import annotations

import argparse
from dataclasses import fields
from pathlib import Path

import numpy as np
import torch

from recipes.nano.letters import letter_error_rate
from recipes.nano.loop import Run, alike, chosen, options, rate
from recipes.nano.mixed import MasterAdamW
from recipes.nano.natural_sets import TESTS
from recipes.nano.phone_times import transcripts_of
from recipes.nano.phonetic import Phonetic
from recipes.nano.text import normalise
from recipes.nano.tokens import read
from voicekit.covo.phonetic_tokenizer import EncoderSizes, PhoneticConfig, PhoneticTokenizer
from voicekit.covo.token_reader import TokenReader, reading_loss, with_errors
from voicekit.records import IntArray

BATCH_TOKENS = 2_400
LONGEST_TOKENS = 400
PEAK_RATE, WARM_UP_STEPS = 1.5e-3, 100
WRONG_SHARE = 0.05

Spoken = tuple[IntArray, str]


def load(folder: Path, transcripts: dict[str, str], *, tests: bool) -> list[Spoken]:
    """(codes, text) of the clips of all sets with a text, or of the test sets."""
    found: list[Spoken] = []
    for path in sorted(folder.glob("*.npz")):
        if (path.stem in TESTS) == tests:
            for codes, row in read(path):
                text = normalise(row.get("text") or transcripts.get(row.get("file", ""), ""))
                if text and len(codes) <= LONGEST_TOKENS:
                    found.append((codes, text))
    return found


def draw(spoken: list[Spoken], num_codes: int, rng: np.random.Generator) -> list[Spoken]:
    """Clips of similar length, about BATCH_TOKENS tokens, with some tokens wrong."""
    pool = [spoken[int(i)] for i in rng.integers(len(spoken), size=120)]
    batch = alike(pool, lambda clip: len(clip[0]), BATCH_TOKENS, rng)
    return [(with_errors(codes, num_codes, float(rng.uniform(0, 2 * WRONG_SHARE)), rng), text) for codes, text in batch]


def product(tokenizer: Phonetic, reader: TokenReader) -> PhoneticTokenizer:
    """The tokenizer with its reader, without what only training needs."""
    sizes = {field.name: getattr(tokenizer.config, field.name) for field in fields(EncoderSizes)}
    made = PhoneticTokenizer(PhoneticConfig(**sizes, reader_hidden=reader.norm.weight.shape[0], reader_layers=len(reader.blocks)))
    own = {f"reader.{name}": value for name, value in reader.state_dict().items()}
    given = tokenizer.state_dict() | own
    made.load_state_dict({name: given[name] for name in made.state_dict()})
    return made.eval()


def error_rate(reader: TokenReader, spoken: list[Spoken]) -> float:
    """Letters wrong of all clips together."""
    reader.eval()
    truths = ["".join(c for c in text if c.isalpha() or c in " '") for _, text in spoken]
    guesses = [reader.read(codes) for codes, _ in spoken]
    reader.train()
    return letter_error_rate(truths, guesses)


def train(args: argparse.Namespace) -> None:
    torch.manual_seed(args.seed)
    rng = np.random.default_rng(args.seed)
    tokenizer = Phonetic.load(args.tokenizer)
    heard = transcripts_of(args.transcripts)
    spoken, tests = (load(args.codes, heard, tests=tests) for tests in (False, True))
    reader = TokenReader(tokenizer.config.num_codes, args.hidden, args.layers).to(args.device)
    opt = MasterAdamW([reader])
    args.out.mkdir(parents=True, exist_ok=True)
    run = Run(args.out / "reading.pt", args.steps, opt, rng)
    print(f"{len(spoken)} clips, {len(tests)} for testing", flush=True)
    while not run.over:
        loss = reading_loss(reader, draw(spoken, tokenizer.config.num_codes, rng))
        loss.backward()
        opt.step(rate(run.step, args.steps, PEAK_RATE, WARM_UP_STEPS, 0.03))
        run.done({"ctc": loss})
        if run.due(100):
            run.say()
            run.keep()
    print(f"letters wrong of clips it never heard: {error_rate(reader, tests):.3f}", flush=True)
    product(tokenizer, reader.float()).save(args.out / "speech_tokenizer")


def main() -> None:
    parser = options(__doc__, steps=1500)
    parser.add_argument("--tokenizer", type=Path, required=True, help="a saved recipes.nano.phonetic")
    parser.add_argument("--codes", type=Path, required=True, help="files of recipes.nano.tokens")
    parser.add_argument("--transcripts", type=Path, help="of clips without text: lines of JSON (file, text)")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--hidden", type=int, default=192)
    parser.add_argument("--layers", type=int, default=3)
    train(chosen(parser))


if __name__ == "__main__":
    main()
