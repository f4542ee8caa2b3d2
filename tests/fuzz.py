"""Files as the world sends them and as an enemy would: seeded, so that a number names a file for ever.

`case(n)` makes the n-th file; `check(case, folder)` gives it to the intake and says how it ended. Whatever it is, it ends as a
recording or a script that can be read, or as a voicekit error that says why, within MAX_S of CPU, with nothing written outside
the data folder and no file left open.
"""

from __future__ import annotations

import os
import random
import stat
import struct
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.fuzz_material import float_wav, scripts, sounds, speech, zipped
from tests.makers import recording
from voicekit import audio
from voicekit.errors import ResourceError, VoicekitError
from voicekit.prepare.intake import take_in
from voicekit.prepare.scripts import find_script

MAX_S = 10.0
SUFFIXES = [".wav", ".flac", ".mp3", ".ogg", ".m4a", ".webm", ".aiff", ".mp4", ".wma", ".aac", ".caf"]
EXTREMES = [0, 1, 2, 3, 7, 0x7F, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF]


@dataclass(frozen=True)
class Case:
    """One file: its name, its bytes, and how it was spoiled."""

    number: int
    name: str
    content: bytes
    how: str


class FailedError(AssertionError):
    """A file that did not end as it should."""


def case(number: int) -> Case:
    rng = random.Random(number)
    kinds = (_sound, _sound, _sound, _sound, _header, _samples, _zip, _zip, _script, _script)
    name, content, how = rng.choice(kinds)(rng)
    return Case(number, name, content, how)


def check(made: Case, folder: Path) -> str:
    """How it ended, in words. Raises FailedError, or whatever went wrong. `folder` is emptied by the caller."""
    data = folder / "data"
    given = data / "given"
    given.mkdir(parents=True)
    (folder / "canary").write_text("alive")
    path = given / made.name
    path.write_bytes(made.content)
    opened, begun_s = len(os.listdir("/proc/self/fd")), time.process_time()
    try:
        ended = _script_end(path, data) if path.suffix.lower() in _SCRIPTS else _sound_end(path, data)
    except ResourceError as error:
        raise FailedError(f"a small file wants too much: {error}") from error
    except VoicekitError as error:
        if not error.problem or not error.remedy:
            raise FailedError(f"an error without problem or remedy: {error!r}") from error
        ended = f"refused: {error.problem}"
    if (took_s := time.process_time() - begun_s) > MAX_S:
        raise FailedError(f"took {took_s:.0f} s of CPU")
    if sorted(os.listdir(folder)) != ["canary", "data"] or (folder / "canary").read_text() != "alive":
        raise FailedError(f"something was written outside: {sorted(os.listdir(folder))}")
    if any(p.is_symlink() or not (p.is_dir() or p.is_file()) for p in data.rglob("*")):
        raise FailedError("a link or a device was made")
    if path.read_bytes() != made.content:
        raise FailedError("what was given was changed")
    if len(os.listdir("/proc/self/fd")) > opened:
        raise FailedError("a file stays open")
    return ended


_SCRIPTS = frozenset({".csv", ".tsv", ".jsonl", ".srt", ".vtt", ".textgrid", ".txt", ".xlsx"})


def _sound_end(path: Path, data: Path) -> str:
    taken = take_in(path, "en", data / "work", 1.0, lambda _: None)
    for found in taken.recordings:
        file = taken.root / found.path
        wave = audio.read(file)
        if wave.samples.shape != (found.channels, found.num_samples) or wave.sample_rate_hz != found.sample_rate_hz:
            raise FailedError(f"read as {wave.samples.shape}, taken in as {found}")
        if not np.isfinite(wave.samples).all() or np.abs(wave.samples).max() > 1.0:
            raise FailedError("samples beyond -1..1")
        with audio.reader(file) as reader:
            start, end = found.num_samples // 3, 2 * found.num_samples // 3
            if not np.array_equal(reader.read(start, end).samples, wave.samples[:, start:end]):
                raise FailedError("a stretch is not the whole's")
    reasons = [f.reason for f in taken.refused]
    if not all(reasons):
        raise FailedError("refused without a reason")
    return f"readable: {len(taken.recordings)}" if taken.recordings else f"refused: {'; '.join(reasons)}"


def _script_end(path: Path, data: Path) -> str:
    ours = [recording(f"{name}.wav", sample_rate_hz=16_000, num_samples=24_000) for name in ("a", "b")]
    script = find_script(path, data, ours)
    if script is None or not set(script.texts) <= {r.id for r in ours}:
        raise FailedError(f"a script of nothing: {script}")
    return f"readable: {len(script.texts)} texts"


def _sound(rng: random.Random) -> tuple[str, bytes, str]:
    name, content = rng.choice(list(sounds().items()))
    stem, suffix = os.path.splitext(name)
    how = rng.choice(list(_SPOIL))
    if rng.random() < 0.15:
        suffix, how = rng.choice(SUFFIXES), f"{how}, wrong suffix"
    return f"{stem}{suffix}", _SPOIL[how.split(",")[0]](rng, content), f"{name} {how}"


def _script(rng: random.Random) -> tuple[str, bytes, str]:
    name, content = rng.choice(list(scripts().items()))
    how = rng.choice(list(_SPOIL))
    return name, _SPOIL[how](rng, content), f"{name} {how}"


def _flips(rng: random.Random, content: bytes) -> bytes:
    out = bytearray(content)
    reach = rng.choice([64, 512, len(out)])  # headers are where it hurts
    for _ in range(rng.choice([1, 3, 10, 100])):
        at = rng.randrange(min(reach, len(out)))
        out[at] ^= 1 << rng.randrange(8)
    return bytes(out)


def _extremes(rng: random.Random, content: bytes) -> bytes:
    """Numbers of two, four or eight bytes set to what they hardly ever are."""
    out = bytearray(content)
    for _ in range(rng.choice([1, 2, 5])):
        size, order = rng.choice([2, 4, 8]), rng.choice("<>")
        at = rng.randrange(max(1, min(rng.choice([64, 600]), len(out) - size)))
        value = rng.choice(EXTREMES) & (256**size - 1)
        out[at : at + size] = value.to_bytes(size, "little" if order == "<" else "big")
    return bytes(out)


def _moved(rng: random.Random, content: bytes) -> bytes:
    """A piece cut out, repeated or put elsewhere."""
    a, b = sorted(rng.randrange(len(content) + 1) for _ in range(2))
    piece, at = content[a:b], rng.randrange(len(content) + 1)
    return rng.choice([content[:a] + content[b:], content[:b] + piece * 3 + content[b:], content[:at] + piece + content[at:]])


def _spliced(rng: random.Random, content: bytes) -> bytes:
    other = rng.choice(list(sounds().values()))
    return content[: rng.randrange(len(content))] + other[rng.randrange(len(other)) :]


_SPOIL: dict[str, Callable[[random.Random, bytes], bytes]] = {
    "as it is": lambda rng, content: content,
    "bits flipped": _flips,
    "extreme numbers": _extremes,
    "pieces moved": _moved,
    "spliced": _spliced,
    "cut off": lambda rng, content: content[: rng.randrange(len(content))],
    "empty": lambda rng, content: b"",
    "noise": lambda rng, content: rng.randbytes(rng.choice([1, 100, 40_000])),
    "noise behind the header": lambda rng, content: content[:64] + rng.randbytes(len(content) - 64 if len(content) > 64 else 9),
    "zeros": lambda rng, content: bytes(len(content)),
}


def _header(rng: random.Random) -> tuple[str, bytes, str]:
    """A wav whose header says what cannot be: rates, channels, bits and sizes."""
    pick = rng.choice
    rate, channels = pick([0, 1, 50, 8_000, 192_000, 768_000, 2**31, 2**32 - 1]), pick([0, 1, 2, 9, 256, 1_024, 65_535])
    bits, kind = pick([0, 1, 7, 8, 16, 24, 32, 33, 64, 65_535]), pick([0, 1, 2, 3, 6, 7, 0x11, 0x31, 0x55, 0xFFFE, 0xFFFF])
    block = pick([0, 1, channels * bits // 8 & 0xFFFF, 65_535])
    fmt = struct.pack("<HHIIHH", kind, channels, rate, rate * block & 0xFFFFFFFF, block, bits)
    fmt += pick([b"", b"\0\0", struct.pack("<H", 65_535), rng.randbytes(24)])
    size, body = pick([0, 1, 1_000, 2**31 - 1, 2**32 - 1]), rng.randbytes(pick([0, 1, 1_000, 50_000]))
    chunks = b"fmt " + struct.pack("<I", pick([len(fmt), 0, 2**32 - 1])) + fmt + b"data" + struct.pack("<I", size) + body
    content = pick([b"RIFF", b"RIFX", b"RF64"]) + struct.pack("<I", pick([len(chunks) + 4, 0, 2**32 - 1])) + b"WAVE" + chunks
    return "header.wav", content, f"rate {rate} channels {channels} bits {bits} kind {kind}"


def _samples(rng: random.Random) -> tuple[str, bytes, str]:
    """Float samples that are no numbers, or no sound."""
    samples = speech(rng.choice([0.001, 0.5, 12.0]), rng.choice([1, 2, 8, 9]))
    value = rng.choice([np.nan, np.inf, -np.inf, 3e38, -1e30, 1e-42, 5.0, 0.0])
    if rng.random() < 0.3:
        samples[:] = value
    else:
        samples[rng.randrange(len(samples)), 0] = value
    return "float.wav", float_wav(samples), f"{value} among {samples.shape}"


_ODD_NAMES = (
    "../evil.wav", "../../evil.wav", "a/../../evil.wav", "..\\evil.wav", "{folder}/evil.wav", "C:\\evil.wav", "//host/evil.wav",
    "x" * 300 + ".wav", "x" * 250 + ".wav", "a.wav/b.wav", "/".join("d" * 60), ".wav", "..wav", "a/.wav", " .wav", "a\x01b.wav",
    "\u202egnp.wav", "日本語/ä.wav", "con.wav", "a:b.wav", "~/x.wav", "$HOME/x.wav", "`id`.wav", "-rf.wav", "a\nb.wav", "./a.wav",
    "a//b.wav", "a/./b.wav", "__MACOSX/._a.wav", "A.WAV", "nul\0.wav",
)  # fmt: skip


def _zip(rng: random.Random) -> tuple[str, bytes, str]:
    good = {"a.wav": sounds()["pcm16.wav"], "b.flac": sounds()["a.flac"], "metadata.csv": b"a|one\nb|two\n"}
    how = rng.choice(list(_ZIPS))
    content = _ZIPS[how](rng, good)
    if rng.random() < 0.3:
        spoil = rng.choice(["bits flipped", "extreme numbers", "cut off", "pieces moved"])
        content, how = _SPOIL[spoil](rng, content), f"{how}, {spoil}"
    return "given.zip", content, how


def _named(rng: random.Random, good: dict[str, bytes]) -> bytes:
    names = rng.sample(_ODD_NAMES, rng.choice([1, 1, 3]))
    return zipped(good | {name.replace("{folder}", "/tmp"): good["a.wav"] + bytes(n) for n, name in enumerate(names)})


def _link(rng: random.Random, good: dict[str, bytes]) -> bytes:
    name = rng.choice(["link.wav", "a.wav/x.wav", "folder"])
    content = zipped({**good, name: b"../../canary"})
    position = content.rfind(b"PK\x01\x02")  # its entry in the directory is the last
    attributes = struct.pack("<I", (stat.S_IFLNK | 0o777) << 16)
    return content[: position + 38] + attributes + content[position + 42 :]


def _twice(rng: random.Random, good: dict[str, bytes]) -> bytes:
    return zipped({**good, "c.wav": good["a.wav"] + b"\0"}).replace(b"c.wav", rng.choice([b"a.wav", b"./wav"]))


_ZIPS: dict[str, Callable[[random.Random, dict[str, bytes]], bytes]] = {
    "good": lambda rng, good: zipped(good, rng.choice([zipfile.ZIP_STORED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])),
    "odd names": _named,
    "link": _link,
    "twice": _twice,
    "bomb": lambda rng, good: zipped({**good, "zeros.wav": bytes(rng.choice([1, 80]) * 2**20)}),
    "nested": lambda rng, good: zipped({"inner.zip": zipped(good), **(good if rng.random() < 0.5 else {})}),
    "locked": lambda rng, good: zipped(good).replace(b"PK\x03\x04\x14\0\0", b"PK\x03\x04\x14\0\1"),
    "locked in the directory": lambda rng, good: zipped(good).replace(b"PK\1\2\x14\3\x14\0\0", b"PK\1\2\x14\3\x14\0\1"),
    "unknown method": lambda rng, good: zipped(good).replace(b"\x08\0", bytes([rng.choice([1, 9, 95, 99]), 0])),
    "lying sizes": lambda rng, good: zipped(good).replace(struct.pack("<I", len(good["a.wav"])), rng.randbytes(4)),
    "crowd": lambda rng, good: zipped({f"{n}.txt": b"" for n in range(rng.choice([2_000, 51_000]))}, zipfile.ZIP_STORED),
    "spoiled members": lambda rng, good: zipped({n: _SPOIL[rng.choice(list(_SPOIL))](rng, c) for n, c in good.items()}),
    "nothing": lambda rng, good: zipped({}),
}  # fmt: skip
