"""An hour of stereo at 48 kHz with its subtitles, or without, becomes a dataset: how fast, and in how much memory.

python -m bench.intake [--minutes 60] [--formats wav flac mp3 m4a] [--limit-mb 1500] [--unscripted] [--noisy DB] [--work DIR]

Each format runs in a process of its own, so that its peak is its own; to it is added the most that the processes it started
held together. `x_real_time_of_cpu` counts the time of all of them on one core.
Ends with an error if one needs more than the limit.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from voicekit import audio
from voicekit.prepare import Given
from voicekit.prepare.folder import WORK
from voicekit.preparing import prepare_with
from voicekit.records import FloatArray
from voicekit.settings import Settings
from voicekit.specs import PrepareSpec
from voicekit.wiring import engines

READER = Path(__file__).parents[1] / "tests" / "golden" / "reader"
RATE_HZ = 48_000


def make_recording(path: Path, minutes: float, scripted: bool = True, snr_db: float | None = None) -> None:
    """The test reader over and over with pauses and a little noise, or so much that the speech is `snr_db` above it, slightly
    apart in the two channels; an .srt beside it, if it is to have a script."""
    said = dict(line.split("|")[:2] for line in (READER / "metadata.csv").read_text().splitlines())
    voices = [(said[p.stem], audio.resample(audio.read(p), RATE_HZ).samples[0]) for p in sorted(READER.glob("*.flac"))]
    rng = np.random.default_rng(0)
    power = float(np.mean([np.mean(np.square(voice)) for _, voice in voices]))
    level = 1e-4 if snr_db is None else np.sqrt(power) * 10 ** (-snr_db / 20)
    write, close = _writer(path)
    cues: list[str] = []
    left, number, now_s = int(minutes * 60 * RATE_HZ), 0, 0.0
    while left > 0:
        text, voice = voices[number % len(voices)]
        cues.append(f"{number + 1}\n{_stamp(now_s)} --> {_stamp(now_s + min(len(voice), left) / RATE_HZ)}\n{text}\n")
        voice = np.concatenate([voice, np.zeros(RATE_HZ // 2, np.float32)])[:left]
        noise = level * rng.standard_normal((2 if snr_db is None else 1, len(voice))).astype(np.float32)
        write(np.clip(np.stack([voice, 0.8 * voice]) + noise, -1.0, 1.0))
        left, number, now_s = left - len(voice), number + 1, now_s + len(voice) / RATE_HZ
    close()
    if scripted:
        path.with_suffix(".srt").write_text("\n".join(cues), encoding="utf-8")


def _stamp(time_s: float) -> str:
    ms = round(1000 * time_s)
    return f"{ms // 3_600_000:02d}:{ms // 60_000 % 60:02d}:{ms // 1000 % 60:02d},{ms % 1000:03d}"


def _writer(path: Path) -> tuple[Any, Any]:
    if path.suffix in (".wav", ".flac"):
        import soundfile

        file = soundfile.SoundFile(path, "w", RATE_HZ, 2, subtype="PCM_24")
        return lambda samples: file.write(samples.T), file.close
    import av

    out = av.open(str(path), "w")
    codec = {".mp3": "libmp3lame", ".m4a": "aac", ".opus": "libopus", ".webm": "libopus"}[path.suffix]
    stream: Any = out.add_stream(codec, rate=RATE_HZ, layout="stereo", bit_rate=128_000)
    fit = av.AudioResampler(stream.codec_context.format, "stereo", RATE_HZ, frame_size=stream.codec_context.frame_size or None)

    def write(samples: FloatArray) -> None:
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples), format="fltp", layout="stereo")
        frame.rate = RATE_HZ
        for piece in fit.resample(frame):
            out.mux(stream.encode(piece))

    def close() -> None:
        for piece in fit.resample(None):
            out.mux(stream.encode(piece))
        out.mux(stream.encode(None))
        out.close()

    return write, close


def measure(path: Path, work: Path) -> dict[str, float | str]:
    """One recording from its file to its dataset, with what is embedded, as a process of its own sees it."""
    found = engines(Settings(home=work / "home"))
    base = found.open_base("nano")
    base.align(audio.read(next(READER.glob("*.flac"))), "never")  # whatever is loaded once is not counted
    started_mb, begun_s, cpu_s = _peak_mb(), time.perf_counter(), _cpu_s()
    helpers = Helpers()
    dataset = prepare_with(found, base, Given(path.parent), PrepareSpec(), work / "dataset", lambda _: None)
    helpers_mb = helpers.peak_mb()
    took_s = time.perf_counter() - begun_s
    workers, peak_mb = found.workers, _peak_mb()
    del found, base
    gc.collect()  # ends the helpers: only then their time is counted
    recording_s = audio.probe(path).num_samples / RATE_HZ
    return {
        "format": path.suffix[1:],
        "minutes": round(recording_s / 60, 2),
        "clips": len(dataset.clips),
        "cleaned": len(list((work / "dataset" / WORK / "cleaned").glob("*.flac"))),
        "usable_minutes": round(dataset.speech_s / 60, 2),
        "x_real_time": round(recording_s / took_s, 1),
        "x_real_time_of_cpu": round(recording_s / (_cpu_s() - cpu_s), 1),
        "workers": workers,
        "started_mb": started_mb,
        "helpers_mb": helpers_mb,
        "peak_mb": round(peak_mb + helpers_mb, 1),
    }


class Helpers:
    """Looks five times a second how much the processes that this one started hold; needs /proc."""

    def __init__(self) -> None:
        self._most_mb, self._ended = 0.0, threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def peak_mb(self) -> float:
        self._ended.set()
        self._thread.join()
        return round(self._most_mb, 1)

    def _look(self) -> None:
        while not self._ended.wait(0.2):
            self._most_mb = max(self._most_mb, sum(_resident_mb(pid) for pid in _children()))


def _children() -> list[str]:
    found: list[str] = []
    for listed in Path("/proc/self/task").glob("*/children"):
        with suppress(OSError):  # threads come and go
            found += listed.read_text().split()
    return found


def _resident_mb(pid: str) -> float:
    """0 for a process that has not become another program yet: its memory is still this one's."""
    with suppress(OSError):
        if Path(f"/proc/{pid}/cmdline").read_bytes() == Path("/proc/self/cmdline").read_bytes():
            return 0.0
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
    return 0.0


def _peak_mb() -> float:
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)


def _cpu_s() -> float:
    """Of this process and those that it started and that have ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--formats", nargs="+", default=["wav", "flac", "mp3", "m4a"])
    parser.add_argument("--limit-mb", type=float, default=1500.0)
    parser.add_argument("--unscripted", action="store_true", help="what is said has to be written down, too")
    parser.add_argument("--noisy", type=float, metavar="DB", help="noise so far below the speech, which has to be cleaned then")
    parser.add_argument("--work", type=Path, help="where to work; default: a temporary folder")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure is not None:
        print(json.dumps(measure(given.measure, given.work)))
        return 0
    worst_mb = 0.0
    with tempfile.TemporaryDirectory() as temporary:
        for suffix in given.formats:
            folder = (given.work or Path(temporary)) / suffix
            recording = folder / "recordings" / f"recording.{suffix}"
            recording.parent.mkdir(parents=True, exist_ok=True)
            make_recording(recording, given.minutes, not given.unscripted, given.noisy)
            command = [sys.executable, "-m", "bench.intake", "--measure", str(recording), "--work", str(folder / "work")]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            print(done.stdout.strip(), flush=True)
            worst_mb = max(worst_mb, json.loads(done.stdout)["peak_mb"])
            recording.unlink()
    return int(worst_mb > given.limit_mb)


if __name__ == "__main__":
    sys.exit(main())
