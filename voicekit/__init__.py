"""voicekit: give a speech chat model a new voice.

`voicekit.App` does everything the command line does; it is imported on first use so that `import voicekit` stays light.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from voicekit.app import App as App

__version__ = "0.1.0"
__all__ = ["App", "__version__"]


def __getattr__(name: str) -> object:
    if name == "App":
        from voicekit.app import App

        return App
    raise AttributeError(f"module 'voicekit' has no attribute {name!r}")
