"""Telling speakers apart with pyannote.audio (MIT) and a pipeline of its kind in a local folder; it hears overlaps too."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from voicekit import telemetry
from voicekit.audio import resample
from voicekit.backends.loading import loading
from voicekit.backends.segmentation import RATE_HZ
from voicekit.errors import MissingModel
from voicekit.records import SpeakerTurn, Waveform

CONFIG = "config.yaml"
_SHORTEST_S = 0.1
_SILENCE = 1e-5


class PyannoteDiarizer:
    """A `Diarizer`. `folder` holds a config.yaml that names $model/segmentation, $model/embedding and $model/plda, and these
    folders beside it. The checkpoints are pickles: only from sources that are trusted."""

    def __init__(self, folder: Path, device: str = "cpu") -> None:
        if not (folder / CONFIG).is_file():
            raise MissingModel(f"There is no {CONFIG} in {folder}.", "Put a pyannote pipeline there: voicekit models list.")
        with loading("pyannote.audio", folder):
            import torch

            with telemetry.quiet_import():
                from pyannote.audio import Pipeline

            # Absolute: a path that does not exist would be taken for a name to download.
            opened: Any = Pipeline.from_pretrained(folder.absolute())
            self._pipeline = opened.to(torch.device(device))
        self._torch = torch
        self.name = f"pyannote {folder.name}"

    def diarize(
        self, wave: Waveform, num_speakers: int | None = None, speech: Sequence[tuple[float, float]] | None = None
    ) -> tuple[SpeakerTurn, ...]:
        samples = resample(Waveform(wave.mono()[None], wave.sample_rate_hz), RATE_HZ).samples
        if wave.duration_s < _SHORTEST_S or float(np.abs(samples).max()) < _SILENCE:
            return ()
        # In memory: given a file it would need torchcodec and ffmpeg.
        given = {"waveform": self._torch.from_numpy(np.ascontiguousarray(samples)), "sample_rate": RATE_HZ}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = self._pipeline(given, num_speakers=num_speakers)
        tracks = list(found.speaker_diarization.itertracks(yield_label=True))
        cut = [(str(label), max(0.0, part.start), min(wave.duration_s, part.end)) for part, _, label in tracks]
        turns = [SpeakerTurn(label, round(a, 3), round(b, 3)) for label, a, b in cut if b - a > 1e-3]
        return tuple(sorted(turns, key=lambda turn: (turn.start_s, turn.end_s, turn.speaker)))
