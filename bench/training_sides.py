"""What bench.training compares: the same examples, weights, optimizer and schedule, learned by three programs."""

from __future__ import annotations

import resource
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from torch import nn
from torch.optim import AdamW
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import SequentialSampler
from transformers import DataCollatorWithFlattening, Qwen2Config, Qwen2ForCausalLM, Trainer, TrainerCallback, TrainingArguments

from voicekit.ports import Progress
from voicekit.records import TrainingExample
from voicekit.train.batches import collate, micro_batches
from voicekit.train.loop import fit, learning_rate

if TYPE_CHECKING:
    from voicekit.specs import TrainSpec

TARGETS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


@dataclass(frozen=True)
class Size:
    """A model's shape and how much of it is measured: `steps` of `rows` examples that hold `tokens` ids together.

    `codes` of the vocabulary's last ids are speech. `micro_tokens` is our piece, `micro_rows` the stock program's.
    """

    llm: dict[str, Any]
    codes: int
    rows: int
    tokens: int
    steps: int
    micro_tokens: int
    micro_rows: int
    longest: int
    rank: int = 16


SHAPE_7B = {"hidden_size": 3584, "num_hidden_layers": 28, "num_attention_heads": 28, "num_key_value_heads": 4}
ROPE_7B = {"rope_parameters": {"rope_type": "default", "rope_theta": 1e6}}
SIZES = {
    "tiny": Size(
        {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2}
        | {"intermediate_size": 48, "vocab_size": 320},
        codes=64, rows=8, tokens=1200, steps=3, micro_tokens=0, micro_rows=4, longest=400,
    ),
    "mid": Size(
        {"hidden_size": 512, "num_hidden_layers": 8, "num_attention_heads": 8, "num_key_value_heads": 2}
        | {"intermediate_size": 1536, "vocab_size": 32000},
        codes=4096, rows=8, tokens=2048, steps=4, micro_tokens=0, micro_rows=8, longest=900,
    ),
    "7b": Size(
        SHAPE_7B | {"intermediate_size": 18944, "vocab_size": 168055} | ROPE_7B,
        codes=16384, rows=64, tokens=20480, steps=5, micro_tokens=2560, micro_rows=8, longest=1500,
    ),
}  # fmt: skip


def build(size: Size, device: torch.device, dtype: torch.dtype) -> Qwen2ForCausalLM:
    """Random weights (seed 0) of the given shape, made on the device."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        torch.manual_seed(0)
        with device:
            config = Qwen2Config(**size.llm, tie_word_embeddings=False, use_cache=False, max_position_embeddings=8192)
            return Qwen2ForCausalLM(config).eval().requires_grad_(False)
    finally:
        torch.set_default_dtype(before)


def make_examples(size: Size, system: int) -> list[TrainingExample]:
    """`rows` dialogues a step with log-normal lengths (most 100 to 600 ids, a few of several turns), exactly `tokens` ids
    together. All begin with the same `system` ids; answers alternate 5 text and 15 speech ids, of which the speech is learned.
    """
    rng = np.random.default_rng(0)
    text_ids = size.llm["vocab_size"] - size.codes
    beginning = rng.integers(text_ids, size=system)
    made: list[TrainingExample] = []
    for step in range(size.steps):
        for length in _lengths(size, system, rng):
            asked = system + int(rng.integers(8, 16))
            place = np.arange(length)
            is_speech = (place >= asked) & ((place - asked) % 20 >= 5)
            ids = np.where(is_speech, text_ids + rng.integers(size.codes, size=length), rng.integers(text_ids, size=length))
            ids[:system] = beginning
            weight = is_speech.astype(np.float32)
            made.append(TrainingExample(ids.astype(np.int64), weight, np.zeros(length, np.float32), "pseudo_masked", step))
    return made


def _lengths(size: Size, system: int, rng: np.random.Generator) -> list[int]:
    shortest, mean = system + 40, size.tokens / size.rows
    if mean < shortest:
        raise SystemExit(f"{size.rows} examples of {shortest} ids and more are longer than {size.tokens} ids.")
    lengths = np.clip(rng.lognormal(np.log(0.85 * mean), 0.55, size.rows), shortest, size.longest)
    lengths = np.maximum(np.round(lengths * size.tokens / lengths.sum()), shortest).astype(int)
    while extra := int(lengths.sum()) - size.tokens:
        place = int(rng.integers(size.rows))
        lengths[place] = max(shortest, lengths[place] - extra)
    return [int(n) for n in lengths]


def settings(size: Size, on_gpu: bool, recompute: bool = False) -> Any:
    """What the loop reads of a recipe. A plain object: pydantic, which reads recipe files, may be missing on such a machine."""
    method = {"kind": "lora", "rank": size.rank, "alpha": 32.0, "dropout": 0.0, "targets": TARGETS}
    method |= {"rslora": False, "dora": False, "audio_embeddings": False}
    values = {"steps": size.steps, "batch_tokens": size.tokens, "learning_rate": 5e-4, "warmup_steps": 2, "weight_decay": 0.01}
    values |= {"max_grad_norm": 1.0, "micro_tokens": size.micro_tokens, "precision": "auto" if on_gpu else "fp32", "seed": 0}
    values |= {"checkpoint_every": 10**6, "processes": 1, "sharded": False, "ema_decay": 0.0}
    values |= {"gradient_checkpointing": recompute, "evaluate_every": 0, "patience": 0, "max_text_drift": 0.0, "sample_every": 0}
    return SimpleNamespace(**values, method=SimpleNamespace(**method), model_dump_json=lambda exclude: repr(sorted(values)))


def flops_a_step(size: Size, examples: Sequence[TrainingExample]) -> float:
    """What a step must compute (mean): forward, and the gradient by activations; of the frozen weights none is taken. No padding,
    no recomputation, a common beginning once a piece, logits at learned positions alone."""
    width, layers = size.llm["hidden_size"], size.llm["num_hidden_layers"]
    kv_width = width // size.llm["num_attention_heads"] * size.llm["num_key_value_heads"]
    ffn, vocabulary = size.llm["intermediate_size"], size.llm["vocab_size"]
    dense = layers * (2 * width * width + 2 * width * kv_width + 3 * width * ffn)
    lora = layers * size.rank * (4 * width + 2 * (width + kv_width) + 3 * (width + ffn))
    total = 0.0
    for piece in micro_batches(range(len(examples)), examples, size.micro_tokens):
        batch = collate([examples[i] for i in piece], torch.device("cpu"))
        assert batch is not None
        attended = sum(
            (end - start) * (end - start + 2 * (start > 0) * batch.layout.shared) for start, end in batch.layout.segments
        )
        total += batch.ids.numel() * (4 * dense + 6 * lora) + 4 * len(batch.targets) * width * vocabulary
        total += 6 * layers * width * attended
    return total / size.steps


@dataclass
class Measured:
    """Times at the ends of steps (s, of the processor's clock on a CPU), losses a step, peak memory in bytes."""

    on_gpu: bool
    ends_s: list[float] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    peak_bytes: int = 0

    def start(self) -> None:
        if self.on_gpu:
            torch.cuda.reset_peak_memory_stats()
        else:
            Path("/proc/self/clear_refs").write_text("5")  # Linux counts the peak anew

    def step(self) -> None:
        if self.on_gpu:
            torch.cuda.synchronize()
        self.ends_s.append(time.perf_counter() if self.on_gpu else time.process_time() / torch.get_num_threads())

    def finish(self) -> None:
        if self.on_gpu:
            self.peak_bytes = torch.cuda.max_memory_allocated()
            return
        lines = Path("/proc/self/status").read_text().splitlines()
        peak_kb = next((int(line.split()[1]) for line in lines if line.startswith("VmHWM")), 0)
        self.peak_bytes = 1024 * (peak_kb or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)

    @property
    def seconds_a_step(self) -> float:
        """The median; the first step, which warms up, is left out."""
        return float(np.median(np.diff(self.ends_s)))


class Model(nn.Module):
    def __init__(self, llm: Qwen2ForCausalLM) -> None:
        super().__init__()
        self.llm = llm


def ours(
    llm: Qwen2ForCausalLM, size: Size, examples: Sequence[TrainingExample], recompute: bool, watch: Callable[[int], None]
) -> Measured:
    """voicekit's own loop. `watch` is told of each step."""
    measured = Measured(llm.device.type == "cuda")

    def report(progress: Progress) -> None:
        measured.step()
        measured.losses.append(progress.values["speech_loss"])
        watch(len(measured.losses))

    measured.start()
    spec = cast("TrainSpec", settings(size, measured.on_gpu, recompute))
    with tempfile.TemporaryDirectory() as folder:
        fit(Model(llm), examples, spec, Path(folder) / "run", report, speech_from=size.llm["vocab_size"] - size.codes)
        measured.finish()
    return measured


def stock(llm: Qwen2ForCausalLM, size: Size, examples: Sequence[TrainingExample], recompute: bool, packed: bool) -> Measured:
    """transformers' Trainer with PEFT, in the order and with the schedule of ours."""
    from peft import LoraConfig, get_peft_model

    measured = Measured(llm.device.type == "cuda")
    torch.manual_seed(0)
    config = LoraConfig(r=size.rank, lora_alpha=32, target_modules=list(TARGETS), task_type="CAUSAL_LM")
    model = get_peft_model(llm, config)  # pyright: ignore[reportArgumentType]
    if packed and find_spec("flash_attn"):
        llm.set_attn_implementation("flash_attention_2")
    spec = settings(size, measured.on_gpu)
    optimizer = AdamW([p for p in model.parameters() if p.requires_grad], lr=spec.learning_rate, weight_decay=0.01, fused=True)
    schedule = LambdaLR(optimizer, lambda step: learning_rate(step, size.steps, spec) / spec.learning_rate)

    class Clock(TrainerCallback):
        def on_step_end(self, *_: Any, **__: Any) -> None:
            measured.step()

    class InOrder(Trainer):
        def _get_train_sampler(self, *_: Any, **__: Any) -> Any:
            return SequentialSampler(rows)

    rows = [{"input_ids": e.ids.tolist(), "labels": np.where(e.loss_weight > 0, e.ids, -100).tolist()} for e in examples]
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder,
            per_device_train_batch_size=size.micro_rows,
            gradient_accumulation_steps=size.rows // size.micro_rows,
            max_steps=size.steps,
            bf16=measured.on_gpu,
            use_cpu=not measured.on_gpu,
            gradient_checkpointing=recompute,
            gradient_checkpointing_kwargs={"use_reentrant": False},
            max_grad_norm=1.0,
            logging_steps=1,
            report_to=[],
            save_strategy="no",
            disable_tqdm=True,
            remove_unused_columns=False,
            dataloader_pin_memory=False,
        )
        trainer = InOrder(
            model=model,
            args=arguments,
            train_dataset=rows,  # pyright: ignore[reportArgumentType]
            data_collator=DataCollatorWithFlattening() if packed else _padded,
            optimizers=(optimizer, schedule),
            callbacks=[Clock()],
        )
        measured.start()
        trainer.train()
        measured.finish()
        measured.losses = [float(entry["loss"]) for entry in trainer.state.log_history if "loss" in entry]
    return measured


def _padded(rows: Sequence[dict[str, list[int]]]) -> dict[str, torch.Tensor]:
    """On the right to the longest, as the library's own collators do."""

    def tensor(values: Sequence[Sequence[int]], fill: int) -> torch.Tensor:
        return nn.utils.rnn.pad_sequence([torch.tensor(v) for v in values], batch_first=True, padding_value=fill)

    ids, labels = tensor([r["input_ids"] for r in rows], 0), tensor([r["labels"] for r in rows], -100)
    return {"input_ids": ids, "labels": labels, "attention_mask": tensor([[1] * len(r["input_ids"]) for r in rows], 0)}
