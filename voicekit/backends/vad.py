"""Voice activity: silero VAD (its bundled ONNX weights, run by onnxruntime). Nothing is downloaded."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np

from voicekit.audio import resample
from voicekit.backends.onnx import open_session
from voicekit.errors import MissingModel
from voicekit.records import FloatArray, Waveform

RATE_HZ = 16_000
FRAME = 512
_CONTEXT = 64

ON = 0.5
OFF = 0.35
MIN_SPEECH_S = 0.1
MIN_SILENCE_S = 0.15
PAD_S = 0.03


class SileroVad:
    """A VoiceActivityDetector. Speech begins above a probability of ON and ends below OFF."""

    name = "silero-vad 6"

    def __init__(self) -> None:
        self._session = open_session(_weights())

    def speech_spans(self, wave: Waveform) -> list[tuple[float, float]]:
        return spans_of(self.probabilities(wave), wave.duration_s)

    def probabilities(self, wave: Waveform) -> FloatArray:
        """Probability of speech float32 [N] in frames of 32 ms."""
        samples = resample(Waveform(wave.mono()[None], wave.sample_rate_hz), RATE_HZ).samples[0]
        num_frames = -(-len(samples) // FRAME)
        state, rate = np.zeros((2, 1, 128), np.float32), np.array(RATE_HZ, np.int64)
        out = np.zeros(num_frames, np.float32)
        for i in range(num_frames):
            frame = samples[None, max(0, i * FRAME - _CONTEXT) : (i + 1) * FRAME]
            if frame.shape[1] < _CONTEXT + FRAME:  # the first and the last one
                frame = np.pad(frame, ((0, 0), (_CONTEXT if i == 0 else 0, (i + 1) * FRAME - min((i + 1) * FRAME, len(samples)))))
            probability, state = map(np.asarray, self._session.run(None, {"input": frame, "state": state, "sr": rate}))
            out[i] = probability[0, 0]
        return out


def spans_of(probabilities: FloatArray, duration_s: float) -> list[tuple[float, float]]:
    """Stretches of speech (start_s, end_s): short pauses inside are speech, short clicks are not."""
    frame_s = FRAME / RATE_HZ
    found: list[tuple[float, float]] = []
    start: int | None = None
    for i, p in enumerate([*probabilities, 0.0]):
        if start is None and p >= ON:
            start = i
        elif start is not None and p < OFF:
            found.append((start * frame_s, i * frame_s))
            start = None
    merged: list[tuple[float, float]] = []
    for begin_s, end_s in found:
        if merged and begin_s - merged[-1][1] < MIN_SILENCE_S:
            merged[-1] = (merged[-1][0], end_s)
        else:
            merged.append((begin_s, end_s))
    return [(max(0.0, a - PAD_S), min(duration_s, b + PAD_S)) for a, b in merged if b - a >= MIN_SPEECH_S]


def _weights() -> Path:
    """The weights inside the installed package, found without importing it (that would load torch and set its threads)."""
    spec = find_spec("silero_vad")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        file = Path(folder) / "data" / "silero_vad.onnx"
        if file.exists():
            return file
    raise MissingModel("silero-vad is not installed.", "Install it: pip install silero-vad")
