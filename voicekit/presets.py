"""How long making a voice will take here, and what it needs, before anybody presses the button."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from voicekit.records import TrainingRun
from voicekit.shipped import shipped
from voicekit.specs import Full, Recipe, read_recipe

# Measured with nano on two busy cores; runs that this catalog remembers replace the first of them.
_STEP_S, _QUESTION_S, _DECODER_STEP_S, _ASKED_S, _SPOKEN_S, _CLIP_S = 0.85, 0.25, 0.35, 0.2, 1.2, 1.0
_GPU_FASTER = 8.0
_WORKING_MB = 1500

_PLAIN = {
    "smoke": ("Quick check", "Every step once, as short as it can be. Shows that the recordings work; not worth hearing."),
    "lora": ("Standard", "The usual choice: learns the voice beside the model's own knowledge, which stays as it is."),
    "full": ("Thorough", "Changes all of the model. For a GPU, or for an hour of speech and a patient evening."),
}


@dataclass(frozen=True)
class Preset:
    """One way to train in plain words, with what it will take on this machine. `measured`: earlier runs here say so."""

    recipe: str
    title: str
    says: str
    minutes: float
    memory_gb: float
    measured: bool


def presets(base_folder: Path, runs: Sequence[TrainingRun], clips: int, gpu: bool) -> tuple[Preset, ...]:
    """All of them, the shortest first; `runs` are finished ones of the same base on this machine."""
    weights_mb = sum(f.stat().st_size for f in base_folder.rglob("*.safetensors")) / 2**20
    known = [run.seconds / run.steps for run in runs if run.steps >= 20]
    step_s = sorted(known)[len(known) // 2] if known else _STEP_S / (_GPU_FASTER if gpu else 1.0)
    return tuple(_preset(name, step_s, bool(known), weights_mb, clips, gpu) for name in _PLAIN)


def _preset(name: str, step_s: float, measured: bool, weights_mb: float, clips: int, gpu: bool) -> Preset:
    recipe = read_recipe(shipped("recipes") / f"{name}.toml")
    full = isinstance(recipe.train.method, Full)
    # Weights, and for full training their gradients and two moments in 32 bits.
    memory_mb = _WORKING_MB + weights_mb * (2 + (8 if full else 0.5))
    seconds = _seconds(recipe, step_s * (1.6 if full else 1.0), clips, 1 / _GPU_FASTER if gpu else 1.0, measured)
    title, says = _PLAIN[name]
    return Preset(name, title, says, seconds / 60, memory_mb / 1024, measured)


def _seconds(recipe: Recipe, step_s: float, clips: int, pace: float, measured: bool) -> float:
    train, asked = recipe.train, recipe.evaluate
    harvest = train.harvest
    steps = train.steps + (harvest.passes * harvest.steps if harvest.enabled else 0)
    # What a run remembers of its seconds holds the harvest already.
    questions = len(harvest.rounds_at) * harvest.questions if harvest.enabled and not measured else 0
    rest_s = questions * _QUESTION_S + train.decoder_steps * _DECODER_STEP_S
    judged_s = 2 * asked.questions * _ASKED_S + 2 * asked.spoken * _SPOKEN_S
    return steps * step_s + pace * (rest_s + judged_s) + clips * _CLIP_S
