"""Any stretch of a recording, exact to the sample."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from voicekit.decoding.blocks import GivenUpError, blocks, checked, giving_up, opened_by_soundfile, peak_of, scaled
from voicekit.records import FloatArray, Waveform


class Reader:
    """Stretches of one file, equal to slices of what `blocks` gives.

    Uncompressed files are sought in. In others a sample depends on those before it (mp3, ogg, m4a, ...), or the place of a frame
    on what the file says of it (flac, which may be damaged): only decoding from the beginning is exact, so stretches in
    ascending order cost one pass and a step back begins another. Raises RecordingsError as `blocks` does.
    """

    def __init__(self, path: Path, max_duration_s: float) -> None:
        self._path, self._max_duration_s = path, max_duration_s
        self._open = ExitStack()
        self._file: Any = None
        self._peak = 1.0
        self._blocks: Iterator[Waveform] | None = None
        self._block: Waveform | None = None
        self._at = 0  # sample at which the block begins
        try:
            self._file = self._open.enter_context(opened_by_soundfile(path))
            with giving_up():
                if self._file.format == "FLAC":
                    raise GivenUpError
                self._peak = peak_of(self._file)
        except GivenUpError:
            self._file = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self._open.close()
        self._file = self._blocks = self._block = None

    def read(self, start_sample: int, end_sample: int) -> Waveform:
        """Samples [start, end); what lies behind the end of the file is not there."""
        if not 0 <= start_sample <= end_sample:
            raise ValueError(f"no stretch: {start_sample} to {end_sample}")
        if self._file is not None:
            try:
                return self._sought(start_sample, end_sample)
            except GivenUpError:
                self._file = None
        return self._passed(start_sample, end_sample)

    def _sought(self, start_sample: int, end_sample: int) -> Waveform:
        with giving_up():
            end_sample = min(end_sample, self._file.frames)
            wanted = max(0, end_sample - start_sample)
            self._file.seek(min(start_sample, self._file.frames))
            samples = self._file.read(wanted, dtype="float32", always_2d=True).T
            if samples.shape[1] < wanted:  # the header promised more than there is
                raise GivenUpError
        return checked(self._path, scaled(samples, self._peak), self._file.samplerate)

    def _passed(self, start_sample: int, end_sample: int) -> Waveform:
        """By decoding up to there, from where the last stretch ended if that lies before."""
        if self._blocks is None or start_sample < self._at:
            self._blocks, self._block, self._at = blocks(self._path, self._max_duration_s), None, 0
        pieces: list[FloatArray] = []
        block = self._block or self._next()
        while block is not None:
            first, after = max(0, start_sample - self._at), end_sample - self._at
            pieces.append(block.samples[:, first:after])
            if after <= block.num_samples:
                break
            block = self._next()
        assert self._block is not None, "a file without samples is an error of blocks()"
        return Waveform(np.concatenate(pieces, axis=1), self._block.sample_rate_hz)

    def _next(self) -> Waveform | None:
        """The next block, kept until there is another: None behind the last."""
        assert self._blocks is not None
        found = next(self._blocks, None)
        if found is not None:
            self._at += 0 if self._block is None else self._block.num_samples
            self._block = found
        return found
