"""Make the bundled sample speaker: `python -m recipes.nano.sample [--out FOLDER] [--minutes 4]`. Needs flite.

The first of the held-out narrative statements, read by flite's `rms`, a base voice nano never hears: one Ogg Opus file a
sentence and an LJSpeech `metadata.csv`, in one zip, as a user would bring them.
"""

import argparse
import io
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import soundfile

from recipes.nano.engines import SAMPLE_RATE_HZ, speak
from recipes.nano.render import finish
from recipes.nano.sets import jobs
from voicekit.files import beside
from voicekit.shipped import shipped

SET = "narr_rms"
NAME = "recordings.zip"
_OPUS_EFFORT = 0.9  # soundfile's scale from large to small: about 34 kbit/s
_EPOCH = (2026, 1, 1, 0, 0, 0)

Clip = np.ndarray[tuple[int], np.dtype[np.int16]]


def render(minutes: float) -> list[tuple[str, Clip]]:
    """(text, samples) until there are `minutes` of audio, or no more sentences."""
    spoken: list[tuple[str, Clip]] = []
    wanted = minutes * 60 * SAMPLE_RATE_HZ
    with tempfile.TemporaryDirectory() as scratch:
        for job in jobs(SET, ()):
            if sum(len(clip) for _, clip in spoken) >= wanted:
                break
            (samples,) = speak([(job.voice, job.text)], Path(scratch))
            clip = None if samples is None else finish(samples)
            if clip is not None:
                spoken.append((job.text, clip))
    return spoken


def pack(spoken: list[tuple[str, Clip]], path: Path) -> None:
    """Write the zip, whole or not at all."""
    rows = "".join(f"{n:03d}|{_written(text)}|{text}\n" for n, (text, _) in enumerate(spoken, start=1))
    with beside(path) as tmp, zipfile.ZipFile(tmp, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(zipfile.ZipInfo("metadata.csv", _EPOCH), rows)
        for n, (_, clip) in enumerate(spoken, start=1):
            archive.writestr(zipfile.ZipInfo(f"wavs/{n:03d}.ogg", _EPOCH), _opus(clip))


def _written(text: str) -> str:
    return text[0].upper() + text[1:]


def _opus(clip: Clip) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, clip, SAMPLE_RATE_HZ, format="OGG", subtype="OPUS", compression_level=_OPUS_EFFORT)
    return buffer.getvalue()


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=shipped("assets") / "sample", help="folder for recordings.zip")
    parser.add_argument("--minutes", type=float, default=4.0)
    chosen = parser.parse_args()
    spoken = render(chosen.minutes)
    if not spoken:
        parser.error("flite gave no audio: install it with its voice rms (Debian: apt-get install flite)")
    chosen.out.mkdir(parents=True, exist_ok=True)
    pack(spoken, chosen.out / NAME)
    seconds = sum(len(clip) for _, clip in spoken) / SAMPLE_RATE_HZ
    size_kb = (chosen.out / NAME).stat().st_size / 1000
    print(f"{chosen.out / NAME}: {len(spoken)} sentences, {seconds:.0f} s, {size_kb:.0f} kB")


if __name__ == "__main__":
    main()
