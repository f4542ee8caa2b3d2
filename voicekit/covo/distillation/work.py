"""Where a distillation works and what it leaves: a base with one part more, and a card that says how good the part is."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path

from voicekit.covo.base import Base
from voicekit.covo.layout import NUMBERS, PROMPT_EXTRACTOR, SPEECH_TOKENIZER, card_of
from voicekit.errors import UsageError
from voicekit.files import beside, write_section, write_text
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


def finished(target: Path, part: str, spec: DistilSpec) -> dict[str, Metric] | None:
    """The numbers of the part if it is there. UsageError if it was learned with other options."""
    file = target / part / NUMBERS
    if not file.is_file():
        return None
    stored = json.loads(file.read_text(encoding="utf-8"))
    if stored["spec"] != spec.model_dump(mode="json"):
        remedy = f"Give --out with another folder, or remove {target / part}."
        raise UsageError(f"The {part.replace('_', ' ')} in {target} was learned with other options.", remedy)
    shutil.rmtree(_place_of_work(target, part), ignore_errors=True)
    rows = stored["metrics"].items()
    return {name: Metric(*(_number(m[key]) for key in ("value", "low", "high")), n=m["n"]) for name, m in rows}


def workplace(target: Path, part: str, base: Base, spec: DistilSpec) -> Path:
    """The hidden folder of an unfinished distillation in `target`. UsageError if another one began there."""
    folder = _place_of_work(target, part)
    mark = combined_sha256([base.info.name, _weights_of(base), spec.model_dump_json()])
    file = folder / "job.json"
    if file.is_file() and json.loads(file.read_text(encoding="utf-8"))["mark"] != mark:
        remedy = f"Give the same options to go on with it, or remove {folder}."
        raise UsageError("A distillation with other options, or of another base, was begun there.", remedy)
    write_text(file, json.dumps({"mark": mark, "spec": spec.model_dump(mode="json")}, indent=1) + "\n")
    return folder


def _place_of_work(target: Path, part: str) -> Path:
    return target / f".distill-{part}"


def _weights_of(base: Base) -> str:
    """Names and sizes of the weights that pairs depend on: learned parts may come to the base meanwhile."""
    folder = base.info.folder
    files = {p.relative_to(folder): p for p in visible_files(folder) if p.suffix in (".safetensors", ".pt")}
    kept = {place: p for place, p in files.items() if place.parts[0] not in (SPEECH_TOKENIZER, PROMPT_EXTRACTOR)}
    return "\n".join(f"{place.as_posix()} {p.stat().st_size}" for place, p in kept.items())


def carry_base(folder: Path, target: Path, without: str) -> None:
    """The base's files at `target`, but for the part that is to be made. What is there already is left."""
    for source in visible_files(folder):
        place = source.relative_to(folder)
        if place.parts[0] != without and not (target / place).exists():
            with beside(target / place) as tmp:
                copy_file(source, tmp)


def place_part(
    target: Path,
    part: str,
    spec: DistilSpec,
    save: Callable[[Path], None],
    told: tuple[str, str],
    numbers: Mapping[str, Metric],
) -> None:
    """The finished part in its place, its numbers beside it and in the base's README under a title and a story (`told`); the
    work is removed."""
    work = _place_of_work(target, part)
    made = work / part
    shutil.rmtree(made, ignore_errors=True)
    save(made)
    metrics = {name: _finite(asdict(m)) for name, m in numbers.items()}
    write_text(made / NUMBERS, json.dumps({"spec": spec.model_dump(mode="json"), "metrics": metrics}, indent=1) + "\n")
    _tell(target, part, *told, numbers)
    made.rename(target / part)
    shutil.rmtree(work, ignore_errors=True)


def _finite(numbers: dict[str, float]) -> dict[str, float | None]:
    return {key: value if math.isfinite(value) else None for key, value in numbers.items()}


def _number(stored: float | None) -> float:
    return math.nan if stored is None else stored


def _tell(target: Path, part: str, title: str, story: str, numbers: Mapping[str, Metric]) -> None:
    """A section of the model card."""
    rows = [f"| {name.replace('_', ' ')} | {m.value:.3f} | {m.low:.3f}-{m.high:.3f} | {m.n} |" for name, m in numbers.items()]
    table = "\n".join(["| measured | value | 95 % interval | n |", "|---|---|---|---|", *rows])
    write_section(target / README, part, f"## {title}\n\n{story}\n\n{table}", f"# {card_of(target).name}")
