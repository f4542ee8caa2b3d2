"""nano's text tokenizer: byte-level BPE on lower-cased text, trained on the world and on open text."""

from __future__ import annotations

import argparse
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from recipes.nano.shape import TEXT_VOCABULARY, Places
from recipes.nano.text import normalise
from recipes.nano.voices import NAMED
from recipes.nano.world import facts, questions
from voicekit.covo.text import SPECIAL

WORLD_REPEATS = 6


def build(sentences: Path, out: Path, size: int = TEXT_VOCABULARY) -> None:
    """Write tokenizer.json: `size` tokens with the special ones last, so that speech codes can follow."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    world = [q.text for q in questions()] + [f.answer for f in facts()] + [v.name for v in NAMED]
    words = ["system\nvoice: ", "user\n", "assistant\n", "read this: "] * 200
    trainer = trainers.BpeTrainer(
        vocab_size=size - len(SPECIAL), initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    texts = [normalise(line) for line in sentences.read_text(encoding="utf-8").splitlines()]
    tokenizer.train_from_iterator([*world * WORLD_REPEATS, *words, *texts], trainer)
    tokenizer.add_special_tokens(list(SPECIAL))
    out.parent.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(out))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--sentences", type=Path, required=True)
    args = parser.parse_args()
    build(args.sentences, Places(args.work).text)


if __name__ == "__main__":
    main()
