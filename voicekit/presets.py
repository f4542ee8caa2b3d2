"""How long making a voice will take here, and what it needs, before anybody presses the button."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from voicekit.ports import Forecast
from voicekit.records import TrainingRun
from voicekit.shipped import shipped
from voicekit.specs import Recipe, TrainSpec, read_recipe

# What is not training, measured with nano on two busy cores; what a run remembers of its seconds holds the questions too.
_QUESTION_S, _DECODER_STEP_S, _ASKED_S, _SPOKEN_S, _CLIP_S = 0.25, 0.35, 0.2, 1.2, 1.0
_GPU_FASTER = 8.0
# Python, its libraries and the instruments that listen to recordings.
_WORKING_BYTES = 1500 * 2**20
_STANDARD = "lora"

_PLAIN = {
    "smoke": ("Quick check", "Every step once, as short as it can be. Shows that the recordings work; cannot be published."),
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


def presets(forecast: Callable[[TrainSpec], Forecast], runs: Sequence[TrainingRun], clips: int, gpu: bool) -> tuple[Preset, ...]:
    """All of them, the shortest first. `forecast` is the base's; `runs` are finished ones of the same base on this machine."""
    recipes = {name: read_recipe(shipped("recipes") / f"{name}.toml") for name in _PLAIN}
    foreseen = {name: forecast(recipe.train) for name, recipe in recipes.items()}
    known = sorted(run.seconds / run.steps for run in runs if run.steps >= 20)
    usual_s = foreseen[_STANDARD].seconds / recipes[_STANDARD].train.steps
    pace = known[len(known) // 2] / usual_s if known else 1.0
    return tuple(_preset(recipe, name, foreseen[name], pace, bool(known), clips, gpu) for name, recipe in recipes.items())


def _preset(recipe: Recipe, name: str, found: Forecast, pace: float, measured: bool, clips: int, gpu: bool) -> Preset:
    step_s = pace * found.seconds / recipe.train.steps
    seconds = _seconds(recipe, step_s, clips, 1 / _GPU_FASTER if gpu else 1.0, measured)
    title, says = _PLAIN[name]
    return Preset(name, title, says, seconds / 60, (_WORKING_BYTES + found.total_bytes) / 2**30, measured)


def _seconds(recipe: Recipe, step_s: float, clips: int, pace: float, measured: bool) -> float:
    train, asked = recipe.train, recipe.evaluate
    harvest = train.harvest
    steps = train.steps + (harvest.passes * harvest.steps if harvest.enabled else 0)
    # What a run remembers of its seconds holds the harvest already.
    questions = len(harvest.rounds_at) * harvest.questions if harvest.enabled and not measured else 0
    rest_s = questions * _QUESTION_S + train.decoder_steps * _DECODER_STEP_S
    judged_s = 2 * asked.questions * _ASKED_S + 2 * asked.spoken * _SPOKEN_S
    return steps * step_s + pace * (rest_s + judged_s) + clips * _CLIP_S
