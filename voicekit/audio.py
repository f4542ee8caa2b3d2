"""Files <-> Waveform, whole or in pieces; resampling and loudness."""

from __future__ import annotations

import io
import itertools
import math
import threading
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from voicekit import decoding, files
from voicekit.channels import ChannelStatistics, mixed
from voicekit.errors import ResourceError
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

_MAX_ROOM = 2**29  # samples of all channels that are made room for because a header says so: 2 GiB
_WEIGHTS: dict[tuple[str, int, int], FloatArray | None] = {}  # by path, size and time of a file
_MOST_WEIGHTS = 10_000
_WARNINGS = threading.Lock()  # what is caught is caught in all threads
_BLOCK_S = 0.4  # the shortest signal whose loudness BS.1770 defines


@dataclass(frozen=True)
class Facts:
    """What a file holds, counted by decoding it to the end; `remark` says what of it could not be decoded, and which channels
    carry no voice ("" if there is nothing to say)."""

    sample_rate_hz: int
    channels: int
    num_samples: int
    remark: str = ""


def read(path: Path, max_duration_s: float | None = None, mono: bool = False) -> Waveform:
    """Decode an audio file, or the first audio track of a video, at its own rate; all channels, or one made of them.

    An hour of 48 kHz takes 0.7 GB a channel; `blocks` and `reader` take next to nothing. Raises RecordingsError naming the
    file if it cannot be read (voicekit.decoding) or is longer than `max_duration_s`, by default MAX_DURATION_S.
    """
    try:
        pieces = blocks(path, max_duration_s)
        return _gathered(_one_channel(path, pieces) if mono else pieces, path)
    except MemoryError:
        raise ResourceError(f"There is not enough memory to read {path.name}.", "Split it into shorter files.") from None


def blocks(path: Path, max_duration_s: float | None = None, block_s: float = decoding.BLOCK_S) -> Iterator[Waveform]:
    """What `read` gives, in pieces of about `block_s`."""
    return decoding.blocks(path, MAX_DURATION_S if max_duration_s is None else max_duration_s, block_s)


def reader(path: Path) -> decoding.Reader:
    """For stretches of what `read` gives, without the rest; close it, or use it as a context."""
    return decoding.Reader(path, MAX_DURATION_S)


def probe(path: Path) -> Facts:
    """Decode everything and keep nothing. Raises RecordingsError as `read` does."""
    rate_hz = channels = count = 0
    losses, statistics = decoding.Losses(), None
    for block in decoding.blocks(path, MAX_DURATION_S, losses=losses):
        rate_hz, channels, count = block.sample_rate_hz, len(block.samples), count + block.num_samples
        if channels > 1:
            statistics = statistics or ChannelStatistics(rate_hz)
            statistics.add(block.samples)
    weights, words = statistics.weights() if statistics else (None, "")
    _remember_weights(path, weights)
    return Facts(rate_hz, channels, count, "; ".join(filter(None, (losses.in_words(), words))))


def channel_weights(path: Path) -> FloatArray | None:
    """How the channels of a file are added up to one (voicekit.channels); None for their mean. Decodes everything, once."""
    found = path.stat()
    key = (str(path), found.st_size, found.st_mtime_ns)
    if key not in _WEIGHTS:
        probe(path)
    return _WEIGHTS.get(key)


def _remember_weights(path: Path, weights: FloatArray | None) -> None:
    found = path.stat()
    while len(_WEIGHTS) >= _MOST_WEIGHTS:
        _WEIGHTS.pop(next(iter(_WEIGHTS)), None)
    _WEIGHTS[str(path), found.st_size, found.st_mtime_ns] = weights


def write_working_copy(source: Path, target: Path, sample_rate_hz: int = 0) -> Facts:
    """A recording's channels as one, at another rate if one is given, as a float wav (RF64) written block by block.

    At its own rate the copy holds exactly `read(source, mono=True)`, so `reader(target)` gives any stretch of it at once;
    resampled, what passes full scale is clipped.
    """
    return _write_pieces(target, mono_at(_one_channel(source), sample_rate_hz), "RF64", "FLOAT")


def _one_channel(source: Path, pieces: Iterator[Waveform] | None = None) -> Iterator[Waveform]:
    """The blocks of a file with its channels made one, by what all of it is like: several channels are decoded twice."""
    weights: FloatArray | None = None
    for number, piece in enumerate(pieces or blocks(source)):
        if number == 0 and len(piece.samples) > 1:
            weights = channel_weights(source)
        yield Waveform(mixed(piece.samples, weights)[None], piece.sample_rate_hz)


def mono_at(pieces: Iterator[Waveform], sample_rate_hz: int) -> Iterator[Waveform]:
    """Blocks float32 [1, n] at `sample_rate_hz` unless it is 0: what `resample` gives at once."""
    import soxr

    stream: soxr.ResampleStream | None = None
    for piece in pieces:
        mono = piece.samples[0]
        if sample_rate_hz in (0, piece.sample_rate_hz):
            yield Waveform(mono[None], piece.sample_rate_hz)
            continue
        stream = stream or soxr.ResampleStream(piece.sample_rate_hz, sample_rate_hz, 1, dtype="float32", quality="HQ")
        yield Waveform(np.clip(stream.resample_chunk(mono), -1.0, 1.0)[None], sample_rate_hz)
    if stream is not None:
        rest = stream.resample_chunk(np.zeros(0, np.float32), last=True)
        yield Waveform(np.clip(rest, -1.0, 1.0)[None], sample_rate_hz)


def write_wav(path: Path, wave: Waveform) -> None:
    """16-bit PCM; samples beyond -1..1 are clipped."""
    files.write_bytes(path, _encode(wave, "WAV"))


def write_flac(path: Path, wave: Waveform) -> None:
    """16-bit FLAC; samples beyond -1..1 are clipped."""
    files.write_bytes(path, _encode(wave, "FLAC"))


def write_flac_of(path: Path, pieces: Iterable[Waveform]) -> None:
    """What `write_flac` writes, of a sound that comes in pieces (at least one), none of which is kept."""
    clipped = (Waveform(np.clip(piece.samples, -1.0, 1.0), piece.sample_rate_hz) for piece in pieces)
    _write_pieces(path, clipped, "FLAC", "PCM_16")


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
    with _WARNINGS, warnings.catch_warnings(), np.errstate(divide="ignore", invalid="ignore"):
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


def _write_pieces(path: Path, pieces: Iterable[Waveform], container: str, subtype: str) -> Facts:
    import soundfile

    count = rate_hz = channels = 0
    file: soundfile.SoundFile | None = None
    with files.beside(path) as tmp:
        try:
            for piece in pieces:
                if file is None:
                    rate_hz, channels = piece.sample_rate_hz, len(piece.samples)
                    file = soundfile.SoundFile(tmp, "w", rate_hz, channels, subtype=subtype, format=container)
                file.write(piece.samples.T)
                count += piece.num_samples
        except soundfile.LibsndfileError as error:
            raise ResourceError(f"{path} could not be written: {error}", "Free some space and run it again.") from None
        finally:
            if file is not None:
                file.close()
    return Facts(rate_hz, channels, count)


def _encode(wave: Waveform, container: str) -> bytes:
    import soundfile

    buffer = io.BytesIO()
    samples = np.clip(wave.samples.T, -1.0, 1.0)
    soundfile.write(buffer, samples, wave.sample_rate_hz, format=container, subtype="PCM_16")
    return buffer.getvalue()


def _gathered(pieces: Iterator[Waveform], path: Path) -> Waveform:
    """All blocks as one. Room is made as the header says, so that nothing is held twice where it says so rightly."""
    first = next(pieces)
    channels = len(first.samples)
    room = min(decoding.expected_samples(path), _MAX_ROOM // channels)
    whole, count = np.empty((channels, max(room, first.num_samples)), np.float32), 0
    for block in itertools.chain([first], pieces):
        after = count + block.num_samples
        if after > whole.shape[1]:
            wider = np.empty((channels, max(after, whole.shape[1] * 3 // 2)), np.float32)
            wider[:, :count] = whole[:, :count]
            whole = wider
        whole[:, count:after] = block.samples
        count = after
    return Waveform(np.ascontiguousarray(whole[:, :count]), first.sample_rate_hz)


def frame_powers(samples: FloatArray, size: int) -> FloatArray:
    """Mean power of each whole frame of `size` samples of float32 [T], without a second copy of them: float32 [T // size]."""
    frames = samples[: len(samples) // size * size].reshape(-1, size)
    return (np.einsum("ij,ij->i", frames, frames) / np.float32(size)).astype(np.float32)
