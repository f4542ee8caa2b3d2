"""How English words sound: the dictionary that comes with pocketsphinx (CMU's), and a guess for words it lacks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from voicekit.backends.pronounce import guess
from voicekit.errors import MissingModel

_DICTIONARY = "en-us/cmudict-en-us.dict"


class EnglishPhones:
    """The phonemes of a lower-case word in CMU's letters, without stress; None for one with letters English has not."""

    def __init__(self) -> None:
        try:
            from pocketsphinx import get_model_path
        except ImportError:
            raise MissingModel("pocketsphinx is not installed.", "Install it: pip install pocketsphinx") from None
        lines = Path(str(get_model_path(_DICTIONARY))).read_text(encoding="utf-8").splitlines()
        self._known = {word: phones for word, _, phones in (line.partition(" ") for line in lines)}

    def __call__(self, word: str) -> Sequence[str] | None:
        found = self._known.get(word) or guess(word, self._known.get)
        return found.split() if found else None
