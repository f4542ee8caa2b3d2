"""The chat model: Whisper encoder, 8x adapter and Qwen2 language model, with the released weight names."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import Qwen2Config, Qwen2ForCausalLM, WhisperConfig
from transformers.models.qwen2.modeling_qwen2 import Qwen2RotaryEmbedding
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from voicekit.covo.adapter import AudioAdapter, log_mel_segments, num_frames
from voicekit.covo.checkpoint import load_folder, stored
from voicekit.covo.config import REMEDY, ChatConfig, first_line, read_chat_config
from voicekit.covo.decoding import Lines, rounds
from voicekit.covo.sampling import GREEDY, Chooser, Continuation, Sampling
from voicekit.errors import BaseModelError
from voicekit.records import FloatArray


@dataclass(frozen=True, eq=False)
class Prompt:
    """What a reply continues: ids, and frames [F, hidden] that replace its audio placeholders in order."""

    ids: Sequence[int]
    frames: Tensor | None = None


class CovoChat(nn.Module):
    """`llm.*`, `encoder.*`, `audio_adapter.*`. `audio_pad` is the placeholder's id."""

    llm: Qwen2ForCausalLM
    encoder: WhisperEncoder
    audio_adapter: AudioAdapter

    def __init__(self, config: ChatConfig, audio_pad: int) -> None:
        super().__init__()
        self.config = config
        self.audio_pad = audio_pad
        # The family does not tie its embeddings, whatever a configuration's default says.
        self.llm = Qwen2ForCausalLM(Qwen2Config(**{**config.llm, "tie_word_embeddings": False}))
        self.encoder = WhisperEncoder(WhisperConfig(**config.encoder))
        width = int(config.encoder["d_model"])
        self.audio_adapter = AudioAdapter(width, config.adapter_hidden, config.hidden_size, config.adapter_stages)

    def with_llm(self, llm: Qwen2ForCausalLM) -> CovoChat:
        """The same ears with another language model."""
        other = CovoChat.__new__(CovoChat)
        nn.Module.__init__(other)
        other.config, other.audio_pad = self.config, self.audio_pad
        other.llm, other.encoder, other.audio_adapter = llm, self.encoder, self.audio_adapter
        return other

    @cached_property
    def _lines(self) -> Lines:
        return Lines(self.llm, fixed=self.device.type == "cuda")

    @property
    def device(self) -> torch.device:
        return self.llm.model.embed_tokens.weight.device

    @torch.inference_mode()
    def audio_features(self, samples_24k: FloatArray) -> Tensor:
        """Mono float32 [T] at 24 kHz -> float32 [N, hidden], N = num_frames(T)."""
        count = num_frames(samples_24k.shape[0], self.config.adapter_stages)
        mels = log_mel_segments(samples_24k, self.encoder.num_mel_bins, self.config.segment_frames)
        weight = self.encoder.conv1.weight
        heard = [self.audio_adapter(self.encoder(mel[None].to(weight)).last_hidden_state)[0] for mel in mels]
        if not heard:
            return torch.zeros(0, self.config.hidden_size, device=weight.device)
        return torch.cat(heard)[:count].float()

    def embeds(self, prompt: Prompt) -> Tensor:
        """[T, hidden]: the ids' embeddings, placeholders replaced by the frames."""
        ids = torch.as_tensor(prompt.ids, dtype=torch.long, device=self.device)
        made = self.llm.model.embed_tokens(ids)
        if prompt.frames is None:
            return made
        where = ids == self.audio_pad
        if int(where.sum()) != prompt.frames.shape[0]:
            raise ValueError(f"{int(where.sum())} placeholders for {prompt.frames.shape[0]} frames")
        made = made.clone()
        made[where] = prompt.frames.to(made)
        return made

    @torch.inference_mode()
    def logits(self, ids: Sequence[int], frames: Tensor | None = None) -> Tensor:
        """float32 [T, V] by transformers' own forward: row t predicts what follows ids[t]."""
        return self.llm(inputs_embeds=self.embeds(Prompt(ids, frames))[None], use_cache=False).logits[0].float()

    def stream(self, prompt: Prompt, chooser: Chooser, max_new_tokens: int) -> Generator[int, None, None]:
        """Ids as they are chosen, until the chooser ends or there are `max_new_tokens`."""
        for told in self._rounds([prompt], [chooser], max_new_tokens):
            yield told[0][1]

    def batch(self, prompts: Sequence[Prompt], choosers: Sequence[Chooser], max_new_tokens: int) -> list[list[int]]:
        """What `stream` gives for each prompt, many at once (left-padded)."""
        said: list[list[int]] = [[] for _ in prompts]
        for told in self._rounds(prompts, choosers, max_new_tokens) if prompts else ():
            for row, token in told:
                said[row].append(token)
        return said

    def _rounds(self, prompts: Sequence[Prompt], choosers: Sequence[Chooser], most: int) -> Iterator[list[tuple[int, int]]]:
        with torch.inference_mode():
            embedded = [self.embeds(prompt) for prompt in prompts]
        return rounds(self._lines, embedded, choosers, [self._room(prompt, most) for prompt in prompts])

    def generate(
        self,
        ids: Sequence[int],
        frames: Tensor | None = None,
        max_new_tokens: int = 2048,
        sampling: Sampling = GREEDY,
        stop_ids: Sequence[int] = (),
        seed: int = 0,
    ) -> list[int]:
        """Plain continuation: new ids without the stop id. Replies and readings use `stream` with their own choosers."""
        return list(self.stream(Prompt(ids, frames), Continuation(sampling, stop_ids, seed), max_new_tokens))

    def _room(self, prompt: Prompt, max_new_tokens: int) -> int:
        return max(0, min(max_new_tokens, self.config.max_positions - len(prompt.ids)))


def load_chat(folder: Path, audio_pad: int, device: str = "cpu", dtype: torch.dtype | None = None) -> CovoChat:
    """The chat model of a base directory, strictly; without `dtype` bfloat16 if config.json says so, else float32."""
    model = empty_chat(folder, audio_pad, dtype)
    load_folder(model, folder, model.llm.dtype, device)
    # Its frequencies are no weights: they are computed, and must not stay on the meta device.
    model.llm.model.rotary_emb = Qwen2RotaryEmbedding(model.llm.config).to(device)
    return model.eval().requires_grad_(False)


def empty_chat(folder: Path, audio_pad: int, dtype: torch.dtype | None = None) -> CovoChat:
    """The chat model that a base directory describes, without its weights (on the meta device)."""
    config = read_chat_config(folder)
    if not config.adapter_hidden:
        config = replace(config, adapter_hidden=_adapter_width(folder))
    wanted = dtype or (torch.bfloat16 if config.dtype == "bfloat16" else torch.float32)
    try:
        with torch.device("meta"):
            return CovoChat(config, audio_pad).to(wanted)
    except Exception as error:  # the configuration classes raise errors of many kinds
        raise BaseModelError(f"{folder / 'config.json'} does not describe a model: {first_line(error)}", REMEDY) from None


def _adapter_width(folder: Path) -> int:
    """The released config.json does not say how wide the adapter is inside; its first stage's weights do."""
    name = "audio_adapter.downsample_layers.0.linear1.weight"
    found = stored(folder).get(name)
    if found is None or len(found.shape) != 2:
        raise BaseModelError(f"The weights in {folder} have no {name}, and config.json no adapter_hidden.", REMEDY)
    return found.shape[0]
