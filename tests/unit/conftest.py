"""What tests of a small random base share. It is made once: no test writes into its folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.makers import tiny_base
from voicekit.prompt import PromptFormat

if TYPE_CHECKING:  # torch is loaded by the tests that need it
    from voicekit.covo.chat import CovoChat


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a complete base with very small random weights."""
    return tiny_base(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="session")
def tiny_prompt(tiny: Path) -> PromptFormat:
    from voicekit.covo.config import read_card, read_chat_config
    from voicekit.covo.text import TextTokenizer, prompt_format

    return prompt_format(TextTokenizer(tiny), read_card(tiny), read_chat_config(tiny))


@pytest.fixture(scope="module")
def tiny_chat(tiny: Path, tiny_prompt: PromptFormat) -> CovoChat:
    from voicekit.covo.chat import load_chat

    return load_chat(tiny, tiny_prompt.audio_pad)


@pytest.fixture
def nothing_foreseen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Training that begins at once: foreseeing a run and trying it out takes longer than eight steps of a tiny model."""
    from voicekit.outcomes import Forecast
    from voicekit.train import fits

    nothing = Forecast(0, 0, 0, 0, 0, 0, 0, 0.0)
    monkeypatch.setattr(fits, "forecast", lambda *_, **__: nothing)
    monkeypatch.setattr(fits, "measured", lambda *_: fits.Taken(0, 0.0))
