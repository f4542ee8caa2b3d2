"""Samples -> bytes of a format, piece by piece or at once, and bytes of unknown format -> Waveform.

All formats carry 24 kHz mono. `pcm` is bare 16-bit little-endian samples; a wav that is streamed does not know its length
and says so, as players expect (0xFFFFFFFF).
"""

from __future__ import annotations

import io
import struct
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from voicekit import audio
from voicekit.errors import UsageError
from voicekit.records import FloatArray, Waveform
from voicekit.timebase import MODEL_RATE_HZ

_UNKNOWN_BYTES = 0xFFFFFFFF
# Small, so that the first sounds leave at once: PyAV would wait for 32 KiB, which is seconds of compressed speech.
_BUFFER_BYTES = 512
_OGG_PAGE_US = 100_000


@dataclass(frozen=True)
class AudioFormat:
    """`container` and `codec` are FFmpeg's names, "" for what is written without it."""

    media_type: str
    container: str = ""
    codec: str = ""
    bit_rate: int = 0


FORMATS = {
    "mp3": AudioFormat("audio/mpeg", "mp3", "libmp3lame", 96_000),
    "opus": AudioFormat("audio/ogg", "ogg", "libopus", 48_000),
    "flac": AudioFormat("audio/flac", "flac", "flac"),
    "wav": AudioFormat("audio/wav"),
    "pcm": AudioFormat("audio/pcm"),
}


class Encoder(Protocol):
    """`push` samples float32 [n], then `finish`; the bytes joined are the file."""

    def push(self, samples: FloatArray) -> bytes: ...
    def finish(self) -> bytes: ...


def encoder(name: str) -> Encoder:
    """For sound that is still being made: what is ready leaves at once."""
    wanted = _format(name)
    if wanted.codec:
        return _AvEncoder(wanted, _Outbox())
    return _PcmEncoder(_wav_header(None) if name == "wav" else b"")


def encode(samples: FloatArray, name: str) -> bytes:
    """A whole file: its header knows its length."""
    wanted = _format(name)
    if not wanted.codec:
        body = _int16(samples)
        return _wav_header(len(body)) + body if name == "wav" else body
    file = io.BytesIO()
    whole = _AvEncoder(wanted, file)
    whole.push(samples)
    whole.finish()
    return file.getvalue()


def decode(data: bytes, name: str, max_duration_s: float) -> Waveform:
    """Audio of any format that recordings may have. Raises RecordingsError, which calls it `name`."""
    with tempfile.TemporaryDirectory(prefix="voicekit-heard-") as folder:
        path = Path(folder) / (Path(name).name or "audio")
        path.write_bytes(data)
        return audio.read(path, max_duration_s)


def _format(name: str) -> AudioFormat:
    if name not in FORMATS:
        raise UsageError(f"{name!r} is not a format that is written.", f"Ask for one of {', '.join(FORMATS)}.")
    return FORMATS[name]


def _int16(samples: FloatArray) -> bytes:
    return (np.clip(samples, -1.0, 1.0) * 32767.0).round().astype("<i2").tobytes()


def _wav_header(num_bytes: int | None) -> bytes:
    riff, data = (_UNKNOWN_BYTES, _UNKNOWN_BYTES) if num_bytes is None else (36 + num_bytes, num_bytes)
    fmt = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, MODEL_RATE_HZ, 2 * MODEL_RATE_HZ, 2, 16)
    return struct.pack("<4sI4s", b"RIFF", riff, b"WAVE") + fmt + struct.pack("<4sI", b"data", data)


class _PcmEncoder:
    def __init__(self, header: bytes) -> None:
        self._header = header

    def push(self, samples: FloatArray) -> bytes:
        header, self._header = self._header, b""
        return header + _int16(samples)

    def finish(self) -> bytes:
        return self.push(np.zeros(0, np.float32))


class _Outbox:
    """A file that can only be written to: what was written since the last look is taken out of it."""

    def __init__(self) -> None:
        self._written = bytearray()

    def write(self, data: bytes) -> int:
        self._written += data
        return len(data)

    def take(self) -> bytes:
        data = bytes(self._written)
        self._written.clear()
        return data


class _AvEncoder:
    """FFmpeg's encoders. Into an _Outbox it streams; into a file that can be sought the header is completed at the end."""

    def __init__(self, wanted: AudioFormat, file: _Outbox | io.BytesIO) -> None:
        import av

        self._file = file
        options = {"flush_packets": "1"}
        if wanted.container == "ogg":
            options["page_duration"] = str(_OGG_PAGE_US)
        self._container: Any = av.open(file, "w", format=wanted.container, options=options, buffer_size=_BUFFER_BYTES)
        self._stream: Any = self._container.add_stream(wanted.codec, rate=MODEL_RATE_HZ, layout="mono")
        if wanted.bit_rate:
            self._stream.bit_rate = wanted.bit_rate
        self._resampler: Any = av.AudioResampler(format=self._stream.format.name, layout="mono", rate=MODEL_RATE_HZ)
        self._count = 0

    def push(self, samples: FloatArray) -> bytes:
        import av

        if len(samples):
            clipped = np.ascontiguousarray(np.clip(samples, -1.0, 1.0), np.float32)[None]
            frame: Any = av.AudioFrame.from_ndarray(clipped, format="fltp", layout="mono")
            frame.sample_rate, frame.pts = MODEL_RATE_HZ, self._count
            self._count += len(samples)
            for ready in self._resampler.resample(frame):
                self._container.mux(self._stream.encode(ready))
        return self._taken()

    def finish(self) -> bytes:
        if self._count:
            for ready in self._resampler.resample(None):
                self._container.mux(self._stream.encode(ready))
        self._container.mux(self._stream.encode(None))
        self._container.close()
        return self._taken()

    def _taken(self) -> bytes:
        return self._file.take() if isinstance(self._file, _Outbox) else b""
