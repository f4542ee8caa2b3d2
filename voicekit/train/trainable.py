"""What of the chat model is trained: a LoRA adapter (PEFT) or all of it; saved, loaded and taken off again."""

from __future__ import annotations

import copy
import json
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict
from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save_file as save_safetensors
from torch import Tensor, nn
from torch.nn import Parameter
from transformers import Qwen2ForCausalLM

from voicekit.errors import InputError
from voicekit.train.checkpoint import folder_beside
from voicekit.train.group import Group
from voicekit.train.packing import use_packed_attention
from voicekit.train.sharding import gathered, parts_like, shard

if TYPE_CHECKING:
    from voicekit.specs import Full, Lora

ADAPTER_FILE = "adapter_model.safetensors"
ADAPTER_CONFIG = "adapter_config.json"
FULL_FILE = "llm.safetensors"

# Settings of PEFT that are written only where they are used.
VARIANTS = ("use_rslora", "use_dora", "trainable_token_indices")


class Trainable:
    """A chat model's `llm` with something trainable on it. `detach` gives the llm back as it was.

    `config` says where adapters go; without one all weights are trained. `reference` is a context that yields the un-tuned
    llm: the same weights with the adapter off, or a frozen copy. `packed`: both read packed rows (voicekit.train.packing).
    `sharded`: both are dealt out over the processes of the group, for good (voicekit.train.sharding); `state`, `restore` and
    `save` are then called by all of them.
    """

    def __init__(self, llm: Qwen2ForCausalLM, config: LoraConfig | None, packed: bool = False, sharded: bool = False) -> None:
        self.llm, self.sharded = llm, sharded
        self._required = {name: p.requires_grad for name, p in llm.named_parameters()}
        self._peft: PeftModel | None = None
        self._frozen: Qwen2ForCausalLM | None = None
        if config is not None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", FutureWarning)
                self._peft = get_peft_model(llm, config)  # pyright: ignore[reportArgumentType]
            llm.train(llm.training)  # the new layers too: a model that speaks has no dropout
        else:
            # Dealing out makes the two copies.
            self._frozen = (same_weights(llm) if sharded else copy.deepcopy(llm)).eval().requires_grad_(False)
            llm.requires_grad_(True)
        self._attention = [(model, use_packed_attention(model)) for model in (llm, self._frozen) if packed and model is not None]
        for model in (llm, self._frozen):
            if sharded and model is not None:
                shard(model)

    def parameters(self) -> list[Parameter]:
        return [p for p in self.llm.parameters() if p.requires_grad]

    def count(self) -> int:
        return sum(p.numel() for p in self.parameters())

    @contextmanager
    def reference(self) -> Iterator[Qwen2ForCausalLM]:
        with torch.no_grad():
            if self._peft is None:
                assert self._frozen is not None
                yield self._frozen
            else:
                with self._peft.disable_adapter():
                    yield self.llm

    @property
    def base_head(self) -> nn.Module:
        """The un-tuned output layer: hidden [N, h] -> logits [N, V]."""
        if self._frozen is not None:
            return self._frozen.lm_head
        return getattr(self.llm.lm_head, "base_layer", self.llm.lm_head)

    def state(self) -> dict[str, Tensor]:
        """What is trained, by name: references, not copies; whole in the first process alone if it is sharded."""
        return gathered(self._state())

    def _state(self) -> dict[str, Tensor]:
        if self._peft is None:
            return dict(self.llm.state_dict())
        return get_peft_model_state_dict(self._peft, save_embedding_layers=False)

    def restore(self, state: dict[str, Tensor]) -> None:
        state = parts_like(state, self._state())
        if self._peft is None:
            self.llm.load_state_dict(state)
        else:
            set_peft_model_state_dict(self._peft, state)

    def save(self, folder: Path) -> None:
        """Write the adapter folder (PEFT's two files, or `llm.safetensors`), beside and renamed; in a group the first does."""
        state = self.state()
        if not Group.current().first:
            return
        tensors = {name: t.detach().cpu().contiguous() for name, t in state.items()}
        with folder_beside(folder) as beside:
            if self._peft is None:
                save_safetensors(tensors, beside / FULL_FILE)
            else:
                save_safetensors(tensors, beside / ADAPTER_FILE)
                (beside / ADAPTER_CONFIG).write_text(_config_json(self._peft.peft_config["default"]))

    def merge(self) -> Qwen2ForCausalLM:
        """Add the adapter into the weights for good."""
        if self._peft is not None:
            self._peft.merge_and_unload()  # pyright: ignore[reportCallIssue]
        self._peft = self._frozen = None
        return self.llm

    def detach(self) -> Qwen2ForCausalLM:
        if self._peft is not None:
            self._peft.unload()
        elif self._frozen is not None:
            self.llm.load_state_dict(self._frozen.state_dict())
        for name, parameter in self.llm.named_parameters():
            parameter.requires_grad_(self._required[name])
            parameter.grad = None
        for model, attention in self._attention:
            model.config._attn_implementation = attention
        self._peft = self._frozen = None
        return self.llm


def attach(llm: Qwen2ForCausalLM, method: Lora | Full, speech_from: int = 0, sharded: bool = False) -> Trainable:
    """Make `llm` trainable in place, on packed rows. A fresh LoRA adapter changes nothing before it is trained.

    `speech_from` is the id of speech code 0: embeddings from there on are trained where the method says so.
    """
    config = _lora_config(method, range(speech_from, llm.config.vocab_size)) if method.kind == "lora" else None
    return Trainable(llm, config, packed=True, sharded=sharded)


def same_weights(llm: Qwen2ForCausalLM) -> Qwen2ForCausalLM:
    """A language model of its own whose parameters are the same tensors: adapters can be put on it without touching `llm`."""
    memo = {id(tensor): Parameter(tensor.detach(), requires_grad=False) for tensor in llm.parameters()}
    return copy.deepcopy(llm, memo)


def load(llm: Qwen2ForCausalLM, folder: Path) -> Trainable:
    """Put a saved adapter on `llm` in place, so that it speaks adapted until `detach`; raises InputError."""
    handle: Trainable | None = None
    try:
        if (folder / FULL_FILE).exists():
            state, handle = load_file(folder / FULL_FILE), Trainable(llm, None)
        else:
            state, config = load_file(folder / ADAPTER_FILE), LoraConfig(**_read_config(folder))
            handle = Trainable(llm, config)
        handle.restore(state)
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        if handle is not None:
            handle.detach()
        raise InputError(f"The adapter {folder} cannot be loaded: {error}", "Create the voice again.") from None
    return handle


def merged(llm: Qwen2ForCausalLM, folder: Path) -> Qwen2ForCausalLM:
    """An independent adapted copy of `llm` at full speed, the adapter added into its weights; raises InputError."""
    return load(copy.deepcopy(llm), folder).merge().eval()


def _lora_config(method: Lora, speech: Sequence[int]) -> LoraConfig:
    return LoraConfig(
        r=method.rank,
        lora_alpha=method.alpha,  # pyright: ignore[reportArgumentType]
        lora_dropout=method.dropout,
        target_modules=list(method.targets),
        use_rslora=method.rslora,
        use_dora=method.dora,
        trainable_token_indices={"embed_tokens": list(speech)} if method.audio_embeddings else None,
        task_type="CAUSAL_LM",
    )


def _config_json(config: Any) -> str:
    """PEFT's file with sets in order, so that equal adapters are equal files."""
    plain: dict[str, Any] = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": None,
        "r": config.r,
        "lora_alpha": config.lora_alpha,
        "lora_dropout": config.lora_dropout,
        "target_modules": sorted(config.target_modules or ()),
        "bias": "none",
        "inference_mode": True,
    }
    plain |= {key: value for key in VARIANTS if (value := getattr(config, key))}
    return json.dumps(plain, indent=2) + "\n"


def _read_config(folder: Path) -> dict[str, Any]:
    config = json.loads((folder / ADAPTER_CONFIG).read_text())
    known = ("r", "lora_alpha", "lora_dropout", "target_modules", "task_type")
    return {key: config[key] for key in known} | {key: config[key] for key in VARIANTS if key in config}
