"""Hugging Face's audiofolder (https://huggingface.co/docs/datasets/audio_dataset): clips/*.flac and metadata.jsonl.

A line has `file_name`, `text`, `verdict`, `reason`, `split` and `grades`, and whatever else voicekit knows of the clip.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any, cast

from voicekit import files, manifest
from voicekit.errors import InputError
from voicekit.prepare.scripts.reading import read_text
from voicekit.records import Clip, Dataset

METADATA = "metadata.jsonl"


def write_audiofolder(dataset: Dataset, folder: Path, out: Path) -> int:
    """The files as they are, rejected clips included."""
    train, held_out = set(dataset.train_ids), set(dataset.held_out_ids)
    lines: list[str] = []
    for clip in dataset.clips:
        if not clip.audio:
            continue
        target = out / clip.audio
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(folder / clip.audio, target)
        split = "train" if clip.id in train else "held_out" if clip.id in held_out else ""
        lines.append(_line(clip, split))
    files.write_text(out / METADATA, "".join(lines))
    return len(lines)


def read_audiofolder(folder: Path) -> tuple[Clip, ...]:
    """The clips that write_audiofolder wrote, equal to the dataset's. Raises InputError naming the line."""
    found: list[Clip] = []
    for number, line in enumerate(read_text(folder / METADATA).split("\n"), 1):
        if not line.strip():
            continue
        where = f"{METADATA}, line {number}"
        try:
            found.append(manifest.from_json(Clip, json.dumps(_fields(json.loads(line)))))
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise InputError(f"{where}: it is not a clip of voicekit: {error!r}"[:200] + ".", "Export it again.") from None
        except InputError as error:
            raise InputError(f"{where}: {error.problem}", "Export it again.") from None
        if not (folder / found[-1].audio).is_file():
            raise InputError(f"{where}: there is no {found[-1].audio}.", "Put it back, or remove the line.")
    return tuple(found)


def _line(clip: Clip, split: str) -> str:
    """Flat, so that each fact is a column."""
    fields = cast("dict[str, Any]", json.loads(manifest.to_json(clip)))
    transcript = fields.pop("transcript")
    shown = {"file_name": fields.pop("audio"), "text": transcript["text"], "verdict": fields.pop("verdict"), "split": split}
    fields = {**shown, **fields, "words": transcript["words"], "source": transcript["source"]}
    text = json.dumps(fields, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:  # a file name of bytes that are no text
        text = json.dumps(fields)
    return text + "\n"


def _fields(line: dict[str, Any]) -> dict[str, Any]:
    fields = dict(line)
    fields.pop("split")
    fields["audio"] = fields.pop("file_name")
    fields["transcript"] = {"text": fields.pop("text"), "words": fields.pop("words"), "source": fields.pop("source")}
    return fields
