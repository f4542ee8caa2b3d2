from collections.abc import Callable

class EnglishNumberNormalizer:
    def __call__(self, s: str) -> str: ...

class EnglishTextNormalizer:
    standardize_numbers: Callable[[str], str]
    def __call__(self, s: str) -> str: ...
