"""Does masking the recorded text keep a model's answers while it takes a voice? The report's claim (arXiv 2602.09823), tried.

python -m bench.decoupling [--base NAME|DIR] [--speakers DIR|ZIP ...] [--seeds 3] [--out DIR] [--docs DIR] [--quick]

Five conditions (un-tuned, TTS format, text in the loss, masked, masked and what voicekit adds) x speakers the base never
heard x seeds. All conditions share a speaker's clips, tokens and decoder; only the chat model's training differs. Each cell
leaves a JSON file in OUT/cells: killed and run again, it goes on. Ends with a table, a verdict and a plot in OUT and, unless
one of the first four was left out or it was --quick, in the docs folder's benchmarks.md and images.
"""

from __future__ import annotations

import argparse
import platform
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from bench import verdict
from bench.cells import Cell, Speaker, ready, run_cell, speaker_name
from bench.progress import progress
from bench.sections import publish_section
from voicekit import files
from voicekit.engines import Engines
from voicekit.errors import VoicekitError
from voicekit.ports import BaseModel
from voicekit.settings import Settings
from voicekit.shipped import shipped
from voicekit.specs import EvaluateSpec, Recipe, read_recipe

CONDITIONS = {
    "untuned": "un-tuned base",
    "tts": "TTS format",
    "pseudo_text": "text in the loss",
    "pseudo_masked": "masked",
    "harvest": "masked + self-harvest",
}
EXTRA = {"masked_held": "masked + KL on the text"}
# What the published comparison is of; beside these, one of the things that are added to masking.
COMPARED = ("untuned", "tts", "pseudo_text", "pseudo_masked")
ADDED = ("harvest", "masked_held")
SECTION = "decoupling"


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    try:
        cells, speakers, base = run(options)
    except VoicekitError as error:
        print(f"{error.problem} {error.remedy}", file=sys.stderr)
        return error.exit_code
    titles = {name: (CONDITIONS | EXTRA)[name] for name in options.conditions}
    wanted = len(options.conditions) * len(speakers) * options.seeds
    text = section(cells, titles, speakers, base, options)
    files.write_text(options.out / "decoupling.md", text)
    picture = options.out / "images" / "decoupling.png"
    verdict.plot(cells, titles, picture)
    print(text)
    if len(cells) == wanted and set(COMPARED) <= set(titles) and added(titles) and not options.quick:
        publish(text, picture, options.docs)
    return 0


def run(options: argparse.Namespace) -> tuple[list[Cell], list[Speaker], BaseModel]:
    """Every cell, in an order that completes a seed of all conditions before the next seed."""
    from voicekit.wiring import engines as wired

    engines = wired(Settings(home=options.out / "home"))
    return run_with(engines, options)


def run_with(engines: Engines, options: argparse.Namespace) -> tuple[list[Cell], list[Speaker], BaseModel]:
    base = engines.open_base(engines.find_base(options.base))
    recipes = {name: _recipe(name) for name in options.conditions}
    common = next((recipe for recipe in recipes.values() if recipe), Recipe())
    spec = EvaluateSpec(questions=options.questions, spoken=options.spoken)
    speakers: list[Speaker] = []
    for recordings in options.speakers:
        name = speaker_name(recordings)
        folder = options.out / "speakers" / name
        speakers.append(ready(recordings, base, engines, common, folder, progress(f"preparing {name}")))
    cells: list[Cell] = []
    for seed in range(options.seeds):
        for speaker in speakers:
            for name, recipe in recipes.items():
                label = f"{name}, {speaker.name}, seed {seed}"
                cell = run_cell(base, engines, speaker, (name, recipe), seed, spec, options.out / "cells", progress(label))
                kept, taken = cell.metrics["retention"].value, cell.metrics["in_voice"].value
                print(f"{label}: retention {kept:.2f}, in voice {100 * taken:.0f} %, {cell.wall_s:.0f} s", file=sys.stderr)
                cells.append(cell)
    return cells, speakers, base


def section(
    cells: Sequence[Cell], titles: dict[str, str], speakers: Sequence[Speaker], base: BaseModel, options: argparse.Namespace
) -> str:
    """The Markdown section: what was done, the table, the verdict."""
    seeds = f"{options.seeds} seed{'s' if options.seeds > 1 else ''}"
    who = ", ".join(f"{s.name} ({s.speech_s / 60:.1f} min)" for s in speakers)
    names = ("pseudo_masked", "pseudo_text", "untuned", added(titles))
    lines = verdict.verdict(cells, *names) if all(name in titles for name in names) else []
    intro = (
        f"Base {base.info.name} @ {base.info.revision[:12]}; speakers it never heard: {who}; {seeds}, "
        f"{options.questions} questions and {options.spoken} spoken replies a run. Means over the runs (speakers x seeds) with "
        "Student's 95 % interval; differences are paired by speaker and seed. "
        f"Machine: {platform.machine()}, {time.strftime('%Y-%m-%d', time.gmtime())}."
    )
    picture = "![voice against wits](images/decoupling.png)"
    parts = ["## Decoupling: voice against wits", intro, verdict.table(cells, titles), picture]
    return "\n\n".join([*parts, "\n".join(f"- {line}" for line in lines)]).rstrip() + "\n"


def added(titles: dict[str, str]) -> str:
    """The condition with the most beside masking; "" when only masking was tried."""
    return next((name for name in ADDED if name in titles), "")


def publish(text: str, picture: Path, docs: Path) -> None:
    """Put the section into docs/benchmarks.md, and the plot beside it."""
    publish_section(SECTION, text, docs)
    (docs / "images").mkdir(parents=True, exist_ok=True)
    shutil.copyfile(picture, docs / "images" / "decoupling.png")


def _recipe(name: str) -> Recipe | None:
    return None if name == "untuned" else read_recipe(shipped("recipes") / "decoupling" / f"{name}.toml")


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", default="nano", help="name or folder of the base model")
    parser.add_argument("--speakers", nargs="+", type=Path, metavar="DIR", help="folders or zips with audio and metadata.csv")
    parser.add_argument("--conditions", nargs="+", choices=[*CONDITIONS, *EXTRA], default=[*CONDITIONS])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--questions", type=int, default=120)
    parser.add_argument("--spoken", type=int, default=40)
    parser.add_argument("--out", type=Path, default=Path("build/decoupling"))
    parser.add_argument("--docs", type=Path, default=Path("docs"), help="folder of benchmarks.md")
    parser.add_argument("--quick", action="store_true", help="one seed, few questions: shows that it runs")
    options = parser.parse_args(arguments)
    options.speakers = options.speakers or [shipped("assets/sample") / "recordings.zip"]
    if options.quick:
        options.seeds, options.questions, options.spoken = 1, 24, 8
    return options


if __name__ == "__main__":
    sys.exit(main())
