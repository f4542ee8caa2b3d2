"""A packed base as training programs need it: its words and its questions, without sound. Needs torch and transformers alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from voicekit.covo.chat import CovoChat, Prompt, load_chat
from voicekit.covo.config import Card, read_card, read_chat_config
from voicekit.covo.material import read_material
from voicekit.covo.sampling import FreeReply
from voicekit.covo.text import Said, TextTokenizer, dialogue_ids, prompt_format
from voicekit.ports import BaseMaterial
from voicekit.prompt import PromptFormat

BATCH_ROWS = 24


@dataclass(frozen=True)
class BareBase:
    """Everything in a base's folder that says what is asked and answered."""

    folder: Path
    card: Card
    text: TextTokenizer
    prompt: PromptFormat
    material: BaseMaterial

    @classmethod
    def read(cls, folder: Path) -> BareBase:
        card, text = read_card(folder), TextTokenizer(folder)
        prompt = prompt_format(text, card, read_chat_config(folder))
        return cls(folder, card, text, prompt, read_material(folder, prompt.num_codes))

    def chat(self, device: str, dtype: torch.dtype) -> CovoChat:
        """The chat model, every weight fixed."""
        return load_chat(self.folder, self.prompt.audio_pad, device, dtype).requires_grad_(False)

    def replies(self, chat: CovoChat, speaker: str, questions: Sequence[str]) -> list[tuple[str, list[int]]]:
        """(text, speech codes) that `chat` answers to typed questions under the name `speaker`."""
        made: list[tuple[str, list[int]]] = []
        for start in range(0, len(questions), BATCH_ROWS):
            some = questions[start : start + BATCH_ROWS]
            prompts = [Prompt(dialogue_ids(self.prompt, self.text.encode, speaker, [Said("user", q)])) for q in some]
            choosers = [FreeReply(self.prompt, self.card.sampling, 0, self.card.max_audio_per_text) for _ in some]
            for ids in chat.batch(prompts, choosers, self.card.max_new_tokens):
                text, codes = self.prompt.split(ids)
                made.append((self.text.decode(text), codes))
        return made
