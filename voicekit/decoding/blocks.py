"""One audio file -> its samples, block by block: an hour costs as much memory as ten seconds.

soundfile decodes what is lossless (wav, flac, aiff, ...), PyAV the rest, and goes on where soundfile gives up. soundfile seeks
after every block, which upsets the decoders of ogg, opus and mp3: the samples behind a block's edge would not be the file's.

What a player would play is read: a packet that cannot be decoded is silence, and the file goes on behind it; how much was lost is
told to whoever asks (Losses).
"""

from __future__ import annotations

import io
import math
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from voicekit.decoding.headers import Mended, is_mpeg, lacks_index, patches_of, remark_of
from voicekit.errors import RecordingsError
from voicekit.records import FloatArray, Waveform

BLOCK_S = 10.0
MIN_RATE_HZ, MAX_RATE_HZ = 8_000, 192_000
MAX_CHANNELS = 8

_LOSSLESS = ("PCM_", "FLOAT", "DOUBLE", "ULAW", "ALAW")  # beginnings of soundfile's subtypes; FLAC's is PCM
_UNKNOWN_FRAMES = 2**62  # what soundfile says of a flac that was streamed: its header has no length
_CONTAINERS = "aac,aiff,amr,asf,au,caf,flac,matroska,mov,mp3,ogg,wav,webm"
_HINT = "Give wav, flac, ogg, opus, mp3, m4a, mp4, webm, aac or wma files that play in an ordinary player."
_LEAST_S = 1.0  # a damaged file counts as a recording if so much of it can be decoded
_MOST_ERRORS = 200  # in a row, without any sound between them: then what follows is no sound
_GAP_S, _DAMAGE_S, _LONGEST_GAP_S = 0.1, 0.005, 600.0  # between packets that follow each other, also where one is damaged
_BREAKS_OFF_S, _BREAKS_OFF_SHARE = 1.0, 0.02
_TELL_THEIR_LENGTH = frozenset("mov matroska asf flac wav aiff caf".split())


class GivenUpError(Exception):
    """soundfile does not know the format, or cannot go on."""


@dataclass
class Losses:
    """What could not be decoded: (place, length) in seconds of the file as it is read, and remarks in words."""

    gaps: list[tuple[float, float]] = field(default_factory=list[tuple[float, float]])
    words: list[str] = field(default_factory=list[str])

    def in_words(self) -> str:
        """In one line for people; "" where nothing was lost."""
        said = list(self.words)
        if self.gaps:
            lost_s, places = sum(length for _, length in self.gaps), len(self.gaps)
            where = f"at {self.gaps[0][0]:.1f} s" + (f" and in {places - 1} more places" if places > 1 else "")
            said.append(f"{lost_s:.2f} s of it cannot be decoded ({where}) and were passed over")
        return "; ".join(said)


def blocks(path: Path, max_duration_s: float, block_s: float = BLOCK_S, losses: Losses | None = None) -> Iterator[Waveform]:
    """The samples of a file, or of the first audio track of a video, at its own rate and channels.

    Blocks follow each other without a gap and are at most about `block_s` long (not below 1 s). A file cut off in the middle
    gives what it holds, packets that cannot be decoded are silent; `losses` learns of both. What changes its rate or channels on
    the way goes on in those of its beginning. A float file with samples beyond -1..1 is scaled by its peak, an overshooting codec
    is clipped.

    Raises RecordingsError naming the file if it is missing, empty, damaged, without an audio track or samples, of too many
    channels or an odd rate, longer than `max_duration_s`, or holds samples that are not numbers.
    """
    _check_file(path)
    count, shape = 0, (0, 0)
    if losses is None:
        losses = Losses()
    elif remark := remark_of(path):
        losses.words.append(remark)
    for samples, rate_hz in _decoded(path, max(block_s, _LEAST_S), max_duration_s, losses):
        block = checked(path, samples, rate_hz)
        if shape not in ((0, 0), (rate_hz, len(samples))):
            raise RecordingsError(f"{path.name} changes its rate or channels on the way.", "Export it again.")
        shape = (rate_hz, len(samples))
        count += block.num_samples
        check_duration(path, count / rate_hz, max_duration_s)
        if block.num_samples:
            yield block
    if count == 0:
        raise RecordingsError(f"{path.name} holds no samples.", "Record or export it again.")


def expected_samples(path: Path) -> int:
    """How many samples the header promises, 0 if it does not say: to make room with, not to rely on."""
    try:
        with opened_by_soundfile(path) as file:
            return file.frames
    except GivenUpError:
        pass
    with _container(path) as container:
        return _promised(container)


def _promised(container: Any) -> int:
    import av

    rate_hz = container.streams.audio[0].rate or 0
    return int(container.duration / av.time_base * rate_hz) if container.duration else 0


def checked(path: Path, samples: FloatArray, rate_hz: int) -> Waveform:
    """float32 [C, n] as a Waveform, if it can be one."""
    check_shape(path, rate_hz, len(samples))
    if not np.isfinite(samples).all():
        raise RecordingsError(f"{path.name} holds samples that are not numbers.", "Export it again.")
    return Waveform(np.ascontiguousarray(samples, np.float32), rate_hz)


def check_duration(path: Path, duration_s: float, max_duration_s: float) -> None:
    if duration_s > max_duration_s:
        problem = f"{path.name} is {_in_words(duration_s)} long; it may be {_in_words(max_duration_s)} long."
        raise RecordingsError(problem, "Split it at pauses.")


def _check_file(path: Path) -> None:
    try:
        found = path.stat()
    except OSError as error:
        raise RecordingsError(f"There is no file {path}: {error.strerror}.", "Check the path.") from None
    if not stat.S_ISREG(found.st_mode):
        raise RecordingsError(f"There is no file {path}: it is a folder or a device.", "Check the path.")
    if found.st_size == 0:
        raise RecordingsError(f"{path.name} is an empty file.", "Record or export it again.")


def check_shape(path: Path, rate_hz: int, channels: int) -> None:
    if not MIN_RATE_HZ <= rate_hz <= MAX_RATE_HZ:
        problem = f"{path.name} is sampled at {rate_hz} Hz; {MIN_RATE_HZ} to {MAX_RATE_HZ} Hz are needed."
        raise RecordingsError(problem, "Record it again, or export it at 48000 Hz.")
    if not 1 <= channels <= MAX_CHANNELS:
        raise RecordingsError(f"{path.name} has {channels} channels; at most {MAX_CHANNELS} are read.", "Export it as mono.")


def _decoded(path: Path, block_s: float, max_duration_s: float, losses: Losses) -> Iterator[tuple[FloatArray, int]]:
    """float32 [C, n] and rate: by soundfile as far as it comes, the rest by PyAV."""
    done = 0
    try:
        for samples, rate_hz in _by_soundfile(path, block_s, max_duration_s):
            done += samples.shape[1]
            yield samples, rate_hz
        return
    except GivenUpError:
        pass
    passed = 0
    for samples, rate_hz in _by_pyav(path, block_s, losses):
        fresh = samples[:, max(0, done - passed) :]
        passed += samples.shape[1]
        yield np.clip(fresh, -1.0, 1.0) if np.isfinite(fresh).all() else fresh, rate_hz


@contextmanager
def giving_up() -> Iterator[None]:
    """What soundfile cannot do in the block is a GivenUpError."""
    import soundfile

    try:
        yield
    except (soundfile.LibsndfileError, RuntimeError, TypeError):
        raise GivenUpError from None


@contextmanager
def opened_by_soundfile(path: Path) -> Iterator[Any]:
    """A lossless soundfile.SoundFile of known length; GivenUpError for others, and where soundfile gives up in the block."""
    import soundfile

    try:
        if is_mpeg(path):
            raise GivenUpError
        patches = patches_of(path)
        # A descriptor, because a name may hold bytes that are no text.
        source: Any = Mended(path, patches) if patches else os.open(path, os.O_RDONLY)
    except OSError as error:
        raise RecordingsError(f"{path.name} cannot be opened: {error.strerror}.", "Check that it may be read.") from None
    with giving_up(), soundfile.SoundFile(source, closefd=True) as file:
        if file.frames >= _UNKNOWN_FRAMES or not file.subtype.startswith(_LOSSLESS):
            raise GivenUpError
        yield file


def _by_soundfile(path: Path, block_s: float, max_duration_s: float) -> Iterator[tuple[FloatArray, int]]:
    with opened_by_soundfile(path) as file:
        check_shape(path, file.samplerate, file.channels)
        check_duration(path, file.frames / file.samplerate, max_duration_s)
        peak = peak_of(file)
        while len(read := file.read(int(block_s * file.samplerate), dtype="float32", always_2d=True)):
            yield scaled(read.T, peak), file.samplerate


def peak_of(file: Any) -> float:
    """Of a float file, the largest sample (at least 1); 1 for the others. The file is at its beginning again."""
    if file.subtype not in ("FLOAT", "DOUBLE"):
        return 1.0
    peak = 1.0
    while len(read := file.read(int(BLOCK_S * file.samplerate), dtype="float32", always_2d=True)):
        peak = max(peak, float(np.abs(read).max()))
    file.seek(0)
    return peak


def scaled(samples: FloatArray, peak: float) -> FloatArray:
    if peak > 1.0 and math.isfinite(peak):
        return samples / np.float32(peak)
    return np.clip(samples, -1.0, 1.0) if np.isfinite(samples).all() else samples


class _File(io.FileIO):
    """A damaged header sends FFmpeg to places that no file has: that is not the disk's fault."""

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        try:
            return super().seek(offset, whence)
        except (OSError, OverflowError) as error:
            raise ValueError(f"no place in a file: {offset}") from error


@contextmanager
def _container(path: Path) -> Iterator[Any]:
    """An av container that has an audio track; what FFmpeg cannot read is a RecordingsError."""
    import av
    from av.error import FFmpegError

    options = {"format_whitelist": _CONTAINERS, "protocol_whitelist": "file"}
    try:
        patches = patches_of(path)
        # As a file object: a name with a colon would be taken for a protocol. Tags are in any encoding.
        with (
            Mended(path, patches) if patches else _File(path) as raw,
            av.open(raw, options=options, metadata_errors="ignore") as container,
        ):
            if not container.streams.audio:
                raise RecordingsError(f"{path.name} has no audio track.", _HINT)
            yield container
    except (FFmpegError, ValueError, EOFError) as error:
        if lacks_index(path):
            problem = f"{path.name} was never finished: its index (moov) is missing, so nobody knows where its sound lies."
            raise RecordingsError(problem, "Recover it with a tool for that (untrunc), or record it again.") from error
        raise RecordingsError(f"{path.name} cannot be read as audio: it is damaged or of an unknown format.", _HINT) from error
    except OSError as error:
        raise RecordingsError(f"{path.name} cannot be read: {error.strerror}.", "Check the disk and its rights.") from None


def _by_pyav(path: Path, block_s: float, losses: Losses) -> Iterator[tuple[FloatArray, int]]:
    with _container(path) as container:
        gathered: list[FloatArray] = []
        count = rate_hz = 0
        for samples, rate_hz in _Frames(container, losses):
            gathered.append(samples)
            count += samples.shape[1]
            if count >= block_s * rate_hz:
                yield np.concatenate(gathered, axis=1), rate_hz
                gathered, count = [], 0
        if gathered:
            yield np.concatenate(gathered, axis=1), rate_hz


class _Frames:
    """float32 [C, n] and rate of each frame of the first audio track, all of the first one's rate and channels.

    What cannot be decoded, and what is missing between two packets, is silence of the same length. Raises what FFmpeg raises
    if less than _LEAST_S, or less than half of the file, can be decoded.
    """

    def __init__(self, container: Any, losses: Losses) -> None:
        self._container, self._losses = container, losses
        self._stream = container.streams.audio[0]
        self._resampler: Any = None
        self._shape: tuple[Any, ...] = ()  # of the frames that come
        self._format: tuple[str, int, int] = ("", 0, 0)  # layout, rate and channels of what is given
        self._count = self._silent = 0  # samples
        self._end_s: float | None = None  # of the frame before, by its own clock
        self._error: Exception | None = None  # since the frame before
        self._first_error: Exception | None = None

    def __iter__(self) -> Iterator[tuple[FloatArray, int]]:
        for packet in self._packets():
            for frame in self._decoded(packet):
                yield from self._given(frame)
        if self._resampler is not None:
            yield from self._counted(self._resampler.resample(None))
        rate_hz = self._format[1]
        if self._first_error and (self._count < _LEAST_S * rate_hz or self._silent > self._count / 2 or not rate_hz):
            raise self._first_error
        if self._error is not None:
            self._losses.words.append("its end is damaged")
        self._check_end(rate_hz)

    def _packets(self) -> Iterator[Any]:
        """What the file is made of; behind a place where it cannot be parsed the search goes on."""
        from av.error import FFmpegError

        errors = 0
        while errors < _MOST_ERRORS:
            try:
                for packet in self._container.demux(self._stream):
                    before = self._count
                    yield packet
                    errors = 0 if self._count > before else errors
                return
            except (FFmpegError, ValueError) as error:
                errors += 1
                self._failed(error)

    def _decoded(self, packet: Any) -> list[Any]:
        from av.error import FFmpegError

        try:
            return packet.decode()
        except (FFmpegError, ValueError) as error:
            self._failed(error)
            return []

    def _failed(self, error: Exception) -> None:
        self._error = error
        self._first_error = self._first_error or error

    def _given(self, frame: Any) -> Iterator[tuple[FloatArray, int]]:
        """A frame, behind the silence that stands for what is missing before it."""
        import av

        shape = (frame.format.name, frame.layout.name, frame.sample_rate)
        if shape != self._shape:
            if self._resampler is not None:
                yield from self._counted(self._resampler.resample(None))
            if not self._shape:
                self._format = (frame.layout.name, frame.sample_rate, frame.layout.nb_channels)
            layout, rate_hz, _ = self._format
            self._resampler, self._shape = av.AudioResampler(format="fltp", layout=layout, rate=rate_hz), shape
        if (missing := self._missing(frame)) > 0:
            _, rate_hz, channels = self._format
            self._losses.gaps.append((self._count / rate_hz, missing / rate_hz))
            self._count += missing
            self._silent += missing
            yield np.zeros((channels, missing), np.float32), rate_hz
        self._error = None
        yield from self._counted(self._resampler.resample(frame))

    def _counted(self, frames: list[Any]) -> Iterator[tuple[FloatArray, int]]:
        for frame in frames:
            self._count += frame.samples
            yield _floats(frame), self._format[1]

    def _missing(self, frame: Any) -> int:
        """How many samples are missing between a frame and the one before, by the times that the file gives them."""
        start_s = None if frame.pts is None or frame.time_base is None else float(frame.pts * frame.time_base)
        before_s, self._end_s = self._end_s, None if start_s is None else start_s + frame.samples / frame.sample_rate
        if start_s is None or before_s is None:
            return 0
        least_s = _GAP_S if self._error is None else _DAMAGE_S
        return round((start_s - before_s) * self._format[1]) if least_s <= start_s - before_s <= _LONGEST_GAP_S else 0

    def _check_end(self, rate_hz: int) -> None:
        if not set(self._container.format.name.split(",")) & _TELL_THEIR_LENGTH:
            return
        promised, there = _promised(self._container), self._count
        if "flac" in self._container.format.name and _DAMAGE_S * rate_hz < promised - there <= _BREAKS_OFF_S * rate_hz:
            self._losses.words.append(f"{(promised - there) / rate_hz:.2f} s of it cannot be decoded and are missing")
        elif not any("breaks off" in said for said in self._losses.words) and promised - there > max(
            _BREAKS_OFF_S * rate_hz, _BREAKS_OFF_SHARE * promised
        ):
            self._losses.words.append(f"it breaks off at {there / rate_hz:.1f} s of {promised / rate_hz:.1f} s")


def _floats(block: Any) -> FloatArray:
    """float32 [C, n] of a frame that was resampled to planar float."""
    return block.to_ndarray()


def _in_words(duration_s: float) -> str:
    return f"{duration_s / 3600:.1f} h" if duration_s >= 3600 else f"{duration_s:.0f} s"
