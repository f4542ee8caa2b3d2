"""Predicted quality: DNSMOS P.835 (Reddy et al. 2022), its network as the package speechmos bundles it (MIT).

Only the file is taken; the package itself imports libraries that it does not ask for. The overall score is the mean of as
many windows of 9.01 s as cover the sound, evenly spaced; shorter sound is repeated. The package takes a window every second:
four times the work for scores that differ by 0.04 in the mean of 18 readers. The polynomial maps the network's output to the
scale of listeners.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np

from voicekit.audio import resample
from voicekit.backends.loading import loading
from voicekit.backends.onnx import open_session
from voicekit.errors import MissingModel
from voicekit.records import FloatArray, Waveform

RATE_HZ = 16_000
_WINDOW = int(9.01 * RATE_HZ)
_OVERALL = np.poly1d([-0.06766283, 1.11546468, 0.04602535])
_OVERALL_AT = 2
_SILENCE = 1e-4
_MOST_WINDOWS = 60


class DnsmosQuality:
    """A `Quality`; 0.2 s a window on one core."""

    name = "dnsmos p.835"

    def __init__(self, weights: Path | None = None) -> None:
        path = weights or weights_path()
        with loading("speechmos", path):
            self._session = open_session(path)

    def predict(self, wave: Waveform) -> float | None:
        """Overall score 1..5 of the mean of the channels; None for silence. Of long sound, 60 windows."""
        samples = np.clip(resample(Waveform(wave.mono()[None], wave.sample_rate_hz), RATE_HZ).samples[0], -1.0, 1.0)
        if len(samples) == 0 or float(np.abs(samples).max()) < _SILENCE:
            return None
        scores = [self._score(window) for window in _windows(samples)]
        return round(float(np.clip(np.mean(scores), 1.0, 5.0)), 3)

    def _score(self, window: FloatArray) -> float:
        (made,) = self._session.run(None, {"input_1": window[None].astype(np.float32)})
        return float(_OVERALL(np.asarray(made)[0, _OVERALL_AT]))


class NoQuality:
    """The embedded `Quality`: it cannot tell."""

    name = "none"

    def predict(self, wave: Waveform) -> float | None:
        return None


def weights_path() -> Path:
    """Inside the installed package, found without importing it."""
    spec = find_spec("speechmos")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        file = Path(folder) / "dnsmos_models" / "sig_bak_ovr.onnx"
        if file.exists():
            return file
    raise MissingModel("speechmos is not installed.", "Install it: pip install 'voicekit[recordings]'.")


def _windows(samples: FloatArray) -> list[FloatArray]:
    if len(samples) < _WINDOW:
        return [np.resize(samples, _WINDOW)]
    count = min(-(-len(samples) // _WINDOW), _MOST_WINDOWS)
    starts = np.linspace(0, len(samples) - _WINDOW, count).astype(int)
    return [samples[start : start + _WINDOW] for start in starts]
