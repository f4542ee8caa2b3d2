"""How many questions an un-tuned base answers right under names it never met: a name can take its wits away.

python -m bench.names [--base DIR] [--questions 120] [NAME ...]
"""

from __future__ import annotations

import argparse
from pathlib import Path

from recipes.nano.names import HELD_OUT
from voicekit.covo import load_base
from voicekit.evaluate import same_answer
from voicekit.shipped import shipped


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", type=Path, default=shipped("assets/nano"))
    parser.add_argument("--questions", type=int, default=120)
    parser.add_argument("names", nargs="*", default=HELD_OUT)
    args = parser.parse_args()
    base = load_base(args.base)
    asked = base.material.dev[: args.questions]
    for name in (base.info.default_speaker, *args.names):
        replies = base.voice(name).reply_many([q.text for q in asked])
        right = sum(same_answer(r.text, q.answer) for r, q in zip(replies, asked, strict=True))
        print(f"| {name} | {right / len(asked):.3f} |", flush=True)


if __name__ == "__main__":
    main()
