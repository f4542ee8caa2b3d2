"""Fine-tuning side by side: voicekit's loop, and transformers' Trainer with PEFT, padded and packed.

    python -m bench.training --size mid     a few minutes on a CPU
    python -m bench.training --size 7b      random weights in the released shape, one GPU of 80 GB, under ten minutes, no network

Needs torch, transformers, peft, accelerate, numpy and safetensors alone. Each side runs in a process of its own, on the same
examples and weights. On a CPU seconds are those of the processor, divided by its threads, so that other work does not count.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import platform
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
import transformers

from bench.training_sides import SIZES, Size, build, flops_a_step, make_examples, ours, stock
from voicekit.errors import ResourceError

# side: (what it is, whether a layer's inner values are computed again, whether the row is for the GPU alone)
SIDES = {
    "ours": ("voicekit", False, False),
    "stock": ("(b) Trainer + PEFT, padded", False, False),
    "stock-packed": ("(c) Trainer + PEFT, packed", False, False),
    "ours-recompute": ("voicekit, gradient checkpointing", True, True),
    "stock-recompute": ("(b), gradient checkpointing", True, True),
    "stock-packed-recompute": ("(c), gradient checkpointing", True, True),
}
# Dense bfloat16 TFLOP/s as the makers state them, by a part of the device's name.
PEAK_TFLOPS = {"H200": 989, "H100 PCIe": 756, "H100 NVL": 835, "H100": 989, "A100": 312, "L40S": 362, "RTX 4090": 165}
MARK = "measured: "
# On a GPU the whole is to end within ten minutes: no side is begun or goes on after this.
GPU_LIMIT_S, CPU_LIMIT_S = 540.0, 7200.0


def measure(side: str, size: Size, system: int, profile: bool) -> dict[str, Any]:
    """One side, in this process."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    llm = build(size, device, torch.bfloat16 if device.type == "cuda" else torch.float32)
    examples = make_examples(size, system)
    recompute = SIDES[side][1]
    profiler = torch.profiler.profile() if profile else None

    def watch(step: int) -> None:
        if profiler is not None and step == size.steps - 1:
            profiler.start()
        if profiler is not None and step == size.steps:
            profiler.stop()

    try:
        if side.startswith("ours"):
            found = ours(llm, size, examples, recompute, watch)
        else:
            found = stock(llm, size, examples, recompute, packed="packed" in side)
    except (torch.OutOfMemoryError, ResourceError):
        return {"side": side, "no_memory": True}
    if profiler is not None:
        order = "self_cuda_time_total" if device.type == "cuda" else "self_cpu_time_total"
        print(profiler.key_averages().table(sort_by=order, row_limit=14, max_name_column_width=60))
    return {
        "side": side,
        "micro_rows": size.micro_rows,
        "seconds": found.seconds_a_step,
        "peak_bytes": found.peak_bytes,
        "losses": found.losses,
    }


def measured(side: str, size: Size, arguments: argparse.Namespace, until_s: float, profile: bool = False) -> dict[str, Any]:
    """The same in a new process; without enough memory the stock program's pieces are halved until it fits."""
    rows = size.micro_rows
    print(f"{SIDES[side][0]} ...", file=sys.stderr, flush=True)
    while rows >= 1:
        command = [sys.executable, "-m", "bench.training", "--size", arguments.size, "--side", side, "--micro-rows", str(rows)]
        command += ["--system", str(arguments.system), "--threads", str(arguments.threads)]
        command += ["--profile"] if profile else []
        # One device: of several the Trainer would take all.
        environment = {"CUDA_VISIBLE_DEVICES": "0", "PYTORCH_ALLOC_CONF": "expandable_segments:True", **os.environ}
        environment["HF_HUB_OFFLINE"] = "1"
        try:
            left_s = max(1.0, until_s - time.monotonic())
            ended = subprocess.run(command, capture_output=True, text=True, timeout=left_s, check=False, env=environment)
        except subprocess.TimeoutExpired:
            return {"side": side, "fault": "no time left"}
        said = [line for line in ended.stdout.splitlines() if line.startswith(MARK)]
        if not said:
            return {"side": side, "fault": (ended.stderr.strip().splitlines() or ["it died"])[-1]}
        if profile:
            print(ended.stdout[: ended.stdout.index(MARK)], end="", flush=True)
        found = json.loads(said[0].removeprefix(MARK))
        if not found.get("no_memory"):
            return found
        if side.startswith("ours"):
            break
        rows //= 2
    return {"side": side, "fault": "not enough memory"}


def matmul_flops(device: torch.device, dtype: torch.dtype) -> float:
    """FLOP/s of a large product of square matrices, the best of five; on a CPU by the processor's clock."""
    n = 8192 if device.type == "cuda" else 1024
    a, b = torch.randn(n, n, device=device, dtype=dtype), torch.randn(n, n, device=device, dtype=dtype)
    best = 0.0
    for _ in range(6):
        started = time.perf_counter() if device.type == "cuda" else time.process_time() / torch.get_num_threads()
        torch.mm(a, b)
        if device.type == "cuda":
            torch.cuda.synchronize()
        ended = time.perf_counter() if device.type == "cuda" else time.process_time() / torch.get_num_threads()
        best = max(best, 2 * n**3 / max(ended - started, 1e-9))
    return best


def _processor() -> str:
    """The processor's name where Linux tells it."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.machine()


def table(rows: list[dict[str, Any]], size: Size, system: int) -> str:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    on_gpu = device.type == "cuda"
    name = torch.cuda.get_device_name() if on_gpu else _processor()
    matmul = matmul_flops(device, torch.bfloat16 if on_gpu else torch.float32)
    stated = next((tera * 1e12 for part, tera in PEAK_TFLOPS.items() if part in name), None) if on_gpu else None
    examples = make_examples(size, system)
    needed, supervised = flops_a_step(size, examples), sum(float(e.loss_weight.sum()) for e in examples) / size.steps
    peak = stated or matmul
    lines = [
        f"{name}, {torch.get_num_threads()} threads, torch {torch.__version__}, transformers {transformers.__version__}; "
        f"matrix products reach {matmul / 1e12:.3g} TFLOP/s" + (f", the maker states {stated / 1e12:.0f}" if stated else ""),
        f"a step: {size.rows} examples, {size.tokens} ids, {supervised:.0f} of them learned; {needed / 1e12:.3g} TFLOP needed",
        "",
        "| side | tokens/s | learned tokens/s | of (b) | peak memory, GiB | of (b) | MFU, % | loss of each step |",
        "|---|---|---|---|---|---|---|---|",
    ]
    stock_row = next((r for r in rows if r["side"] == "stock" and "fault" not in r), None) or next(
        (r for r in rows if r["side"] == "stock-recompute" and "fault" not in r), None
    )
    for row in rows:
        title = SIDES[row["side"]][0]
        if "fault" in row:
            lines.append(f"| {title} | {row['fault']} | | | | | | |")
            continue
        speed, memory = ("", "")
        if stock_row is not None:
            speed = f"{stock_row['seconds'] / row['seconds']:.2f}"
            memory = f"{row['peak_bytes'] / stock_row['peak_bytes']:.2f}"
        if not row["side"].startswith("ours") and row["micro_rows"] != size.rows:
            title += f", {row['micro_rows']} examples a piece"
        lines.append(
            f"| {title} | {size.tokens / row['seconds']:.0f} | {supervised / row['seconds']:.0f} | {speed} | "
            f"{row['peak_bytes'] / 2**30:.2f} | {memory} | {100 * needed / row['seconds'] / peak:.1f} | "
            f"{' '.join(f'{loss:.4f}' for loss in row['losses'])} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=sorted(SIZES), default="mid")
    parser.add_argument("--system", type=int, default=48, help="ids that all examples begin with")
    parser.add_argument("--threads", type=int, default=0, help="of the processor; 0: all")
    parser.add_argument("--profile", action="store_true", help="print where the time of our last step goes; on a GPU always")
    parser.add_argument("--side", choices=sorted(SIDES), help=argparse.SUPPRESS)
    parser.add_argument("--micro-rows", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    arguments.threads = arguments.threads or torch.get_num_threads()
    torch.set_num_threads(arguments.threads)
    size = SIZES[arguments.size]
    if arguments.micro_rows:
        size = dataclasses.replace(size, micro_rows=arguments.micro_rows)
    if arguments.side:
        print(MARK + json.dumps(measure(arguments.side, size, arguments.system, arguments.profile)), flush=True)
        return
    on_gpu = torch.cuda.is_available()
    until_s = time.monotonic() + (GPU_LIMIT_S if on_gpu else CPU_LIMIT_S)
    wanted = [side for side, (_, _, gpu_alone) in SIDES.items() if on_gpu or not gpu_alone]
    rows = [measured(side, size, arguments, until_s) for side in wanted]
    print(table(rows, size, arguments.system), flush=True)
    if on_gpu or arguments.profile:
        measured("ours", size, arguments, until_s, profile=True)


if __name__ == "__main__":
    main()
