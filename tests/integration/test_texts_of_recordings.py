"""Nothing about texts happens in silence, nothing is learned that was not said, and what voicekit wrote is never its input."""

from __future__ import annotations

import os
import shutil
import struct
import zipfile
import zlib
from collections.abc import Generator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from tests.browser.house import House, conversation, recordings
from voicekit import audio
from voicekit.app import App
from voicekit.commands.prepare import prepared_json, summary_lines
from voicekit.errors import RecordingsError, UsageError
from voicekit.prepare.intake import found_in, take_in
from voicekit.prepare.scripts.textgrid import Interval, TextGrid, Tier, format_textgrid
from voicekit.records import Verdict, Waveform


@pytest.fixture
def app(tmp_path: Path) -> Generator[App, None, None]:
    with closing(House(tmp_path / "home")) as house:
        yield house.app


@pytest.fixture
def given(tmp_path: Path) -> Path:
    return recordings(tmp_path / "given", count=8)


def rows_of(given: Path) -> list[tuple[str, str]]:
    lines = (given / "metadata.csv").read_text().splitlines()
    return [(line.split("|")[0], line.split("|")[1]) for line in lines]


def write_rows(file: Path, rows: list[tuple[str, str]]) -> None:
    file.write_text("".join(f"{name}|{text}\n" for name, text in rows))


def test_recordings_without_a_line_are_named_and_every_texts_source_is_counted(app: App, given: Path, tmp_path: Path) -> None:
    rows = rows_of(given)
    write_rows(given / "metadata.csv", rows[:5])
    (given / "005.txt").write_text(rows[5][1])
    made = app.prepare(given, tmp_path / "d")
    writer = made.models["transcription"]
    named = [
        n for n in made.notes if n.startswith("2 recordings have no line in metadata.csv, text files beside the recordings;")
    ]
    assert len(named) == 1 and named[0].endswith("with its mistakes: 006.wav, 007.wav."), (made.notes, writer)
    told = prepared_json(made)["texts"]
    assert told["without"] == ("006.wav", "007.wav") and told["by_recording"]["005.wav"] == "005.txt"
    assert sum(told["counts"].values()) == 8 and told["counts"]["metadata.csv"] == 5
    heard = {c.recording: c.transcript.source for c in made.dataset.clips}
    assert {heard[f"00{n}.wav"] for n in range(6)} == {"script"} and {heard["006.wav"], heard["007.wav"]} == {
        told["by_recording"]["006.wav"]
    }
    assert any(line.startswith("  texts      5 from metadata.csv") for line in summary_lines(made))
    assert app.dataset(tmp_path / "d").texts == made.texts, "kept with the dataset"


def test_files_that_were_not_read_are_named(app: App, given: Path, tmp_path: Path) -> None:
    (given / "notes.txt").write_text("we met in May")
    (given / "old.csv").write_text("zzz|one\nyyy|two\n")
    (given / "000.txt").write_text("another text")
    (given / "plan.docx").write_bytes(b"x")
    notes = app.prepare(given, tmp_path / "d").notes
    for name in ("notes.txt", "old.csv", "000.txt", "plan.docx"):
        assert any(name in note for note in notes), name
    archive = tmp_path / "given.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        for file in given.iterdir():
            packed.write(file, f"mine/{file.name}")
    notes = app.prepare(archive, tmp_path / "z").notes
    for name in ("notes.txt", "old.csv", "000.txt", "plan.docx"):
        assert any(name in note for note in notes), f"{name} in a zip"


def test_a_text_that_stands_for_words_is_never_learned_until_somebody_corrects_it(app: App, given: Path, tmp_path: Path) -> None:
    rows = rows_of(given)
    rows[0] = ("000", f"[NARRATOR]: {rows[0][1]} (laughs)")
    rows[1] = ("001", f"{rows[1][1]} [inaudible]")
    write_rows(given / "metadata.csv", rows)
    made = app.prepare(given, tmp_path / "d")
    by_recording = {c.recording: c for c in made.dataset.clips}
    assert by_recording["000.wav"].transcript.text == rows_of(given)[0][1].removeprefix("[NARRATOR]: ").removesuffix(" (laughs)")
    doubtful = by_recording["001.wav"]
    assert doubtful.verdict is Verdict.REJECTED and doubtful.reason.startswith("unclear text: [inaudible] may not be said")
    assert any("(laughs)" in note and "not said" in note for note in made.notes)
    for wrong in (
        lambda: app.accept_clip(tmp_path / "d", doubtful.id),
        lambda: app.edit_clip(tmp_path / "d", doubtful.id, "and [x]"),
    ):
        with pytest.raises(UsageError, match="may not be said"):
            wrong()
    app.edit_clip(tmp_path / "d", doubtful.id, doubtful.transcript.text.removesuffix(" [inaudible]"))
    corrected = app.clip(tmp_path / "d", doubtful.id)
    assert corrected.verdict is Verdict.ACCEPTED and "[" not in corrected.transcript.text


def test_tiers_of_speakers_are_turns_and_one_is_chosen_by_name(app: App, tmp_path: Path) -> None:
    talk = tmp_path / "talk"
    talk.mkdir()
    conversation(talk / "talk.wav", turns=9)
    wave = audio.read(talk / "talk.wav")
    spans = House(tmp_path / "other").app._engines.vad().speech_spans(wave)  # pyright: ignore[reportPrivateUsage]
    tiers = {
        "ann": Tier("ann", tuple(Interval(a, b, f"this is ann {n}") for n, (a, b) in enumerate(spans) if n % 3 != 2)),
        "bob": Tier("bob", tuple(Interval(a, b, f"this is bob {n}") for n, (a, b) in enumerate(spans) if n % 3 == 2)),
    }
    (talk / "talk.TextGrid").write_text(format_textgrid(TextGrid(wave.duration_s, tuple(tiers.values()))))
    for speaker, wanted in (("bob", "bob"), ("ann", "ann"), ("", "ann")):
        clips = app.prepare(talk, tmp_path / f"d-{speaker}", speaker=speaker).dataset.clips
        mine = [c.transcript.text for c in clips if not c.reason.startswith("another speaker")]
        assert mine and all(f"this is {wanted}" in text for text in mine), (speaker, mine)
    with pytest.raises(UsageError, match=r"No speaker is called 'cy'.*There are: ann, bob"):
        app.prepare(talk, tmp_path / "d-cy", speaker="cy")
    found = app.speakers(talk, tmp_path / "who")
    assert {f.speaker for f in found} == {"ann", "bob"}


def test_a_name_that_can_be_looked_for_nowhere_is_an_error(app: App, given: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Nobody is called 'bob'"):
        app.prepare(given, tmp_path / "d", speaker="bob", num_speakers=1)


@pytest.mark.parametrize(
    ("name", "form", "header"),
    [
        ("metadata.csv", "{n}.wav|{t}|{who}\n", "file|text|speaker\n"),
        ("metadata.csv", "{n}|{who}|en|{t}\n", ""),
        ("train.json", '{{"audio_filepath": "{n}.wav", "speaker": "{who}", "text": "{t}"}}\n', ""),
        ("metadata.csv", "{n}|{who}: {t}\n", ""),
    ],
)
def test_whoever_a_table_names_is_chosen_by_that_name(
    name: str, form: str, header: str, app: App, given: Path, tmp_path: Path
) -> None:
    rows = rows_of(given)
    (given / "metadata.csv").unlink()
    who = {n: "Bob" if k < 3 else "Ann" for k, (n, _) in enumerate(rows)}
    (given / name).write_text(header + "".join(form.format(n=n, t=t, who=who[n]) for n, t in rows))
    clips = app.prepare(given, tmp_path / "d", speaker="Bob").dataset.clips
    accepted = {c.recording for c in clips if c.verdict is Verdict.ACCEPTED}
    assert accepted == {f"{n}.wav" for n in who if who[n] == "Bob"}
    assert all(c.reason.startswith("another speaker") for c in clips if c.recording not in accepted)
    with pytest.raises(UsageError, match="'Cy'") as raised:
        app.prepare(given, tmp_path / "cy", speaker="Cy")
    if ": {t}" in form or "speaker" in form + header:
        assert "Ann, Bob" in str(raised.value)
        notes = app.prepare(given, tmp_path / "all").notes
        assert any("2 speakers" in note and "Ann (5), Bob (3)" in note and "--speaker" in note for note in notes)


def test_a_name_that_no_file_has_is_an_error_also_where_some_recordings_have_none(app: App, given: Path, tmp_path: Path) -> None:
    rows = rows_of(given)
    write_rows(given / "metadata.csv", [(n, f"ANN: {t}" if k < 3 else t) for k, (n, t) in enumerate(rows)])
    with pytest.raises(UsageError, match="No speaker is called 'bob'"):
        app.prepare(given, tmp_path / "d", speaker="bob")


def test_a_second_run_finds_what_the_first_found_wherever_it_wrote(app: App, given: Path, tmp_path: Path) -> None:
    first = app.prepare(given, given / "dataset")
    app.export_dataset(given / "dataset", "ljspeech", given / "tidy")
    app.export_dataset(given / "dataset", "hf", given / "face")
    app.speakers(given, given / "who")
    shutil.copytree(given / "tidy", given / "unmarked")
    (given / "unmarked/.voicekit-export").unlink()  # as exports before they were marked
    (given / "unmarked/metadata.csv").unlink()
    second = app.prepare(given, given / "dataset")
    assert second.dataset == first.dataset
    note = next(n for n in second.notes if n.startswith("Left aside, because voicekit wrote it itself:"))
    assert all(name in note for name in ("dataset", "tidy", "face", "who", "unmarked/wavs"))
    shutil.make_archive(str(tmp_path / "packed"), "zip", given)
    packed = app.prepare(tmp_path / "packed.zip", tmp_path / "from zip")
    assert [c.recording for c in packed.dataset.clips] == [c.recording for c in first.dataset.clips]
    assert packed.texts.of == first.texts.of and not packed.texts.not_read
    alone = app.prepare(given / "tidy", tmp_path / "from export")
    assert len(alone.dataset.clips) == len(first.dataset.clips), "an export that is given by itself is what was meant"
    with pytest.raises(RecordingsError, match="but what voicekit wrote itself"):
        app.prepare(given / "dataset", tmp_path / "from dataset")


def test_one_folder_holds_one_set(app: App, given: Path, tmp_path: Path) -> None:
    other = recordings(tmp_path / "other", pitch=3, count=3)
    first = app.prepare(given, tmp_path / "d")
    with pytest.raises(UsageError, match=r"d holds the dataset of .*given, and not of .*other"):
        app.prepare(other, tmp_path / "d")
    assert app.dataset(tmp_path / "d").dataset == first.dataset
    shutil.move(given, tmp_path / "moved")
    assert app.prepare(tmp_path / "moved", tmp_path / "d").dataset == first.dataset, "the same recordings elsewhere"
    with pytest.raises(UsageError, match="holds the recordings themselves"):
        app.prepare(other, other)
    (tmp_path / "mine/clips").mkdir(parents=True)
    (tmp_path / "mine/clips/a.flac").write_bytes(b"mine")
    with pytest.raises(UsageError, match="is not empty, and holds no dataset: there is clips"):
        app.prepare(other, tmp_path / "mine")
    assert (tmp_path / "mine/clips/a.flac").read_bytes() == b"mine"


def test_samples_of_speakers_in_one_folder_are_of_one_set(app: App, tmp_path: Path) -> None:
    for name, host in (("one", 2), ("two", 4)):
        (tmp_path / name).mkdir()
        conversation(tmp_path / name / "talk.wav", turns=6, host=host)
    found = app.speakers(tmp_path / "one", tmp_path / "who")
    heard = (tmp_path / "who" / found[0].sample).read_bytes()
    with pytest.raises(UsageError, match=r"who holds samples of the speakers of other recordings"):
        app.speakers(tmp_path / "two", tmp_path / "who")
    assert (tmp_path / "who" / found[0].sample).read_bytes() == heard
    shutil.copy(tmp_path / "one/talk.wav", tmp_path / "two/before.wav")
    assert len(app.speakers(tmp_path / "two", tmp_path / "who")) == 4, "with more recordings it goes on"


def test_names_that_nobody_can_show_are_refused_with_words_and_break_nothing(app: App, given: Path, tmp_path: Path) -> None:
    sound = (given / "000.wav").read_bytes()
    for number, name in enumerate((b"caf\xe9.wav", b"bell\x07.wav", b"two\nlines.wav", b"\xff\xfe/in.wav")):
        path = Path(os.fsdecode(os.fsencode(given) + b"/" + name))
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(sound + bytes(2 * (number + 1)))
    Path(os.fsdecode(os.fsencode(given) + b"/caf\xe9.txt")).write_text("one two")
    made = app.prepare(given, tmp_path / "d")
    refused = {c.recording: c.reason for c in made.dataset.clips if "its name holds" in c.reason}
    assert len(refused) == 4 and all(name.isprintable() for name in refused)
    assert "\n".join(summary_lines(made)).encode().decode().replace("\n", "").isprintable()
    for reviewed in app.clips(tmp_path / "d"):
        assert reviewed.clip.recording.encode()


def zipped(path: Path, names: dict[bytes, bytes], sounds: list[Path], extra: bytes = b"") -> Path:
    """A zip whose names are these bytes, not marked as UTF-8."""
    with zipfile.ZipFile(path, "w") as packed:
        for number, sound in enumerate(sounds):
            info = zipfile.ZipInfo(f"{number:08d}.wav")
            info.extra = extra
            packed.writestr(info, sound.read_bytes())
    content = path.read_bytes()
    for number, name in enumerate(names):
        assert len(name) == 12, "of the same length"
        content = content.replace(f"{number:08d}.wav".encode(), name)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("name", "encoding"),
    [("café-12.wav", "utf-8"), ("日本語音.wav", "cp932"), ("Добройдн.wav", "cp866"), ("çé-1234x.wav", "cp437")],
)
def test_names_in_a_zip_are_those_its_maker_saw(name: str, encoding: str, given: Path, tmp_path: Path) -> None:
    archive = zipped(tmp_path / "a.zip", {name.encode(encoding): b""}, [given / "000.wav"])
    assert [r.path for r in take_in(archive, "en", tmp_path / "work", 0.0, lambda _: None).recordings] == [name]


def test_infozips_own_field_for_names_is_believed(given: Path, tmp_path: Path) -> None:
    raw, name = b"_a_b_c_1.wav", "ÄÖ日本.wav".encode()
    field = struct.pack("<HHBI", 0x7075, 5 + len(name), 1, zlib.crc32(raw)) + name
    archive = zipped(tmp_path / "a.zip", {raw: b""}, [given / "000.wav"], field)
    assert [r.path for r in take_in(archive, "en", tmp_path / "work", 0.0, lambda _: None).recordings] == ["ÄÖ日本.wav"]


def test_a_colon_in_a_zips_name_is_a_name(given: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as packed:
        packed.write(given / "000.wav", "A: take 1.wav")
    assert [r.path for r in take_in(tmp_path / "a.zip", "en", tmp_path / "w", 0.0, lambda _: None).recordings] == [
        "A: take 1.wav"
    ]


def test_linked_folders_are_followed_and_never_round_in_circles(given: Path, tmp_path: Path) -> None:
    linked = tmp_path / "linked"
    linked.mkdir()
    (linked / "day").symlink_to(given)
    (given / "back").symlink_to(linked)
    assert found_in(linked).sounds == tuple(f"day/00{n}.wav" for n in range(8))
    assert found_in(linked).texts == ("day/metadata.csv",)


def test_what_was_lost_in_decoding_and_which_channel_was_left_out_is_told(app: App, given: Path, tmp_path: Path) -> None:
    wave = audio.read(given / "000.wav")
    audio.write_wav(given / "000.wav", Waveform(np.concatenate([wave.samples, 0 * wave.samples]), wave.sample_rate_hz))
    content = bytearray((given / "001.wav").read_bytes())
    content[4:8] = content[40:44] = bytes(4)
    (given / "001.wav").write_bytes(content)
    made = app.prepare(given, tmp_path / "d")
    assert "000.wav: channel 2 is silent and was left out." in made.notes
    assert any(n.startswith("001.wav: its header was not finished") for n in made.notes)
    assert len(made.dataset.clips) == 8
