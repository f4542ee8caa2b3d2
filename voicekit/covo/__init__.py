"""The Covo-Audio family of base models: chat model, speech tokenizer, decoder and vocoder, loaded together from one folder."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from voicekit.covo.base import Base as Base
    from voicekit.covo.base import load_base as load_base

__all__ = ["Base", "load_base"]


def __getattr__(name: str) -> object:
    if name in __all__:
        from voicekit.covo import base

        return getattr(base, name)
    raise AttributeError(f"module 'voicekit.covo' has no attribute {name!r}")
