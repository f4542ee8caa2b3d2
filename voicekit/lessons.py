"""What the model will be shown of a draft, token by token: samples of its conversations with the loss mask beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from voicekit.conversations import Item, encode, voice_lessons
from voicekit.errors import RecordingsError
from voicekit.ports import BaseModel
from voicekit.records import Clip, TrainingExample, Waveform
from voicekit.specs import TrainSpec

TITLES = {
    "pseudo_masked": "A recording as the answer to a question",
    "pseudo_text": "A recording as the answer to a question, text learned too",
    "tts": "A recording read aloud on request",
    "replay": "Rehearsal: an old dialogue of the base, in its own voice",
    "new_name": "An old dialogue under the new name: its text is held to what the base says under its own",
}


class Part(StrEnum):
    """What a token is."""

    CONTROL = "control"
    TEXT = "text"
    SPEECH = "speech"


@dataclass(frozen=True)
class Token:
    """`loss` is the weight with which it is learned, `held` that with which it is kept as the base says it."""

    shown: str
    part: Part
    loss: float
    held: float


@dataclass(frozen=True)
class Lesson:
    """One conversation: where it comes from, and its tokens in order."""

    kind: str
    title: str
    tokens: tuple[Token, ...]

    @property
    def learned(self) -> int:
        return sum(t.loss > 0 for t in self.tokens)


def sample_lessons(base: BaseModel, clips: Sequence[tuple[Clip, Waveform]], speaker: str, spec: TrainSpec) -> tuple[Lesson, ...]:
    """Of the first epoch over these clips: every clip's conversation, then one of each other kind."""
    if not clips:
        raise RecordingsError("No clip is accepted yet.", "Accept at least one clip in the review.")
    codes = base.encode_clips([(wave, c.transcript.text) for c, wave in clips])
    items = [Item(c.id, c.transcript.text, tuple(int(t) for t in found)) for (c, _), found in zip(clips, codes, strict=True)]
    lessons: list[Lesson] = []
    seen: set[str] = set()
    for conversation, weights in voice_lessons(items, base.material, speaker, spec, epoch=0):
        of_clip = any(turn.clip_id for turn in conversation.turns)
        if not of_clip and conversation.strategy in seen:
            continue
        seen.add(conversation.strategy)
        example = encode(conversation, weights, base.prompt, base.encode_text)
        kind = conversation.strategy
        lessons.append(Lesson(kind, TITLES.get(kind, kind), tokens_of(example, base)))
    return tuple(lessons)


def tokens_of(example: TrainingExample, base: BaseModel) -> tuple[Token, ...]:
    """Each id as people can read it, with its weights."""
    prompt = base.prompt
    control = {
        prompt.im_start: "‹turn›",
        prompt.im_end: "‹end›",
        prompt.end_of_text: "‹stop›",
        prompt.audio_begin: "‹audio›",
        prompt.audio_end: "‹/audio›",
        prompt.audio_pad: "‹frame›",
    }
    out: list[Token] = []
    for i, loss, held in zip(example.ids, example.loss_weight, example.kl_weight, strict=True):
        token = int(i)
        if prompt.is_audio(token):
            shown, part = str(token - prompt.audio_offset), Part.SPEECH
        elif token in control:
            shown, part = control[token], Part.CONTROL
        else:
            shown, part = base.decode_text([token]).replace("\n", "⏎"), Part.TEXT
        out.append(Token(shown, part, float(np.round(loss, 4)), float(np.round(held, 4))))
    return tuple(out)
