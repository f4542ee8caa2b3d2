"""Which column of a table names the files and which holds their texts: by the header, else by what stands in the columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import regex

from voicekit.prepare.scripts.names import Names, Numbers
from voicekit.prepare.scripts.row import ScriptRow
from voicekit.prepare.spoken import normalise

FILE_COLUMNS = (
    "file", "path", "filename", "file_name", "audio", "audio_file", "audio_filepath", "audio_path", "audio_filename", "audiofile",
    "wav", "wav_filename", "wav_path", "wav_file", "filepath", "file_path", "clip", "recording", "recording_id", "sound", "mp3",
    "utterance_id", "utt_id", "uttid", "utt", "id", "name", "key", "datei", "fichier", "archivo",
)  # fmt: skip
TEXT_COLUMNS = (
    "normalized_text", "normalised_text", "text_normalized", "text_normalised", "normalized_transcription", "text", "transcript",
    "transcription", "sentence", "normalized", "normalised", "wrd", "words", "utterance", "raw_text", "script", "prompt",
    "orthographic", "phrase", "satz", "texte", "texto", "content",
)  # fmt: skip
START_COLUMNS = ("start", "start_s", "start_time", "begin", "begin_time", "onset", "offset", "tmin", "xmin", "start_ms")
END_COLUMNS = ("end", "end_s", "end_time", "stop", "tmax", "xmax", "end_ms")
DURATION_COLUMNS = ("duration", "dur", "length", "duration_s", "duration_ms")
SPEAKER_COLUMNS = ("speaker", "speaker_name", "speaker_id", "spk", "spk_id", "sprecher")
_OTHER_COLUMNS = frozenset((
    *START_COLUMNS, *END_COLUMNS, *DURATION_COLUMNS, *SPEAKER_COLUMNS, "language", "lang", "locale", "gender", "sex", "age",
    "accent", "accents", "emotion", "style", "mood", "split", "sample_rate", "sampling_rate", "client_id", "url", "license",
    "translation", "notes", "note", "comment", "phonemes", "ipa",
))  # fmt: skip
"""Never the text, where a header says so."""

_MOST_ROWS = 400
_NUMBER = regex.compile(r"[-+\d.,:eE\s]+")
_PATH = regex.compile(r".*(?:\\|://).*|\S*/\S*|\S+\.[A-Za-z]\w{1,4}|[./~].*\.\w{2,5}")
_SENTENCE_END = regex.compile(r"[.!?…。！？؟।][\"'”’»)]*$")
_IPA = regex.compile("[ɐɑɒɓɔɕɖɘəɚɛɜɞɟɠɡɣɤɦɨɪɫɬɭɮɯɰɱɲɳɴɵɶɸɹɺɻɽɾʀʁʂʃʈʉʊʋʌʍʎʏʐʑʒʔˈˌː]")
_UNSPACED = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]{2,}")
_FEW = 0.3  # of the rows have values of their own: names of speakers, languages, moods
_SPACED = 0.3
_ALIKE = 0.4  # of the words of two columns: then the second is the first as it is spoken
_MOST_SHORT = 3  # rows: too few to tell a speaker from a text by how often they occur
_WORDS_A_SENTENCE = 4.0  # in the mean, and more
_BY_NUMBER = 0.8  # of the rows need a recording's number, if no header says that it is one
_MOST_TITLES = 5  # rows above a table


@dataclass(frozen=True)
class Columns:
    """`texts` in the order in which they are looked into; `header` if the first row is one; `hits` cells name a recording; with
    `prose` there are two columns and `behind` more, and the other commas belong to the texts."""

    file: int
    texts: tuple[int, ...]
    header: bool
    hits: int
    prose: bool = False
    behind: int = 0
    start: int | None = None
    end: int | None = None
    duration: int | None = None
    speaker: int | None = None
    milliseconds: bool = False
    labels: tuple[int, ...] = ()

    def timed(self, row: ScriptRow, cells: Sequence[str]) -> ScriptRow:
        """A row with the stretch that the table gives it."""
        speaker = normalise(cells[self.speaker]) if self.speaker is not None and self.speaker < len(cells) else ""
        labels = tuple(normalise(cells[at]) if at < len(cells) else "" for at in self.labels)
        row = replace(row, speaker=speaker, labels=labels)
        start_s = _seconds(cells, self.start, self.milliseconds)
        end_s, duration_s = (_seconds(cells, at, self.milliseconds) for at in (self.end, self.duration))
        if start_s is None or (end_s is None and duration_s is None):
            return row
        return replace(row, start_s=start_s, end_s=start_s + (duration_s or 0.0) if end_s is None else end_s)


def columns_of(rows: Sequence[tuple[int, Sequence[str]]], names: Names, sign: str) -> Columns | None:
    """The columns of a table's rows (number, cells), or None if it is none of files and texts. `names` are those of
    recordings."""
    if not rows:
        return None
    header = [_plain(cell) for cell in rows[0][1]]
    sample = [row for _, row in rows[:: max(1, len(rows) // _MOST_ROWS)]]
    width = max(len(row) for row in sample)
    hits = [sum(column < len(row) and _is_name(row[column], names) for row in sample) for column in range(width)]
    named_file, named_text = _named(header, FILE_COLUMNS), _named(header, TEXT_COLUMNS)
    if named_text or named_file:
        is_header = bool(named_text and named_file) or _misses(rows[0][1], hits, names)
    else:
        is_header = _is_foreign_header(rows, hits, names)
    file_column = _file_column(hits, named_file if is_header else (), sign)
    if file_column is None:
        return None
    if is_header and named_text:
        texts = tuple(column for column in named_text if column != file_column)
        return _with_times(Columns(file_column, texts, True, hits[file_column]), header) if texts else None
    if isinstance(names, Numbers) and not is_header and hits[file_column] < _BY_NUMBER * len(sample):
        return None
    if sign in ",;" and not is_header and hits[file_column] and file_column == 0:
        behind = int(_ends_in_labels(sample))
        if _is_prose([row[: len(row) - behind] for row in sample]):
            return Columns(0, (1,), False, hits[0], prose=True, behind=behind, labels=(2,) if behind else ())
    body = [row for _, row in rows[1 if is_header else 0 :]]
    told = {c for c, name in enumerate(header) if name in _OTHER_COLUMNS} if is_header else set[int]()
    others = [c for c in range(width) if c != file_column and c not in told]
    texts = _text_columns(body[:: max(1, len(body) // _MOST_ROWS)], others)
    if not texts or (not hits[file_column] and not (sign == "|" and width >= 2)):
        return None
    found = Columns(file_column, texts, is_header, hits[file_column])
    return _with_times(found, header) if is_header else replace(found, labels=tuple(c for c in others if c not in texts))


def stretches_of(header: Sequence[str]) -> Columns | None:
    """The columns of a table about one recording, whose header names texts and their times and no file; None for another."""
    plain = [_plain(cell) for cell in header]
    texts = _named(plain, TEXT_COLUMNS)
    found = _with_times(Columns(-1, texts, True, 0), plain)
    timed = found.start is not None and (found.end is not None or found.duration is not None)
    return found if texts and timed and not _named(plain, FILE_COLUMNS) else None


def without_titles(rows: Sequence[tuple[int, Sequence[str]]], names: Names) -> Sequence[tuple[int, Sequence[str]]]:
    """A table's rows without those of a single cell above them, which say what it is about."""
    widths = [sum(bool(cell.strip()) for cell in row) for _, row in rows[: _MOST_TITLES + 1]]
    first = next((n for n, width in enumerate(widths) if width > 1), 0)
    titles = (cell for _, row in rows[:first] for cell in row)
    return rows if any(_is_name(cell, names) for cell in titles) else rows[first:]


def is_phonemes(texts: Sequence[str]) -> bool:
    """Whether texts are written in phonemes (IPA) and not in letters."""
    found = [text for text in texts if text.strip()]
    return bool(found) and sum(len(_IPA.findall(t)) > 0.08 * len(t) for t in found) > len(found) / 2


def _plain(cell: str) -> str:
    return regex.sub(r"[\s-]+", "_", cell.strip().strip('"').lower())


def _is_name(cell: str, names: Names) -> bool:
    cell = cell.strip().strip('"')
    return bool(cell) and len(cell) < 300 and names.knows(cell)


def _named(header: Sequence[str], wanted: Sequence[str]) -> tuple[int, ...]:
    return tuple(header.index(name) for name in wanted if name in header)


def _misses(first: Sequence[str], hits: Sequence[int], names: Names) -> bool:
    """Whether the first row names no recording where the others do."""
    column = max(range(len(hits)), key=lambda c: hits[c])
    return hits[column] > 0 and (column >= len(first) or not _is_name(first[column], names))


def _is_foreign_header(rows: Sequence[tuple[int, Sequence[str]]], hits: Sequence[int], names: Names) -> bool:
    """A header in words that nobody knows: the one row without a recording's name, above others that all have one."""
    enough = len(rows) >= 3 and max(hits) >= 2 and max(hits) >= 0.8 * (min(len(rows), _MOST_ROWS) - 1)
    return enough and _misses(rows[0][1], hits, names) and all(len(cell) <= 30 for cell in rows[0][1])


def _file_column(hits: Sequence[int], named: Sequence[int], sign: str) -> int | None:
    most = max(hits)
    if most:
        likely = [c for c in named if hits[c] >= most / 2]
        return likely[0] if likely else hits.index(most)
    if named:
        return named[0]
    return 0 if sign == "|" else None


def _is_prose(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the signs behind the first are those of sentences: a space follows them, or rows have different numbers of them."""
    later = [cell for row in rows for cell in row[2:]]
    uneven = len({len(row) for row in rows}) > 1
    return uneven or (bool(later) and sum(cell[:1] == " " for cell in later) > len(later) / 2)


def _text_columns(rows: Sequence[Sequence[str]], others: Sequence[int]) -> tuple[int, ...]:
    """The column of the texts among the others; in front of it a later one that says the same as it is spoken."""
    cells = {c: [normalise(row[c]) for row in rows if c < len(row) and row[c].strip()] for c in others}
    others = [c for c in others if not _are_paths(cells[c])]
    if len(others) == 1:
        return () if cells[others[0]] and are_numbers(cells[others[0]]) else tuple(others)
    texts = [c for c in others if _are_texts(cells[c], len(rows))]
    if not texts:
        lettered = [c for c in others if cells[c] and _letters(cells[c]) > 0 and not are_numbers(cells[c])]
        several = [c for c in lettered if len(set(cells[c])) > 1 or len(rows) == 1]
        texts = sorted(several or lettered, key=lambda c: (not _are_sentences(cells[c]), -_letters(cells[c])))[:1]
    if not texts:
        return ()
    sentences = [c for c in texts if _are_sentences(cells[c])]
    few = len(rows) <= _MOST_SHORT and not sentences
    first = max(texts, key=lambda c: _letters(cells[c])) if few else (sentences or texts)[0]
    first = next((c for c in texts if c < first and _likeness(rows, c, first) >= _ALIKE), first)
    spoken = next((c for c in reversed(others) if c > first and cells[c] and _likeness(rows, first, c) >= _ALIKE), None)
    if spoken is None or is_phonemes(cells[spoken]):
        return (first,)
    richer = _say_the_same(rows, first, spoken) and _richness(cells[first]) > _richness(cells[spoken])
    return (first, spoken) if richer else (spoken, first)


def _ends_in_labels(rows: Sequence[Sequence[str]]) -> bool:
    """Whether behind unquoted sentences a column of few different values follows: speakers, languages."""
    last = [row[-1] for row in rows]
    apart = len(rows) > 1 and min(len(row) for row in rows) > 2 and not any(cell[:1] == " " for cell in last)
    return apart and len(set(last)) <= max(1, _FEW * len(rows))


def _are_paths(cells: Sequence[str]) -> bool:
    return bool(cells) and sum(_PATH.fullmatch(cell) is not None for cell in cells) > len(cells) / 2


def _are_sentences(cells: Sequence[str]) -> bool:
    """Whether cells are more than names: of several words, or with a sentence's end."""
    ends = sum(_SENTENCE_END.search(cell) is not None for cell in cells)
    words = sum(len(_words(cell)) for cell in cells)
    return bool(cells) and (ends > len(cells) / 2 or words >= _WORDS_A_SENTENCE * len(cells))


def _say_the_same(rows: Sequence[Sequence[str]], one: int, other: int) -> bool:
    pairs = [(row[one], row[other]) for row in rows if max(one, other) < len(row)]
    return all("".join(_words(a)) == "".join(_words(b)) for a, b in pairs if a.strip() and b.strip())


def _richness(cells: Sequence[str]) -> int:
    """How many of the signs are there that texts lose where somebody simplifies them: capitals among others, points, commas."""
    text = " ".join(cells)
    capitals = sum(c.isupper() for c in text) if any(c.islower() for c in text) else 0
    return capitals + len(regex.findall(r"\p{P}", text))


def _are_texts(cells: Sequence[str], num_rows: int) -> bool:
    """Whether cells are sentences: of words, most of them different, neither numbers nor phonemes nor paths."""
    if not cells or len(cells) < num_rows / 2 or are_numbers(cells) or is_phonemes(cells):
        return False
    words = sum(" " in cell or _UNSPACED.search(cell) is not None for cell in cells)
    few = num_rows > _MOST_SHORT and len(set(cells)) <= max(1, _FEW * len(cells))
    tokens = sum(cell.startswith("_ ") or cell.endswith(" _") for cell in cells) > len(cells) / 2
    return words >= _SPACED * len(cells) and not few and not tokens


def are_numbers(cells: Sequence[str]) -> bool:
    """Whether most cells are numbers: lengths, ages, ids."""
    return sum(_NUMBER.fullmatch(cell) is not None for cell in cells) > len(cells) / 2


def are_no_words(cells: Sequence[str]) -> bool:
    """Whether most cells hold numbers and paths alone."""
    without = (all(_NUMBER.fullmatch(part) or _PATH.fullmatch(part) for part in cell.split()) for cell in cells)
    return sum(without) > len(cells) / 2


def _letters(cells: Sequence[str]) -> float:
    return sum(sum(c.isalpha() for c in cell) for cell in cells) / max(len(cells), 1)


def _likeness(rows: Sequence[Sequence[str]], one: int, other: int) -> float:
    """The mean share of words that two columns have in common."""
    shares: list[float] = []
    for row in rows:
        if max(one, other) < len(row):
            a, b = (set(_words(row[column])) for column in (one, other))
            if a and b:
                shares.append(len(a & b) / min(len(a), len(b)))
    return sum(shares) / len(shares) if shares else 0.0


def _words(text: str) -> list[str]:
    text = normalise(text).lower()
    return list(text) if _UNSPACED.search(text) else regex.findall(r"[\p{L}\p{M}]+|\d+", text)


def _with_times(columns: Columns, header: Sequence[str]) -> Columns:
    def at(wanted: Sequence[str]) -> int | None:
        return next(iter(_named(header, wanted)), None)

    start = at(START_COLUMNS)
    in_milliseconds = start is not None and header[start].endswith("_ms")
    return replace(
        columns,
        start=start,
        end=at(END_COLUMNS),
        duration=at(DURATION_COLUMNS),
        speaker=at(SPEAKER_COLUMNS),
        milliseconds=in_milliseconds,
    )


def _seconds(cells: Sequence[str], column: int | None, milliseconds: bool) -> float | None:
    if column is None or column >= len(cells):
        return None
    parts = cells[column].strip().replace(",", ".").split(":")
    if len(parts) > 3:  # with frames, whose rate nobody tells
        return None
    try:
        value = sum(float(part) * 60**power for power, part in enumerate(reversed(parts)))
    except ValueError:
        return None
    return value / 1000 if milliseconds else value
