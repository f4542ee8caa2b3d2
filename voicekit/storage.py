"""Hashes, locks, JSON and voice prompts on disk, and what a full disk looks like.

A voice prompt file holds `tokens` int64 [N], `latents` float32 [4N, 64] and `speaker` float32 [S] as safetensors, the
layout of a base's `voice_prompts/`.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import time
from collections import defaultdict
from collections.abc import Collection, Generator, Iterable, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from filelock import FileLock, Timeout
from safetensors import SafetensorError
from safetensors import numpy as safetensors_numpy

from voicekit import files
from voicekit.errors import IntegrityError, ResourceError, UsageError, VoicekitError
from voicekit.records import VoicePrompt

# Texts about a base: they do not change what it does.
NOT_IN_REVISION = ("README.md", "card.json")
_Look = tuple[tuple[str, int, int, int, int], ...]
_SETTLED_NS = 2_000_000_000
_safetensors: Any = safetensors_numpy  # its types name an unknown PathLike


def file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def tree_sha256(
    path: Path, suffixes: Collection[str] = (), without: Collection[str] = (), of: Sequence[Path] | None = None
) -> str:
    """Hash of a file, or of a folder's files with their relative names. Hidden files do not count, nor do those called as in
    `without`; `suffixes` may limit it, or `of`, the files in their order."""
    if path.is_file():
        return file_sha256(path)
    digest = hashlib.sha256()
    for file in visible_files(path) if of is None else of:
        if file.name in without or (suffixes and file.suffix.lower() not in suffixes):
            continue
        name = file.relative_to(path).as_posix()
        digest.update(f"{name}\0{file_sha256(file)}\n".encode(errors="surrogatepass"))
    return digest.hexdigest()


class KnownHashes:
    """`tree_sha256` of trees that are asked for again and again: read once, then known for as long as nothing is changed, which
    the system tells (size, time, file). Two who ask at once do not read twice."""

    def __init__(self) -> None:
        self._known: dict[Path, tuple[_Look, str]] = {}
        self._reading: defaultdict[Path, Lock] = defaultdict(Lock)

    def tree_sha256(self, path: Path) -> str:
        with self._reading[path]:
            look = _look(path)
            known = self._known.get(path)
            if known is not None and known[0] == look:
                return known[1]
            sha256 = tree_sha256(path)
            # What was changed a moment ago may be changed again without looking any different.
            if look == _look(path) and all(changed_ns < time.time_ns() - _SETTLED_NS for _, _, _, _, changed_ns in look):
                self._known[path] = (look, sha256)
            return sha256


def _look(path: Path) -> _Look:
    found = [path] if path.is_file() else visible_files(path)
    stats = [(file, file.stat()) for file in found]
    return tuple((str(file), s.st_ino, s.st_size, s.st_mtime_ns, s.st_ctime_ns) for file, s in stats)


def visible_files(folder: Path) -> list[Path]:
    """Every file below a folder whose path has no hidden part, in a fixed order."""
    found = (p for p in folder.rglob("*") if not any(part.startswith(".") for part in p.relative_to(folder).parts))
    return sorted(p for p in found if p.is_file())


def base_revision(folder: Path) -> str:
    """sha256 over the names and contents of a base directory's files, texts about it aside."""
    digest = hashlib.sha256()
    for file in visible_files(folder):
        name = file.relative_to(folder).as_posix()
        if name not in NOT_IN_REVISION:
            digest.update(f"{name}\0{file_sha256(file)}\n".encode())
    return digest.hexdigest()


def combined_sha256(parts: Iterable[str]) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def write_json(path: Path, value: object) -> None:
    files.write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """An object, or {} if the file is not there."""
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def write_prompt(path: Path, prompt: VoicePrompt) -> None:
    arrays: dict[str, Any] = {
        "tokens": np.ascontiguousarray(prompt.tokens, np.int64),
        "latents": np.ascontiguousarray(prompt.latents, np.float32),
        "speaker": np.ascontiguousarray(prompt.speaker, np.float32),
    }
    with files.beside(path) as tmp:
        _safetensors.save_file(arrays, tmp)


def read_prompt(path: Path) -> VoicePrompt:
    try:
        arrays = _safetensors.load_file(path)
        return VoicePrompt(arrays["tokens"], arrays["latents"], arrays["speaker"])
    except (FileNotFoundError, SafetensorError, KeyError) as error:
        raise IntegrityError(f"The voice prompt {path} cannot be read: {error}.", "Create the voice again.") from None


def copy_tree(source: Path, target: Path, without: Sequence[str] = ()) -> None:
    """A folder's files again at `target`, as links where the disk allows: neither side is ever written in place."""
    shutil.copytree(source, target, copy_function=_link_or_copy, ignore=shutil.ignore_patterns(*without))


def copy_file(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    _link_or_copy(str(source), str(target))


def _link_or_copy(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        shutil.copy2(source, target)


@contextmanager
def locked(path: Path, problem: str, remedy: str, wait_s: float = 0.0) -> Generator[None, None, None]:
    """Only one process at a time may be in the block; after `wait_s` the others get a UsageError. A killed process frees it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(timeout=wait_s)
    except Timeout:
        raise UsageError(problem, remedy) from None
    try:
        yield
    finally:
        lock.release()


_NEARLY_NOTHING_BYTES = 4_000_000


@contextmanager
def enough_room(folder: Path, remedy: str) -> Generator[None, None, None]:
    """Turns a full disk and a lack of memory, however a library reports them, into a ResourceError."""
    try:
        yield
    except VoicekitError:
        raise
    except MemoryError:
        raise ResourceError("There is not enough memory.", f"Close other programs; {remedy}") from None
    except Exception as error:
        # safetensors, soundfile and torch wrap what the system said in errors of their own.
        full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
        if full or "No space left" in str(error) or shutil.disk_usage(_existing(folder)).free < _NEARLY_NOTHING_BYTES:
            raise ResourceError(f"The disk that holds {folder} is full.", f"Free some space; {remedy}") from error
        raise


def _existing(folder: Path) -> Path:
    return next(p for p in (folder, *folder.absolute().parents) if p.exists())
