"""LJSpeech (https://keithito.com/LJ-Speech-Dataset/): wavs/ID.wav and metadata.csv with `ID|text|text`.

The third column is meant for the text as it is spoken; the text itself stands there as well, so that it comes back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from voicekit import audio, files
from voicekit.errors import InputError
from voicekit.prepare.scripts.names import Names
from voicekit.prepare.scripts.tables import read_table
from voicekit.prepare.spoken import normalise
from voicekit.records import Clip


@dataclass(frozen=True)
class Spoken:
    """A text and the file in which it is said."""

    id: str
    audio: Path
    text: str


def write_ljspeech(clips: Sequence[Clip], folder: Path, out: Path) -> int:
    """16-bit wavs at 24 kHz, sample by sample those of the dataset. InputError for a text that a line cannot hold."""
    for clip in clips:
        text = clip.transcript.text
        if "|" in text or not text or not text.isprintable() or normalise(text) != text:
            problem = f"The text of clip {clip.id} ({clip.recording}) cannot stand in LJSpeech's metadata.csv: {text[:60]!r}."
            raise InputError(problem, "Correct it (no bar, no control signs), or write another form: --to hf.")
    for clip in clips:
        audio.write_wav(out / "wavs" / f"{clip.id}.wav", audio.read(folder / clip.audio))
    lines = [f"{clip.id}|{clip.transcript.text}|{clip.transcript.text}\n" for clip in clips]
    files.write_text(out / "metadata.csv", "".join(lines))
    return len(clips)


def read_ljspeech(folder: Path) -> tuple[Spoken, ...]:
    """The lines of metadata.csv, with their files. Raises ScriptError for a bad line, InputError for a missing file."""
    found: list[Spoken] = []
    for said in read_table(folder / "metadata.csv", Names(())):
        wav = folder / "wavs" / f"{said.name}.wav"
        if not wav.is_file():
            raise InputError(f"{said.where}: there is no {wav}.", "Put it back, or remove the line.")
        found.append(Spoken(said.name, wav, said.text))
    return tuple(found)
