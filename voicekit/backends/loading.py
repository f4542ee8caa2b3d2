"""What goes wrong when an outside model is opened, as errors that say which file to look at."""

from __future__ import annotations

import warnings
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from voicekit.errors import MissingModel, ResourceError, VoicekitError

_INSTALL = "Install it: pip install 'voicekit[recordings]'."


@contextmanager
def loading(package: str, folder: Path) -> Generator[None, None, None]:
    """Import `package` and open the model in `folder` inside this block.

    Whatever these libraries raise for damaged files (KeyError, UnpicklingError, their own, even SystemExit) becomes MissingModel.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except VoicekitError:
        raise
    except ImportError as error:
        raise MissingModel(f"{package} cannot be used: {error}.", _INSTALL) from error
    except MemoryError:
        raise ResourceError(f"There is not enough memory to open {folder}.", "Use a smaller model.") from None
    except (Exception, SystemExit) as error:
        first = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
        raise MissingModel(
            f"{package} cannot open the model in {folder}: {first}.",
            "Put the complete files there again, or take another model: voicekit models list.",
        ) from error
