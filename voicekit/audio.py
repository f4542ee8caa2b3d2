"""Files <-> Waveform, resampling and loudness. soundfile reads what it knows (wav, flac, ogg, opus, mp3), PyAV the rest."""

from __future__ import annotations

import io
import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from voicekit import files
from voicekit.errors import RecordingsError, ResourceError
from voicekit.records import FloatArray, Waveform
from voicekit.timebase import seconds_to_samples

_LOSSLESS = (".wav", ".wave", ".flac", ".aif", ".aiff", ".aifc", ".au", ".caf")
_COMPRESSED = (".mp3", ".ogg", ".oga", ".opus", ".m4a", ".m4b", ".aac", ".wma", ".amr", ".mka")
_VIDEO = (".mp4", ".m4v", ".mov", ".3gp", ".webm", ".mkv")
SUFFIXES = frozenset(_LOSSLESS + _COMPRESSED + _VIDEO)
MAX_DURATION_S = 2 * 3600.0
SILENCE_LUFS = -70.0
PEAK = 0.97
MAX_GAIN = 100.0

_UNKNOWN_FRAMES = 2**62  # what soundfile says of a flac that was streamed: its header has no length
_BLOCK_S = 0.4  # the shortest signal whose loudness BS.1770 defines
_CONTAINERS = "aac,aiff,amr,asf,au,caf,flac,matroska,mov,mp3,ogg,wav,webm"
_HINT = "Give wav, flac, ogg, opus, mp3, m4a, mp4, webm, aac or wma files that play in an ordinary player."


def read(path: Path, max_duration_s: float | None = None) -> Waveform:
    """Decode an audio file, or the first audio track of a video, at its own rate and channels.

    Raises RecordingsError naming the file if it is missing, empty, damaged, silent in format (no audio track, no samples)
    or longer than `max_duration_s`, by default MAX_DURATION_S.
    """
    max_duration_s = MAX_DURATION_S if max_duration_s is None else max_duration_s
    if not path.is_file():
        raise RecordingsError(f"There is no file {path}.", "Check the path.")
    if path.stat().st_size == 0:
        raise RecordingsError(f"{path.name} is an empty file.", "Record or export it again.")
    try:
        wave = _read_soundfile(path, max_duration_s) or _read_pyav(path, max_duration_s)
    except MemoryError:
        raise ResourceError(f"There is not enough memory to read {path.name}.", "Split it into shorter files.") from None
    if wave.num_samples == 0:
        raise RecordingsError(f"{path.name} holds no samples.", "Record or export it again.")
    if not np.isfinite(wave.samples).all():
        raise RecordingsError(f"{path.name} holds samples that are not numbers.", "Export it again.")
    return wave


def write_wav(path: Path, wave: Waveform) -> None:
    """16-bit PCM; samples beyond -1..1 are clipped."""
    files.write_bytes(path, _encode(wave, "WAV"))


def write_flac(path: Path, wave: Waveform) -> None:
    """16-bit FLAC; samples beyond -1..1 are clipped."""
    files.write_bytes(path, _encode(wave, "FLAC"))


def resample(wave: Waveform, sample_rate_hz: int) -> Waveform:
    """The same sound at another rate (soxr, high quality)."""
    if wave.sample_rate_hz == sample_rate_hz:
        return wave
    import soxr

    samples = soxr.resample(wave.samples.T, wave.sample_rate_hz, sample_rate_hz, quality="HQ")
    return Waveform(np.ascontiguousarray(samples.T, np.float32), sample_rate_hz)


def loudness_lufs(wave: Waveform) -> float:
    """Integrated loudness (ITU-R BS.1770-4); shorter clips than 0.4 s count as if repeated; silence is SILENCE_LUFS."""
    import pyloudnorm

    samples = wave.samples.T if wave.samples.shape[0] <= 5 else wave.mono()[:, None]
    if samples.shape[0] == 0 or not samples.any():
        return SILENCE_LUFS
    shortest = seconds_to_samples(_BLOCK_S, wave.sample_rate_hz) + 1
    if samples.shape[0] < shortest:
        samples = np.tile(samples, (math.ceil(shortest / samples.shape[0]), 1))
    with warnings.catch_warnings(), np.errstate(divide="ignore", invalid="ignore"):
        warnings.simplefilter("ignore")
        value = float(pyloudnorm.Meter(wave.sample_rate_hz).integrated_loudness(samples.astype(np.float64)))
    return max(value, SILENCE_LUFS) if math.isfinite(value) else SILENCE_LUFS


def normalise_loudness(wave: Waveform, target_lufs: float) -> Waveform:
    """Scaled to `target_lufs`, but never so far that a sample passes PEAK or noise is raised by more than MAX_GAIN."""
    peak = float(np.abs(wave.samples).max(initial=0.0))
    if peak == 0.0:
        return wave
    gain = 10.0 ** ((target_lufs - loudness_lufs(wave)) / 20.0)
    gain = min(gain, PEAK / peak, MAX_GAIN)
    return Waveform((wave.samples * np.float32(gain)).astype(np.float32), wave.sample_rate_hz)


def _encode(wave: Waveform, container: str) -> bytes:
    import soundfile

    buffer = io.BytesIO()
    samples = np.clip(wave.samples.T, -1.0, 1.0)
    soundfile.write(buffer, samples, wave.sample_rate_hz, format=container, subtype="PCM_16")
    return buffer.getvalue()


def _read_soundfile(path: Path, max_duration_s: float) -> Waveform | None:
    """None if soundfile does not know the format or cannot decode it."""
    import soundfile

    try:
        with path.open("rb") as raw, soundfile.SoundFile(raw) as file:
            if file.frames >= _UNKNOWN_FRAMES:
                return None
            _check_duration(path, file.frames / file.samplerate, max_duration_s)
            samples = file.read(dtype="float32", always_2d=True).T.astype(np.float32, copy=False)
            lossless_float = file.subtype in ("FLOAT", "DOUBLE")
            return _within_range(samples, file.samplerate, keep_shape=lossless_float)
    except (soundfile.LibsndfileError, RuntimeError, TypeError):
        return None


def _read_pyav(path: Path, max_duration_s: float) -> Waveform:
    import av
    from av.error import FFmpegError

    try:
        options = {"format_whitelist": _CONTAINERS, "protocol_whitelist": "file"}
        with av.open(str(path), options=options) as container:
            if not container.streams.audio:
                raise RecordingsError(f"{path.name} has no audio track.", _HINT)
            if container.duration:
                _check_duration(path, container.duration / av.time_base, max_duration_s)
            samples, rate_hz = _decode(path, container, max_duration_s)
    except (FFmpegError, ValueError, EOFError) as error:
        raise RecordingsError(f"{path.name} cannot be read as audio: it is damaged or of an unknown format.", _HINT) from error
    return _within_range(samples, rate_hz, keep_shape=False)


def _decode(path: Path, container: Any, max_duration_s: float) -> tuple[FloatArray, int]:
    """float32 [C, T] and the rate of the first audio stream; a file cut off in the middle gives what it holds."""
    import av
    from av.error import FFmpegError

    resampler = av.AudioResampler(format="fltp")
    blocks: list[FloatArray] = []
    rate_hz = count = 0
    try:
        for frame in container.decode(container.streams.audio[0]):
            for block in resampler.resample(frame):
                rate_hz = block.sample_rate
                blocks.append(_floats(block))
                count += block.samples
            _check_duration(path, count / max(rate_hz, 1), max_duration_s)
    except (FFmpegError, ValueError):
        if count < rate_hz or not rate_hz:
            raise
    if not blocks:
        raise RecordingsError(f"{path.name} holds no samples.", _HINT)
    blocks.extend(_floats(block) for block in resampler.resample(None))
    return np.concatenate(blocks, axis=1), rate_hz


def _floats(block: Any) -> FloatArray:
    """float32 [C, T] of a frame that was resampled to planar float."""
    return block.to_ndarray()


def _within_range(samples: FloatArray, rate_hz: int, keep_shape: bool) -> Waveform:
    """Bring samples into -1..1: scaled if the file itself holds larger numbers, clipped where a codec overshoots."""
    samples = np.ascontiguousarray(samples, np.float32)
    peak = float(np.abs(samples).max(initial=0.0))
    if peak > 1.0 and math.isfinite(peak):
        samples = samples / np.float32(peak) if keep_shape else np.clip(samples, -1.0, 1.0)
    return Waveform(samples, rate_hz)


def _check_duration(path: Path, duration_s: float, max_duration_s: float) -> None:
    if duration_s > max_duration_s:
        problem = f"{path.name} is {_in_words(duration_s)} long; it may be {_in_words(max_duration_s)} long."
        raise RecordingsError(problem, "Split it at pauses.")


def _in_words(duration_s: float) -> str:
    return f"{duration_s / 3600:.1f} h" if duration_s >= 3600 else f"{duration_s:.0f} s"
