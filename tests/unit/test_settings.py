"""Where things lie does not depend on a shell having read the path before."""

from pathlib import Path

import pytest

from voicekit.settings import Settings


def test_a_tilde_is_the_users_home_for_the_catalog_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """From a file of variables: voices went to the user's home, and their catalog into a folder called ~."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("VOICEKIT_HOME", "~/voices")
    monkeypatch.setenv("VOICEKIT_MODELS", "~/models")
    found = Settings()
    assert found.home == tmp_path / "voices" and found.catalog_url() == f"sqlite:///{tmp_path}/voices/catalog.db"
    assert found.models_folder() == tmp_path / "models"


def test_a_relative_home_is_one_folder_whoever_asks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    found = Settings(home=Path("here"))
    assert found.home == tmp_path / "here" and found.models_folder() == tmp_path / "here" / "models"
