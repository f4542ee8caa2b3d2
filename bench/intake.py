"""An hour of stereo at 48 kHz, taken in, analysed and cut: how fast, and in how much memory.

python -m bench.intake [--minutes 60] [--formats wav flac mp3 m4a] [--limit-mb 1500] [--work DIR]

Each format runs in a process of its own, so that its peak is its own. Ends with an error if one needs more than the limit or
its clips are not the recording's samples.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from voicekit import audio
from voicekit.prepare import intake, segment
from voicekit.prepare.clips import clean
from voicekit.records import FloatArray
from voicekit.timebase import MODEL_RATE_HZ, convert_samples

READER = Path(__file__).parents[1] / "tests" / "golden" / "reader"
RATE_HZ = 48_000
_FRAME_S = 0.02


def make_recording(path: Path, minutes: float) -> None:
    """The test reader over and over, with pauses and a little noise, slightly apart in the two channels; written in pieces."""
    waves = [audio.resample(audio.read(p), RATE_HZ).samples[0] for p in sorted(READER.glob("*.flac"))]
    rng = np.random.default_rng(0)
    write, close = _writer(path)
    left = int(minutes * 60 * RATE_HZ)
    number = 0
    while left > 0:
        voice = np.concatenate([waves[number % len(waves)], np.zeros(RATE_HZ // 2, np.float32)])[:left]
        noise = 1e-4 * rng.standard_normal((2, len(voice))).astype(np.float32)
        write(np.clip(np.stack([voice, 0.8 * voice]) + noise, -1.0, 1.0))
        left, number = left - len(voice), number + 1
    close()


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
    """One recording from its file to its clips, as a process of its own sees it."""
    started_mb = _peak_mb()
    begun_s = time.perf_counter()
    taken = intake.take_in(path, "en", work, 0.0, lambda _: None)
    recording = taken.recordings[0]
    read_s = time.perf_counter() - begun_s
    duration_s = recording.num_samples / recording.sample_rate_hz
    copy = work / "copy.wav"
    audio.write_working_copy(path, copy, MODEL_RATE_HZ)
    copied_s = time.perf_counter() - begun_s
    spans = _loud(copy)
    clips = segment.cut_at_pauses(spans, 15.0, duration_s)
    analysed_s = time.perf_counter() - begun_s
    with audio.reader(copy) as reader:
        for number, (start_s, end_s) in enumerate(clips):
            piece = reader.read(round(start_s * MODEL_RATE_HZ), round(end_s * MODEL_RATE_HZ))
            audio.write_flac(work / "clips" / f"{number}.flac", clean(piece.samples[0], MODEL_RATE_HZ, -23.0))
    cut_s = time.perf_counter() - begun_s
    cut_mb = _peak_mb()
    _check(path, copy, recording.num_samples)
    return {
        "format": path.suffix[1:],
        "minutes": round(duration_s / 60, 2),
        "clips": len(clips),
        "read_x_real_time": round(duration_s / read_s, 1),
        "read_s": round(read_s, 1),
        "copy_s": round(copied_s - read_s, 1),
        "analyse_s": round(analysed_s - copied_s, 1),
        "cut_s": round(cut_s - analysed_s, 1),
        "cpu_s": round(time.process_time(), 1),
        "started_mb": started_mb,
        "peak_mb": cut_mb,
    }


def _loud(path: Path) -> list[tuple[float, float]]:
    """Stretches that are louder than the pauses, block by block: what a voice activity detector would be asked."""
    size = int(_FRAME_S * MODEL_RATE_HZ)
    powers: list[FloatArray] = []
    rest = np.zeros(0, np.float32)
    for block in audio.blocks(path):
        samples = np.concatenate([rest, block.samples[0]])
        count = len(samples) // size
        powers.append(np.square(samples[: count * size].reshape(count, size)).mean(axis=1))
        rest = samples[count * size :]
    power = np.concatenate(powers)
    # A frame is speech if there is sound within 0.16 s on either side.
    loud = np.convolve(power > 1e-6, np.ones(17), "same") > 0
    edges = np.flatnonzero(np.diff(np.concatenate([[False], loud, [False]])))
    return [(float(a) * _FRAME_S, float(b) * _FRAME_S) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def _check(path: Path, copy: Path, num_samples: int) -> None:
    """The copy has the recording's length, and its stretches sound like the recording's."""
    facts = audio.probe(copy)
    assert facts.num_samples == convert_samples(num_samples, RATE_HZ, MODEL_RATE_HZ), facts
    with audio.reader(path) as original, audio.reader(copy) as copied:
        for start_s in (10, 60 * (num_samples // RATE_HZ // 60) // 2):
            wanted = audio.resample(original.read(start_s * RATE_HZ, (start_s + 4) * RATE_HZ), MODEL_RATE_HZ).mono()
            found = copied.read(start_s * MODEL_RATE_HZ, (start_s + 4) * MODEL_RATE_HZ).samples[0]
            inner = slice(MODEL_RATE_HZ // 10, -MODEL_RATE_HZ // 10)
            assert np.abs(wanted - found)[inner].max() < 1e-3


def _peak_mb() -> float:
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--formats", nargs="+", default=["wav", "flac", "mp3", "m4a"])
    parser.add_argument("--limit-mb", type=float, default=1500.0)
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
            folder.mkdir(parents=True, exist_ok=True)
            recording = folder / f"recording.{suffix}"
            make_recording(recording, given.minutes)
            command = [sys.executable, "-m", "bench.intake", "--measure", str(recording), "--work", str(folder / "work")]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            print(done.stdout.strip(), flush=True)
            worst_mb = max(worst_mb, json.loads(done.stdout)["peak_mb"])
            recording.unlink()
    return int(worst_mb > given.limit_mb)


if __name__ == "__main__":
    sys.exit(main())
