"""One cell of the decoupling comparison: a speaker, a condition, a seed -> every metric, in one JSON file."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from voicekit import files
from voicekit.adapt import adapt_chat
from voicekit.audio import read
from voicekit.conversations import Item
from voicekit.creation import f0_of_codes
from voicekit.engines import Engines
from voicekit.evaluate import Instruments, evaluate_voice
from voicekit.ports import BaseModel, OnProgress
from voicekit.prepare import Given
from voicekit.preparing import prepare_with
from voicekit.records import Metric, VoicePrompt, Waveform
from voicekit.specs import EvaluateSpec, Recipe


@dataclass(frozen=True)
class Speaker:
    """A held-out speaker made ready once; all conditions share the tokens, the voice prompt and the decoder's weights."""

    name: str
    recordings: tuple[tuple[Waveform, str], ...]
    items: tuple[Item, ...]
    speech_s: float
    prompt: VoicePrompt
    decoder_weights: Path | None


@dataclass(frozen=True)
class Cell:
    """What one run measured. `train_s` and `steps` are 0 for the un-tuned base."""

    condition: str
    speaker: str
    seed: int
    metrics: dict[str, Metric]
    train_s: float = 0.0
    steps: int = 0
    wall_s: float = 0.0


def ready(recordings: Path, base: BaseModel, engines: Engines, recipe: Recipe, folder: Path, report: OnProgress) -> Speaker:
    """Clips, tokens and the decoder's half of a voice; what is in `folder` already is not made again."""
    dataset = prepare_with(engines, base, Given(recordings), recipe.prepare, folder / "dataset", report)
    train = [(clip, read(folder / "dataset" / clip.audio)) for clip in dataset.train()]
    held_out = [(clip, read(folder / "dataset" / clip.audio)) for clip in dataset.held_out()]
    spoken = tuple((wave, clip.transcript.text) for clip, wave in [*held_out, *train])
    codes = list(base.encode_clips(spoken))[len(held_out) :]
    heard = [(wave, found) for (_, wave), found in zip(train, codes, strict=True)]
    prompt = base.extract_prompt(heard)
    weights = base.adapt_decoder(heard, prompt, recipe.train, folder / "decoder", report)
    return Speaker(
        name=speaker_name(recordings),
        recordings=spoken,
        items=tuple(
            Item(clip.id, clip.transcript.text, tuple(int(c) for c in found))
            for (clip, _), found in zip(train, codes, strict=True)
        ),
        speech_s=dataset.speech_s,
        prompt=prompt,
        decoder_weights=weights,
    )


def speaker_name(recordings: Path) -> str:
    """The name of the folder or zip; of its folder if it is just called "recordings"."""
    return (recordings.absolute().parent.name if recordings.stem == "recordings" else recordings.stem).lower()


def run_cell(
    base: BaseModel,
    engines: Engines,
    speaker: Speaker,
    condition: tuple[str, Recipe | None],
    seed: int,
    spec: EvaluateSpec,
    folder: Path,
    report: OnProgress,
) -> Cell:
    """Train and measure one cell, or read it if it was finished before. `seed` draws the questions too.

    A condition without a recipe is the un-tuned base: under the speaker's name, with the speaker's half of the decoder.
    """
    name, recipe = condition
    file, work = folder / f"{name}-{speaker.name}-{seed}.json", folder / f"{name}-{speaker.name}-{seed}"
    if file.exists():
        return read_cell(file)
    started_s = time.monotonic()
    adapter, train_s, steps = None, 0.0, 0
    if recipe is not None:
        train = recipe.train.model_copy(update={"seed": seed})
        outcome = adapt_chat(base, speaker.items, speaker.name, f0_of_codes(base, engines), train, work, report)
        adapter, train_s, steps = outcome.adapter, outcome.seconds, outcome.steps
    voice = base.voice(speaker.name, speaker.prompt, adapter, speaker.decoder_weights)
    instruments = Instruments(engines.speaker_encoder(), engines.judge(), engines.pitch(), engines.workers)
    asked = spec.model_copy(update={"seed": seed})
    metrics, _ = evaluate_voice(base, voice, adapter, speaker.recordings, base.material.test, asked, instruments, report)
    cell = Cell(name, speaker.name, seed, metrics, train_s, steps, time.monotonic() - started_s)
    files.write_text(file, json.dumps(asdict(cell), indent=1))
    shutil.rmtree(work, ignore_errors=True)
    return cell


def read_cell(file: Path) -> Cell:
    stored = json.loads(file.read_text(encoding="utf-8"))
    metrics = {name: Metric(**metric) for name, metric in stored.pop("metrics").items()}
    return Cell(**stored, metrics=metrics)


def of(cells: Sequence[Cell], condition: str) -> list[Cell]:
    return [cell for cell in cells if cell.condition == condition]
