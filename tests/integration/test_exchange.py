"""A prepared dataset goes out in four forms and comes back: texts, times and samples are those of the dataset."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.fake_speech import burst_means, say, sentences
from voicekit import audio, cli
from voicekit.errors import InputError, UsageError
from voicekit.exchange import export_dataset, read_audiofolder, read_ljspeech, read_rttm, read_textgrids
from voicekit.prepare import Given, load_dataset, load_recordings, prepare_dataset
from voicekit.prepare.intake import take_in
from voicekit.prepare.scripts import find_script
from voicekit.records import Clip, Dataset, SpeakerTurn, Transcript, Verdict, Waveform
from voicekit.specs import PrepareSpec


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of four short recordings, one of them refused, a silent one, and a long one that becomes several clips."""
    root = tmp_path_factory.mktemp("exchange")
    recordings = root / "recordings"
    (recordings / "long talks").mkdir(parents=True)
    texts = {f"r{i}.wav": text for i, text in enumerate(sentences(3))}
    texts["long talks/a talk.flac"] = " ".join(sentences(9)).replace("one", "“one”")
    texts["short.wav"] = "one"
    for name, text in texts.items():
        write = audio.write_flac if name.endswith("flac") else audio.write_wav
        write(recordings / name, say(text, rate_hz=44_100))
        (recordings / name).with_suffix(".txt").write_text(text)
    audio.write_wav(recordings / "silent.wav", Waveform(np.zeros((1, 32_000), np.float32), 16_000))
    (recordings / "silent.txt").write_text("nothing")
    spec = PrepareSpec(min_speech_s=3.0, max_clip_s=15.0)
    prepare_dataset(Given(recordings), spec, root / "dataset", burst_means(), lambda _: None)
    return root / "dataset"


def accepted(made: Dataset) -> list[Clip]:
    found = [c for c in made.clips if c.verdict is Verdict.ACCEPTED]
    assert len(found) >= 6 and {c.verdict for c in made.clips} == set(Verdict)
    return found


def same_sound(one: Path, other: Path) -> bool:
    a, b = audio.read(one), audio.read(other)
    return a.sample_rate_hz == b.sample_rate_hz and np.array_equal(a.samples, b.samples)


def test_ljspeech(folder: Path, tmp_path: Path) -> None:
    made = accepted(load_dataset(folder))
    written = export_dataset(folder, "ljspeech", tmp_path / "out")
    assert written.count == len(made) and written.folder == tmp_path / "out"
    back = read_ljspeech(tmp_path / "out")
    assert [(s.id, s.text) for s in back] == [(c.id, c.transcript.text) for c in made]
    assert all(same_sound(s.audio, folder / c.audio) for s, c in zip(back, made, strict=True))


def test_audiofolder(folder: Path, tmp_path: Path) -> None:
    made = load_dataset(folder)
    export_dataset(folder, "hf", tmp_path / "out")
    back = read_audiofolder(tmp_path / "out")
    assert back == tuple(c for c in made.clips if c.audio) and len(back) > len(accepted(made))
    assert all((tmp_path / "out" / c.audio).read_bytes() == (folder / c.audio).read_bytes() for c in back)
    lines = [json.loads(line) for line in (tmp_path / "out" / "metadata.jsonl").read_text().splitlines()]
    assert {line["verdict"] for line in lines} == {"accepted", "rejected"} and "snr_db" in lines[0]["grades"]
    assert {line["file_name"] for line in lines if line["split"] == "train"} == {c.audio for c in made.train()}


def test_textgrids(folder: Path, tmp_path: Path) -> None:
    made = accepted(load_dataset(folder))
    export_dataset(folder, "textgrid", tmp_path / "out")
    back = read_textgrids(tmp_path / "out")
    assert set(back) == {c.id for c in made}
    for c in made:
        bare = tuple((w.text, w.start_s, w.end_s) for w in c.transcript.words)
        assert bare and back[c.id].text == c.transcript.text
        assert tuple((w.text, w.start_s, w.end_s) for w in back[c.id].words) == bare
        assert same_sound(tmp_path / "out" / "clips" / f"{c.id}.wav", folder / c.audio)
    assert (tmp_path / "out" / "recordings" / "long talks" / "a talk.TextGrid").is_file()


def test_rttm(folder: Path, tmp_path: Path) -> None:
    made = accepted(load_dataset(folder))
    written = export_dataset(folder, "rttm", tmp_path / "out")
    back = read_rttm(tmp_path / "out" / "turns.rttm")
    ends = [(c.start_sample / 44_100, (c.start_sample + c.num_samples) / 44_100) for c in made]
    turns = [SpeakerTurn("speaker", *times, c.recording) for times, c in zip(ends, made, strict=True)]
    assert back == tuple(turns) and (written.count, written.what) == (len(made), "speaker turns")


@pytest.mark.parametrize("form", ["ljspeech", "hf"])
def test_an_exported_dataset_can_be_given_as_recordings(form: str, folder: Path, tmp_path: Path) -> None:
    export_dataset(folder, form, tmp_path / "out")
    taken = take_in(tmp_path / "out", "en", tmp_path / "work", 0.0, lambda _: None)
    script = find_script(None, taken.root, taken.recordings)
    assert script is not None and script.unused == ()
    texts = {Path(r.path).stem: script.texts[r.id] for r in taken.recordings}
    clips = [c for c in load_dataset(folder).clips if c.audio and (form == "hf" or c.verdict is Verdict.ACCEPTED)]
    assert texts == {c.id: c.transcript.text for c in clips}


def changed(folder: Path, target: Path, **changes: object) -> Path:
    """The dataset with its first accepted clip changed on disk."""
    shutil.copytree(folder, target)
    lines = [json.loads(line) for line in (target / "clips.jsonl").read_text().splitlines()]
    next(line for line in lines if line["verdict"] == "accepted").update(changes)
    (target / "clips.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return target


def test_a_text_that_a_form_cannot_hold_is_refused_not_bent(folder: Path, tmp_path: Path) -> None:
    barred = {"text": "this | that", "words": [], "source": "script"}
    odd = changed(folder, tmp_path / "odd", **barred)
    with pytest.raises(InputError, match=r"cannot stand in LJSpeech's metadata\.csv: 'this \| that'"):
        export_dataset(odd, "ljspeech", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    export_dataset(odd, "hf", tmp_path / "out")
    assert Transcript("this | that") in [c.transcript for c in read_audiofolder(tmp_path / "out")]


@pytest.mark.parametrize("changes", [{"id": "../../evil"}, {"audio": "../secret.flac"}, {"audio": "/etc/hostname"}])
def test_a_dataset_cannot_lead_out_of_its_folder(changes: dict[str, str], folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="leads out of the dataset"):
        export_dataset(changed(folder, tmp_path / "odd", **changes), "ljspeech", tmp_path / "out")


def test_an_export_replaces_nothing_and_begins_again_after_a_kill(folder: Path, tmp_path: Path) -> None:
    (tmp_path / ".out.unfinished").mkdir()
    (tmp_path / ".out.unfinished" / "half").write_text("x")
    (tmp_path / "out").mkdir()
    export_dataset(folder, "rttm", tmp_path / "out")
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["turns.rttm"] and len(list(tmp_path.iterdir())) == 1
    with pytest.raises(UsageError, match="not an empty folder"):
        export_dataset(folder, "rttm", tmp_path / "out")
    with pytest.raises(UsageError, match="'mp3' is no form"):
        export_dataset(folder, "mp3", tmp_path / "other")
    with pytest.raises(InputError, match="no dataset"):
        export_dataset(tmp_path, "rttm", tmp_path / "other")


def test_the_command(folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOICEKIT_HOME", str(tmp_path / "home"))
    count = len(accepted(load_dataset(folder)))
    assert cli.run(["dataset", "export", str(folder), "--to", "ljspeech", "-o", str(tmp_path / "out"), "--json"]) == 0
    assert json.loads(capfd.readouterr().out) == {"folder": str(tmp_path / "out"), "form": "ljspeech", "clips": count}
    assert cli.run(["dataset", "export", str(folder), "--to", "rttm", "-o", str(tmp_path / "out")]) == 2
    assert "not an empty folder" in capfd.readouterr().err
    assert len(load_recordings(folder)) == 6
