"""Small good files of every kind, to be spoiled by tests/fuzz.py."""

from __future__ import annotations

import io
import json
import zipfile
from functools import cache
from typing import Any

import numpy as np
import soundfile

from voicekit.records import FloatArray

RATE_HZ = 48_000
LOSSLESS = {
    "pcm16.wav": ("WAV", "PCM_16"),
    "pcm24.wav": ("WAV", "PCM_24"),
    "u8.wav": ("WAV", "PCM_U8"),
    "float.wav": ("WAV", "FLOAT"),
    "double.wav": ("WAV", "DOUBLE"),
    "adpcm.wav": ("WAV", "IMA_ADPCM"),
    "rf64.wav": ("RF64", "PCM_16"),
    "a.flac": ("FLAC", "PCM_16"),
    "a.aiff": ("AIFF", "PCM_16"),
    "a.caf": ("CAF", "PCM_16"),
    "a.au": ("AU", "ULAW"),
    "vorbis.ogg": ("OGG", "VORBIS"),
}
LOSSY = {
    "a.mp3": ("mp3", "libmp3lame"),
    "a.m4a": ("ipod", "aac"),
    "a.mp4": ("mp4", "aac"),
    "a.mov": ("mov", "aac"),
    "a.aac": ("adts", "aac"),
    "a.opus": ("ogg", "libopus"),
    "a.webm": ("webm", "libopus"),
    "a.mka": ("matroska", "aac"),
    "a.wma": ("asf", "wmav2"),
}
_GRID = (
    'File type = "ooTextFile"\nObject class = "TextGrid"\n\nxmin = 0\nxmax = 1.5\ntiers? <exists>\nsize = 1\nitem []:\n'
    '    item [1]:\n        class = "IntervalTier"\n        name = "text"\n        xmin = 0\n        xmax = 1.5\n'
    "        intervals: size = 1\n        intervals [1]:\n            xmin = 0.1\n            xmax = 1.2\n"
    '            text = "one two"\n'
)
TEXTS = {
    "metadata.csv": "a|one two|one two\nb|three|three\n",
    "s.tsv": 'file\ttext\na.wav\t"one ""two"""\nb\tthree\n',
    "metadata.jsonl": '{"file_name": "a.wav", "text": "one"}\n{"file_name": "b.wav", "text": "zwei"}\n',
    "a.srt": "1\n00:00:00,100 --> 00:00:01,200\none <i>two</i>\n\n2\n00:00:01,200 --> 00:00:01,400\nthree\n",
    "a.vtt": "WEBVTT\n\nNOTE x\n\n00:00.100 --> 00:01.200 align:start\n<v Ann>one &amp; two\n",
    "a.TextGrid": _GRID,
    "a.txt": "one two three\n",
}


def speech(seconds: float = 1.2, channels: int = 2) -> FloatArray:
    """float32 [T, C]: noise in bursts."""
    t = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    noise = np.random.default_rng(0).standard_normal((len(t), channels))
    return (0.1 * noise * (np.sin(9 * t) > 0)[:, None]).astype(np.float32)


@cache
def sounds() -> dict[str, bytes]:
    """A file of each kind by name."""
    return {name: _lossless(*kind) for name, kind in LOSSLESS.items()} | {name: _lossy(*kind) for name, kind in LOSSY.items()}


@cache
def scripts() -> dict[str, bytes]:
    return {name: text.encode() for name, text in TEXTS.items()} | {"s.xlsx": _workbook()}


def float_wav(samples: FloatArray) -> bytes:
    out = io.BytesIO()
    soundfile.write(out, samples, RATE_HZ, subtype="FLOAT", format="WAV")
    return out.getvalue()


def zipped(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


def _lossless(container: str, subtype: str) -> bytes:
    out = io.BytesIO()
    soundfile.write(out, speech(), RATE_HZ, subtype=subtype, format=container)
    return out.getvalue()


def _lossy(container: str, codec: str) -> bytes:
    import av

    out = io.BytesIO()
    with av.open(out, "w", format=container) as file:
        stream: Any = file.add_stream(codec, rate=RATE_HZ, layout="stereo", bit_rate=96_000)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(speech().T), format="fltp", layout="stereo")
        frame.rate = RATE_HZ
        size = stream.codec_context.frame_size or None
        fit = av.AudioResampler(stream.codec_context.format, "stereo", RATE_HZ, frame_size=size)
        for piece in [*fit.resample(frame), *fit.resample(None)]:
            file.mux(stream.encode(piece))
        file.mux(stream.encode(None))
    return out.getvalue()


def _workbook() -> bytes:
    import openpyxl

    book = openpyxl.Workbook()
    sheet: Any = book.active
    for row in json.loads('[["file", "text"], ["a", "one"], ["b", "two"]]'):
        sheet.append(row)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()
