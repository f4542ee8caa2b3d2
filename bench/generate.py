"""How fast the chat model says its tokens, and how soon there is sound: ours against transformers' `generate`, in one run.

python -m bench.generate [--size mid | 7b] [--tokens N] [--rows B] [--publish DIR]

The weights are random and the model is the same for both. `mid` is for a processor (minutes); `7b` is the released shape in
bfloat16 for one GPU of 40 GB or more, unattended, in less than ten minutes. It needs torch, transformers, peft, accelerate,
numpy and safetensors. Both sides are greedy and may not end before N tokens. First audio: from the prompt of a text to the
first samples, with a decoder and a vocoder of the size's shape; the text is given, so that text and speech come in their blocks.
"""

from __future__ import annotations

import argparse
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import GenerationConfig, Qwen2Config, Qwen2ForCausalLM
from transformers.models.qwen2.modeling_qwen2 import Qwen2RotaryEmbedding

from voicekit.covo.bigvgan import BigVGAN, BigVGANConfig
from voicekit.covo.decoder import DecoderConfig, Token2Latent
from voicekit.covo.decoding import Lines, rounds
from voicekit.covo.sampling import GREEDY, Continuation, Reading
from voicekit.covo.synthesis import AudioStream, Moments, Synthesis
from voicekit.prompt import PromptFormat
from voicekit.records import VoicePrompt

PROMPT_TOKENS = 120
VOICE_PROMPT_TOKENS = 24
FIRST_CHUNK = 15
TIMES = 4


@dataclass(frozen=True)
class Size:
    """`llm` are fields of a Qwen2 configuration; text ids lie below `text_ids`, speech codes above."""

    llm: dict[str, Any]
    text_ids: int
    decoder: DecoderConfig
    vocoder: BigVGANConfig
    dtype: torch.dtype


SIZES = {
    "mid": Size(
        llm={
            "vocab_size": 12_000,
            "hidden_size": 512,
            "intermediate_size": 1536,
            "num_hidden_layers": 8,
            "num_attention_heads": 8,
            "num_key_value_heads": 2,
        },
        text_ids=8000,
        decoder=DecoderConfig(num_codes=4000),
        vocoder=BigVGANConfig(channels=64),
        dtype=torch.float32,
    ),
    "7b": Size(
        llm={
            "vocab_size": 168_055,
            "hidden_size": 3584,
            "intermediate_size": 18_944,
            "num_hidden_layers": 28,
            "num_attention_heads": 28,
            "num_key_value_heads": 4,
        },
        text_ids=151_671,
        decoder=DecoderConfig(16_384, 512, 1024, 16, 4096, 12, speaker_dim=1024, grid_points=10, guidance=1.0, temperature=1.0),
        vocoder=BigVGANConfig(),
        dtype=torch.bfloat16,
    ),
}


def model_of(size: Size, device: torch.device) -> Qwen2ForCausalLM:
    """Random weights, made where they will lie."""
    config = Qwen2Config(**size.llm, tie_word_embeddings=False, max_position_embeddings=8192, rms_norm_eps=1e-6)
    with torch.device("meta"):
        llm: Any = Qwen2ForCausalLM(config)
        llm = llm.to(dtype=size.dtype)
    llm.to_empty(device=device)
    llm.model.rotary_emb = Qwen2RotaryEmbedding(config).to(device)
    generator = torch.Generator(device).manual_seed(0)
    with torch.no_grad():
        for name, weight in llm.named_parameters():
            weight.fill_(1.0) if "norm" in name else weight.normal_(0.0, 0.02, generator=generator)
    return llm.eval().requires_grad_(False)


def prompts_of(rows: int, size: Size, device: torch.device) -> torch.Tensor:
    """Ids int64 [B, PROMPT_TOKENS]."""
    return torch.randint(0, size.text_ids, (rows, PROMPT_TOKENS), generator=torch.Generator().manual_seed(1)).to(device)


def ours(lines: Lines, ids: torch.Tensor, tokens: int) -> list[list[int]]:
    embedded = list(lines.llm.model.embed_tokens(ids))
    said: list[list[int]] = [[] for _ in embedded]
    for told in rounds(lines, embedded, [Continuation(GREEDY, ()) for _ in embedded], [tokens] * len(embedded)):
        for row, token in told:
            said[row].append(token)
    return said


def stock(llm: Qwen2ForCausalLM, ids: torch.Tensor, tokens: int) -> list[list[int]]:
    settings = GenerationConfig(max_new_tokens=tokens, min_new_tokens=tokens, do_sample=False, pad_token_id=0, use_cache=True)
    made = llm.generate(ids, attention_mask=torch.ones_like(ids), generation_config=settings)  # pyright: ignore
    return made[:, ids.shape[1] :].tolist()


def fastest_s(runs: Sequence[Callable[[], object]], device: torch.device) -> list[float]:
    """Of each the shortest time, after one that warms up (graphs are recorded in it); they take turns, so that a busy machine is
    busy for all."""
    taken: list[list[float]] = []
    for _ in range(TIMES + 1):
        taken.append([_seconds(run, device) for run in runs])
    return [min(times) for times in zip(*taken[1:], strict=True)]


def _seconds(run: Callable[[], object], device: torch.device) -> float:
    _wait(device)
    started = time.perf_counter()
    run()
    _wait(device)
    return time.perf_counter() - started


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


class FirstAudio:
    """From a prompt to the first samples, as a reply is spoken."""

    def __init__(self, lines: Lines, size: Size, device: torch.device) -> None:
        torch.manual_seed(0)
        decoder = Token2Latent(size.decoder).to(device, size.dtype).eval()
        sound = BigVGAN(size.vocoder).fold().to(device).eval()
        moments = Moments(np.zeros(64, np.float32), np.ones(64, np.float32))
        self._synthesis = Synthesis(decoder, moments, 80, sound)
        self._voice = VoicePrompt(
            np.arange(VOICE_PROMPT_TOKENS),
            np.zeros((4 * VOICE_PROMPT_TOKENS, 64), np.float32),
            np.zeros(size.decoder.speaker_dim, np.float32),
        )
        self._lines, self._size = lines, size
        self._format = PromptFormat("{speaker}", size.text_ids, size.decoder.num_codes, 0, 1, 2, 3, 4, 5)

    def run(self, ids: torch.Tensor) -> int:
        """How many samples there are first."""
        reading = Reading(self._format, list(range(10, 40)), GREEDY)
        stream, codes = AudioStream(self._synthesis, self._voice), list[int]()
        told = rounds(self._lines, [self._lines.llm.model.embed_tokens(ids[0])], [reading], [200])
        for [(_, token)] in told:
            codes += [token - self._size.text_ids] if self._format.is_audio(token) else []
            if len(codes) == FIRST_CHUNK:
                break
        told.close()
        return len(stream.push(codes))


@torch.inference_mode()
def measured(name: str, device: torch.device, tokens: int, rows: int) -> list[tuple[str, str]]:
    """The table's lines."""
    size = SIZES[name]
    llm = model_of(size, device)
    lines = Lines(llm, fixed=device.type == "cuda")
    found: list[tuple[str, str]] = []
    for count in (1, rows):
        ids = prompts_of(count, size, device)
        own, other = ours(lines, ids, tokens), stock(llm, ids, tokens)
        runs = [partial(ours, lines, ids, tokens), partial(stock, llm, ids, tokens)]
        own_s, other_s = fastest_s(runs, device)
        rate, stock_rate = (count * tokens / s for s in (own_s, other_s))
        what = "one stream" if count == 1 else f"{count} streams"
        found += [
            (f"{what}, tokens/s: ours", f"{rate:.1f}"),
            (f"{what}, tokens/s: transformers' generate", f"{stock_rate:.1f}"),
            (f"{what}, how many times faster", f"{rate / stock_rate:.2f}"),
            (f"{what}, equal greedy tokens, %", f"{100 * _equal(own, other):.1f}"),
        ]
    first = FirstAudio(lines, size, device)
    ids = prompts_of(1, size, device)
    samples = first.run(ids)
    found.append(
        (f"first audio ({samples / 24:.0f} ms of it), ms", f"{1000 * fastest_s([partial(first.run, ids)], device)[0]:.0f}")
    )
    weights = sum(p.nbytes for p in llm.parameters()) - llm.model.embed_tokens.weight.nbytes
    found.append(("weights read a token, GB", f"{weights / 1e9:.2f}"))
    return found


def _equal(own: Sequence[Sequence[int]], other: Sequence[Sequence[int]]) -> float:
    """The share of tokens before the first difference of each row."""
    same = [
        next((i for i, (a, b) in enumerate(zip(x, y, strict=True)) if a != b), len(x)) for x, y in zip(own, other, strict=True)
    ]
    return sum(same) / sum(len(x) for x in own)


def _where(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{platform.machine()}, {torch.get_num_threads()} thread(s)"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=SIZES, default="mid")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--tokens", type=int, default=0, help="new tokens (default: 40 on a processor, 400 on a GPU)")
    parser.add_argument("--rows", type=int, default=4, help="streams of the batch")
    parser.add_argument("--publish", type=Path, help="folder of benchmarks.md")
    args = parser.parse_args(arguments)
    device = torch.device(args.device)
    tokens = args.tokens or (400 if device.type == "cuda" else 40)
    started = time.monotonic()
    found = measured(args.size, device, tokens, args.rows)
    command = f"python -m bench.generate --size {args.size} --tokens {tokens} --rows {args.rows}"
    lines = [f"`{command}`, torch {torch.__version__}, {_where(device)}.", ""]
    lines += ["| what | value |", "|---|---|", *(f"| {what} | {value} |" for what, value in found)]
    text = "\n".join(lines) + "\n"
    print(text + f"\n{time.monotonic() - started:.0f} s", flush=True)
    if args.publish:
        from bench.sections import publish_section

        publish_section(f"generate-{args.size}", f"## Generation, size {args.size}\n\n{text}", args.publish)


if __name__ == "__main__":
    main()
