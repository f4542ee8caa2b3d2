"""Whatever a designer has lies in one folder, with the script in whatever form; all of it becomes clips or has a reason."""

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.fake_speech import burst_means, bursts, say, sentences
from tests.unit.test_audio import encode
from voicekit import audio
from voicekit.errors import RecordingsError
from voicekit.prepare import Given, load_recordings, prepare_dataset
from voicekit.prepare.intake import take_in
from voicekit.records import Dataset, Verdict, Waveform
from voicekit.specs import PrepareSpec

SPEC = PrepareSpec(min_speech_s=1.0, min_srmr_db=-100.0)
CODECS = {"m4a": "aac", "webm": "libopus", "mp4": "aac", "mp3": "libmp3lame", "opus": "libopus"}


def spread(wave: Waveform, channels: int) -> Waveform:
    """The same in so many channels, at falling levels."""
    levels = np.linspace(1.0, 0.5, channels, dtype=np.float32)
    return Waveform(wave.samples * levels[:, None], wave.sample_rate_hz)


def prepared(recordings: Path, folder: Path, script: Path | None = None) -> Dataset:
    return prepare_dataset(Given(recordings, script), SPEC, folder, burst_means(), lambda _: None)


def test_all_formats_rates_depths_and_channels_in_one_folder(tmp_path: Path) -> None:
    folder = tmp_path / "recordings"
    folder.mkdir()
    texts = sentences(10)
    for text, (suffix, codec) in zip(texts, CODECS.items(), strict=False):
        encode(folder / f"{suffix}.{suffix}", spread(say(text, rate_hz=48_000), 2), codec)
    odd = [("u8", "PCM_U8", 8_000, 1), ("f32", "FLOAT", 44_100, 8), ("p24", "PCM_24", 192_000, 2), ("p32", "PCM_32", 96_000, 6)]
    for text, (stem, subtype, rate_hz, channels) in zip(texts[5:], odd, strict=False):
        # Eight bits without noise are steps, which look like clipping.
        wave = spread(say(text, rate_hz=rate_hz, noise=6e-3 if stem == "u8" else 1e-4), channels)
        soundfile.write(folder / f"{stem}.wav", wave.samples.T, rate_hz, subtype=subtype)
    soundfile.write(folder / "vorbis.ogg", say(texts[9]).samples.T, 16_000)
    names = [*CODECS, *(row[0] for row in odd), "vorbis"]
    (folder / "metadata.csv").write_text("".join(f"{name}|{text}\n" for name, text in zip(names, texts, strict=True)))
    made = prepared(folder, tmp_path / "dataset")
    assert {c.recording: c.reason for c in made.clips if c.verdict is Verdict.REJECTED} == {}
    assert len(made.clips) == 10
    shapes = {Path(r.path).stem: (r.sample_rate_hz, r.channels) for r in load_recordings(tmp_path / "dataset")}
    assert shapes["f32"] == (44_100, 8) and shapes["p24"] == (192_000, 2) and shapes["opus"] == (48_000, 2)


def test_what_is_no_file_is_refused_and_the_others_go_on(tmp_path: Path) -> None:
    audio.write_wav(tmp_path / "good.wav", say("one two"))
    os.mkfifo(tmp_path / "pipe.wav")
    (tmp_path / "nowhere.wav").symlink_to(tmp_path / "gone.wav")
    taken = take_in(tmp_path, "en", tmp_path / "work", 0.7, lambda _: None)
    assert [r.path for r in taken.recordings] == ["good.wav"]
    reasons = {f.recording.path: f.reason for f in taken.refused}
    assert reasons == {
        "nowhere.wav": "cannot be opened: No such file or directory",
        "pipe.wav": "cannot be opened: It is not an ordinary file",
    }


def test_a_folder_that_may_not_be_read_is_said_not_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    audio.write_wav(tmp_path / "good.wav", say("one two"))
    (tmp_path / "closed").mkdir()
    scan = os.scandir

    def scandir(path: str) -> object:
        if Path(path).name == "closed":
            raise PermissionError(13, "Permission denied", path)
        return scan(path)

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(RecordingsError, match=r"closed cannot be read: Permission denied"):
        take_in(tmp_path, "en", tmp_path / "work", 0.7, lambda _: None)


@pytest.mark.parametrize("suffix", ["srt", "TextGrid"])
def test_a_long_recording_with_subtitles_is_followed_by_their_text(suffix: str, tmp_path: Path) -> None:
    folder = tmp_path / "recordings"
    folder.mkdir()
    texts = sentences(6)
    wave = say(" ".join(texts))
    audio.write_flac(folder / "talk.flac", wave)
    spoken, cues = iter(bursts(wave)), list[tuple[float, float, str]]()
    for text in texts:
        said = [next(spoken) for _ in text.split()]
        cues.append((round(said[0][0], 3), round(said[-1][1], 3), text))
    if suffix == "srt":
        lines = [f"{n}\n00:00:{a:06.3f} --> 00:00:{b:06.3f}\n{t}\n\n" for n, (a, b, t) in enumerate(cues, 1)]
        (folder / "talk.srt").write_text("".join(lines))
    else:
        rows = "".join(f'{a}\n{b}\n"{t}"\n' for a, b, t in cues)
        head = f'"ooTextFile"\n"TextGrid"\n0\n15\n<exists>\n1\n"IntervalTier"\n"text"\n0\n15\n{len(cues)}\n'
        (folder / "talk.TextGrid").write_text(head + rows)
    made = prepared(folder, tmp_path / "dataset")
    assert " ".join(c.transcript.text for c in made.clips) == " ".join(texts)
    assert {c.verdict for c in made.clips} == {Verdict.ACCEPTED}
