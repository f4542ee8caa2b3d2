"""What works on this machine. Nothing is changed but that the catalog's schema is brought up to date."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from voicekit.errors import VoicekitError
from voicekit.models import ModelState
from voicekit.ports import BaseModel, Catalog
from voicekit.results import Check
from voicekit.storage import read_json
from voicekit.voice_files import JOB

_NEEDED = (
    "torch",
    "transformers",
    "peft",
    "numpy",
    "soundfile",
    "av",
    "silero-vad",
    "pyannote.audio",
    "pocketsphinx",
    "pyworld",
    "sqlalchemy",
)
_OPTIONAL = {
    "psycopg": "For a catalog in PostgreSQL: pip install 'voicekit[postgres]'.",
    "gradio": "For the studio: pip install 'voicekit[studio]'.",
    "tensorboard": "For curves of a training in TensorBoard: pip install 'voicekit[metrics]'.",
    "demucs": "For speech in music: pip install 'voicekit[recordings]'.",
    "faster-whisper": "For recordings without a script: pip install 'voicekit[recordings]'.",
    "speechmos": "For predicted quality of clips: pip install 'voicekit[recordings]'.",
}
_ROOM_BYTES = 2 * 2**30
_INSTALL = "Install voicekit again (make setup)."


def examine(
    home: Path,
    catalog: Catalog,
    open_base: Callable[[], BaseModel],
    device: Callable[[], str],
    version: str,
    models: Sequence[ModelState] = (),
    require_consent: bool = True,
) -> Iterator[Check]:
    """One check after the other, in the order in which a user would repair them."""
    yield Check("python", True, f"{platform.python_version()} on {platform.platform()}, {os.cpu_count()} cores")
    yield Check("voicekit", True, version)
    yield _packages()
    yield _device(device)
    yield _base(open_base)
    yield _folder("home", home)
    yield _room(home)
    yield _database(catalog)
    yield _unfinished(home)
    yield _consents(require_consent)
    for package, purpose in _OPTIONAL.items():
        found = _version(package)
        yield Check(package, bool(found), found or "not installed.", purpose, optional=True)
    for step in dict.fromkeys(state.model.step for state in models):
        yield _model([state for state in models if state.model.step is step])


def _model(known: Sequence[ModelState]) -> Check:
    """What does a step of messy recordings: a model, or what is embedded."""
    step, ready = known[0].model.step, [state for state in known if state.ready]
    if ready:
        where = f"inside {ready[0].model.package}" if ready[0].model.bundled else str(ready[0].folder)
        return Check(step, True, f"{ready[0].model.name} ({where}), licence {ready[0].model.licence}", optional=True)
    instead = known[0].instead
    licence = f", licence {instead.licence}" if instead.licence else ""
    said = f"bundled {instead.name}{licence}: {instead.good_for}."
    return Check(step, False, said, "For a better model: voicekit models list.", optional=True)


def _packages() -> Check:
    found = {name: _version(name) for name in _NEEDED}
    missing = [name for name, version in found.items() if not version]
    if missing:
        return Check("packages", False, f"missing: {', '.join(missing)}.", _INSTALL)
    return Check("packages", True, ", ".join(f"{name} {version}" for name, version in found.items()))


def _device(device: Callable[[], str]) -> Check:
    try:
        return Check("device", True, device())
    except (VoicekitError, ImportError) as error:
        return Check("device", False, str(error), _INSTALL if isinstance(error, ImportError) else "")


def _base(open_base: Callable[[], BaseModel]) -> Check:
    try:
        info = open_base().info
    except VoicekitError as error:
        return Check("base model", False, error.problem, error.remedy)
    spoken = ", ".join(info.languages)
    return Check(
        "base model", True, f"{info.name} @ {info.revision[:12]}, licence {info.licence}, speaks {spoken} ({info.folder})"
    )


def _folder(name: str, folder: Path) -> Check:
    """Really writes: permissions and mounts lie."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"voicekit")
    except OSError as error:
        return Check(name, False, f"{folder} cannot be written: {error.strerror}.", "Set VOICEKIT_HOME to a folder of yours.")
    return Check(name, True, f"{folder} can be written")


def _room(home: Path) -> Check:
    existing = next(p for p in (home, *home.absolute().parents) if p.exists())
    free = shutil.disk_usage(existing).free
    remedy = f"A voice needs up to {_ROOM_BYTES / 2**30:.0f} GB while it is made."
    return Check("disk", free >= _ROOM_BYTES, f"{free / 2**30:.1f} GB free{'' if free >= _ROOM_BYTES else '.'}", remedy)


def _consents(required: bool) -> Check:
    if required:
        return Check("consents", True, "a voice is published with its speaker's consent alone", optional=True)
    remedy = "Unset VOICEKIT_REQUIRE_CONSENT to require them."
    return Check("consents", False, "voices are published without any (VOICEKIT_REQUIRE_CONSENT=false).", remedy, optional=True)


def _unfinished(home: Path) -> Check:
    """Jobs that were interrupted: their command continues them, removing the name forgets them."""
    jobs = [job.parent for job in sorted((home / "work").glob(f"*/{JOB}"))]
    if not jobs:
        return Check("unfinished", True, "nothing")
    held = sum(file.stat().st_size for job in jobs for file in job.rglob("*") if file.is_file())
    names = ", ".join(sorted({str(read_json(job / JOB).get("name", job.name)) for job in jobs}))
    return Check("unfinished", True, f"{names} ({held / 2**20:.0f} MB): create again continues, voicekit remove forgets")


def _database(catalog: Catalog) -> Check:
    try:
        address, revision = catalog.database()
    except VoicekitError as error:
        return Check("catalog", False, error.problem, error.remedy)
    return Check("catalog", True, f"{address}, schema {revision}")


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""
