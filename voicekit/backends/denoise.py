"""Noise taken out of speech by DeepFilterNet 3 (Schröter et al. 2023, arXiv 2305.08227): the embedded `Separator`.

Its three graphs run in onnxruntime, over a whole block at once. What lies around them is the paper's section 2 with the sizes
and normalisations of its authors' real-time library, whose output this equals (SI-SDR 127 dB): spectra of 20 ms every 10 ms at
48 kHz; gains of 32 ERB bands; below 4.8 kHz a complex filter over five frames, two of them in the future.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from voicekit.audio import frame_powers, resample
from voicekit.backends.loading import loading
from voicekit.backends.onnx import open_session
from voicekit.records import FloatArray, Waveform
from voicekit.shipped import shipped_model

RATE_HZ = 48_000
LIMIT_DB = 18.0  # more made noisy speech harder to recognise
_FRAME, _HOP = 960, 480
_BANDS, _LEAST_BINS = 32, 2
_FILTERED_BINS, _ORDER, _AHEAD = 96, 5, 2
_MEMORY = 0.99  # of a normalisation: exp(-10 ms / 1 s)
_BAND_LEVELS_DB, _BAND_SCALE_DB = (-60.0, -90.0), 40.0
_BIN_LEVELS = (1e-3, 1e-4)
_LEAST_POWER = 1e-10
_LOUD = 0.95
_LEVEL_DB = -20.0
_LEAD = RATE_HZ // 4  # samples heard first, backwards: else the first moments of noise pass as speech
_SILENCE = 1e-7

ComplexArray = NDArray[np.complex64]


class DeepFilterNet:
    """A `Separator`, about 40 times real time on one core.

    Every block is given to the network at one level, as it takes soft speech for noise. `limit_db` is how far anything is
    lowered at most, so that what is misjudged stays audible.
    """

    name = "DeepFilterNet 3"
    # A block takes about 280 MB. Without the warm-up the gain in SI-SDR is 2.4 dB less (decisions.md).
    block_s, overlap_s, warm_up_s = 15.0, 0.25, 4.0

    def __init__(self, folder: Path | None = None, limit_db: float = LIMIT_DB) -> None:
        where = folder or shipped_model("deepfilternet3")
        with loading("onnxruntime", where):
            self._encoder, self._gains, self._filters = (
                open_session(where / f"{part}.onnx", reserve=False) for part in ("enc", "erb_dec", "df_dec")
            )
        self._kept = np.float32(10 ** (-limit_db / 20))
        self._widths = band_widths()

    def separate(self, wave: Waveform) -> Waveform:
        """Each channel for itself. Of sound above 24 kHz nothing is left but what `limit_db` keeps."""
        return Waveform(np.stack([self._denoised(channel, wave.sample_rate_hz) for channel in wave.samples]), wave.sample_rate_hz)

    def _denoised(self, samples: FloatArray, rate_hz: int) -> FloatArray:
        """float32 [T]."""
        if np.abs(samples).max(initial=0.0) < _SILENCE:
            return samples.copy()
        padded = np.pad(samples, (0, max(0, rate_hz // 10 - len(samples))))
        at_model = resample(Waveform(padded[None], rate_hz), RATE_HZ).samples[0]
        gain = np.float32(10 ** (_LEVEL_DB / 20) / _loud_rms(at_model))
        led = np.pad(at_model * gain, (_LEAD, 0), mode="reflect")
        made = samples_of(self._speech(spectra_of(led)), len(led))[_LEAD:] / gain
        back = resample(Waveform(made[None], RATE_HZ), rate_hz).samples[0]
        back = np.pad(back, (0, max(0, len(samples) - len(back))))[: len(samples)]
        return back + self._kept * (samples - back)

    def _speech(self, spectra: ComplexArray) -> ComplexArray:
        """The speech in spectra complex [T, 481]."""
        count = len(spectra)
        # The graphs look at the past alone: what they say after a frame is meant for the one _AHEAD frames before it.
        ahead = np.pad(spectra, ((0, _AHEAD), (0, 0)))
        bands, bins = self._features(ahead)
        *inner, _ = self._encoder.run(None, {"feat_erb": bands, "feat_spec": bins})
        e0, e1, e2, e3, embedding, c0 = map(np.asarray, inner)
        (gains,) = self._gains.run(["m"], {"emb": embedding, "e3": e3, "e2": e2, "e1": e1, "e0": e0})
        (filters,) = self._filters.run(["coefs"], {"emb": embedding, "c0": c0})
        speech = spectra * np.repeat(np.asarray(gains)[0, 0, _AHEAD:], self._widths, axis=1)
        taps = np.ascontiguousarray(np.asarray(filters)[0, _AHEAD:]).view(np.complex64)  # [T, bins, order]
        near = np.pad(ahead[:, :_FILTERED_BINS], ((_ORDER - 1 - _AHEAD, 0), (0, 0)))
        speech[:, :_FILTERED_BINS] = sum(taps[:, :, step] * near[step : step + count] for step in range(_ORDER))
        return speech

    def _features(self, spectra: ComplexArray) -> tuple[FloatArray, FloatArray]:
        """What the encoder is given: levels of bands [1, 1, T, 32] and lower bins [1, 2, T, 96], normalised over the past."""
        starts = np.cumsum(self._widths) - self._widths
        powers = np.add.reduceat(np.square(np.abs(spectra)), starts, axis=1) / self._widths
        levels_db = 10 * np.log10(powers + _LEAST_POWER)
        bands = (levels_db - _past_mean(levels_db, _BAND_LEVELS_DB)) / _BAND_SCALE_DB
        lower = spectra[:, :_FILTERED_BINS]
        bins = lower / np.sqrt(_past_mean(np.abs(lower), _BIN_LEVELS))
        return bands.astype(np.float32)[None, None], np.stack([bins.real, bins.imag]).astype(np.float32)[None]


def band_widths() -> NDArray[np.intp]:
    """Bins of 481 in each ERB band: even steps of the ERB-rate scale (Glasberg and Moore 1990), at least two bins each."""
    constant = 24.7 * 9.265
    top = np.log1p(RATE_HZ / 2 / constant)
    edges_hz = constant * np.expm1(top * np.arange(1, _BANDS + 1) / _BANDS)
    edges = np.round(edges_hz / (RATE_HZ / _FRAME)).astype(int)
    edges[-1] += 1  # the bin of half the rate
    widths, before = np.empty(_BANDS, np.intp), 0
    for band, edge in enumerate(edges):
        widths[band] = max(_LEAST_BINS, edge - before)
        before += widths[band]
    return widths


def spectra_of(samples: FloatArray) -> ComplexArray:
    """Of float32 [n] complex [ceil(n / 480) + 1, 481]; the first frame holds as many zeros as samples."""
    count = -(-len(samples) // _HOP) + 1
    padded = np.pad(samples, (_HOP, count * _HOP - len(samples)))
    frames = np.lib.stride_tricks.sliding_window_view(padded, _FRAME)[::_HOP]
    return (np.fft.rfft(frames * _window(), axis=1) / _FRAME).astype(np.complex64)


def samples_of(spectra: ComplexArray, count: int) -> FloatArray:
    """float32 [count]: what `spectra_of` undoes."""
    frames = np.fft.irfft(spectra * _FRAME, axis=1) * _window()
    added = np.pad(frames[:, :_HOP], ((0, 1), (0, 0))) + np.pad(frames[:, _HOP:], ((1, 0), (0, 0)))
    return added.ravel()[_HOP : _HOP + count].astype(np.float32)


def _window() -> FloatArray:
    """Vorbis's: its squares add up to 1 at half its length."""
    return np.sin(np.pi / 2 * np.sin(np.pi * (np.arange(_FRAME) + 0.5) / _FRAME) ** 2).astype(np.float32)


def _past_mean(values: FloatArray, first: tuple[float, float]) -> FloatArray:
    """Exponential mean [T, F] up to and with each frame; it begins on a line from first[0] to first[1] over the bands."""
    from scipy.signal import lfilter

    start = _MEMORY * np.linspace(*first, values.shape[1])[None]
    mean, _ = lfilter([1 - _MEMORY], [1, -_MEMORY], values, axis=0, zi=start)
    return np.asarray(mean)


def _loud_rms(samples: FloatArray) -> float:
    """Root mean square of the louder frames of 10 ms: of the speech, also where most of a block is a pause."""
    powers = frame_powers(samples, _HOP)
    return float(np.sqrt(max(np.quantile(powers, _LOUD), powers.max() * 1e-3, _SILENCE**2)))
