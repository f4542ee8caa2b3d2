"""Who speaks beside whom: pyannote's speaker segmentation (Hervé Bredin, CNRS; MIT), as it lies in the package voicekit-models.

In windows of 5 s the network says of each frame of 17 ms how likely each of up to three speakers speaks. It does not know
whether the first speaker of a window is the first of the next.
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voicekit import telemetry
from voicekit.backends.device import one_thread
from voicekit.backends.loading import loading
from voicekit.records import FloatArray, IntArray

RATE_HZ = 16_000
_HOP_S = 1.25
_BATCH = 32
_SPEAKS = 0.5
_ALONE_S = 0.5


@dataclass(frozen=True)
class Activity:
    """How likely each speaker of a window speaks: float32 [windows, frames, speakers]. Windows begin `hop_s` apart, the middles
    of frames lie `frame_s` apart, the first `first_s` after its window's beginning."""

    likely: FloatArray
    hop_s: float
    frame_s: float
    first_s: float

    def frame_of(self, window: int) -> int:
        """The frame of the recording with which a window begins."""
        return round(window * self.hop_s / self.frame_s)

    @property
    def num_frames(self) -> int:
        return self.frame_of(len(self.likely) - 1) + self.likely.shape[1]

    def times_s(self) -> NDArray[np.float64]:
        """Middles of the recording's frames."""
        return self.first_s + self.frame_s * np.arange(self.num_frames, dtype=np.float64)

    def counts(self) -> IntArray:
        """How many speak in each frame, as the windows that hold it say on average."""
        found, held = np.zeros(self.num_frames), np.zeros(self.num_frames)
        for window, likely in enumerate(self.likely):
            place = slice(self.frame_of(window), self.frame_of(window) + len(likely))
            found[place] += (likely > _SPEAKS).sum(axis=1)
            held[place] += 1
        return np.rint(found / np.maximum(held, 1)).astype(np.int64)

    def alone(self, middles_s: FloatArray, length_s: float) -> NDArray[np.bool_]:
        """Of stretches of `length_s` with these middles whether at most one speaker of the nearest window speaks there."""
        made = np.zeros(len(middles_s), np.bool_)
        window_s = self.likely.shape[1] * self.frame_s
        for number, middle_s in enumerate(middles_s):
            window = int(np.clip(round((middle_s - window_s / 2) / self.hop_s), 0, len(self.likely) - 1))
            edges_s = np.array([middle_s - length_s / 2, middle_s + length_s / 2]) - window * self.hop_s
            first, after = np.maximum((edges_s / self.frame_s).astype(int), (0, 1))
            spoken_s = (self.likely[window, first:after] > _SPEAKS).sum(axis=0) * self.frame_s
            made[number] = np.sort(spoken_s)[-2] < _ALONE_S
        return made

    def shares(self, known: NDArray[np.bool_]) -> FloatArray:
        """How much the windows think that each of the `known` speakers speaks, float32 [frames, K].

        `known` [frames, K] is who was found by the voice: in each window speakers are taken for those whose frames are most like
        theirs, each for another one.
        """
        from scipy.optimize import linear_sum_assignment

        made = np.zeros(known.shape, np.float32)
        for window, likely in enumerate(self.likely):
            place = slice(self.frame_of(window), self.frame_of(window) + len(likely))
            there = known[place].astype(np.float32)
            size = np.linalg.norm(likely, axis=0)[:, None] * np.linalg.norm(there, axis=0)
            mine, theirs = linear_sum_assignment(likely.T @ there / (size + 1e-6), maximize=True)
            made[place][:, theirs] += likely[:, mine]
        return made


class PyanNetSegmentation:
    """The network with the weights in `folder` (model.safetensors, config.json)."""

    def __init__(self, folder: Path, threads: int = 1) -> None:
        with loading("pyannote.audio", folder):
            import torch

            with telemetry.quiet_import():
                from pyannote.audio import Inference
            from safetensors.torch import load_file

            config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
            self.network = network = _network(config)
            network.load_state_dict(load_file(folder / "model.safetensors"))
            self._inference = Inference(network, skip_aggregation=True, device=torch.device("cpu"))
        self._torch, self._threads = torch, threads
        self._window = round(config["window_s"] * RATE_HZ)
        self._field = network.receptive_field

    def activity(self, samples: FloatArray) -> Activity:
        """Of float32 [T] at 16 kHz; the last window is filled up with silence."""
        hop = round(_HOP_S * RATE_HZ)
        count = 1 + max(0, -(-(len(samples) - self._window) // hop))
        firsts = [*range(0, count, _BATCH), count]
        with one_thread(), ThreadPoolExecutor(self._threads) as threads:
            found = threads.map(lambda part: self._infer(samples, range(*part), hop), list(pairwise(firsts)))
            likely = np.concatenate(list(found))
        return Activity(likely, _HOP_S, self._field.step, self._field.duration / 2)

    def _infer(self, samples: FloatArray, windows: range, hop: int) -> FloatArray:
        """Of some of the windows: float32 [windows, frames, speakers]."""
        parts = [samples[w * hop : w * hop + self._window] for w in windows]
        batch = np.stack([np.pad(part, (0, self._window - len(part))) for part in parts])
        return np.asarray(self._inference.infer(self._torch.from_numpy(batch[:, None])), np.float32)


def _network(config: dict[str, Any]) -> Any:
    """A network of these sizes as pyannote.audio makes it, with random weights."""
    from pyannote.audio.core.task import Problem, Resolution, Specifications
    from pyannote.audio.models.segmentation import PyanNet

    network = PyanNet(**{name: config[name] for name in ("sincnet", "lstm", "linear")})
    network.specifications = Specifications(
        problem=Problem.MULTI_LABEL_CLASSIFICATION,
        resolution=Resolution.FRAME,
        duration=config["window_s"],
        classes=[f"speaker {k + 1}" for k in range(config["most_speakers"])],
        permutation_invariant=True,
    )
    network.setup()
    return network.eval()
