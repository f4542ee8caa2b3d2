"""How long the steps of making a voice take: foreseen by what is asked for, corrected by what they took on this machine before,
and by what they take while it goes on.

VOICEKIT_HOME/pace.json    by the base's revision and step: how many times as long as foreseen it took here
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from voicekit.specs import Recipe
from voicekit.storage import read_json, write_json

FILE = "pace.json"
# What the steps take with nano on two quiet cores, where a step of the standard recipe is foreseen with this time.
_STEP_S = 0.084
_CLIP_READ_S, _CLIP_TOKENS_S, _CLIP_PROMPT_S = 0.03, 0.06, 0.24
_STEP_OVER_FORECAST, _HARVESTED_QUESTION_S, _CHAT_BEGINS_S = 1.3, 0.25, 6.0
_DECODER_STEP_S = 0.35
_ASKED_S, _SPOKEN_S, _EVALUATION_BEGINS_S = 0.2, 1.2, 6.0
# So much of all that was foreseen has to be done before what it took counts as much as what was foreseen.
_TRUSTED_SHARE = 0.03
# A single run counts half: another program may have been busy meanwhile.
_NEWEST = 0.5
_REGISTERED_S, _MODELS_OPEN_S = 1.0, 8.0


def foreseen(recipe: Recipe, clips: int, step_s: float, learned: Mapping[str, float]) -> dict[str, float]:
    """Seconds by step for a voice of so many clips that are cut already. `step_s` is what a step of the standard recipe's
    training is foreseen with on this machine, which says how fast it is; `learned` is what `learn` kept."""
    train, asked, harvest = recipe.train, recipe.evaluate, recipe.train.harvest
    steps = train.steps + (harvest.passes * harvest.steps if harvest.enabled else 0)
    questions = len(harvest.rounds_at) * harvest.questions if harvest.enabled else 0
    usual = {
        "prepare": _MODELS_OPEN_S + clips * _CLIP_READ_S,
        "tokens": clips * _CLIP_TOKENS_S,
        "chat": _CHAT_BEGINS_S + steps * _STEP_S * _STEP_OVER_FORECAST + questions * _HARVESTED_QUESTION_S,
        "decoder": clips * _CLIP_PROMPT_S + train.decoder_steps * _DECODER_STEP_S,
        "evaluate": _EVALUATION_BEGINS_S + 2 * (asked.questions * _ASKED_S + asked.spoken * _SPOKEN_S),
        "register": _REGISTERED_S,
    }
    machine = step_s / _STEP_S
    return {step: seconds * machine * learned.get(step, 1.0) for step, seconds in usual.items()}


def learned(home: Path, revision: str) -> dict[str, float]:
    """What was kept of earlier runs with a base here; {} if nothing was made yet."""
    try:
        found = read_json(home / FILE).get(revision, {})
    except (OSError, json.JSONDecodeError):
        return {}
    return {str(step): float(times) for step, times in found.items()} if isinstance(found, dict) else {}


def learn(home: Path, revision: str, step: str, foreseen_s: float, took_s: float) -> None:
    """Keep how a step went against what was foreseen, for the next time."""
    known = learned(home, revision)
    before = known.get(step, 1.0)
    now = before * took_s / max(foreseen_s, 1e-3)
    times = now if step not in known else before ** (1 - _NEWEST) * now**_NEWEST
    try:
        every = read_json(home / FILE)
    except json.JSONDecodeError:
        every = {}
    write_json(home / FILE, {**every, revision: {**known, step: round(times, 4)}})


@dataclass
class TimeLeft:
    """How long a job still takes. `foreseen` are seconds by step, in their order; `spent` those of the steps that are done."""

    foreseen: Mapping[str, float]
    spent: Mapping[str, float]
    _began: dict[str, tuple[float, float]] = field(default_factory=dict[str, tuple[float, float]])

    def at(self, step: str, fraction: float, now_s: float | None = None) -> float | None:
        """Seconds from here on, `fraction` of a step being done; None where nothing was foreseen.

        What was foreseen is corrected by what it took so far, in this step and in those before; the further a step is, the more
        its own pace counts. A step that goes on after a kill is judged by what it does since.
        """
        if step not in self.foreseen:
            return None
        now_s = time.monotonic() if now_s is None else now_s
        began_s, began_at = self._began.setdefault(step, (now_s, fraction))
        elapsed_s, done = now_s - began_s, max(fraction - began_at, 0.0)
        planned_s, total_s = self.foreseen[step], sum(self.foreseen.values())
        seen_s = sum(self.foreseen.get(s, 0.0) for s in self.spent) + planned_s * done
        took_s = sum(seconds for s, seconds in self.spent.items() if s in self.foreseen) + elapsed_s
        trust_s = _TRUSTED_SHARE * total_s
        slower = (took_s + trust_s) / (seen_s + trust_s)
        here_s = planned_s * (1 - fraction) * slower
        if done > 0:
            here_s = (1 - done) * here_s + done * elapsed_s * (1 - fraction) / done
        steps = list(self.foreseen)
        later_s = sum(self.foreseen[s] for s in steps[steps.index(step) + 1 :] if s not in self.spent)
        return here_s + later_s * slower
