"""Recordings -> pseudo-conversations -> token ids with loss weights: what is said to the model, and what it learns of it.

A chat model picks up a voice from recordings that look like its own replies (report, arXiv 2602.09823): the recorded
text stands as the answer to a question that users really ask, and only its speech tokens are learned. Rehearsal
dialogues of the base keep what it knows. Masks are data: the training loop only multiplies.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from voicekit.errors import BaseModelError, RecordingsError
from voicekit.ports import BaseMaterial
from voicekit.prompt import READ_REQUEST, Encode, PromptFormat
from voicekit.records import Conversation, Question, TrainingExample, Turn
from voicekit.specs import Strategy, TrainSpec

T = TypeVar("T")


@dataclass(frozen=True)
class Item:
    """One recording to learn from: what is said and its speech codes at 25 Hz."""

    clip_id: str
    text: str
    codes: tuple[int, ...]


@dataclass(frozen=True)
class Kept:
    """A right answer as the adapted model said it."""

    question: str
    text: str
    codes: tuple[int, ...]


@dataclass(frozen=True)
class Weights:
    """What is learned of the assistant's turns: cross-entropy on text, speech and closing tokens, KL to the base on text."""

    text: float = 0.0
    audio: float = 0.0
    end: float = 0.0
    text_kl: float = 0.0


Lesson = tuple[Conversation, Weights]


def tts(item: Item, speaker: str) -> Conversation:
    """The recording as the answer to a request to read its text."""
    request = READ_REQUEST.format(text=item.text)
    return Conversation((Turn("user", request), _recorded(item)), speaker, "tts")


def pseudo_text(item: Item, speaker: str, question: Question) -> Conversation:
    """The recording as the answer to a question it has nothing to do with; its text is learned too."""
    return Conversation((Turn("user", question.text), _recorded(item)), speaker, "pseudo_text")


def pseudo_masked(item: Item, speaker: str, question: Question) -> Conversation:
    """The same, but of the answer only the speech tokens are learned."""
    return Conversation((Turn("user", question.text), _recorded(item)), speaker, "pseudo_masked")


def replayed(speaker: str, turns: Sequence[Turn]) -> Conversation:
    """A dialogue of the base under its own speaker's name."""
    return Conversation(tuple(turns), speaker, "replay")


def under_new_name(turns: Sequence[Turn], speaker: str, own_name: str) -> Conversation:
    """A dialogue of the base's own speaker under the new name: its speech is another voice's, so only its text may be held."""
    return Conversation(tuple(turns), speaker, "new_name", reference=own_name)


def harvested(kept: Kept, speaker: str, reference: str, strategy: str = "harvest") -> Conversation:
    """A right answer as the adapted model said it; the base says the same words best under the name `reference`."""
    turns = (Turn("user", kept.question), Turn("assistant", kept.text, speech=kept.codes))
    return Conversation(turns, speaker, strategy, reference)


def item_weights(strategy: Strategy, spec: TrainSpec) -> Weights:
    """What is learned of a recording. The masked strategy learns no text and no control or end token."""
    if strategy == "pseudo_masked":
        return Weights(audio=spec.audio_weight, text_kl=spec.text_kl)
    return Weights(text=1.0, audio=spec.audio_weight, end=1.0)


def encode(
    conversation: Conversation, weights: Weights, prompt: PromptFormat, encode_text: Encode, epoch: int = 0
) -> TrainingExample:
    """Token ids with their weights. Everything outside the assistant's turns has weight 0."""
    system = prompt.system(encode_text, conversation.speaker)
    ids = list(system)
    loss = [0.0] * len(ids)
    divergence = [0.0] * len(ids)

    def append(more: Sequence[int], of_loss: Sequence[float] = (), of_divergence: Sequence[float] = ()) -> None:
        ids.extend(more)
        loss.extend(of_loss or [0.0] * len(more))
        divergence.extend(of_divergence or [0.0] * len(more))

    last = len(conversation.turns) - 1
    for index, turn in enumerate(conversation.turns):
        if turn.role != "assistant":
            append(prompt.user_text(encode_text, turn.text))
            continue
        append(prompt.assistant_open(encode_text))
        reply = prompt.interleave(encode_text(turn.text), turn.speech)
        is_speech = [prompt.is_audio(i) for i in reply]
        append(
            reply,
            [weights.audio if speech else weights.text for speech in is_speech],
            [0.0 if speech else weights.text_kl for speech in is_speech],
        )
        append([prompt.im_end], [weights.end], [0.0])
        if index < last:
            append(encode_text("\n"))
    reference = conversation.reference if any(divergence) else ""
    if reference and reference != conversation.speaker:
        by_base = np.array([*prompt.system(encode_text, reference), *ids[len(system) :]], dtype=np.int64)
    else:
        by_base = None
    return TrainingExample(
        ids=np.array(ids, dtype=np.int64),
        loss_weight=np.array(loss, dtype=np.float32),
        kl_weight=np.array(divergence, dtype=np.float32),
        kind=conversation.strategy,
        epoch=epoch,
        reference_ids=by_base,
    )


def voice_lessons(items: Sequence[Item], material: BaseMaterial, speaker: str, spec: TrainSpec, epoch: int) -> list[Lesson]:
    """One epoch of teaching a voice: every recording in a context drawn for this epoch, and rehearsal."""
    rng = np.random.default_rng([spec.seed, 1, epoch])
    return [
        *_recordings(items, material, speaker, spec, rng),
        *_rehearsal(material, spec.replay_per_epoch, spec, rng),
        *_new_name(material, speaker, spec.new_name_per_epoch, spec.new_name_kl, rng),
    ]


def held_out_lessons(items: Sequence[Item], material: BaseMaterial, speaker: str, spec: TrainSpec) -> list[Lesson]:
    """What is looked at and not learned: of each recording set aside the speech, and how far its text is from the base's."""
    rng = np.random.default_rng([spec.seed, 6])
    questions = _questions(material) if items else ()
    lessons: list[Lesson] = []
    for item in items:
        question = questions[int(rng.integers(len(questions)))]
        lesson = replace(pseudo_masked(item, speaker, question), strategy="held-out", reference=material.default_speaker)
        lessons.append((lesson, Weights(audio=1.0, text_kl=1.0)))
    return lessons


def refining_lessons(
    kept: Sequence[Kept],
    others: Sequence[Kept],
    items: Sequence[Item],
    material: BaseMaterial,
    speaker: str,
    spec: TrainSpec,
    epoch: int,
) -> list[Lesson]:
    """One epoch of the second phase: the model's own good answers, rehearsal, and a few recordings.

    Of the `others`, whose speech was not good enough to learn from, only the text is held: what comes after the model's own
    speech in the new voice is where it forgets. Answers are drawn so that as many different questions as possible are heard.
    """
    rng = np.random.default_rng([spec.seed, 2, epoch])
    harvest = spec.harvest
    learned = Weights(text=harvest.kept_text_weight, audio=spec.audio_weight, text_kl=harvest.text_kl)
    held, own = Weights(text_kl=harvest.text_kl), material.default_speaker
    good = _draw(_one_a_question(kept, rng), harvest.kept_per_epoch, rng)
    rest = _draw(_one_a_question(others, rng), harvest.held_per_epoch, rng)
    return [
        *((harvested(answer, speaker, own), learned) for answer in good),
        *((harvested(answer, speaker, own, "held"), held) for answer in rest),
        *_recordings(_draw(items, harvest.narrative_per_epoch, rng), material, speaker, spec, rng),
        *_rehearsal(material, harvest.replay_per_epoch, spec, rng),
        *_new_name(material, speaker, harvest.new_name_per_epoch, harvest.new_name_kl, rng),
    ]


def examples_for(
    lessons_of: Callable[[int], list[Lesson]], tokens: int, prompt: PromptFormat, encode_text: Encode
) -> list[TrainingExample]:
    """Epochs 0, 1, ... of lessons as examples, until they hold `tokens` token ids."""
    examples: list[TrainingExample] = []
    total = epoch = 0
    while total < tokens:
        new = [encode(conversation, weights, prompt, encode_text, epoch) for conversation, weights in lessons_of(epoch)]
        if not new:
            raise RecordingsError("There is nothing to learn from.", "Give recordings with accepted clips.")
        examples += new
        total += sum(len(e.ids) for e in new)
        epoch += 1
    return examples


def _recorded(item: Item) -> Turn:
    return Turn("assistant", item.text, clip_id=item.clip_id, speech=item.codes)


def _recordings(
    items: Sequence[Item], material: BaseMaterial, speaker: str, spec: TrainSpec, rng: np.random.Generator
) -> list[Lesson]:
    weights = item_weights(spec.strategy, spec)
    if spec.strategy == "tts":
        return [(tts(item, speaker), weights) for item in items]
    questions = _questions(material)
    recast = pseudo_text if spec.strategy == "pseudo_text" else pseudo_masked
    lessons: list[Lesson] = []
    for item in items:
        question = questions[int(rng.integers(len(questions)))]
        is_read = rng.random() < spec.read_share
        lesson = tts(item, speaker) if is_read else recast(item, speaker, question)
        lessons.append((replace(lesson, reference=material.default_speaker), weights))
    return lessons


def _questions(material: BaseMaterial) -> Sequence[Question]:
    if not material.train:
        raise BaseModelError("The base has no training questions.", 'Give its questions.jsonl a "train" split.')
    return material.train


def _rehearsal(material: BaseMaterial, count: int, spec: TrainSpec, rng: np.random.Generator) -> list[Lesson]:
    weights = Weights(text=spec.replay_text_weight, audio=spec.replay_audio_weight, end=spec.replay_text_weight)
    return [(replayed(speaker, turns), weights) for speaker, turns in _draw(material.rehearsal, count, rng)]


def _new_name(material: BaseMaterial, speaker: str, count: int, kl: float, rng: np.random.Generator) -> list[Lesson]:
    drawn = _draw(material.rehearsal, count, rng)
    return [(under_new_name(turns, speaker, own_name), Weights(text_kl=kl)) for own_name, turns in drawn]


def _one_a_question(answers: Sequence[Kept], rng: np.random.Generator) -> list[Kept]:
    by_question: dict[str, list[Kept]] = {}
    for answer in answers:
        by_question.setdefault(answer.question, []).append(answer)
    return [_draw(some, 1, rng)[0] for some in by_question.values()]


def _draw(pool: Sequence[T], count: int, rng: np.random.Generator) -> list[T]:
    """Up to `count` different elements in random order."""
    return [pool[int(i)] for i in rng.permutation(len(pool))[:count]]
