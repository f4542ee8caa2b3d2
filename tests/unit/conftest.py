"""What the tests of the training loop share."""

from __future__ import annotations

import pytest


@pytest.fixture
def nothing_foreseen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs that begin at once: foreseeing one and trying it out takes longer than eight steps of a tiny model."""
    from voicekit.outcomes import Forecast
    from voicekit.train import fits

    nothing = Forecast(0, 0, 0, 0, 0, 0, 0, 0.0)
    monkeypatch.setattr(fits, "forecast", lambda *_: nothing)
    monkeypatch.setattr(fits, "measured", lambda *_: fits.Taken(0, 0.0))
