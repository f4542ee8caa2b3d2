"""Teaching a base's chat model, and how far teaching has moved its text."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from transformers import Qwen2ForCausalLM

from voicekit.covo.chat import CovoChat, Prompt
from voicekit.covo.sampling import GREEDY, Reading
from voicekit.covo.text import Said, TextTokenizer, dialogue_ids
from voicekit.ports import Forecast, OnProgress, TrainOutcome
from voicekit.prompt import PromptFormat
from voicekit.records import Question, TrainingExample
from voicekit.specs import Full, TrainSpec

BATCH_ROWS = 16
USUAL_TOKENS = 150


def finetune(
    chat: CovoChat,
    prompt: PromptFormat,
    examples: Sequence[TrainingExample],
    spec: TrainSpec,
    folder: Path,
    report: OnProgress,
    snapshots_at: Sequence[int] = (),
) -> TrainOutcome:
    """voicekit.train on a copy of the language model: whatever happens, the base stays as it is."""
    from voicekit.train.loop import fit
    from voicekit.train.processes import are_wanted
    from voicekit.train.trainable import same_weights

    is_changed = isinstance(spec.method, Full) and not are_wanted(spec)
    llm = copy.deepcopy(chat.llm) if is_changed else same_weights(chat.llm)
    return fit(chat.with_llm(llm), examples, spec, folder, report, snapshots_at, speech_from=prompt.audio_offset)


def forecast(chat: CovoChat, prompt: PromptFormat, spec: TrainSpec) -> Forecast:
    """What `finetune` would take on the model's device: lessons of USUAL_TOKENS, of which some hold their text to the base."""
    from voicekit.train.loop import foreseen

    count = max(1, spec.batch_tokens // USUAL_TOKENS)
    held = count * spec.new_name_per_epoch // max(1, count + spec.replay_per_epoch + spec.new_name_per_epoch)
    lessons = [_usual_lesson(prompt, held=number < held) for number in range(count)]
    found = foreseen(chat.llm, lessons, spec, prompt.audio_offset)
    # The base stays beside a copy that is trained as a whole, or by other processes.
    if not isinstance(spec.method, Full) and spec.processes == 1:
        return found
    return replace(found, copies_bytes=found.copies_bytes + sum(p.nbytes for p in chat.llm.parameters()))


def _usual_lesson(prompt: PromptFormat, held: bool) -> TrainingExample:
    """A question of some words, then an answer in blocks of text and speech."""
    place = np.arange(USUAL_TOKENS)
    answer, block = place >= USUAL_TOKENS // 4, prompt.text_block + prompt.audio_block
    speech = answer & (place % block >= prompt.text_block)
    ids = np.where(speech, prompt.audio_offset, 0).astype(np.int64)
    loss = (speech & (not held)).astype(np.float32)
    return TrainingExample(ids, loss, (answer & ~speech & held).astype(np.float32))


def text_kl(
    base: CovoChat,
    adapted: Qwen2ForCausalLM,
    tokenizer: TextTokenizer,
    prompt: PromptFormat,
    names: tuple[str, str],
    questions: Sequence[Question],
) -> list[float]:
    """Per question the mean KL(base || adapted) in nats over the text of its right answer.

    `names` are those under which the base and the adapted model are asked. Both see the same answer: the right text, with
    the speech the base itself puts between.
    """
    values: list[float] = []
    for start in range(0, len(questions), BATCH_ROWS):
        some = questions[start : start + BATCH_ROWS]
        by_name = [[dialogue_ids(prompt, tokenizer.encode, name, [Said("user", q.text)]) for q in some] for name in names]
        answers = [Reading(prompt, tokenizer.encode(q.answer), GREEDY) for q in some]
        said = base.batch([Prompt(ids) for ids in by_name[0]], answers, base.config.max_positions)
        values += _divergences((base.llm, adapted), prompt, by_name, said)
    return values


@torch.inference_mode()
def _divergences(
    models: tuple[Qwen2ForCausalLM, Qwen2ForCausalLM], prompt: PromptFormat, asked: list[list[list[int]]], said: list[list[int]]
) -> list[float]:
    base, adapted = (_text_log_probs(llm, prompt, own, said) for llm, own in zip(models, asked, strict=True))
    return [float((p.exp() * (p - q)).sum(-1).mean()) if len(p) else 0.0 for p, q in zip(base, adapted, strict=True)]


def _text_log_probs(llm: Qwen2ForCausalLM, prompt: PromptFormat, asked: list[list[int]], said: list[list[int]]) -> list[Tensor]:
    """For each dialogue float32 [text tokens of the answer, V]."""
    rows = [torch.tensor(a + s, device=llm.device) for a, s in zip(asked, said, strict=True)]
    hidden = llm.model(input_ids=torch.nn.utils.rnn.pad_sequence(rows, batch_first=True), use_cache=False).last_hidden_state
    made: list[Tensor] = []
    for row, (question, answer) in enumerate(zip(asked, said, strict=True)):
        where = [len(question) + i - 1 for i, token in enumerate(answer) if not prompt.is_audio(token)]
        made.append(llm.lm_head(hidden[row, where]).float().log_softmax(-1))
    return made
