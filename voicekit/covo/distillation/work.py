"""Where a distillation works and what it leaves: a base with one part more, and a card that says how good the part is."""

from __future__ import annotations

import json
import math
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path

from voicekit.covo.base import Base
from voicekit.covo.layout import NUMBERS, card_of
from voicekit.errors import UsageError
from voicekit.files import write_text
from voicekit.records import Metric
from voicekit.specs import DistilSpec
from voicekit.storage import combined_sha256, copy_file, visible_files

README = "README.md"


def target_of(folder: Path, out: Path | None, part: str) -> Path:
    """The folder that shall hold the part. UsageError if that would be written over, or into the base itself."""
    target = folder if out is None else out.expanduser().absolute()
    inside = out is not None and folder.absolute() in target.parents
    if inside or (out is not None and target == folder.absolute()):
        raise UsageError(f"{target} lies in the base itself.", "Give another folder, or leave --out away.")
    if (target / part).exists() and not (target / part / NUMBERS).is_file():
        remedy = "Give --out: the base is copied there (linked where the disk allows) without that part."
        raise UsageError(f"{target} has its own {part.replace('_', ' ')}.", remedy)
    return target


def workplace(target: Path, part: str, base: Base, spec: DistilSpec) -> Path:
    """The hidden folder of an unfinished distillation in `target`. UsageError if another one began there."""
    folder = target / f".distill-{part}"
    mark = combined_sha256([base.info.name, _weights_of(base), spec.model_dump_json()])
    file = folder / "job.json"
    if file.is_file() and json.loads(file.read_text(encoding="utf-8"))["mark"] != mark:
        remedy = f"Give the same options to go on with it, or remove {folder}."
        raise UsageError("A distillation with other options, or of another base, was begun there.", remedy)
    write_text(file, json.dumps({"mark": mark, "spec": spec.model_dump(mode="json")}, indent=1) + "\n")
    return folder


def _weights_of(base: Base) -> str:
    """What the pairs depend on, told by names and sizes: to hash the weights of a large base takes minutes."""
    files = (p for p in visible_files(base.info.folder) if p.suffix in (".safetensors", ".pt"))
    return "\n".join(f"{p.relative_to(base.info.folder).as_posix()} {p.stat().st_size}" for p in files)


def carry_base(folder: Path, target: Path, without: str) -> None:
    """The base's files at `target`, but for the part that is to be made. What is there already is left."""
    for source in visible_files(folder):
        place = source.relative_to(folder)
        if place.parts[0] != without and not (target / place).exists():
            copy_file(source, target / place)


def place_part(
    target: Path, part: str, work: Path, save: Callable[[Path], None], title: str, story: str, numbers: Mapping[str, Metric]
) -> None:
    """The finished part in its place, its numbers beside it and in the base's README; the work is removed."""
    made = work / part
    shutil.rmtree(made, ignore_errors=True)
    save(made)
    write_text(made / NUMBERS, json.dumps({name: _finite(asdict(m)) for name, m in numbers.items()}, indent=1) + "\n")
    _tell(target, part, title, story, numbers)
    made.rename(target / part)
    shutil.rmtree(work, ignore_errors=True)


def _finite(numbers: dict[str, float]) -> dict[str, float | None]:
    return {key: value if math.isfinite(value) else None for key, value in numbers.items()}


def read_numbers(place: Path) -> dict[str, Metric]:
    """What was measured of a finished part."""
    stored = json.loads((place / NUMBERS).read_text(encoding="utf-8"))
    return {name: Metric(*(_number(m[key]) for key in ("value", "low", "high")), n=m["n"]) for name, m in stored.items()}


def _number(stored: float | None) -> float:
    return math.nan if stored is None else stored


def _tell(target: Path, part: str, title: str, story: str, numbers: Mapping[str, Metric]) -> None:
    """A section of the model card between marks of its own."""
    rows = [f"| {name.replace('_', ' ')} | {m.value:.3f} | {m.low:.3f}-{m.high:.3f} | {m.n} |" for name, m in numbers.items()]
    table = "\n".join(["| measured | value | 95 % interval | n |", "|---|---|---|---|", *rows])
    begin, end = f"<!-- {part}:begin -->", f"<!-- {part}:end -->"
    block = f"{begin}\n## {title}\n\n{story}\n\n{table}\n{end}\n"
    file = target / README
    known = file.read_text(encoding="utf-8") if file.is_file() else f"# {card_of(target).name}\n"
    pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}\n", re.DOTALL)
    told = pattern.sub(lambda _: block, known) if pattern.search(known) else f"{known.rstrip()}\n\n{block}"
    write_text(file, told)
