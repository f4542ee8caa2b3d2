"""A reference from a room, heard as a telephone would have passed it: what tells voices apart hears the line with the voice.

With the bundled encoder, 36 readers of LibriSpeech against themselves through a telephone band have a cosine of 0.64 to 0.70
(0.91 in full band); with the reference sent through the same band 0.87 to 0.90, but strangers 0.66 to 0.70 instead of 0.55.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from voicekit.audio import resample
from voicekit.records import FloatArray, Waveform
from voicekit.timebase import seconds_to_samples

NARROW_HZ = 4500.0
"""Speech that reaches no higher came through a telephone or the like."""
ALIKE_THERE = 0.12
"""By so much the cosine of any two voices is higher in such a band than in the full one."""
_RATE_HZ = 16_000
_MEASURED_S = 60.0
_FRAME = 1024
_CORE_HZ = (500.0, 3000.0)
_MISSING_HZ = (4500.0, 7000.0)
_MISSING_DB = 15.0
_WEAKER_DB = 10.0
_SMOOTH_BINS = 7


def narrowed(reference: Waveform, sound: Waveform) -> Waveform | None:
    """The reference at 16 kHz as the line of `sound` (speech, a few seconds at least) would have passed it: what is weaker there
    outside the middle of the band is made as weak. None where the line is as wide as the reference, or one of them is silent."""
    mine, line = (resample(Waveform(w.mono()[None], w.sample_rate_hz), _RATE_HZ).samples[0] for w in (reference, sound))
    levels = _levels_db(mine), _levels_db(line)
    if levels[0] is None or levels[1] is None:
        return None
    hz = np.fft.rfftfreq(_FRAME, 1 / _RATE_HZ)
    weaker_db = np.minimum(levels[1] - levels[0], 0.0)
    missing = (hz >= _MISSING_HZ[0]) & (hz < _MISSING_HZ[1])
    if weaker_db[missing].mean() > -_MISSING_DB:
        return None
    kept = ((hz > _CORE_HZ[0]) & (hz < _CORE_HZ[1])) | (weaker_db > -_WEAKER_DB)
    gains_db = np.where(kept, 0.0, weaker_db)
    every_hz = np.fft.rfftfreq(len(mine), 1 / _RATE_HZ)
    passed = np.fft.rfft(mine) * 10 ** (np.interp(every_hz, hz, gains_db) / 20)
    return Waveform(np.fft.irfft(passed, len(mine)).astype(np.float32)[None], _RATE_HZ)


def _levels_db(samples: FloatArray) -> NDArray[np.float64] | None:
    """Mean level of the louder half of the frames of float32 [T] at 16 kHz, by frequency, against that of the middle of the band;
    None for silence and for less than a few frames."""
    samples = samples[: seconds_to_samples(_MEASURED_S, _RATE_HZ)]
    if len(samples) < 4 * _FRAME:
        return None
    frames = np.lib.stride_tricks.sliding_window_view(samples, _FRAME)[:: _FRAME // 2]
    energy = np.square(frames).sum(axis=1)
    loud = frames[energy >= np.median(energy)]
    power = np.square(np.abs(np.fft.rfft(loud * np.hanning(_FRAME), axis=1))).mean(axis=0)
    smooth = np.convolve(np.pad(power, _SMOOTH_BINS // 2, mode="edge"), np.ones(_SMOOTH_BINS) / _SMOOTH_BINS, "valid")
    hz = np.fft.rfftfreq(_FRAME, 1 / _RATE_HZ)
    middle = float(smooth[(hz > _CORE_HZ[0]) & (hz < _CORE_HZ[1])].mean())
    return None if middle <= 0 else 10 * np.log10(smooth / middle + 1e-12)
