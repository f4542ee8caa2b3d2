"""Folders, database and device: read once from the environment (VOICEKIT_*)."""

from __future__ import annotations

from pathlib import Path

from pydantic import field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """`home` holds everything voicekit keeps; `database_url` defaults to a SQLite file inside it.

    `models` is where outside models are looked for, by default the folder models in `home`.
    `require_consent` says whether publishing needs a consent that holds: true unless somebody answers for it otherwise.
    """

    model_config = SettingsConfigDict(env_prefix="VOICEKIT_", extra="ignore", frozen=True)

    home: Path = Path.home() / ".voicekit"
    database_url: str = ""
    device: str = "auto"
    base: str = "nano"
    threads: int = 0
    require_consent: bool = True
    models: Path | None = None

    @field_validator("home", "models")
    @classmethod
    def _absolute(cls, place: Path | None) -> Path | None:
        """Where no shell has done it, `~` is the user's home."""
        return place and place.expanduser().absolute()

    def catalog_url(self) -> str:
        return self.database_url or f"sqlite:///{self.home / 'catalog.db'}"

    def models_folder(self) -> Path:
        return self.models or self.home / "models"
