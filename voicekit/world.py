"""pyworld without its announcement, at import, that setuptools will drop something: nobody who hears it can act on it."""

from __future__ import annotations

import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore", UserWarning)
    import pyworld as pyworld
