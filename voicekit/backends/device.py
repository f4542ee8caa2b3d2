"""Where models run: the processor or a CUDA device."""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import contextmanager

from voicekit.errors import UsageError

_LOCK = threading.Lock()
_before: list[int] = []  # how many threads torch had, as often as somebody is inside `one_thread`


def pick(wanted: str, threads: int = 0) -> str:
    """The torch device of "auto", "cpu", "cuda" or "cuda:N"; `threads` > 0 limits the processor's threads."""
    import torch

    if threads > 0:
        torch.set_num_threads(threads)
    available = torch.cuda.is_available()
    if wanted == "auto":
        return "cuda" if available else "cpu"
    if wanted != "cpu" and wanted != "cuda" and not wanted.startswith("cuda:"):
        raise UsageError(f"{wanted!r} is not a device.", "Set VOICEKIT_DEVICE to auto, cpu, cuda or cuda:N.")
    if wanted != "cpu" and not available:
        raise UsageError("No CUDA device can be used here.", "Set VOICEKIT_DEVICE to auto or cpu.")
    number = wanted.partition(":")[2]
    if number and (not number.isdigit() or int(number) >= torch.cuda.device_count()):
        raise UsageError(f"There is no device {wanted}; there are {torch.cuda.device_count()}.", "Set VOICEKIT_DEVICE to auto.")
    return wanted


def in_words(device: str) -> str:
    """A device as people know it."""
    import torch

    if device == "cpu":
        return f"cpu, {torch.get_num_threads()} threads"
    return f"{device}, {torch.cuda.get_device_name(device)}"


@contextmanager
def one_thread() -> Generator[None, None, None]:
    """Inside, torch computes in the thread that asks, and in threads begun meanwhile: small models gain nothing from more, and
    threads that wait for each other take the processor from whoever works beside them."""
    import torch

    with _LOCK:
        mine = torch.get_num_threads()
        _before.append(_before[0] if _before else mine)
        torch.set_num_threads(1)
    try:
        yield
    finally:
        with _LOCK:
            all_of_them = _before.pop()
            torch.set_num_threads(mine if _before else all_of_them)
