"""Where the files that come with voicekit lie: beside the code in a checkout, inside the package once installed."""

from pathlib import Path

_PACKAGE = Path(__file__).parent


def shipped(name: str) -> Path:
    """The folder `name` ("db", "recipes", "assets/nano", ...) of this installation; it exists or the install is broken."""
    inside = _PACKAGE / name
    return inside if inside.exists() else _PACKAGE.parent / name
