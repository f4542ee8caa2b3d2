"""Downloads of outside models, when somebody asks for one. Written beside and renamed; interrupted, it goes on."""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import threading
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

from voicekit import files, telemetry
from voicekit.errors import MissingModel
from voicekit.models import KnownModel, missing_files, where_to_put
from voicekit.ports import OnProgress, Progress

_CONNECT_S = 0.8
_READ_S = 30.0
_CHUNK = 1 << 20
_HUB = "https://huggingface.co"
_PART = ".part"
STEP = "fetch"


def fetch(known: KnownModel, folder: Path, report: OnProgress) -> Path:
    """The files of `known` in `folder`; those that are there already are left.

    MissingModel within a second when there is no network, and when the model may not be had, with what to do instead.
    """
    missing = missing_files(known, folder)
    if not missing:
        return folder
    remedy = where_to_put(known, folder, missing)
    if known.bundled:
        raise MissingModel(f"{known.name} comes inside {known.package}, which is not installed.", _install())
    part = folder.with_name(f".{folder.name}{_PART}")
    hub = os.environ.get("HF_ENDPOINT", _HUB)
    source = hub if known.repository else known.urls[0][0]
    if (known.repository and os.environ.get("HF_HUB_OFFLINE", "") in ("1", "true", "yes")) or not reachable(source):
        raise MissingModel(f"{urlsplit(source).hostname} cannot be reached from here.", _by_hand(known, folder, missing))
    with files.writing(folder):
        part.mkdir(parents=True, exist_ok=True)
    if known.repository:
        _from_hub(known, part, report, remedy)
    for url, digest in known.urls:
        _from_url(url, digest, part, report, _by_hand(known, folder, missing))
    for name, text in known.texts:
        files.write_text(part / name, text)
    if lacking := missing_files(known, part):
        raise MissingModel(f"{known.name} was fetched without {', '.join(lacking)}.", remedy)
    with files.writing(folder):
        if folder.is_dir():
            shutil.copytree(folder, part, dirs_exist_ok=True)
            shutil.rmtree(folder)
        os.replace(part, folder)
    return folder


def reachable(url: str, within_s: float = _CONNECT_S) -> bool:
    """Whether a connection (to the proxy, if there is one) opens in time: libraries would try again and again."""
    parts = urlsplit(url)
    proxy = urllib.request.getproxies().get(parts.scheme)
    if proxy and not urllib.request.proxy_bypass(parts.hostname or ""):
        parts = urlsplit(proxy if "//" in proxy else f"//{proxy}")
    port = parts.port or (443 if parts.scheme == "https" else 80)
    opened = threading.Event()

    def connect() -> None:
        try:
            socket.create_connection((parts.hostname or "", port), within_s).close()
        except OSError:
            return
        opened.set()

    # Looking up a name cannot be given a time limit: it is left behind in its thread.
    asking = threading.Thread(target=connect, daemon=True)
    asking.start()
    asking.join(within_s)
    return opened.is_set()


def _from_hub(known: KnownModel, part: Path, report: OnProgress, remedy: str) -> None:
    telemetry.off()
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError

    report(Progress(STEP, 0.0, f"{known.repository}, {known.megabytes} MB"))
    token = os.environ.get("HF_TOKEN") or False
    try:
        snapshot_download(known.repository, local_dir=part, allow_patterns=[*known.files, *known.wanted], token=token)
    except GatedRepoError as error:
        gate = f"Accept the conditions on {known.page}, make a token (huggingface.co/settings/tokens), set HF_TOKEN, try again."
        raise MissingModel(f"{known.name} is given only to those who accept its conditions.", gate) from error
    except (HfHubHTTPError, OSError) as error:
        first = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".:")
        raise MissingModel(f"{known.name} could not be fetched: {first}.", remedy) from error
    shutil.rmtree(part / ".cache", ignore_errors=True)
    report(Progress(STEP, 1.0, known.name))


def _from_url(url: str, digest: str, part: Path, report: OnProgress, remedy: str) -> None:
    """One file, checked against the first digits of its sha256; what was there of it is continued."""
    name = urlsplit(url).path.rpartition("/")[2]
    whole, partial = part / name, part / f"{name}{_PART}"
    if whole.is_file():
        return
    have = partial.stat().st_size if partial.is_file() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        with urllib.request.urlopen(request, timeout=_READ_S) as answer, partial.open("ab" if have else "wb") as file:
            if have and answer.status != 206:
                file.truncate(0)
                have = 0
            total = have + int(answer.headers.get("Content-Length", 0))
            while chunk := answer.read(_CHUNK):
                with files.writing(partial):
                    file.write(chunk)
                have += len(chunk)
                report(Progress(STEP, min(1.0, have / total) if total else 0.0, f"{name}, {have >> 20} MB"))
        if have < total:  # reading in pieces, http.client does not mind an early end
            raise ConnectionError(f"it broke off after {have} of {total} bytes")
    except urllib.error.HTTPError as error:
        partial.unlink(missing_ok=True)
        raise MissingModel(f"{url} could not be fetched: {error.code} {error.reason}.", remedy) from error
    except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
        raise MissingModel(f"{url} could not be fetched whole: {error}.", f"Run it again: it goes on. {remedy}") from error
    with partial.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if not found.startswith(digest):
        partial.unlink()
        raise MissingModel(f"{name} arrived damaged: sha256 {found[:8]}, not {digest}.", "Run it again: it begins anew.")
    os.replace(partial, whole)


def _by_hand(known: KnownModel, folder: Path, missing: tuple[str, ...]) -> str:
    """Where the files are to be had and where they go, for a machine without network."""
    texts = dict(known.texts)
    fetched = ", ".join(name for name in missing if name not in texts)
    sources = " ".join(url for url, _ in known.urls) or known.page
    written = " ".join(f"{name} holds the line {text.strip()!r}." for name, text in texts.items() if name in missing)
    gate = " (its conditions have to be accepted there)" if known.gated else ""
    return f"On a machine with network get {fetched} from {sources}{gate} and put it into {folder}. {written}".strip()


def _install() -> str:
    return "Install it: pip install 'voicekit[recordings]'."
