"""Machine transcripts for real readers that come without text.

Real speech must never train the tokenizer without a text loss (the encoder would learn "real audio = silence"), so every
reader is transcribed with pocketsphinx's general English model and only runs of words it is sure of are kept.

python -m recipes.nano.readers --folder DIR --out FILE [--processes N]
"""

from __future__ import annotations

import argparse
import json
from multiprocessing import Pool
from pathlib import Path

import numpy as np
import soundfile as sf

SURE_POSTERIOR = 0.45
MIN_RUN_S = 0.7


def sure_runs(words: list[tuple[str, float, float, float]]) -> list[dict]:
    """Longest runs of neighbouring words whose posterior is at least SURE_POSTERIOR.

    `words` holds (text, start_s, end_s, posterior); returns dicts with start_s, end_s, text.
    """
    runs: list[dict] = []
    run: list[tuple[str, float, float, float]] = []
    for word in [*words, ("", 0.0, 0.0, -1.0)]:
        if word[3] >= SURE_POSTERIOR:
            run.append(word)
            continue
        if run and run[-1][2] - run[0][1] >= MIN_RUN_S:
            runs.append({"start_s": run[0][1], "end_s": run[-1][2], "text": " ".join(w[0] for w in run)})
        run = []
    return runs


def transcribe(path: Path) -> dict:
    """All words of one 16 kHz recording with times and posteriors, and the runs worth training on."""
    from pocketsphinx import Decoder

    samples, rate_hz = sf.read(path, dtype="int16")
    if rate_hz != 16000:
        raise SystemExit(f"{path}: expected 16 kHz audio, found {rate_hz} Hz")
    decoder = Decoder(loglevel="FATAL")
    decoder.start_utt()
    decoder.process_raw(np.ascontiguousarray(samples).tobytes(), full_utt=True)
    decoder.end_utt()
    words: list[tuple[str, float, float, float]] = []
    for seg in decoder.seg() or []:
        if seg.word.startswith(("<", "[")):
            continue
        text = seg.word.split("(")[0]
        posterior = float(seg.prob)
        words.append((text, seg.start_frame / 100.0, (seg.end_frame + 1) / 100.0, posterior))
    return {"file": path.name, "words": words, "runs": sure_runs(words)}


def transcribe_folder(folder: Path, out: Path, processes: int) -> None:
    """Transcribe every FLAC file of a folder into one JSONL file; files already in `out` are skipped."""
    done = {json.loads(line)["file"] for line in out.read_text().splitlines()} if out.exists() else set()
    todo = [p for p in sorted(folder.glob("*.flac")) if p.name not in done]
    with Pool(processes) as pool, out.open("a") as sink:
        for result in pool.imap_unordered(transcribe, todo):
            sink.write(json.dumps(result) + "\n")
            sink.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--processes", type=int, default=1)
    args = parser.parse_args()
    transcribe_folder(args.folder, args.out, args.processes)


if __name__ == "__main__":
    main()
