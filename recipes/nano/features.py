"""Rendered audio -> what the tokenizer trains on: mel power in bytes and pitch, a small file a shard.

python -m recipes.nano.features --audio DIR [--readers DIR --transcripts FILE] [--scripted DIR]
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import soundfile as sf
import soxr

from recipes.nano.stored import save, to_bytes
from recipes.nano.text import normalise
from voicekit.covo.features import log_mel, num_tokens
from voicekit.records import FloatArray
from voicekit.timebase import MODEL_RATE_HZ
from voicekit.world import pyworld


def token_pitch(samples_24k: FloatArray) -> FloatArray:
    """F0 in Hz float32 [N] at 25 Hz, 0 where unvoiced."""
    audio = soxr.resample(samples_24k, MODEL_RATE_HZ, 12_000).astype(np.float64)
    # At a quarter of the rate DIO takes a seventh of the time; StoneMask refines what it finds. Type stubs do not know `speed`.
    options = {"f0_floor": 60.0, "f0_ceil": 420.0, "frame_period": 10.0, "speed": 4}
    f0, times = pyworld.dio(audio, 12_000, **options)
    f0 = pyworld.stonemask(audio, f0, times, 12_000)
    frames = 4 * num_tokens(samples_24k.shape[0])
    f0 = np.pad(f0, (0, max(0, frames - len(f0))))[:frames].reshape(-1, 4)
    voiced = (f0 > 0).sum(1)
    return np.where(voiced >= 2, f0.sum(1) / np.maximum(voiced, 1), 0.0).astype(np.float32)


def prepare_shard(audio_file: Path) -> None:
    """Write mel_XXXX.npz (mel uint8 [sum 4N, 80], pitch float16 [sum N], tokens int32 [clips]) beside the audio."""
    out = audio_file.with_name(audio_file.name.replace("audio_", "mel_").replace(".i16", ".npz"))
    index = audio_file.with_name(audio_file.name.replace("audio_", "index_").replace(".i16", ".jsonl"))
    if out.exists() or not index.exists():
        return
    audio = np.memmap(audio_file, np.int16, "r")
    mels, pitches = [], []
    for line in index.read_text().splitlines():
        clip = json.loads(line)
        samples = audio[clip["start"] : clip["start"] + clip["num_samples"]].astype(np.float32) / np.float32(32768)
        mels.append(to_bytes(log_mel(samples)))
        pitches.append(token_pitch(samples).astype(np.float16))
    save(out, mels, pitches)


def prepare_readers(folder: Path, transcripts: Path, out: Path) -> None:
    """The sure runs of machine-transcribed real readers as one more set, audio included."""
    if (out / "mel_0000.npz").exists():
        return
    out.mkdir(parents=True, exist_ok=True)
    mels, pitches, rows, sounds = [], [], [], []
    for line in sorted(transcripts.read_text().splitlines()):
        item = json.loads(line)
        samples, rate_hz = sf.read(folder / item["file"], dtype="float32")
        for number, run in enumerate(item["runs"]):
            if run["end_s"] - run["start_s"] > 12.0:
                continue
            cut = samples[max(0, int((run["start_s"] - 0.05) * rate_hz)) : int((run["end_s"] + 0.05) * rate_hz)]
            audio = soxr.resample(cut, rate_hz, MODEL_RATE_HZ).astype(np.float32)
            audio *= 0.07 / (np.sqrt((audio**2).mean()) + 1e-9)
            mels.append(to_bytes(log_mel(audio)))
            pitches.append(token_pitch(audio).astype(np.float16))
            reader, start = item["file"].split("-")[0], sum(len(s) for s in sounds)
            sounds.append(np.round(np.clip(audio, -1, 1) * 32767).astype(np.int16))
            rows.append({"id": f"readers/{item['file']}-{number}", "set": "readers", "voice": reader, "base": f"reader-{reader}",
                         "split": "train", "named": False, "text": run["text"], "start": start,
                         "num_samples": len(audio)})  # fmt: skip
    (out / "audio_0000.i16").write_bytes(b"".join(sound.tobytes() for sound in sounds))
    (out / "index_0000.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    save(out / "mel_0000.npz", mels, pitches)


def prepare_scripted(folder: Path, out: Path) -> None:
    """A real reader with a script (LJSpeech metadata.csv), for testing only, in the same two files."""
    out.mkdir(parents=True, exist_ok=True)
    mels, pitches, rows = [], [], []
    for line in (folder / "metadata.csv").read_text(encoding="utf-8").splitlines():
        name, _, text = line.split("|")
        samples, rate_hz = sf.read(next(folder.rglob(f"{name}.wav")), dtype="float32")
        audio = soxr.resample(samples, rate_hz, MODEL_RATE_HZ).astype(np.float32)
        audio *= 0.07 / (np.sqrt((audio**2).mean()) + 1e-9)
        mels.append(to_bytes(log_mel(audio)))
        pitches.append(token_pitch(audio).astype(np.float16))
        rows.append({"id": name, "set": out.name, "voice": folder.name, "base": folder.name, "split": "test", "named": False,
                     "text": normalise(text), "num_samples": len(audio)})  # fmt: skip
    (out / "index_0000.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    save(out / "mel_0000.npz", mels, pitches)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--audio", type=Path, required=True)
    parser.add_argument("--readers", type=Path, help="real readers, with --transcripts: their machine transcripts")
    parser.add_argument("--transcripts", type=Path)
    parser.add_argument("--scripted", type=Path, help="a real reader with a script, for testing only (LJSpeech form)")
    args = parser.parse_args()
    for audio_file in sorted(args.audio.glob("*/audio_*.i16")):
        prepare_shard(audio_file)
    if args.readers and args.transcripts:
        prepare_readers(args.readers, args.transcripts, args.audio / "readers")
    if args.scripted:
        prepare_scripted(args.scripted, args.audio / "scripted")


if __name__ == "__main__":
    main()
