"""Files that a browser sends: they lie in the home, private as it is, until they are taken over, and are deleted then.

VOICEKIT_HOME/studio/    Gradio's folder for uploads; its own place would be the system's temporary folder, for a day
"""

from __future__ import annotations

import os
import shutil
import stat
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

FOLDER = "studio"
# A recording that waits on an open page to be used; whoever comes later records it again.
WAITS_S = 3600
TIDY_EVERY_S = 300
# Gradio makes an empty file beside every upload that it hands over.
_EMPTY_S = 60


def make_room(home: Path) -> None:
    """The folder, without what an earlier process left there. To be called before Gradio's widgets are made, which ask for it."""
    folder = home / FOLDER
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.mkdir(exist_ok=True)
    shared = bool(home.stat().st_mode & stat.S_IWGRP)
    with suppress(PermissionError):  # of a home that is shared, it may be another's
        folder.chmod(0o770 if shared else 0o700)
    _tidy(folder)
    os.environ["GRADIO_TEMP_DIR"] = str(folder.absolute())


@contextmanager
def taken_over(home: Path, sent: str | Path) -> Generator[Path, None, None]:
    """A file that was sent, for a block that uses it or keeps it elsewhere. It is deleted afterwards, unless the block raises."""
    file = Path(sent)
    yield file
    file.unlink(missing_ok=True)
    with suppress(OSError):  # another file of the same content
        file.parent.rmdir()
    _tidy(home / FOLDER)


def _tidy(folder: Path) -> None:
    now_s = time.time()
    for place in folder.iterdir():
        with suppress(FileNotFoundError):
            is_empty = place.is_file() and place.stat().st_size == 0
            files = [place, *place.rglob("*")] if place.is_dir() else [place]
            if now_s - max(file.lstat().st_ctime for file in files) > (_EMPTY_S if is_empty else WAITS_S):
                shutil.rmtree(place, ignore_errors=True) if place.is_dir() else place.unlink()
