"""Scripts with times, workbooks and JSON lines; and every encoding that a text editor leaves behind."""

import io
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.makers import recording
from voicekit.errors import ScriptError
from voicekit.prepare.scripts import Cue, find_script, sheets
from voicekit.prepare.scripts.textgrid import Interval, TextGrid, Tier, format_textgrid, read_textgrid

A, B = recording("wavs/a.wav"), recording("wavs/b 2.flac")  # ten seconds each
CUES = (Cue(0.5, 2.0, "Hello there."), Cue(2.25, 4.0, "How are you?"))

SRT = """1
00:00:00,500 --> 00:00:02,000
Hello
<i>there</i>.

2
00:00:02,250 --> 00:00:04,000 X1:10 X2:20
{\\an8}How are you?

3
00:00:05,000 --> 00:00:05,500
<font color="red"></font>
"""
NO_BLANKS = SRT.replace("\n\n", "\n")
VTT = """WEBVTT - a talk

NOTE this is
00:00:00.000 --> 00:00:09.000 only a note

STYLE
::cue { color: red }

intro
00:00.500 --> 00:02.000 align:start
<v Anna>Hello <00:01.000><c.loud>there</c>.</v>

00:00:02.250 --> 00:00:04.000
How are you?
"""
LONG_GRID = """File type = "ooTextFile"
Object class = "TextGrid"

xmin = 0 ! "a remark"
xmax = 10
tiers? <exists>
size = 2
item []:
    item [1]:
        class = "IntervalTier"
        name = "phones"
        xmin = 0
        xmax = 10
        intervals: size = 1
        intervals [1]:
            xmin = 0
            xmax = 10
            text = "h"
    item [2]:
        class = "IntervalTier"
        name = "Text"
        xmin = 0
        xmax = 10
        intervals: size = 4
        intervals [1]:
            xmin = 0
            xmax = 0.5
            text = ""
        intervals [2]:
            xmin = 0.5
            xmax = 2
            text = "Hello there."
        intervals [3]:
            xmin = 2.0
            xmax = 2.25
            text = " "
        intervals [4]:
            xmin = 2.25
            xmax = 4
            text = "How are you?"
"""
SHORT_GRID = """File type = "ooTextFile"
Object class = "TextGrid"

0
10
<exists>
1
"IntervalTier"
"speech"
0
10
2
0.5
2
"Hello there."
2.25
4
"How are you?"
"""


def write(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.srt", SRT),
        ("a.SRT", NO_BLANKS),
        ("a.srt", SRT.replace("\n", "\r\n").encode("utf-16")),
        ("a.vtt", VTT),
        ("a.TextGrid", LONG_GRID),
        ("a.TextGrid", LONG_GRID.encode("utf-16")),
        ("a.TextGrid", SHORT_GRID),
    ],
)
def test_times_become_cues_and_their_texts_the_text(name: str, content: str | bytes, tmp_path: Path) -> None:
    script = find_script(write(tmp_path / name, content), tmp_path, (A, B))
    assert script and script.cues == {A.id: CUES}
    assert script.texts == {A.id: "Hello there. How are you?"} and script.source == name


def test_a_timed_script_is_found_beside_its_recording_before_a_plain_text(tmp_path: Path) -> None:
    write(tmp_path / "wavs" / "a.txt", "not this")
    write(tmp_path / "wavs" / "a.srt", SRT)
    write(tmp_path / "wavs" / "b 2.txt", "a text of its own")
    for where in (None, tmp_path / "wavs"):
        script = find_script(where, tmp_path, (A, B))
        assert script and script.texts == {A.id: "Hello there. How are you?", B.id: "a text of its own"}
        assert script.cues == {A.id: CUES}


def test_for_a_single_recording_the_name_does_not_matter(tmp_path: Path) -> None:
    script = find_script(write(tmp_path / "captions.vtt", VTT), tmp_path, (A,))
    assert script and script.cues == {A.id: CUES}
    with pytest.raises(ScriptError, match=r"captions\.vtt holds the times of one recording, and none of wavs/a\.wav"):
        find_script(tmp_path / "captions.vtt", tmp_path, (A, B))


def test_overlapping_cues_come_by_time_and_end_with_the_recording(tmp_path: Path) -> None:
    late = "00:00:08.000 --> 00:00:11.500\nlast\n\n00:00:01.000 --> 00:00:09.000\nfirst\n"
    script = find_script(write(tmp_path / "a.srt", late), tmp_path, (A,))
    assert script and script.cues == {A.id: (Cue(1.0, 9.0, "first"), Cue(8.0, 10.0, "last"))}


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.srt", "1\n00:00:01,0 -> 00:00:02,0\nx\n", r"a\.srt holds no subtitle"),
        ("a.srt", SRT.replace("00:00:02,250", "00:0x:02,250"), r"a\.srt, line 7: '00:0x:02,250 -->"),
        ("a.srt", SRT.replace("00:00:02,250", "00:00:08,250"), r"a\.srt, line 7: the subtitle ends before it begins"),
        (
            "a.vtt",
            VTT.replace("00:00:04.000", "00:10:04.000"),
            r"a\.vtt, line 13: 2\.25 to 604\.00 s is behind the end of",
        ),
        ("a.TextGrid", LONG_GRID.replace("xmax = 4", "xmax = 400"), r"a\.TextGrid, interval 2: .* behind the end"),
        ("a.TextGrid", LONG_GRID[:500], r"a\.TextGrid, line \d+: it ends in the middle"),
        (
            "a.TextGrid",
            LONG_GRID.replace("size = 4", "size = 99999999"),
            r"a\.TextGrid, line 24: 99999999 is no number",
        ),
        ("a.TextGrid", LONG_GRID.replace("xmax = 2.25", "xmax = 1"), r"a\.TextGrid, line 35: an interval ends before it begins"),
        ("a.TextGrid", SHORT_GRID.replace('"speech"', '"phones"'), r"a\.TextGrid has no tier of intervals with texts"),
        ("a.TextGrid", SHORT_GRID.replace("IntervalTier", "PitchTier"), r"line 8: 'PitchTier' is no kind of tier"),
        ("a.TextGrid", "WEBVTT", r"a\.TextGrid, line 1: it ends in the middle"),
        ("m.jsonl", '{"file_name": "a.wav", "text": "x"}\n{"file_name": "b"\n', r"m\.jsonl, line 2: it is not JSON"),
        ("m.jsonl", '{"file_name": "a.wav", "text": "x"}\n\n[1]\n', r"m\.jsonl, line 3: it is not a JSON object"),
        ("m.jsonl", '{"file_name": "a.wav", "text": null}\n', r'm\.jsonl, line 1: it has no "file_name" or no "text"'),
        ("m.jsonl", "[" * 100_000, r"m\.jsonl, line 1: it is not JSON"),
        ("m.csv", 'file,text\na,"open\n' + "x" * 200_000, r"m\.csv, line 3: field larger than field limit"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(name: str, content: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(ScriptError, match=said) as raised:
        find_script(write(tmp_path / name, content), tmp_path, (A,))
    assert raised.value.remedy


NAMES = st.text("abcdefgh", min_size=1, max_size=8)
TEXTS = st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), min_size=1).map(str.strip).filter(bool)


@st.composite
def tiers(draw: st.DrawFn) -> Tier:
    times = sorted(draw(st.lists(st.floats(0, 100), min_size=2, max_size=12, unique=True)))
    points = draw(st.booleans())
    spans = [(t, t) for t in times] if points else list(zip(times[::2], times[1::2], strict=False))
    return Tier(draw(NAMES), tuple(Interval(a, b, draw(TEXTS)) for a, b in spans), points)


@settings(max_examples=60)
@given(st.lists(tiers(), max_size=3))
def test_a_textgrid_comes_back_as_it_was(made: list[Tier]) -> None:
    grid = TextGrid(100.0, tuple(made))
    with tempfile.TemporaryDirectory() as folder:
        assert read_textgrid(write(Path(folder) / "a.TextGrid", format_textgrid(grid))) == grid


def test_a_textgrid_that_praat_would_refuse_is_not_written() -> None:
    for spans in ([(0.0, 2.0), (1.0, 3.0)], [(1.0, 1.0)], [(9.0, 11.0)]):
        tier = Tier("t", tuple(Interval(a, b, "x") for a, b in spans))
        with pytest.raises(ValueError, match="does not fit"):
            format_textgrid(TextGrid(10.0, (tier,)))


ROWS = [["Speaker", "Text", "File"], ["anna", "Café, “yes”", "a"], [None, None, None], ["anna", 7.0, "wavs/b 2.flac"]]


def workbook(path: Path, *sheets_of_rows: list[list[object]]) -> Path:
    book = openpyxl.Workbook()
    book.remove(book.worksheets[0])
    for number, rows in enumerate(sheets_of_rows):
        sheet = book.create_sheet(f"s{number}")
        for row in rows:
            sheet.append(row)
    book.save(path)
    return path


def test_a_workbook_is_a_table(tmp_path: Path) -> None:
    given = workbook(tmp_path / "s.xlsx", [["Our recordings"]], ROWS)  # type: ignore[list-item]
    script = find_script(given, tmp_path, (A, B))
    assert script and script.texts == {A.id: "Café, “yes”", B.id: "7"}
    beside = find_script(None, tmp_path, (A, B))
    assert beside and beside.texts == script.texts
    plain = find_script(workbook(tmp_path / "t.xlsx", [["a", "one"], ["b 2", "two"]]), tmp_path, (A, B))
    assert plain and plain.texts == {A.id: "one", B.id: "two"}


def patched(path: Path, name: str, change: Callable[[bytes], bytes], extra: dict[str, bytes] | None = None) -> Path:
    """A workbook with one of its parts changed and others added."""
    out = io.BytesIO()
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as target:
        for part in source.infolist():
            target.writestr(part.filename, change(source.read(part)) if part.filename == name else source.read(part))
        for other, content in (extra or {}).items():
            target.writestr(other, content)
    path.write_bytes(out.getvalue())
    return path


SHEET = "xl/worksheets/sheet1.xml"
LAUGHS = "<!DOCTYPE x [" + "".join(f'<!ENTITY l{i + 1} "{f"&l{i};" * 10}">' for i in range(9)) + '<!ENTITY l0 "ha">]>'


def test_macros_absurd_sizes_and_formulas_do_no_harm(tmp_path: Path) -> None:
    rows: list[list[object]] = [["file", "text"], ["a", "one"], ["b 2", "=1+1"]]
    given = workbook(tmp_path / "s.xlsx", rows)
    patched(given, SHEET, lambda xml: xml.replace(b'ref="A1:B3"', b'ref="A1:XFD1048576"'), {"xl/vbaProject.bin": b"Shell"})
    script = find_script(given, tmp_path, (A, B))
    assert script and script.texts == {A.id: "one", B.id: ""}  # nobody calculated the formula


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda p: p.write_bytes(b"not a workbook"), "is not a workbook that can be read"),
        (lambda p: p.write_bytes(p.read_bytes()[:2000]), "is not a workbook that can be read"),
        (lambda p: patched(p, "xl/workbook.xml", lambda _: b"<nothing/>"), "is empty|is not a workbook"),
        (lambda p: patched(p, SHEET, lambda x: LAUGHS.encode() + x.replace(b">", b">&l9;", 3)), "is not a workbook"),
        (lambda p: workbook(p, [["file", "text"], ["a", None]]), r"s\.xlsx, row 2 has no file or no text|names no"),
        (lambda p: workbook(p, [["file", "text"], [None, "x"]]), r"s\.xlsx, row 2 has no file or no text"),
        (lambda p: workbook(p, [["x", "y"], ["a b", "c"]]), r"has no column for the file .* it has: x, y"),
    ],
)
def test_a_workbook_that_cannot_be_used_says_why(spoil: Callable[[Path], object], said: str, tmp_path: Path) -> None:
    path = workbook(tmp_path / "s.xlsx", [["file", "text"], ["a", "one"]])
    spoil(path)
    with pytest.raises(ScriptError, match=said):
        find_script(path, tmp_path, (B,))


def test_a_workbook_that_bursts_is_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheets, "MAX_BYTES", 3 * 2**20)
    path = patched(workbook(tmp_path / "s.xlsx", [["file", "text"], ["a", "one"]]), SHEET, lambda x: x + b" " * 4 * 2**20)
    assert path.stat().st_size < 20_000
    with pytest.raises(ScriptError, match=r"s\.xlsx would unpack to 4 MB"):
        find_script(path, tmp_path, (A,))


def test_hugging_faces_metadata_is_found(tmp_path: Path) -> None:
    lines = '{"file_name": "a.wav", "text": "one", "x": 1}\n{"file_name": "b 2.flac", "transcription": "two | 2"}\n'
    write(tmp_path / "wavs" / "metadata.jsonl", lines)
    found = find_script(None, tmp_path, (A, B))
    assert found and found.texts == {A.id: "one", B.id: "two | 2"}
    write(tmp_path / "wavs" / "metadata.csv", 'file_name,text,n\na.wav,"eins, zwei",1\nb 2.flac,drei,2\n')
    found = find_script(None, tmp_path, (A, B))
    assert found and found.texts == {A.id: "eins, zwei", B.id: "drei"}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
def test_every_editors_text_is_understood(encoding: str, ends: str, tmp_path: Path) -> None:
    content = "file,text\na,“Café” — déjà vu\nb 2,plain\n".replace("\n", ends)
    found = find_script(write(tmp_path / "s.csv", content.encode(encoding)), tmp_path, (A, B))
    assert found and found.texts == {A.id: "“Café” — déjà vu", B.id: "plain"}


def test_a_bar_in_every_line_cuts_before_commas_do(tmp_path: Path) -> None:
    """Found by the round trip through LJSpeech: two texts with three commas each were taken for a table with commas."""
    found = find_script(write(tmp_path / "m.csv", "a|x, y, z, w\nb 2|1, 2, 3, 4\n"), tmp_path, (A, B))
    assert found and found.texts == {A.id: "x, y, z, w", B.id: "1, 2, 3, 4"}
