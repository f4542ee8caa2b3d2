"""Is a learned tokenizer, and a learned prompt extractor, as good as the original? Tried on a base that has the originals.

python -m bench.distillation [--base NAME|DIR] [--speakers DIR|ZIP ...] [--minutes 60] [--steps 3000] [--seeds 3] [--out DIR]
    [--docs DIR] [--prompts-alone]

The base's own tokenizer is thrown away and another learned from its decoder; likewise what makes its voice prompts. Then voices
are made of each speaker with either tokenizer (the default recipe, as `voicekit create` makes them), and speech is decoded with
either kind of voice prompt. Each distillation, voice and prompt leaves its files in OUT: killed and run again, it goes on. Other
options need another OUT. With --prompts-alone the tokenizer and the voices are left out, and nothing is put into the docs.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from bench.cells import Cell, Speaker, ready, run_cell, speaker_name
from bench.progress import progress
from bench.sections import publish_section
from voicekit import files
from voicekit.audio import read
from voicekit.engines import Engines
from voicekit.errors import VoicekitError
from voicekit.evaluate import statistics
from voicekit.evaluate.text import word_errors
from voicekit.ports import BaseModel
from voicekit.prepare import load_dataset
from voicekit.records import Metric
from voicekit.results import DistilledPart
from voicekit.settings import Settings
from voicekit.shipped import shipped
from voicekit.specs import DistilSpec, EvaluateSpec, Recipe, read_recipe

SECTION = "distillation"
SHOWN = {
    "speaker_cosine": "similarity",
    "retention": "retention",
    "in_voice": "in voice",
    "wer": "WER of the replies",
    "token_js": "token divergence",
    "text_kl_nats": "text KL, nats",
}
GOAL = 0.97
AIMED_AT = ("speaker_cosine", "retention")
DECODED_CLIPS = 12


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    from voicekit.wiring import engines as wired

    engines = wired(Settings(home=options.out / "home"))
    try:
        text = run(engines, options)
    except VoicekitError as error:
        print(f"{error.problem} {error.remedy}", file=sys.stderr)
        return error.exit_code
    files.write_text(options.out / "distillation.md", text)
    print(text)
    if options.docs is not None and not options.prompts_alone:
        publish_section(SECTION, text, options.docs)
    return 0


def run(engines: Engines, options: argparse.Namespace) -> str:
    """Everything; the Markdown section."""
    original = engines.find_base(options.base)
    spec = DistilSpec(
        minutes=options.minutes,
        steps=options.steps,
        reader_steps=options.reader_steps,
        replies=options.replies,
        measured=options.measured,
        seed=options.seed,
    )
    recipe = _recipe(options)
    bases = {"original": engines.open_base(original)}
    if options.prompts_alone:
        prompts, decoded = _with_prompts(engines, bases["original"], spec, recipe, options)
        return "\n\n".join(_of_prompts(options, prompts, decoded)) + "\n"
    tokenizer = engines.distil("tokenizer", original, options.out / "bases" / "tokenizer", spec, progress("tokenizer"))
    print(json.dumps(tokenizer.as_json()), file=sys.stderr, flush=True)
    bases["distilled"] = engines.open_base(engines.find_base(str(tokenizer.folder)))
    cells = {
        (name, r): [_cell(engines, base, name, r, recipe, options, seed) for seed in _seeds(options)]
        for r in options.speakers
        for name, base in bases.items()
    }
    prompts, decoded = _with_prompts(engines, bases["original"], spec, recipe, options)
    return section(options, tokenizer, prompts, decoded, cells, bases["original"])


def _with_prompts(
    engines: Engines, original: BaseModel, spec: DistilSpec, recipe: Recipe, options: argparse.Namespace
) -> tuple[DistilledPart, list[dict[str, Metric]]]:
    """What makes voice prompts, learned; and speech decoded with them, of each speaker."""
    wanted = spec.model_copy(update={"voices": 2 * spec.voices, "replies": 0})
    whole = str(original.info.folder)
    prompts = engines.distil("prompts", whole, options.out / "bases" / "prompts", wanted, progress("prompts"))
    print(json.dumps(prompts.as_json()), file=sys.stderr, flush=True)
    bases = {"original": original, "prompts": engines.open_base(engines.find_base(str(prompts.folder)))}
    return prompts, [_decoded(engines, bases, r, recipe, options) for r in options.speakers]


def _recipe(options: argparse.Namespace) -> Recipe:
    """The default recipe, with other numbers of steps where they were asked for."""
    known = read_recipe(shipped("recipes") / "lora.toml")
    asked = {"steps": options.voice_steps, "decoder_steps": options.decoder_steps}
    train = known.train.model_copy(update={key: value for key, value in asked.items() if value})
    return known.model_copy(update={"train": train})


def _seeds(options: argparse.Namespace) -> range:
    return range(options.seed, options.seed + options.seeds)


def _cell(
    engines: Engines, base: BaseModel, name: str, recordings: Path, recipe: Recipe, options: argparse.Namespace, seed: int
) -> Cell:
    """A voice of these recordings with one base's tokenizer, measured."""
    label = f"{name}, {speaker_name(recordings)}"
    speaker = _speaker(engines, base, name, recordings, recipe, options)
    spec = EvaluateSpec(questions=options.questions, spoken=options.spoken)
    return run_cell(base, engines, speaker, (name, recipe), seed, spec, options.out / "cells", progress(label))


def _speaker(
    engines: Engines, base: BaseModel, name: str, recordings: Path, recipe: Recipe, options: argparse.Namespace
) -> Speaker:
    """Made ready for one base. The clips are the original's: they are cut before there is a token."""
    folder = options.out / "speakers" / name / speaker_name(recordings)
    first = options.out / "speakers" / "original" / speaker_name(recordings) / "dataset"
    if name != "original" and first.exists() and not (folder / "dataset").exists():
        shutil.copytree(first, folder / "dataset")
    return ready(recordings, base, engines, recipe, folder, progress(f"{name}, {speaker_name(recordings)}"))


def _decoded(
    engines: Engines, bases: dict[str, BaseModel], recordings: Path, recipe: Recipe, options: argparse.Namespace
) -> dict[str, Metric]:
    """Clips of a speaker, tokenized and decoded again with each kind of voice prompt: cosine to the speaker, WER.

    The tokens are the original tokenizer's in every row. "copy" is the original vocoder's copy synthesis, "neutral" the base's
    own neutral prompt.
    """
    name = speaker_name(recordings)
    file = options.out / "prompts" / f"{name}.json"
    if file.exists():
        return {key: Metric(**m) for key, m in json.loads(file.read_text(encoding="utf-8")).items()}
    original = bases["original"]
    _speaker(engines, original, "original", recordings, recipe, options)
    place = options.out / "speakers" / "original" / name / "dataset"
    dataset = load_dataset(place)
    train = [read(place / clip.audio) for clip in dataset.train()]
    tested = [(read(place / clip.audio), clip.transcript.text) for clip in [*dataset.held_out(), *dataset.train()]][
        :DECODED_CLIPS
    ]
    heard = [(wave, original.encode_speech(wave)) for wave in train]
    prompts = {"original": original.extract_prompt(heard), "distilled": bases["prompts"].extract_prompt(heard)}
    # Of the two halves of a prompt, each learned alone.
    prompts["learned embedding"] = replace(prompts["original"], speaker=prompts["distilled"].speaker)
    prompts["learned latents"] = replace(prompts["original"], latents=prompts["distilled"].latents)
    prompts["neutral"] = original.neutral_prompt()
    voice, encoder, judge = original.voice(name), engines.speaker_encoder(), engines.judge()
    mean = np.mean([encoder.embed(wave) for wave in train], axis=0)
    spoken = {key: [voice.decode(original.encode_speech(w), p) for w, _ in tested] for key, p in prompts.items()}
    spoken["copy"] = [original.copy_synthesis(wave) for wave, _ in tested]
    spoken["recordings"] = [wave for wave, _ in tested]
    numbers: dict[str, Metric] = {}
    for key, waves in spoken.items():
        numbers[f"{key}: cosine"] = statistics.mean([statistics.cosine(encoder.embed(w), mean) for w in waves], options.seed)
        errors = [word_errors(text, judge.transcribe(w, "en")) for w, (_, text) in zip(waves, tested, strict=True)]
        numbers[f"{key}: wer"] = statistics.rate([e for e, _ in errors], [n for _, n in errors], options.seed)
    files.write_text(file, json.dumps({key: asdict(m) for key, m in numbers.items()}, indent=1))
    return numbers


def section(
    options: argparse.Namespace,
    tokenizer: DistilledPart,
    prompts: DistilledPart,
    decoded: Sequence[dict[str, Metric]],
    cells: Mapping[tuple[str, Path], Sequence[Cell]],
    base: BaseModel,
) -> str:
    """The Markdown section: voices with either tokenizer, speech with either kind of prompt, the parts by themselves."""
    train = _recipe(options).train
    who = ", ".join(speaker_name(r) for r in options.speakers)
    intro = (
        f"Base {base.info.name} @ {base.info.revision[:12]}, its tokenizer and prompt extractor replaced by ones learned from "
        f"its decoder ({options.minutes:g} minutes of decoded speech, {options.steps} steps each, seed {options.seed}). "
        f"Speakers: {who}. "
        f"Voices by the default recipe ({train.steps} steps and its harvest, the decoder {train.decoder_steps}); "
        f"{options.questions} questions, {options.spoken} replies heard; seeds {', '.join(map(str, _seeds(options)))}: mean "
        f"(lowest-highest). "
        f"{time.strftime('%Y-%m-%d', time.gmtime())}."
    )
    parts = ["## Learned from the decoder", intro]
    parts += [_voices(speaker_name(r), cells["original", r], cells["distilled", r]) for r in options.speakers]
    parts += [*_of_prompts(options, prompts, decoded), _by_itself(tokenizer)]
    return "\n\n".join(parts) + "\n"


def _of_prompts(options: argparse.Namespace, prompts: DistilledPart, decoded: Sequence[dict[str, Metric]]) -> list[str]:
    tables = [_prompts(speaker_name(r), numbers) for r, numbers in zip(options.speakers, decoded, strict=True)]
    return [*tables, _by_itself(prompts)]


def _by_itself(part: DistilledPart) -> str:
    rows = {n.replace("_", " "): [f"{m.value:.3f}", _spread(m), str(m.n)] for n, m in part.metrics.items()}
    return _table(f"the {part.part} by itself", ["value", "95 % interval", "n"], rows)


def _voices(speaker: str, originals: Sequence[Cell], distilled: Sequence[Cell]) -> str:
    rows: dict[str, list[str]] = {}
    kept: dict[str, float] = {}
    for name, title in SHOWN.items():
        before, after = _over_seeds(originals, name), _over_seeds(distilled, name)
        kept[name] = after.value / before.value
        share = f"{100 * kept[name]:.1f} %" if name in AIMED_AT else ""
        rows[title] = [f"{before.value:.3f} ({_spread(before)})", f"{after.value:.3f} ({_spread(after)})", share]
    table = _table(f"a voice of {speaker}", ["original tokenizer", "distilled tokenizer", "of the original"], rows)
    said = "reached" if all(kept[name] >= GOAL for name in AIMED_AT) else "**not reached**"
    return f"{table}\n\nAim (97 % of the original's similarity and retention): {said}."


def _over_seeds(cells: Sequence[Cell], name: str) -> Metric:
    """Mean, lowest and highest."""
    values = [cell.metrics[name].value for cell in cells]
    return Metric(float(np.mean(values)), min(values), max(values), n=len(values))


def _prompts(name: str, numbers: dict[str, Metric]) -> str:
    kinds = list(dict.fromkeys(key.partition(":")[0] for key in numbers))
    rows: dict[str, list[str]] = {}
    for kind in kinds:
        cosine, wer = numbers[f"{kind}: cosine"], numbers[f"{kind}: wer"]
        share = 100 * cosine.value / numbers["original: cosine"].value
        rows[kind] = [f"{cosine.value:.3f} ({_spread(cosine)})", f"{share:.1f} %", f"{wer.value:.3f} ({_spread(wer)})"]
    return _table(f"{name} decoded with a voice prompt", ["similarity", "of the original's", "WER"], rows)


def _table(first: str, columns: Sequence[str], rows: dict[str, list[str]]) -> str:
    lines = [f"| {' | '.join([first, *columns])} |", "|---" * (1 + len(columns)) + "|"]
    return "\n".join([*lines, *(f"| {' | '.join([name, *cells])} |" for name, cells in rows.items())])


def _spread(metric: Metric) -> str:
    return f"{metric.low:.3f}-{metric.high:.3f}"


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", default="nano", help="name or folder of a base that has the originals")
    parser.add_argument("--speakers", nargs="+", type=Path, metavar="DIR", help="folders or zips with audio and metadata.csv")
    parser.add_argument("--minutes", type=float, default=DistilSpec().minutes)
    parser.add_argument("--steps", type=int, default=DistilSpec().steps)
    parser.add_argument("--reader-steps", type=int, default=DistilSpec().reader_steps)
    parser.add_argument("--replies", type=int, default=DistilSpec().replies)
    parser.add_argument("--measured", type=int, default=DistilSpec().measured)
    parser.add_argument("--voice-steps", type=int, default=0, help="of the chat model; default: the recipe's")
    parser.add_argument("--decoder-steps", type=int, default=0, help="of the decoder; default: the recipe's")
    parser.add_argument("--questions", type=int, default=120)
    parser.add_argument("--spoken", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seeds", type=int, default=3, help="voices with either tokenizer, of seeds from --seed on")
    parser.add_argument("--out", type=Path, default=Path("build/distillation"))
    parser.add_argument("--prompts-alone", action="store_true", help="learn and measure what makes voice prompts, nothing else")
    parser.add_argument("--docs", type=Path, help="folder of a benchmarks.md to put the section into")
    options = parser.parse_args(arguments)
    options.out = options.out.absolute()
    options.speakers = options.speakers or [shipped("assets/sample") / "recordings.zip"]
    return options


if __name__ == "__main__":
    sys.exit(main())
