"""Praat TextGrids of clips and of whole recordings, with a tier of texts and one of words.

clips/ID.wav, clips/ID.TextGrid        a clip as it is learned from
recordings/PATH.TextGrid               its texts and words in the recording's own time, to be laid beside the recording
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

from voicekit import audio, files
from voicekit.errors import InputError
from voicekit.prepare.scripts.textgrid import Interval, TextGrid, Tier, format_textgrid, read_textgrid
from voicekit.records import Clip, Recording, Transcript, Word
from voicekit.timebase import samples_to_seconds

TEXT, WORDS = "text", "words"


def write_textgrids(clips: Sequence[Clip], recordings: Sequence[Recording], folder: Path, out: Path) -> int:
    for clip in clips:
        wave = audio.read(folder / clip.audio)
        audio.write_wav(out / "clips" / f"{clip.id}.wav", wave)
        text = Interval(0.0, wave.duration_s, clip.transcript.text)
        grid = _grid(wave.duration_s, [text], [Interval(w.start_s, w.end_s, w.text) for w in clip.transcript.words])
        files.write_text(out / "clips" / f"{clip.id}.TextGrid", _written(grid, clip.id))
    taken: set[PurePosixPath] = set()
    for recording in recordings:
        mine = [c for c in clips if c.recording_id == recording.id]
        if mine:
            name = _name(recording, taken)
            files.write_text(out / "recordings" / name, _written(recording_grid(recording, mine), recording.path))
    return len(clips)


def recording_grid(recording: Recording, clips: Iterable[Clip]) -> TextGrid:
    """Where in a recording its clips lie, and the words in them."""
    texts: list[Interval] = []
    words: list[Interval] = []
    for clip in clips:
        start_s = samples_to_seconds(clip.start_sample, clip.sample_rate_hz)
        end_s = samples_to_seconds(clip.start_sample + clip.num_samples, clip.sample_rate_hz)
        texts.append(Interval(start_s, end_s, clip.transcript.text))
        words += [Interval(start_s + w.start_s, start_s + w.end_s, w.text) for w in clip.transcript.words]
    return _grid(samples_to_seconds(recording.num_samples, recording.sample_rate_hz), texts, words)


def read_textgrids(folder: Path) -> dict[str, Transcript]:
    """What `clips/` holds, by clip id: texts and times as they were written. Confidences are not in a TextGrid."""
    return {path.stem: transcript_of(read_textgrid(path)) for path in sorted((folder / "clips").glob("*.TextGrid"))}


def transcript_of(grid: TextGrid) -> Transcript:
    """Text and words of a grid that this module made."""
    words = [i for tier in grid.tiers if tier.name.startswith(WORDS) for i in tier.intervals]
    text = next((i.text for tier in grid.tiers if tier.name == TEXT for i in tier.intervals), "")
    in_order = sorted(words, key=lambda i: (i.start_s, i.end_s))
    return Transcript(text, tuple(Word(i.text, i.start_s, i.end_s) for i in in_order), "textgrid")


def _grid(duration_s: float, texts: Sequence[Interval], words: Sequence[Interval]) -> TextGrid:
    """A tier of a TextGrid holds what does not overlap: what does goes into further ones, words of no length onto points."""
    duration_s = max([duration_s, *(i.end_s for i in (*texts, *words))])
    spans = [i for i in words if i.end_s > i.start_s]
    points = [i for i in words if i.end_s == i.start_s]
    tiers = [*_lanes(TEXT, texts), *_lanes(WORDS, spans), *_lanes(f"{WORDS} (points)", points)]
    return TextGrid(duration_s, tuple(tiers))


def _lanes(name: str, intervals: Iterable[Interval]) -> list[Tier]:
    lanes: list[list[Interval]] = []
    for interval in sorted(intervals, key=lambda i: (i.start_s, i.end_s)):
        free = (lane for lane in lanes if lane[-1].end_s <= interval.start_s and lane[-1].start_s < interval.start_s)
        lane = next(free, None)
        if lane is None:
            lanes.append(lane := [])
        lane.append(interval)
    names = [name, *(f"{name} {number}" for number in range(2, len(lanes) + 1))]
    points = all(i.end_s == i.start_s for lane in lanes for i in lane)
    return [Tier(names[n], tuple(lane), points) for n, lane in enumerate(lanes)]


def _written(grid: TextGrid, name: str) -> str:
    text = format_textgrid(grid)
    if any(not c.isprintable() and c != "\n" for c in text):
        raise InputError(f"A text of {name} has control signs, which a TextGrid cannot hold.", "Correct the text.")
    return text


def _name(recording: Recording, taken: set[PurePosixPath]) -> PurePosixPath:
    """Beside the recording's own path, below `recordings/`; a.wav and a.flac keep their suffixes."""
    path = PurePosixPath(*(part for part in PurePosixPath(recording.path).parts if part not in ("/", "..")))
    name = path.with_suffix(".TextGrid")
    if name in taken:
        name = path.with_name(f"{path.name}.TextGrid")
    taken.add(name)
    return name
