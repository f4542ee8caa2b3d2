"""The two-phase recipe that gives a chat model a voice and keeps its wits.

Phase 1 learns the voice from masked pseudo-conversations. On the way there the adapted model is given questions with their
answers and says these; right words, legible and already in the new voice, are the missing combination, and phase 2 teaches
them to a fresh adapter. Behind the replies that were not said well enough it holds the text alone: the words are lost where
the model goes on after its own speech. Every part leaves a file: killed anywhere and run again, it goes on.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from voicekit import audio, files
from voicekit.conversations import Item, Kept, Lesson, encode, examples_for, held_out_lessons, refining_lessons, voice_lessons
from voicekit.errors import RecordingsError, UsageError
from voicekit.evaluate.text import character_error_rate
from voicekit.ports import BaseModel, OnProgress, Progress, TrainOutcome, so_far
from voicekit.records import IntArray, Question, Reply
from voicekit.specs import TrainSpec

F0OfCodes = Callable[[Sequence[IntArray]], list[float]]

# Recordings listened to for the speaker's F0, questions asked between two signs of life, and what answering one question
# costs in training steps (for the bar).
LISTENED_TO = 24
ASKED_TOGETHER = 32
QUESTION_STEPS = 0.25


@dataclass(frozen=True)
class Round:
    """One harvest: how many replies were asked for, ended by themselves, and were legible; those also found in voice with their
    CER, and the `others` that ended."""

    asked: int
    ended: int
    legible: int
    seconds: float
    replies: tuple[tuple[Kept, float], ...]
    others: tuple[Kept, ...]


def adapt_chat(
    base: BaseModel,
    items: Sequence[Item],
    speaker: str,
    f0_of_codes: F0OfCodes,
    spec: TrainSpec,
    folder: Path,
    report: OnProgress,
) -> TrainOutcome:
    """Teach the chat model `speaker`'s voice from `items`; `folder` keeps the parts, so that a killed run goes on.

    `f0_of_codes` gives the mean F0 in Hz of replies' speech tokens, each decoded with the neutral prompt (0 or nan: no voice).
    The outcome's notes say how the harvest went; `harvest_fallback` 1 means that phase 1 is the result.
    Raises RecordingsError without usable items, UsageError when `folder` is another run's.
    """
    items = [item for item in items if item.codes and item.text.strip()]
    if not items:
        raise RecordingsError("No recording has both text and speech.", "Give recordings with a script that fits them.")
    _claim(folder, base, items, speaker, spec)
    learned, held_out = _set_aside(items, spec)
    adaptation = _Adaptation(base, learned, held_out, speaker, f0_of_codes, spec, folder, _Bar(report, spec))
    first = adaptation.learn_the_voice()
    outcome = adaptation.refine(first) if spec.harvest.enabled else first
    adaptation.speak_at_the_end(outcome.adapter)
    return outcome


class _Bar:
    """One progress bar over all parts; a step of training is the unit."""

    def __init__(self, report: OnProgress, spec: TrainSpec) -> None:
        self.report, self.done = report, 0.0
        harvest = spec.harvest
        rounds = len(harvest.rounds_at) + harvest.passes - 1
        second = harvest.passes * harvest.steps + rounds * harvest.questions * QUESTION_STEPS
        self.total = spec.steps + (second if harvest.enabled else 0.0)

    def part(self, steps: float, message: str) -> OnProgress:
        """The reporter of a part that is worth `steps`."""
        start, self.done = self.done, self.done + steps

        def show(progress: Progress) -> None:
            fraction = min(1.0, (start + steps * progress.fraction) / self.total)
            values = dict(progress.values)
            if "step" in values:
                values["step"] += round(start)  # one curve over all parts
            self.report(Progress("train", fraction, progress.message or message, values, progress.sample))

        return show


@dataclass
class _Adaptation:
    base: BaseModel
    items: Sequence[Item]
    held_out: Sequence[Item]
    speaker: str
    f0_of_codes: F0OfCodes
    spec: TrainSpec
    folder: Path
    bar: _Bar

    def learn_the_voice(self) -> TrainOutcome:
        def lessons(epoch: int) -> list[Lesson]:
            return voice_lessons(self.items, self.base.material, self.speaker, self.spec, epoch)

        harvest = self.spec.harvest
        snapshots = sorted({s for s in harvest.rounds_at if s <= self.spec.steps}) if harvest.enabled else []
        return self._train(lessons, self.spec, "voice", "learning the voice", snapshots)

    def refine(self, first: TrainOutcome) -> TrainOutcome:
        """Harvest and train anew, `passes` times; what cannot be improved on is returned as it is."""
        harvest = self.spec.harvest
        outcome, kept, others, notes = first, list[Kept](), list[Kept](), dict[str, float]()
        target_hz = self._speaker_f0_hz()
        sources = [*reversed(first.snapshots)] or [(first.steps, first.adapter)]
        for number in range(1, harvest.passes + 1):
            found, rest, counts = self._harvest(f"pass-{number}", sources, target_hz)
            kept += [answer for answer in found if answer not in kept]
            others += [answer for answer in rest if answer not in kept]
            notes |= {f"pass_{number}_{name}": value for name, value in counts.items()}
            if len(kept) < harvest.min_kept:
                break
            second = self._learn_from(kept, others, number)
            outcome = _joined(outcome, second)
            sources = [(second.steps, second.adapter)]
        notes |= {"speaker_f0_hz": target_hz, "harvest_kept": float(len(kept)), "harvest_fallback": float(outcome is first)}
        harvested_s = sum(value for name, value in notes.items() if name.endswith("_seconds"))
        return replace(
            outcome, seconds=outcome.seconds + harvested_s, snapshots=first.snapshots, notes={**outcome.notes, **notes}
        )

    def _learn_from(self, kept: Sequence[Kept], others: Sequence[Kept], number: int) -> TrainOutcome:
        harvest = self.spec.harvest
        rate = harvest.learning_rate or self.spec.learning_rate
        spec = self.spec.model_copy(update={"steps": harvest.steps, "learning_rate": rate})

        def lessons(epoch: int) -> list[Lesson]:
            return refining_lessons(kept, others, self.items, self.base.material, self.speaker, spec, epoch)

        return self._train(lessons, spec, f"pass-{number}/train", f"learning from {len(kept)} good answers of its own", [])

    def _train(
        self, lessons: Callable[[int], list[Lesson]], spec: TrainSpec, name: str, message: str, snapshots: Sequence[int]
    ) -> TrainOutcome:
        examples = examples_for(lessons, spec.steps * spec.batch_tokens, self.base.prompt, self.base.encode_text)
        aside = held_out_lessons(self.held_out, self.base.material, self.speaker, spec)
        examples += [encode(lesson, weights, self.base.prompt, self.base.encode_text) for lesson, weights in aside]
        show = self.bar.part(spec.steps, message)

        def heard(progress: Progress) -> None:
            show(progress)
            step = int(progress.values.get("step", 0))
            adapter = so_far(self.folder / name, step)
            if spec.sample_every and step % spec.sample_every == 0 and adapter.is_dir():
                part = name.partition("/")[0]
                self._speak(f"{part}-so-far", step, adapter, lambda p: show(replace(p, fraction=progress.fraction)))

        return self.base.finetune(examples, spec, self.folder / name, heard, snapshots)

    def _speak(self, name: str, step: int, adapter: Path, show: OnProgress) -> None:
        """One answer, to be listened to."""
        for question in self.base.material.dev[:1]:
            reply = self.base.voice(self.speaker, adapter=adapter).reply(question.text, seed=self.spec.seed)
            self._keep_sample(name, step, [reply], show)

    def _speaker_f0_hz(self) -> float:
        """The median over some recordings, measured as the replies will be; nan when none is voiced."""
        path = self.folder / "speaker.json"
        if not path.exists():
            order = np.random.default_rng([self.spec.seed, 3]).permutation(len(self.items))[:LISTENED_TO]
            heard = self.f0_of_codes([np.array(self.items[int(i)].codes, dtype=np.int64) for i in order])
            voiced = [hz for hz in heard if math.isfinite(hz) and hz > 0]
            _write_json(path, {"f0_hz": median(voiced) if voiced else None})
        value = json.loads(path.read_text())["f0_hz"]
        return math.nan if value is None else float(value)

    def _harvest(
        self, name: str, sources: Sequence[tuple[int, Path]], target_hz: float
    ) -> tuple[list[Kept], list[Kept], dict[str, float]]:
        """The good replies of all sources, best voice first; the others; and what was counted."""
        harvest = self.spec.harvest
        rounds: list[Round] = []
        for number, (step, adapter) in enumerate(sources, start=1):
            show = self.bar.part(harvest.questions * QUESTION_STEPS, f"answering in the new voice ({number} of {len(sources)})")
            if sum(cer <= harvest.max_cer for r in rounds for _, cer in r.replies) < harvest.enough:
                rounds.append(self._round(self.folder / name / f"harvest-{step:06d}.json", adapter, step, target_hz, show))
            show(Progress("train", 1.0))
        kept = _choose([reply for r in rounds for reply in r.replies], self.spec)
        others = [answer for r in rounds for answer in (*(k for k, _ in r.replies), *r.others) if answer not in kept]
        counts = {
            "asked": sum(r.asked for r in rounds),
            "ended": sum(r.ended for r in rounds),
            "legible": sum(r.legible for r in rounds),
            "in_voice": sum(len(r.replies) for r in rounds),
            "kept": len(kept),
            "seconds": sum(r.seconds for r in rounds),
        }
        return kept, others, {key: float(value) for key, value in counts.items()}

    def _round(self, path: Path, adapter: Path, step: int, target_hz: float, show: OnProgress) -> Round:
        if path.exists():
            return _read_round(path)
        started, harvest = time.monotonic(), self.spec.harvest
        questions = _spread(self.base.material.train, harvest.questions, [self.spec.seed, 4, step])
        voice = self.base.voice(self.speaker, adapter=adapter)
        replies: list[Reply] = []
        for start in range(0, len(questions), ASKED_TOGETHER):
            some = questions[start : start + ASKED_TOGETHER]
            replies += voice.say_answers([q.text for q in some], [q.answer for q in some], seed=self.spec.seed)
            show(Progress("train", 0.9 * len(replies) / len(questions)))
        ended = [(_kept(q, r), r) for q, r in zip(questions, replies, strict=True) if r.finished and len(r.speech)]
        self._keep_sample(path.parent.name, step, [*(r for _, r in ended), *replies], show)
        read = [(kept, r, character_error_rate(kept.text, self.base.read_speech(r.speech))) for kept, r in ended]
        legible = [(kept, r, cer) for kept, r, cer in read if cer <= harvest.relaxed_cer]

        def in_voice(some: Sequence[tuple[Kept, Reply, float]]) -> list[tuple[Kept, float]]:
            found = self.f0_of_codes([r.speech for _, r, _ in some])
            off = harvest.f0_tolerance * target_hz
            return [(kept, cer) for (kept, _, cer), hz in zip(some, found, strict=True) if abs(hz - target_hz) <= off]

        # Decoding a reply takes longer than saying it: those that would be left out anyway are not listened to.
        good = in_voice([reply for reply in legible if reply[-1] <= harvest.max_cer])
        if len(good) < harvest.min_kept:
            good += in_voice([reply for reply in legible if reply[-1] > harvest.max_cer])
        well_said = {kept for kept, _ in good}
        result = Round(
            asked=len(questions),
            ended=len(ended),
            legible=len(legible),
            seconds=time.monotonic() - started,
            replies=tuple(good),
            others=tuple(kept for kept, _ in ended if kept not in well_said),
        )
        _write_json(path, asdict(result))
        return result

    def speak_at_the_end(self, adapter: Path) -> None:
        """One answer of the finished chat model, to be heard before the decoder is fitted."""
        if not (self.folder / "samples" / "final-000000.wav").exists():
            self._speak("final", 0, adapter, self.bar.part(0, "training is done"))

    def _keep_sample(self, name: str, step: int, replies: Sequence[Reply], show: OnProgress) -> None:
        """The first reply that has a sound, decoded neutrally: what people listen to while the training goes on."""
        codes = next((r.speech for r in replies if len(r.speech)), None)
        if codes is not None:
            file = self.folder / "samples" / f"{name}-{step:06d}.wav"
            audio.write_wav(file, self.base.voice(self.speaker).decode(codes, self.base.neutral_prompt()))
            show(Progress("train", 0.95, sample=str(file)))


def _kept(question: Question, reply: Reply) -> Kept:
    return Kept(question.text, question.answer, tuple(int(code) for code in reply.speech))


def _choose(replies: Sequence[tuple[Kept, float]], spec: TrainSpec) -> list[Kept]:
    """Legible replies, each once; if they are too few, the most legible of the others too."""
    harvest = spec.harvest
    unique = {answer: cer for answer, cer in replies}
    good = [answer for answer, cer in unique.items() if cer <= harvest.max_cer]
    if len(good) >= harvest.min_kept:
        return good
    ranked = sorted(unique, key=lambda answer: unique[answer])
    return ranked[: max(harvest.min_kept, harvest.kept_per_epoch)]


def _spread(questions: Sequence[Question], count: int, seed: Sequence[int]) -> list[Question]:
    """Up to `count` questions at random, the domains by turns so that rare ones are asked too."""
    order = [questions[int(i)] for i in np.random.default_rng(list(seed)).permutation(len(questions))]
    seen: dict[str, int] = {}
    ranks: list[tuple[int, int]] = []
    for index, question in enumerate(order):
        ranks.append((seen.get(question.domain, 0), index))
        seen[question.domain] = seen.get(question.domain, 0) + 1
    return [order[index] for _, index in sorted(ranks)[:count]]


def _set_aside(items: Sequence[Item], spec: TrainSpec) -> tuple[list[Item], list[Item]]:
    """(learned, held out): a share of the items at random, at least one of each where any is to be held out."""
    count = min(len(items) - 1, math.ceil(spec.held_out_share * len(items))) if spec.evaluate_every else 0
    chosen = {int(i) for i in np.random.default_rng([spec.seed, 8]).permutation(len(items))[:count]}
    return [item for i, item in enumerate(items) if i not in chosen], [items[i] for i in sorted(chosen)]


def _joined(first: TrainOutcome, second: TrainOutcome) -> TrainOutcome:
    """Both runs as one: the second's adapter, steps and losses one after the other."""
    return replace(
        second,
        steps=first.steps + second.steps,
        seconds=first.seconds + second.seconds,
        losses=(*first.losses, *((first.steps + step, loss) for step, loss in second.losses)),
        notes={**first.notes, **second.notes},
    )


def _claim(folder: Path, base: BaseModel, items: Sequence[Item], speaker: str, spec: TrainSpec) -> None:
    """Mark the folder as this run's; raises UsageError when it is another's."""
    facts = [base.info.revision, speaker, spec.digest(), [asdict(item) for item in items]]
    run = hashlib.sha256(json.dumps(facts).encode()).hexdigest()
    path = folder / "run.json"
    if not path.exists():
        _write_json(path, {"run": run})
    elif json.loads(path.read_text())["run"] != run:
        raise UsageError(
            f"{folder} holds another run (other recordings, recipe or base).", "Use another folder, or delete this one."
        )


def _read_round(path: Path) -> Round:
    content: dict[str, Any] = json.loads(path.read_text())

    def kept(row: dict[str, Any]) -> Kept:
        return Kept(row["question"], row["text"], tuple(row["codes"]))

    replies = tuple((kept(row), float(cer)) for row, cer in content["replies"])
    others = tuple(kept(row) for row in content["others"])
    return Round(content["asked"], content["ended"], content["legible"], content["seconds"], replies, others)


def _write_json(path: Path, content: dict[str, Any]) -> None:
    files.write_text(path, json.dumps(content) + "\n")
