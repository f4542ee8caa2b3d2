"""How much host memory loading a base takes: a random checkpoint in the released layout, loaded in a process of its own.

A process begins with the peak of the one that started it, so this one imports nothing large: writing has its own process too.

python -m bench.load [--gigabytes 1.2] [--dtype bfloat16] [--device cpu] [--base DIR]
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

SHARD_BYTES = 400_000_000
TEXT_TOKENS, CODES, HIDDEN, FFN, ADAPTER = 151_671, 16_384, 1024, 4096, 2048
MAX_RATIO = 1.2


def write_random(folder: Path, gigabytes: float, dtype_name: str) -> None:
    """A chat model of the released layout and about this size, in shards; never more than one shard of it in memory."""
    import torch
    from safetensors.torch import save_file

    from voicekit.covo.chat import CovoChat
    from voicekit.covo.checkpoint import INDEX
    from voicekit.covo.config import read_chat_config

    dtype = getattr(torch, dtype_name)
    around = 2 * (TEXT_TOKENS + CODES) * HIDDEN
    layers = max(1, round((gigabytes * 1e9 / dtype.itemsize - around) / (3 * HIDDEN * FFN + 3 * HIDDEN * HIDDEN)))
    llm = {"hidden_size": HIDDEN, "num_hidden_layers": layers, "num_attention_heads": 16, "num_key_value_heads": 4,
           "intermediate_size": FFN, "vocab_size": TEXT_TOKENS + CODES, "max_position_embeddings": 8192,
           "rope_theta": 1_000_000.0}  # fmt: skip
    encoder = {"d_model": 128, "encoder_layers": 2, "encoder_attention_heads": 2, "encoder_ffn_dim": 256, "num_mel_bins": 128,
               "max_source_positions": 1500}  # fmt: skip
    config: dict[str, Any] = {"model_type": "covo_audio", "dtype": dtype_name, "adapter_downsample": 8,
                              "adapter_hidden": ADAPTER, "audio_token_index": TEXT_TOKENS, "llm_config": llm,
                              "encoder_config": encoder}  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config))
    with torch.device("meta"):
        shapes = {name: t.shape for name, t in CovoChat(read_chat_config(folder), audio_pad=0).state_dict().items()}
    index: dict[str, str] = {}
    shard: dict[str, torch.Tensor] = {}
    for name, shape in [*shapes.items(), ("", torch.Size())]:
        if shard and (not name or sum(t.nbytes for t in shard.values()) > SHARD_BYTES):
            file = f"model-{len(set(index.values())):05d}.safetensors"
            save_file(shard, folder / file)
            index |= dict.fromkeys(shard, file)
            shard.clear()
        if name:
            shard[name] = torch.randn(shape, dtype=dtype)
    (folder / INDEX).write_text(json.dumps({"metadata": {}, "weight_map": index}))


def load_and_tell(folder: Path, device: str) -> None:
    """Prints what it took, in bytes and seconds; run in a process that has done nothing else."""
    from voicekit.covo import load_base

    before, start = peak_bytes(), time.perf_counter()
    base = load_base(folder, device)
    took_s = time.perf_counter() - start
    print(json.dumps({"before": before, "peak": peak_bytes(), "seconds": took_s, "licence": base.licence}))


def peak_bytes() -> int:
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def measure(folder: Path, device: str) -> float:
    """Prints a row and returns peak memory above the bare process, as a multiple of the checkpoint's size."""
    size = sum(file.stat().st_size for file in folder.glob("*.safetensors"))
    told = json.loads(itself("--tell", "--base", str(folder), "--device", device).splitlines()[-1])
    ratio = (told["peak"] - told["before"]) / size
    gb = 1e-9
    print(f"| {size * gb:.2f} GB on {device} | {told['before'] * gb:.2f} GB | {told['peak'] * gb:.2f} GB | {ratio:.2f} | "
          f"{told['seconds']:.1f} s |")  # fmt: skip
    return ratio


def itself(*options: str) -> str:
    return subprocess.run([sys.executable, "-m", "bench.load", *options], check=True, stdout=subprocess.PIPE, text=True).stdout


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gigabytes", type=float, default=1.2)
    parser.add_argument("--dtype", default="bfloat16", choices=["bfloat16", "float32"])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--base", type=Path, help="measure this folder instead of a random checkpoint")
    for part in ("--tell", "--write"):
        parser.add_argument(part, action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.tell:
        return load_and_tell(args.base, args.device)
    if args.write:
        return write_random(args.base, args.gigabytes, args.dtype)
    print("| checkpoint | process before | peak | peak above before / checkpoint | took |\n|---|---|---|---|---|")
    if args.base:
        ratio = measure(args.base, args.device)
    else:
        with tempfile.TemporaryDirectory() as folder:
            itself("--write", "--base", folder, "--gigabytes", str(args.gigabytes), "--dtype", args.dtype)
            ratio = measure(Path(folder), args.device)
    sys.exit(0 if ratio <= MAX_RATIO else f"More than {MAX_RATIO} times the checkpoint.")


if __name__ == "__main__":
    main()
