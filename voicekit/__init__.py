"""voicekit: give a speech chat model a new voice.

    app = voicekit.open_app()
    app.create("ada", "my-recordings/")
    app.chat("ada", "what is two plus three", out="answer.wav")

`App` does everything the command line does; `open_app` makes one of the settings in the environment, or of those given.
Both are imported on first use, so that `import voicekit` stays light.
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING

from voicekit import telemetry

# Before any module of the package can import a library that tells its makers something.
telemetry.off()

# OpenMP reads it when torch is loaded. Its threads would else spin while they wait for one another: on a machine with other
# work to do, a spinning thread keeps off the one it waits for, and an LSTM that takes 0.02 s takes 5 s.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

if TYPE_CHECKING:
    from voicekit.app import App as App
    from voicekit.wiring import open_app as open_app

__version__ = "0.10.0"
__all__ = ["App", "__version__", "open_app"]


_LAZY = {"App": "voicekit.app", "open_app": "voicekit.wiring"}


def __getattr__(name: str) -> object:
    if name not in _LAZY:
        raise AttributeError(f"module 'voicekit' has no attribute {name!r}")
    # Not an import statement: whoever needs __version__ would else seem to import all of voicekit.
    return getattr(import_module(_LAZY[name]), name)
