"""nano's text tokenizer: byte-level BPE on lower-cased text of the world, of free and outside questions, and of open text.

Beside it goes open.txt: open text in short pieces, one a line, for what is said to nano and lies outside its world.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from random import Random

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from recipes.nano.asking import ask
from recipes.nano.natural_sets import SPEAKERS
from recipes.nano.outside import UNKNOWN, outside
from recipes.nano.shape import TEXT_VOCABULARY, Places
from recipes.nano.text import clauses, normalise
from recipes.nano.world import facts, questions
from voicekit.covo.text import SPECIAL

WORLD_REPEATS = 6
FREE, OUTSIDE = 30_000, 15_000


def build(sentences: Path, out: Path, size: int = TEXT_VOCABULARY) -> None:
    """Write tokenizer.json: `size` tokens with the special ones last, so that speech codes can follow."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    world = [q.text for q in questions()] + [f.answer for f in facts()] + [*SPEAKERS]
    words = ["system\nvoice: ", "user\n", "assistant\n", "read this: "] * 200
    trainer = trainers.BpeTrainer(
        vocab_size=size - len(SPECIAL), initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    lines, random, known = sentences.read_text(encoding="utf-8").splitlines(), Random("nano-text"), facts()
    pieces = list(dict.fromkeys(piece for line in lines for piece in clauses(line)))
    free = [ask(random.choice(known), random) for _ in range(FREE)] + [outside(random, pieces) for _ in range(OUTSIDE)]
    tokenizer.train_from_iterator([*world * WORLD_REPEATS, *UNKNOWN, *words, *free, *map(normalise, lines)], trainer)
    tokenizer.add_special_tokens(list(SPECIAL))
    out.parent.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(out))
    out.with_name("open.txt").write_text("\n".join(pieces) + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--sentences", type=Path, required=True)
    args = parser.parse_args()
    build(args.sentences, Places(args.work).text)


if __name__ == "__main__":
    main()
