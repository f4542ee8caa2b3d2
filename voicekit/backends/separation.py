"""Speech out of music: the vocals that demucs finds (MIT), from a folder with a model of its kind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from voicekit import telemetry
from voicekit.audio import resample
from voicekit.backends.loading import loading
from voicekit.errors import MissingModel
from voicekit.records import FloatArray, Waveform

_SPEECH = "vocals"
_SILENCE = 1e-7
_SHORTEST_S = 0.1


class DemucsSeparator:
    """A `Separator`. Loud or soft, each block is levelled by demucs itself.

    `folder` holds `NAME.th` files and, for a bag of them, `NAME.yaml`; `model` names which, by default the only bag or the
    only file. The files are pickles: only from sources that are trusted. About 0.6 times real time on one core for htdemucs.
    """

    block_s, overlap_s, warm_up_s = 30.0, 1.0, 0.0

    def __init__(self, folder: Path, device: str = "cpu", model: str = "") -> None:
        telemetry.off()
        name = model or _only_model(folder)
        with loading("demucs", folder):
            import torch
            from demucs.api import Separator

            # No random shifts: the same sound gives the same result. Without `repo` it would ask the network.
            self._separator: Any = Separator(model=name, repo=folder, device=device, shifts=0)
        self._torch = torch
        self.name = f"demucs {name}"
        if _SPEECH not in self._separator.model.sources:
            raise MissingModel(
                f"The demucs model {name} in {folder} does not know {_SPEECH}: {', '.join(self._separator.model.sources)}.",
                "Use one that separates vocals, such as htdemucs.",
            )

    def separate(self, wave: Waveform) -> Waveform:
        """Two channels are taken for stereo; any other number one by one."""
        return Waveform(self._vocals(wave.samples, wave.sample_rate_hz), wave.sample_rate_hz)

    def _vocals(self, samples: FloatArray, rate_hz: int) -> FloatArray:
        if samples.shape[0] != 2 and samples.shape[0] != 1:
            return np.concatenate([self._vocals(channel[None], rate_hz) for channel in samples], axis=0)
        if samples.shape[1] == 0 or float(np.abs(samples).max()) < _SILENCE:
            return np.zeros_like(samples)
        channels = self._separator.audio_channels
        padded = np.pad(samples, ((0, 0), (0, max(0, int(_SHORTEST_S * rate_hz) - samples.shape[1]))))
        at_model = resample(Waveform(padded, rate_hz), self._separator.samplerate).samples
        given = at_model if len(at_model) == channels else np.repeat(at_model.mean(axis=0, keepdims=True), channels, axis=0)
        with self._torch.inference_mode():
            _, stems = self._separator.separate_tensor(self._torch.from_numpy(np.ascontiguousarray(given)))
        vocals = stems[_SPEECH].cpu().numpy()
        if len(vocals) != samples.shape[0]:
            vocals = np.repeat(vocals.mean(axis=0, keepdims=True), samples.shape[0], axis=0)
        back = resample(Waveform(vocals.astype(np.float32), self._separator.samplerate), rate_hz).samples
        missing = max(0, samples.shape[1] - back.shape[1])
        return np.ascontiguousarray(np.pad(back, ((0, 0), (0, missing)))[:, : samples.shape[1]], np.float32)


def _only_model(folder: Path) -> str:
    """The bag in a folder, or the single file; MissingModel if there is none or a choice."""
    if not folder.is_dir():
        raise MissingModel(f"There is no folder {folder}.", "Put a demucs model there: NAME.th, and NAME.yaml for a bag.")
    names = sorted(file.stem for file in folder.glob("*.yaml")) or sorted(file.stem.split("-")[0] for file in folder.glob("*.th"))
    if len(names) != 1:
        held = f"{len(names)} demucs models: {', '.join(names)}" if names else "no demucs model"
        raise MissingModel(f"{folder} holds {held}.", "Put one there: NAME.th, and NAME.yaml for a bag.")
    return names[0]
