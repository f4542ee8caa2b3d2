"""How long making a voice will take here, and what it needs, before anybody presses the button."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from voicekit import pace
from voicekit.ports import Forecast
from voicekit.shipped import shipped
from voicekit.specs import TrainSpec, read_recipe

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
    """One way to train in plain words, with what it will take on this machine. `measured`: earlier runs here say so; `steps_s`
    are the seconds by step."""

    recipe: str
    title: str
    says: str
    memory_gb: float
    measured: bool
    steps_s: dict[str, float] = field(hash=False)

    @property
    def minutes(self) -> float:
        return sum(self.steps_s.values()) / 60


def presets(forecast: Callable[[TrainSpec], Forecast], learned: Mapping[str, float], clips: int) -> tuple[Preset, ...]:
    """All of them, the shortest first, for so many clips that are cut already. `forecast` is the base's on this machine;
    `learned` says how its steps went here before (see voicekit.pace)."""
    recipes = {name: read_recipe(shipped("recipes") / f"{name}.toml") for name in _PLAIN}
    found = {name: forecast(recipe.train) for name, recipe in recipes.items()}
    step_s = {name: found[name].seconds / recipe.train.steps for name, recipe in recipes.items()}
    made: list[Preset] = []
    for name, recipe in recipes.items():
        steps_s = pace.foreseen(recipe, clips, step_s[_STANDARD], learned)
        # Training alone is longer where the recipe has longer steps.
        steps_s["chat"] *= step_s[name] / step_s[_STANDARD]
        title, says = _PLAIN[name]
        memory_gb = (_WORKING_BYTES + found[name].total_bytes) / 2**30
        made.append(Preset(name, title, says, memory_gb, bool(learned), steps_s))
    return tuple(made)
