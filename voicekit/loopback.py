"""Who may talk to a server that asks for no keys: programs of this machine, and the server's own pages.

A web page of anybody can make a browser send requests to this machine. The browser says where the page is from (`Origin`,
"null" where it will not tell; `Sec-Fetch-Site`), and `Host` betrays a name that merely resolves to loopback.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_ELSEWHERE = ("cross-site", "same-site")


def is_foreign(method: str, headers: Mapping[str, str]) -> bool:
    """Whether a request was made by a page of another origin, or for a name that is not this machine's. Names are lower case."""
    host, origin = headers.get("host"), headers.get("origin")
    try:
        if host is not None and urlsplit(f"//{host}").hostname not in LOOPBACK:
            return True
        if origin is not None and (urlsplit(origin).scheme not in ("http", "https") or urlsplit(origin).netloc != host):
            return True
    except ValueError:
        return True
    followed_a_link = method in ("GET", "HEAD") and headers.get("sec-fetch-mode") == "navigate"
    return headers.get("sec-fetch-site") in _ELSEWHERE and not followed_a_link
