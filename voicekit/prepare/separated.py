"""Whether a recording has to be cleaned before it is cut, and how: pure decisions on what is measured between the words.

Speech is found by the voice activity detector; what sounds in the pauses is what lies under the speech too. Noise is as
loud in one moment as in the next and has no pitch; music holds notes for longer than a frame, and changes them, or its hits keep
time. A steady hum has pitch but does not change: it is noise. Of many voices far away the detector hears only the nearest as
speech: what they leave in the pauses is noise. Clean speech is never touched.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from voicekit.audio import frame_powers
from voicekit.models import Cleaning
from voicekit.ports import Separator
from voicekit.prepare.grade import Levels, noise_power, snr_db
from voicekit.prepare.rhythm import beat
from voicekit.prepare.spans import Span
from voicekit.records import FloatArray, Waveform
from voicekit.timebase import seconds_to_samples

CLEAN_ABOVE_DB = 20.0
MUSIC_ABOVE_DB = 30.0
MUSIC_FROM = 0.15
_FRAME_S = 0.064
_GUARD_S = 0.1
_MIN_PAUSE_FRAMES = 12
_LOW_HZ, _HIGH_HZ = 150.0, 4000.0
_SMOOTH_HZ = 250.0
_INAUDIBLE = 1e-12
_AT_ONCE = 1000  # frames: the pauses of an hour take much memory


@dataclass(frozen=True)
class Background:
    """`snr_db` of the speech against what sounds in the pauses; `music` 0..1: how much of that holds and changes notes,
    `beat` 0..1: how exactly audible hits in it keep time (0 if there are too few pauses to tell)."""

    snr_db: float
    music: float
    beat: float = 0.0


def background_of(wave: Waveform, levels: Levels, spans: Sequence[Span]) -> Background:
    """Measured on a recording's mean channel (8 kHz and more will do) and the levels that it has at its own rate; `spans` are the
    stretches of speech in seconds."""
    if wave.num_samples == 0:
        return Background(0.0, 0.0)
    mono, rate_hz = wave.mono(), wave.sample_rate_hz
    snr = snr_db(levels, spans, noise_power(levels, spans)) if spans else 0.0
    return Background(round(snr, 2), round(_note_continuity(mono, rate_hz, spans), 3), round(beat(mono, rate_hz, spans), 3))


def cleaning_for(background: Background) -> Cleaning:
    """Music is heard at levels at which noise is not, and subtraction cannot take it away."""
    if background.beat > 0:
        return Cleaning.SEPARATE
    if background.music >= MUSIC_FROM and background.snr_db < MUSIC_ABOVE_DB:
        return Cleaning.SEPARATE
    return Cleaning.DENOISE if background.snr_db < CLEAN_ABOVE_DB else Cleaning.NONE


def cleaned(
    read: Callable[[int, int], FloatArray], num_samples: int, sample_rate_hz: int, separator: Separator
) -> Iterator[Waveform]:
    """The speech of a recording, in pieces one after the other; `read` gives its samples float32 [C, end - start].

    Blocks are joined by linear cross-fades, and each is given away as far as the next one does not reach. A block is read from
    its warm-up on, which is left out of what is made.
    """
    sizes_s = (separator.block_s, separator.overlap_s, separator.warm_up_s)
    block, overlap, warm_up = (seconds_to_samples(s, sample_rate_hz) for s in sizes_s)
    fade: FloatArray = ((np.arange(overlap, dtype=np.float32) + 0.5) / overlap).astype(np.float32)
    left: FloatArray | None = None
    start = 0
    while True:
        # The last block is as long as the others: it begins earlier instead, and what is known already stays.
        end = min(max(0, start - warm_up) + block, num_samples)
        first = max(0, end - block)
        made = separator.separate(Waveform(read(first, end), sample_rate_hz)).samples[:, start - first :].copy()
        if left is not None:
            made[:, :overlap] = left + made[:, :overlap] * fade
        if end == num_samples:
            yield Waveform(made, sample_rate_hz)
            return
        yield Waveform(made[:, :-overlap], sample_rate_hz)
        left = made[:, -overlap:] * fade[::-1]
        start = end - overlap


def _note_continuity(mono: FloatArray, rate_hz: int, spans: Sequence[Span]) -> float:
    """Mean correlation of the fine spectra of neighbouring frames in the pauses, after what never changes is taken out.

    0 for noise, since frames do not overlap; towards 1 for notes that last. Never below 0.
    """
    size = int(_FRAME_S * rate_hz)
    count = len(mono) // size
    middles_s = (np.arange(count) + 0.5) * size / rate_hz
    pause = np.ones(count, bool)
    for start_s, end_s in spans:
        pause &= (middles_s < start_s - _GUARD_S) | (middles_s >= end_s + _GUARD_S)
    frames = mono[: count * size].reshape(count, size)
    pause &= frame_powers(mono, size) > _INAUDIBLE
    if pause.sum() < _MIN_PAUSE_FRAMES:
        return 0.0
    place = np.flatnonzero(pause)
    parts = np.split(place, range(_AT_ONCE, len(place), _AT_ONCE))
    fine = np.concatenate([_fine_spectra(frames[part], rate_hz) for part in parts])
    fine -= fine.mean(axis=0)
    follows = np.flatnonzero(np.diff(place) == 1)
    if len(follows) < _MIN_PAUSE_FRAMES // 2:
        return 0.0
    before, after = fine[follows], fine[follows + 1]
    scale = np.sqrt((before**2).sum(axis=1) * (after**2).sum(axis=1))
    alike: FloatArray = (before * after).sum(axis=1) / np.maximum(scale, np.float32(1e-9))
    return max(0.0, float(alike.mean()))


def _fine_spectra(frames: FloatArray, rate_hz: int) -> FloatArray:
    """Logarithmic spectra [N, bins] of frames [N, size] without their envelope."""
    spectra: FloatArray = np.log(np.abs(np.fft.rfft(frames * np.hanning(frames.shape[1]), axis=1)) + 1e-7).astype(np.float32)
    first, after = (int(hz * frames.shape[1] / rate_hz) for hz in (_LOW_HZ, _HIGH_HZ))
    spectra = spectra[:, first:after]
    width = max(3, int(_SMOOTH_HZ * frames.shape[1] / rate_hz) | 1)
    kernel = np.ones(width) / width
    padded = np.pad(spectra, ((0, 0), (width // 2, width // 2)), mode="edge")
    envelope = np.stack([np.convolve(row, kernel, "valid") for row in padded])
    return (spectra - envelope).astype(np.float32)
