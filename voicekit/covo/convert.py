"""A base made anew in voicekit's layout: model.pt becomes safetensors, other weights are linked or copied, a card is written."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from pathlib import Path

from voicekit.covo.checkpoint import save_weights
from voicekit.covo.config import CARD
from voicekit.covo.layout import MOMENTS, TOKEN2WAV, DecoderFiles, card_of, decoder_files
from voicekit.covo.token2wav import own_config, read_decoder, sizes_of
from voicekit.errors import UsageError
from voicekit.files import beside, write_text
from voicekit.storage import copy_file, visible_files

ONE_FILE = 2**62


def convert(folder: Path, out: Path) -> tuple[str, ...]:
    """Write the base of `folder` to `out`. Each file is written beside and renamed, and the card last: killed and run again,
    it goes on. Tensors that model.pt holds beyond the decoder are kept; returned are the names of what is no tensor and is not.
    UsageError if `out` holds a finished base already.
    """
    if out.absolute() == folder.absolute() or folder.absolute() in out.absolute().parents:
        raise UsageError(f"{out} lies in the base itself.", "Give another folder.")
    if (out / CARD).is_file():
        raise UsageError(f"{out} holds a base already.", "Give another folder, or remove that one.")
    card, files = card_of(folder), decoder_files(folder)
    lost = _decoder(files, out / TOKEN2WAV) if files.weights.is_file() else ()
    for source in visible_files(folder):
        if source not in (files.weights, files.moments, files.config, folder / CARD):
            _carry(source, out / source.relative_to(folder))
    if (folder / CARD).is_file():
        _carry(folder / CARD, out / CARD)
    else:
        write_text(out / CARD, json.dumps(asdict(card), indent=1, ensure_ascii=False) + "\n")
    return lost


def _decoder(files: DecoderFiles, place: Path) -> tuple[str, ...]:
    weights, lost = read_decoder(files)
    sizes = sizes_of(files, {name: tuple(tensor.shape) for name, tensor in weights.items()})
    write_text(place / "config.json", json.dumps(own_config(sizes), indent=1) + "\n")
    save_weights(weights, place, ONE_FILE)
    if files.moments.is_file():
        _carry(files.moments, place / MOMENTS)
    return lost


def _carry(source: Path, target: Path) -> None:
    if target.is_file():
        there, wanted = target.stat(), source.stat()
        if (there.st_size, there.st_mtime_ns) == (wanted.st_size, wanted.st_mtime_ns):
            return
    with beside(target) as tmp:
        if source.suffix == ".safetensors":
            copy_file(source, tmp)  # a link where the disk allows
        else:
            shutil.copy2(source, tmp)  # somebody may edit it
