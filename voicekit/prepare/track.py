"""A recording's samples, read by the stretch: an hour of them takes no more memory than a clip."""

from __future__ import annotations

import shutil
import tempfile
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from voicekit import audio
from voicekit.records import FloatArray, Waveform
from voicekit.timebase import samples_to_seconds, seconds_to_samples

EAR_RATE_HZ = 16_000
"""What listens to whole recordings (speech, speakers) hears no more than this."""

_PREFIX = "track-"
_BLOCK_S = 10.0
_NO_OFFSET = 1e-4


class Track:
    """The mean of the channels of the file `source` at one rate, around zero.

    It is decoded once, into a file below `work` that is there until `close`. Several threads may read. Raises RecordingsError
    or ResourceError as voicekit.audio does.
    """

    def __init__(self, source: Path, work: Path, sample_rate_hz: int) -> None:
        work.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=work))
        self._removed = weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        self.sample_rate_hz = sample_rate_hz
        self.num_samples = audio.write_working_copy(source, folder / "mono.wav", sample_rate_hz).num_samples
        self._reader, self._one_at_a_time, self._offset = audio.reader(folder / "mono.wav"), threading.Lock(), np.float32(0.0)
        mean = sum(float(block.sum(dtype=np.float64)) for block in self._blocks(0, self.num_samples, 1)) / self.num_samples
        self._offset = np.float32(mean if abs(mean) >= _NO_OFFSET else 0.0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self._reader.close()
        self._removed()

    @property
    def duration_s(self) -> float:
        return samples_to_seconds(self.num_samples, self.sample_rate_hz)

    def read(self, start_sample: int, end_sample: int) -> FloatArray:
        """float32 [end - start]; less where it ends before."""
        with self._one_at_a_time:
            samples = self._reader.read(start_sample, max(start_sample, end_sample)).samples[0]
        return samples if self._offset == 0.0 else samples - self._offset

    def between(self, start_s: float, end_s: float) -> FloatArray:
        return self.read(seconds_to_samples(start_s, self.sample_rate_hz), seconds_to_samples(end_s, self.sample_rate_hz))

    def powers(self, frame_samples: int) -> FloatArray:
        """Mean power of each whole frame of so many samples: float32 [num_samples // frame_samples]."""
        blocks = self._blocks(0, self.num_samples, frame_samples)
        return np.concatenate([np.zeros(0, np.float32), *(audio.frame_powers(block, frame_samples) for block in blocks)])

    def heard(self, start_s: float = 0.0, end_s: float | None = None) -> Waveform:
        """A stretch, by default all of it, at EAR_RATE_HZ: an hour takes 230 MB."""
        end_s = self.duration_s if end_s is None else end_s
        first, after = (min(seconds_to_samples(t, self.sample_rate_hz), self.num_samples) for t in (start_s, end_s))
        blocks = (Waveform(block[None], self.sample_rate_hz) for block in self._blocks(first, after, 1))
        made, count = np.zeros((1, (after - first) * EAR_RATE_HZ // self.sample_rate_hz + EAR_RATE_HZ), np.float32), 0
        for piece in audio.mono_at(blocks, EAR_RATE_HZ):
            made[0, count : count + piece.num_samples] = piece.samples[0]
            count += piece.num_samples
        return Waveform(made[:, :count], EAR_RATE_HZ)

    def _blocks(self, first: int, after: int, multiple: int) -> Iterator[FloatArray]:
        """From one sample to another in pieces of a multiple of some number of samples; the last one is what is left."""
        size = max(1, seconds_to_samples(_BLOCK_S, self.sample_rate_hz) // multiple) * multiple
        for start in range(first, after, size):
            yield self.read(start, min(start + size, after))


def forget_tracks(work: Path) -> None:
    """Remove what a killed process left."""
    for folder in work.glob(f"{_PREFIX}*"):
        shutil.rmtree(folder, ignore_errors=True)
