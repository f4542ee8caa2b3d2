"""What a training run is foreseen to take against what it took: memory and time, over sizes, ranks and lengths.

python -m bench.fits [--device cuda] [--publish DIR]

Random weights; two real steps each. Foreseen before anything is run (voicekit.train.fits); taken is the allocator's peak on
a GPU, on a processor the peak of all that the profiler saw allocated.
"""

from __future__ import annotations

import argparse
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.optim import AdamW
from transformers import Qwen2Config, Qwen2ForCausalLM

from voicekit.records import TrainingExample
from voicekit.specs import Full, Lora, TrainSpec
from voicekit.train import fits, loop
from voicekit.train.batches import collate, micro_batches

TEXT_IDS, STEPS = 2000, 2


@dataclass(frozen=True)
class Case:
    """A model of `hidden` x `layers`, and `rows` examples of `ids` ids in a step."""

    hidden: int
    layers: int
    spec: TrainSpec
    rows: int
    ids: int


CASES = (
    Case(256, 6, TrainSpec(), 4, 150),
    Case(256, 6, TrainSpec(method=Lora(rank=64)), 4, 150),
    Case(256, 6, TrainSpec(micro_tokens=300), 4, 150),
    Case(256, 6, TrainSpec(gradient_checkpointing=True), 4, 150),
    Case(256, 6, TrainSpec(method=Full()), 4, 150),
    Case(256, 6, TrainSpec(), 1, 700),
    Case(512, 4, TrainSpec(precision="bf16"), 4, 100),
    Case(512, 4, TrainSpec(method=Lora(rank=32, dora=True)), 2, 200),
)


def llm_of(case: Case, device: torch.device) -> Qwen2ForCausalLM:
    config = Qwen2Config(
        vocab_size=3024,
        hidden_size=case.hidden,
        intermediate_size=3 * case.hidden,
        num_hidden_layers=case.layers,
        num_attention_heads=case.hidden // 64,
        num_key_value_heads=2,
        tie_word_embeddings=False,
    )
    llm: Any = Qwen2ForCausalLM(config)
    return llm.to(device=device).eval()


def examples(case: Case) -> list[TrainingExample]:
    """A quarter of the ids is text, of which every other example's is held to the base."""
    rng = np.random.default_rng(0)
    made: list[TrainingExample] = []
    for row in range(case.rows):
        text = np.arange(case.ids) % 4 == 0
        ids = np.where(text, rng.integers(TEXT_IDS, size=case.ids), rng.integers(TEXT_IDS, 3024, size=case.ids))
        made.append(TrainingExample(ids, (~text).astype(np.float32), (text * (row % 2)).astype(np.float32)))
    return made


def line(case: Case, device: torch.device) -> str:
    """One row of the table."""
    torch.manual_seed(0)
    llm, some = llm_of(case, device), examples(case)
    steps = [tuple(range(case.rows))] * STEPS
    expected = loop.foreseen(llm, some, case.spec.model_copy(update={"steps": STEPS}), TEXT_IDS)

    def run() -> None:
        with loop._attached(llm, case.spec, TEXT_IDS) as trainable:
            optimizer = AdamW(trainable.parameters(), fused=True)
            for step in steps:
                optimizer.zero_grad(set_to_none=True)
                for piece in micro_batches(step, some, case.spec.micro_tokens):
                    batch = collate([some[i] for i in piece], device, TEXT_IDS)
                    assert batch is not None
                    fits.one_pass(trainable, batch)
                optimizer.step()

    taken = fits.measured(device, run)
    whole = expected.weights_bytes + taken.num_bytes
    error = 100 * (expected.total_bytes / whole - 1)
    spec = case.spec
    how = spec.method.kind if isinstance(spec.method, Full) else f"rank {spec.method.rank}{', DoRA' if spec.method.dora else ''}"
    if spec.micro_tokens:
        how += f", {spec.micro_tokens} ids at a time"
    how += ", checkpointing" if spec.gradient_checkpointing else ""
    how += ", bf16" if spec.precision == "bf16" else ""
    size = f"{case.hidden} x {case.layers}, {how}, {case.rows} of {case.ids} ids"
    memory = f"{expected.total_bytes / 2**20:.1f} | {whole / 2**20:.1f} | {error:+.2f}"
    return f"| {size} | {memory} | {expected.seconds / STEPS:.2f} | {taken.seconds / STEPS:.2f} |"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--publish", type=Path, help="folder of benchmarks.md")
    args = parser.parse_args(arguments)
    device = torch.device(args.device)
    threads = f"{platform.machine()}, {torch.get_num_threads()} thread(s)"
    where = torch.cuda.get_device_name(device) if device.type == "cuda" else threads
    table = [
        f"`python -m bench.fits`, torch {torch.__version__}, {where}.",
        "",
        "| model and step | foreseen, MB | taken, MB | error, % | foreseen, s a step | taken, s a step |",
        "|---|---|---|---|---|---|",
    ]
    for case in CASES:
        table.append(line(case, device))
        print(table[-1], flush=True)
    if args.publish:
        from bench.sections import publish_section

        publish_section("fits", "## What training takes, foreseen\n\n" + "\n".join(table) + "\n", args.publish)


if __name__ == "__main__":
    main()
