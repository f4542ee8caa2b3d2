"""How far what was read is from what was said, in letters. Written out, because training needs no more than torch and numpy."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def letter_error_rate(truths: Sequence[str], guesses: Sequence[str]) -> float:
    """Edits of all guesses / letters of all truths; it can exceed 1. There must be a letter in the truths."""
    edits = sum(edit_distance(truth, guess) for truth, guess in zip(truths, guesses, strict=True))
    return edits / sum(len(truth) for truth in truths)


def edit_distance(truth: str, guess: str) -> int:
    """Fewest substitutions, deletions and insertions (Levenshtein), a row of the table at once."""
    letters = np.array([ord(c) for c in guess])
    places = np.arange(len(guess) + 1)
    row = places
    for letter in truth:
        best = np.minimum(row[1:] + 1, row[:-1] + (letters != ord(letter)))
        # What is inserted costs one a place: the running minimum of cost - place.
        row = np.minimum.accumulate(np.concatenate([[row[0] + 1], best]) - places) + places
    return int(row[-1])
