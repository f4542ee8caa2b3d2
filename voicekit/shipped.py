"""Where the files that come with voicekit lie: beside the code in a checkout, inside the package once installed."""

from pathlib import Path

from voicekit.errors import MissingModel

_PACKAGE = Path(__file__).parent


def shipped(name: str) -> Path:
    """The folder `name` ("db", "recipes", "assets/nano", ...) of this installation; it exists or the install is broken."""
    inside = _PACKAGE / name
    return inside if inside.exists() else _PACKAGE.parent / name


def shipped_model(name: str) -> Path:
    """The folder of an outside model ("whisper-base", ...) in the package voicekit-models.

    Raises:
        MissingModel: the package is not installed, or does not hold this model.
    """
    try:
        from voicekit_models import FOLDER
    except ImportError:
        raise MissingModel("The package voicekit-models is not installed.", "Install it: pip install voicekit-models.") from None
    if not (FOLDER / name).is_dir():
        raise MissingModel(f"The package voicekit-models holds no {name}.", "Update it: pip install --upgrade voicekit-models.")
    return FOLDER / name
