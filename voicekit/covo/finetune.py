"""Teaching a base's chat model, and how far teaching has moved its text."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor
from transformers import Qwen2ForCausalLM

from voicekit.covo.chat import CovoChat, Prompt
from voicekit.covo.sampling import GREEDY, Reading
from voicekit.covo.text import Said, TextTokenizer, dialogue_ids
from voicekit.ports import OnProgress, TrainOutcome
from voicekit.prompt import PromptFormat
from voicekit.records import Question, TrainingExample
from voicekit.specs import Full, TrainSpec

BATCH_ROWS = 16


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

    llm = copy.deepcopy(chat.llm) if isinstance(spec.method, Full) else same_weights(chat.llm)
    return fit(chat.with_llm(llm), examples, spec, folder, report, snapshots_at, speech_from=prompt.audio_offset)


def same_weights(llm: Qwen2ForCausalLM) -> Qwen2ForCausalLM:
    """A language model of its own whose parameters are the same tensors: adapters can be put on it without touching `llm`."""
    memo = {id(tensor): torch.nn.Parameter(tensor.detach(), requires_grad=False) for tensor in llm.parameters()}
    return copy.deepcopy(llm, memo)


def text_kl(
    base: CovoChat,
    adapted: Qwen2ForCausalLM,
    tokenizer: TextTokenizer,
    prompt: PromptFormat,
    speaker: str,
    questions: Sequence[Question],
) -> list[float]:
    """Per question the mean KL(base || adapted) in nats over the text of its right answer, said under `speaker`.

    Both models see the same tokens: the right answer's text, with the speech the base itself puts between.
    """
    values: list[float] = []
    for start in range(0, len(questions), BATCH_ROWS):
        some = questions[start : start + BATCH_ROWS]
        asked = [dialogue_ids(prompt, tokenizer.encode, speaker, [Said("user", q.text)]) for q in some]
        answers = [Reading(prompt, tokenizer.encode(q.answer), GREEDY) for q in some]
        said = base.batch([Prompt(ids) for ids in asked], answers, base.config.max_positions)
        values += _divergences(base.llm, adapted, prompt, asked, said)
    return values


@torch.inference_mode()
def _divergences(
    base: Qwen2ForCausalLM, adapted: Qwen2ForCausalLM, prompt: PromptFormat, asked: list[list[int]], said: list[list[int]]
) -> list[float]:
    rows = [torch.tensor(a + s, device=base.device) for a, s in zip(asked, said, strict=True)]
    ids = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
    hidden = [llm.model(input_ids=ids, use_cache=False).last_hidden_state for llm in (base, adapted)]
    values: list[float] = []
    for row, (question, answer) in enumerate(zip(asked, said, strict=True)):
        where = [len(question) + i - 1 for i, token in enumerate(answer) if not prompt.is_audio(token)]
        if not where:
            values.append(0.0)
            continue
        ours, theirs = (_log_probs(llm, h[row, where]) for llm, h in zip((base, adapted), hidden, strict=True))
        values.append(float((ours.exp() * (ours - theirs)).sum(-1).mean()))
    return values


def _log_probs(llm: Qwen2ForCausalLM, hidden: Tensor) -> Tensor:
    return llm.lm_head(hidden).float().log_softmax(-1)
