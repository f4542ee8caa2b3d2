"""Arrays on disk. Needs numpy alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from voicekit.files import beside


def save_arrays(out: Path, arrays: dict[str, Any]) -> None:
    """An npz, written beside and renamed."""
    with beside(out) as tmp, tmp.open("wb") as sink:
        np.savez(sink, **arrays)
