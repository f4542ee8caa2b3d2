"""The golden excerpt laid out like the released checkpoint: no card, no tokenizers, no prompts, a pickled decoder."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

EXCERPT = Path(__file__).parent / "golden" / "covo"
# The complete golden folder, where there is one.
COMPLETE = os.environ.get("VOICEKIT_GOLDEN", "")
CLIPS = {"excerpt": ("chat.npz",), "complete": ("chat_short.npz", "chat_long.npz")}


def golden(which: str) -> Path:
    return EXCERPT if which == "excerpt" else Path(COMPLETE)


def write_released(
    folder: Path, flat: bool = False, prefix: str = "", under: str = "model", extra: dict[str, Any] | None = None
) -> Path:
    """A released folder. `flat`: the decoder beside config.json, with its configuration; `prefix` and `under` as some
    model.pt have them; `extra` goes among its weights."""
    import torch
    from safetensors.torch import load_file

    place = folder if flat else folder / "token2wav"
    place.mkdir(parents=True, exist_ok=True)
    for name in ("config.json", "model.safetensors"):
        shutil.copy(EXCERPT / name, folder)
    shutil.copy(EXCERPT / "global_mean_var.npy", place)
    if flat:
        shutil.copy(EXCERPT / "token2wav_config.json", place)
    weights = {prefix + k: v for k, v in (load_file(EXCERPT / "token2wav.safetensors") | (extra or {})).items()}
    torch.save({under: weights} if under else weights, place / "model.pt")
    return folder
