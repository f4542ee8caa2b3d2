"""Everything that training reads, in one small file: for a GPU machine that has torch, transformers, numpy and no more.

    python -m recipes.nano.packed pack --work DIR --file FILE.npz [--coarse 2]     where the features were prepared
    python -m recipes.nano.packed unpack --work DIR --file FILE.npz                where nano is to be trained

The file is an npz compressed with LZMA. Mels stay bytes, `--coarse` times as coarse (1: exactly as they are; the error is at most
`coarse` // 2 of their steps), as differences along time and frequency; latents become bytes but for pitch and voicing, and the
clips whose pitch was moved are made again from the others. Audio is left out: nothing in training reads it.
"""

from __future__ import annotations

import argparse
import io
import json
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from recipes.nano.hearing import SETS as HEARING_SETS
from recipes.nano.shape import Places
from recipes.nano.stored import load_set, move, save, save_arrays, save_latents
from recipes.nano.tokenizer import SHARE, TESTS
from recipes.nano.tokens import SETS as SPOKEN_SETS
from voicekit.files import beside

COARSE = 2
ROW = ("text", "voice", "base", "named")
EXACT_LATENTS = 2  # the last ones: log F0 and voicing


def packed_mel(mel: np.ndarray, coarse: int) -> np.ndarray:
    """uint8 [T, 80] -> uint8 [T, 80]: differences, modulo 256, of the coarser bytes along time, then along frequency."""
    x = np.diff(mel // coarse, axis=0, prepend=np.zeros((1, mel.shape[1]), np.uint8))
    return np.diff(x, axis=1, prepend=np.zeros((len(x), 1), np.uint8))


def unpacked_mel(packed: np.ndarray, coarse: int) -> np.ndarray:
    """The inverse, in the middle of what was rounded together."""
    x = np.cumsum(np.cumsum(packed, axis=1, dtype=np.uint8), axis=0, dtype=np.uint8)
    return x * np.uint8(coarse) + np.uint8(coarse // 2)


def packed_latents(latents: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """float16 [M, D] -> (differences along time of bytes [M, D - 2], lowest values and steps float32 [2, D - 2], the rest)."""
    rough = latents[:, :-EXACT_LATENTS].astype(np.float32)
    low = rough.min(0)
    step = np.maximum((rough.max(0) - low) / 255, 1e-9)
    x = np.round((rough - low) / step).astype(np.uint8)
    return np.diff(x, axis=0, prepend=np.zeros((1, x.shape[1]), np.uint8)), np.stack([low, step]), latents[:, -EXACT_LATENTS:]


def unpacked_latents(packed: np.ndarray, scale: np.ndarray, exact: np.ndarray) -> np.ndarray:
    rough = np.cumsum(packed, axis=0, dtype=np.uint8) * scale[1] + scale[0]
    return np.concatenate([rough.astype(np.float16), exact], axis=1)


class Sink:
    """The file while it is written."""

    def __init__(self, file: zipfile.ZipFile, coarse: int) -> None:
        self._file, self._coarse = file, coarse
        self.put("coarse", np.array(coarse))

    def put(self, name: str, array: np.ndarray) -> None:
        held = io.BytesIO()
        np.lib.format.write_array(held, array, allow_pickle=False)
        self._file.writestr(f"{name}.npy", held.getvalue())

    def text(self, name: str, text: str) -> None:
        self.put(name, np.frombuffer(text.encode(), np.uint8))

    def rows(self, name: str, rows: Sequence[dict]) -> None:
        self.text(name, json.dumps([{key: row[key] for key in ROW} for row in rows]))

    def mel(self, name: str, mel: np.ndarray) -> None:
        self.put(name, packed_mel(mel, self._coarse))


def pack(work: Path, file: Path, coarse: int) -> None:
    """Write `file` from what `prepare` left in `work`; sets that are not there are left out."""
    places = Places(work)
    with beside(file) as tmp, zipfile.ZipFile(tmp, "w", zipfile.ZIP_LZMA) as opened:
        sink = Sink(opened, coarse)
        sink.text("text", places.text.read_text(encoding="utf-8"))
        for name in dict.fromkeys((*SHARE, *SPOKEN_SETS, *TESTS)):
            if items := load_set(places.audio / name):
                sink.mel(f"audio/{name}/mel", np.concatenate([i.mel for i in items]))
                sink.put(f"audio/{name}/pitch", np.concatenate([i.pitch for i in items]))
                sink.put(f"audio/{name}/tokens", np.array([i.tokens for i in items], np.int32))
                sink.rows(f"audio/{name}/rows", [i.row for i in items])
        for name in HEARING_SETS:
            if (source := places.hearing / f"{name}.npz").exists():
                data = np.load(source)
                sink.mel(f"hearing/{name}/mel", data["mel"])
                sink.put(f"hearing/{name}/frames", data["frames"])
                sink.rows(f"hearing/{name}/rows", json.loads(str(data["rows"])))
        data = np.load(work / "latents.npz")
        rows = json.loads(str(data["rows"]))
        sink.text("latents/rows", json.dumps(rows))
        sink.mel("latents/mel", data["mel"])
        original = np.concatenate(np.split(data["latents"], np.cumsum([r["frames"] for r in rows])[:-1])[::2])
        for name, array in zip(("bytes", "scale", "exact"), packed_latents(original), strict=True):
            sink.put(f"latents/{name}", array)
    print(f"{file}: {file.stat().st_size / 1e6:.1f} MB")


def unpack(work: Path, file: Path) -> None:
    """Put into `work` what the training programs read; what is there already stays."""
    places = Places(work)
    with np.load(file) as data:
        coarse = int(data["coarse"])

        def read(name: str) -> str:
            return data[name].tobytes().decode()

        def mel(name: str) -> np.ndarray:
            return unpacked_mel(data[f"{name}/mel"], coarse)

        places.text.parent.mkdir(parents=True, exist_ok=True)
        places.text.write_text(read("text"), encoding="utf-8")
        names = {name.rsplit("/", 1)[0] for name in data.files}
        for place in sorted(name for name in names if name.startswith("audio/")):
            features = work / place / "mel_0000.npz"
            if features.exists():
                continue
            features.parent.mkdir(parents=True, exist_ok=True)
            ends = np.cumsum(data[f"{place}/tokens"])[:-1]
            lines = [json.dumps(row) + "\n" for row in json.loads(read(f"{place}/rows"))]
            features.with_name("index_0000.jsonl").write_text("".join(lines))
            save(features, np.split(mel(place), 4 * ends), np.split(data[f"{place}/pitch"], ends))
        places.hearing.mkdir(parents=True, exist_ok=True)
        for place in sorted(name for name in names if name.startswith("hearing/")):
            if not (out := work / f"{place}.npz").exists():
                rows = np.array(read(f"{place}/rows"))
                save_arrays(out, {"mel": mel(place), "frames": data[f"{place}/frames"], "rows": rows})
        if not (out := work / "latents.npz").exists():
            rows = json.loads(read("latents/rows"))
            original = unpacked_latents(*(data[f"latents/{name}"] for name in ("bytes", "scale", "exact")))
            clips = np.split(original, np.cumsum([r["frames"] for r in rows[::2]])[:-1])
            both = [x for clip, row in zip(clips, rows[1::2], strict=True) for x in (clip, move(clip, row["moved"]))]
            save_latents(out, rows, [mel("latents")], both)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("pack", "unpack"))
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--file", type=Path, required=True)
    parser.add_argument("--coarse", type=int, choices=(1, 2, 4, 8), default=COARSE)
    args = parser.parse_args()
    if args.what == "pack":
        pack(args.work, args.file, args.coarse)
    else:
        unpack(args.work, args.file)


if __name__ == "__main__":
    main()
