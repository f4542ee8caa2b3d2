"""Sections of docs/benchmarks.md that benches write, each between its own marks."""

from __future__ import annotations

import re
from pathlib import Path

from voicekit import files


def publish_section(name: str, text: str, docs: Path) -> None:
    """Put the section in the place of its last version, or at the end of the page."""
    file = docs / "benchmarks.md"
    known = file.read_text(encoding="utf-8") if file.exists() else "# Benchmarks\n"
    begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    block = f"{begin}\n{text}{end}"
    pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    fresh = pattern.sub(lambda _: block, known) if pattern.search(known) else f"{known.rstrip()}\n\n{block}\n"
    files.write_text(file, fresh)
