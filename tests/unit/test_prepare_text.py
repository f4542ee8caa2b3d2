"""How a script is read, and how written words become spoken ones."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.makers import recording
from voicekit.errors import ScriptError
from voicekit.prepare.scripts import Script, find_script
from voicekit.prepare.spoken import joined, normalise, num_words, spoken_form, spoken_tokens
from voicekit.records import Recording
from voicekit.verbalization import verbalized

A, B = recording("wavs/a.wav"), recording("wavs/b 2.flac")


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("Hello, World!", "hello world"),
        ("“Don’t,” she said — softly.", "don't she said softly"),
        ("the forty-two line Bible of about 1455,", "the forty two line bible of about fourteen fifty five"),
        ("1,234 men on 3 May 2015", "one thousand two hundred and thirty four men on three may twenty fifteen"),
        ("it cost $3.50, or 20%", "it cost three dollars and fifty cents or twenty percent"),
        ("the 2nd of the 1990s", "the second of the nineteen nineties"),
        ("Mr. Smith & Dr. Jones", "mister smith and doctor jones"),
        ("agent 007", "agent zero zero seven"),
        ("Café Zoë", "cafe zoe"),
        ("at 2:30, at 9:05 or at 12:00", "at two thirty at nine oh five or at twelve o'clock"),
        ("$5.00 and 50 %", "five dollars and fifty percent"),
        ("$1, £1.01, €2 and 50¢", "one dollar one pound and one penny two euros and fifty cents"),
        ("£2.5m, $3k, a $5 million deal", "two point five million pounds three thousand dollars a five million dollars deal"),
        ("2 3/4 cups, 5 yrs and .5", "two and three quarters cups five years and zero point five"),
        ("the 80s, '90s", "the eighties nineties"),
        ("3½ cups, ½, 1 1⁄2, 3/4 and 24/7", "three and a half cups one half one and a half three quarters and twenty four seven"),
        ("10², m³, 10⁶", "ten squared m cubed ten to the six"),
        ("5 km at 60 km/h, 1 kg, 20 °C", "five kilometers at sixty kilometers per hour one kilogram twenty degrees celsius"),
        ("5 m², 4 min.", "five square meters four minutes"),
        ("at -5 degrees, 1939–1945, well-5", "at minus five degrees nineteen thirty nine to nineteen forty five well five"),
        ("No. 5 is #1 of the '90s", "number five is number one of the nineties"),
        ("2×3, ±1", "two times three plus or minus one"),
        ("Henry VIII, Louis XIV's court", "henry the eighth louis the fourteenth's court"),
        ("World War II; Chapter IV of Part I.", "world war two chapter four of part one"),
        ("the part I liked; an IV drip, Malcolm X, MIX", "the part i liked an iv drip malcolm x mix"),
        (
            "1 000 000 people, $2 500 000, 5\u00a0000 km",
            "one million people two million five hundred thousand dollars five thousand kilometers",
        ),
        (
            "12 345, not 555 123",
            "twelve three hundred and forty five not five hundred and fifty five one hundred and twenty three",
        ),
        ("rail\u00adway, zero\u200bwidth, don´t, don`t", "railway zerowidth don't don't"),
    ],
)
def test_spoken_form_of_english(written: str, said: str) -> None:
    assert spoken_form(written, "en-GB") == said


@pytest.mark.parametrize(
    ("written", "said", "language"),
    [
        ("Zwölf Äpfel und 3 Birnen", "zwölf äpfel und drei birnen", "de"),
        ("1.234,5 Liter für 20 %", "eintausendzweihundertvierunddreißig komma fünf liter für zwanzig prozent", "de"),
        ("1 000 km und 3 200 Leute", "eintausend kilometer und dreitausendzweihundert leute", "de"),
        ("Cela coûte 5 €.", "cela coûte cinq euros", "fr"),
        ("le 1er mai 1984", "le premier mai mille neuf cent quatre vingt quatre", "fr"),
        ("$3, ¡qué caro!", "tres dólares qué caro", "es"),
        ("3 χρόνια", "3 χρόνια", "el"),
        ("3½ Liter mit 5 km/h", "drei ein halb liter mit fünf kilometer pro stunde", "de"),
        ("3½ l à 20 °C", "trois et demi litres à vingt degrés celsius", "fr"),
        ("1 km y 3½", "uno kilómetro y tres y medio", "es"),
        ("½ e 10²", "uno due e dieci due", "it"),
        ("नमस्ते दुनिया", "नमस्ते दुनिया", "hi"),
    ],
)
def test_other_languages_keep_their_letters_and_spell_their_numbers(written: str, said: str, language: str) -> None:
    """A language whose numbers nobody can spell keeps its digits, and Hindi the vowels on its consonants."""
    assert spoken_form(written, language) == said


@settings(max_examples=100)
@given(st.text())
def test_written_tokens_are_the_text_and_spoken_ones_are_plain_words(text: str) -> None:
    tokens = spoken_tokens(text, "en")
    assert joined(token for token, _ in tokens) == normalise(text)
    assert all(word == word.lower() and " " not in word and word for _, words in tokens for word in words)


@pytest.mark.parametrize(
    ("text", "language", "tokens", "said"),
    [
        ("天气很好，走吧。他说：“好的。”", "zh", "天 气 很 好， 走 吧。 他 说： “好 的。”", "天 气 很 好 走 吧 他 说 好 的"),
        ("走路要20分钟，1984年", "zh", "走 路 要20分 钟，1984年", "走 路 要 二十 分 钟 一九八四 年"),
        ("「はい。」毎朝7時に", "ja", "「は い。」 毎 朝7時 に", "は い 毎 朝 七 時 に"),
        ("用 iPhone 工作", "zh", "用 iPhone 工 作", "用 iphone 工 作"),
        ("คนดี", "th", "ค น ดี", "ค น ดี"),
    ],
)
def test_where_words_are_not_spaced_a_token_is_a_character(text: str, language: str, tokens: str, said: str) -> None:
    found = spoken_tokens(text, language)
    assert [token for token, _ in found] == tokens.split(" ")
    assert spoken_form(text, language) == said
    assert joined(token for token, _ in found) == text


def test_a_space_that_the_script_would_not_write_is_kept() -> None:
    tokens = [token for token, _ in spoken_tokens("สวัสดี ครับ", "th")]
    assert "ดี " in tokens and joined(tokens) == "สวัสดี ครับ"


def test_words_without_spaces_are_counted_by_their_characters() -> None:
    assert num_words("the sky is blue", "en") == 4
    assert num_words("天气很好走吧天气", "zh-CN") == pytest.approx(8 / 1.6)
    assert num_words("今日は天気がいいので", "ja") == pytest.approx(10 / 2.2)


@pytest.mark.parametrize(
    ("number", "said"),
    [(0, "零"), (10, "十"), (21, "二十一"), (101, "一百零一"), (110, "一百一十"), (1005, "一千零五"), (20000005, "二千万零五")],
)
def test_chinese_numbers(number: int, said: str) -> None:
    assert verbalized(str(number), "zh").strip() == said


def test_text_is_nfc_with_single_spaces() -> None:
    assert normalise("\ufeff Cafe\u0301\n\tnoir ") == "Café noir"


def test_what_nobody_sees_is_no_text_but_joiners_are() -> None:
    """Half an emoji, a bell, marks of direction: whatever reads a text later would stumble over them."""
    assert normalise("half \ud83d\x07 an\u202d emoji\u00ad\udce9") == "half an emoji"
    for kept in ("می‌خواهم", "क्‍ष", "👩‍🚀"):
        assert normalise(kept) == kept


def test_a_number_and_its_unit_keep_their_own_places() -> None:
    found = spoken_tokens("for $5 million, 5 km.", "en")
    assert found[1:] == [("$5", ("five",)), ("million,", ("million", "dollars")), ("5", ("five",)), ("km.", ("kilometers",))]


def script_of(folder: Path, name: str, content: str | bytes, *recordings: Recording) -> Script | None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return find_script(folder / name, folder, recordings or (A, B))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("metadata.csv", "a|Dr. A|doctor a\nb 2|text B|\n"),
        ("s.csv", 'file,text\nwavs/a.wav,doctor a\n"wavs/b 2.flac",text B\n'),
        ("s.csv", "id;speaker;transcript\r\na;x;doctor a\r\nb 2;x;text B\r\n"),
        ("s.tsv", "path\tsentence\nC:\\data\\a.WAV\tdoctor a\n./wavs/b 2.mp3\ttext B\n"),
        ("s.csv", '\ufeffText,File\n"doctor a",a.wav\n"text B",b 2\n'),
        ("s.csv", "file,text\na.wav,doctor a\nb 2,text B\n".encode("utf-16")),
        ("s.txt", "a.wav\tdoctor a\tanna\nb 2.flac\ttext B\tanna\n"),
    ],
)
def test_every_kind_of_table_is_understood(name: str, content: str | bytes, tmp_path: Path) -> None:
    script = script_of(tmp_path, name, content)
    assert script is not None
    assert script.texts == {A.id: "doctor a", B.id: "text B"}
    assert script.unused == ()


def test_texts_with_quotes_commas_and_bars_are_kept(tmp_path: Path) -> None:
    quoted = script_of(tmp_path, "s.csv", 'file,text\na,"He said ""yes"", twice | thrice"\n')
    assert quoted and quoted.texts == {A.id: 'He said "yes", twice | thrice'}
    bars = script_of(tmp_path, "m.csv", 'a|"Yes", he said|"Yes", he said\n')
    assert bars and bars.texts == {A.id: '"Yes", he said'}


def test_unquoted_commas_and_lines_without_signs(tmp_path: Path) -> None:
    wanted = {A.id: "Yes, he said, no."}
    for content in ("file,text\na.wav,Yes, he said, no.\n", "a.wav,Yes, he said, no.\n", "a Yes, he said, no.\n"):
        found = script_of(tmp_path, "s.txt", content)
        assert found and found.texts == wanted, content


def test_a_script_is_found_beside_the_recordings(tmp_path: Path) -> None:
    (tmp_path / "wavs").mkdir()
    assert find_script(None, tmp_path, (A, B)) is None
    (tmp_path / "wavs" / "a.txt").write_text("from a text file\n")
    (tmp_path / "wavs" / "b 2.lab").write_text("from a lab file\n")
    found = find_script(None, tmp_path, (A, B))
    assert found and found.texts == {A.id: "from a text file", B.id: "from a lab file"}
    (tmp_path / "metadata.csv").write_text("a|from metadata\n")
    found = find_script(None, tmp_path, (A, B))
    assert found and found.texts == {A.id: "from metadata", B.id: "from a lab file"}
    assert found.sources == {A.id: "metadata.csv", B.id: "wavs/b 2.lab"}
    assert [(n.file, n.reason) for n in found.not_read] == [("wavs/a.txt", "another file has the text of its recording")]
    found = find_script(None, tmp_path / "wavs", (recording("a.wav"),))
    assert found and found.source == "metadata.csv"


def test_a_table_about_something_else_is_no_script(tmp_path: Path) -> None:
    (tmp_path / "bank.csv").write_text("date,amount\n1,2\n")
    assert find_script(None, tmp_path, (A, B)) is None
    (tmp_path / "bank.csv").rename(tmp_path / "metadata.csv")
    with pytest.raises(ScriptError, match="no column for the file"):
        find_script(None, tmp_path, (A, B))
    (tmp_path / "a.txt").write_text("its own text")
    found = find_script(None, tmp_path, (A, B))
    assert found and found.texts == {A.id: "its own text"}
    (tmp_path / "metadata.csv").rename(tmp_path / "texts.csv")
    (tmp_path / "a.txt").unlink()
    (tmp_path / "texts.csv").write_text("file,text\na,from the only table\n")
    found = find_script(None, tmp_path, (A, B))
    assert found and found.texts == {A.id: "from the only table"}


def test_one_recording_may_have_any_text_file(tmp_path: Path) -> None:
    found = script_of(tmp_path, "story.txt", "Once upon a time,\nthere was; a tea|pot.", A)
    assert found and found.texts == {A.id: "Once upon a time, there was; a tea|pot."}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("x1|text\nx2|text\n", r"names no recording: it names x1, x2; the recordings are wavs/a\.wav"),
        ("", "is empty"),
        ("file,text\n\n", r"s\.csv has a header and nothing below it"),
        ("speaker,age\nanna,7\n", "no column for the file and one for the text; it has: speaker, age"),
        ("a|one\na|two\n", r"s\.csv, line 2: another text for a"),
        ('file,text\nb 2,"two\nlines"\n\na\n', r"s\.csv, line 5 has no file or no text: a"),
        ("file,text\na\nb 2,two\nc\nd\n", r"line 2 has no file or no text: a\. Likewise line 4, 5\."),
        (b"a|\x00\x01\x81\n", "is not text: neither UTF-8, UTF-16 nor Windows-1252"),
        (b"a|caf\xe9 \x81\n", "is not text"),
    ],
)
def test_a_script_that_does_not_fit_says_why(content: str | bytes, said: str, tmp_path: Path) -> None:
    with pytest.raises(ScriptError, match=said):
        script_of(tmp_path, "s.csv", content)


def test_names_are_found_by_path_first_and_never_by_guess(tmp_path: Path) -> None:
    one, two = recording("x/a.wav"), recording("y/a.wav")
    found = script_of(tmp_path, "s.csv", "file,text\nx/a.wav,one\ny/a.wav,two\n", one, two)
    assert found and found.texts == {one.id: "one", two.id: "two"}
    with pytest.raises(ScriptError, match=r"names a\.wav, which may be x/a\.wav and y/a\.wav"):
        script_of(tmp_path, "s.csv", "file,text\na.wav,one\n", one, two)


def test_a_text_of_a_copy_is_the_recordings(tmp_path: Path) -> None:
    """Of two equal files the first is taken; the one with a script may be the other."""
    copies = tuple(replace(A, path=path) for path in ("wavs/z.wav", "old/z.wav"))
    (tmp_path / "s.csv").write_text("file,text\nz,doctor a\n")
    found = find_script(tmp_path / "s.csv", tmp_path, (A,), copies)
    assert found and found.texts == {A.id: "doctor a"} and not found.unused
    (tmp_path / "s.csv").write_text("file,text\nz,other\na,own\nwavs/z.wav,third\n")
    found = find_script(tmp_path / "s.csv", tmp_path, (A,), copies)
    assert found and found.texts == {A.id: "own"}
    (tmp_path / "wavs").mkdir()
    (tmp_path / "wavs" / "z.txt").write_text("beside the copy")
    found = find_script(tmp_path / "wavs", tmp_path, (A, B), copies)
    assert found and found.texts == {A.id: "beside the copy"}


def test_names_of_no_recording_are_reported_but_refused_ones_are_known(tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text("a|one\nbroken|two\nghost|three\n")
    found = find_script(tmp_path / "s.csv", tmp_path, (A,), (recording("wavs/broken.mp3"),))
    assert found and found.texts == {A.id: "one"} and found.unused == ("ghost",)
    with pytest.raises(ScriptError, match="no script"):
        find_script(tmp_path / "missing.csv", tmp_path, (A,))
