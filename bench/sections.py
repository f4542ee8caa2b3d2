"""Sections of docs/benchmarks.md that benches write, each between its own marks."""

from __future__ import annotations

from pathlib import Path

from voicekit import files


def publish_section(name: str, text: str, docs: Path) -> None:
    """Put the section in the place of its last version, or at the end of the page."""
    files.write_section(docs / "benchmarks.md", name, text, "# Benchmarks")
