"""Whatever the format: pieces of a recording are slices of the whole, and the whole is what was recorded."""

import io
import os
import struct
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.test_audio import encode, tone
from voicekit import audio
from voicekit.errors import RecordingsError
from voicekit.records import Waveform

CODECS = {"m4a": "aac", "webm": "libopus", "mp4": "aac", "mp3": "libmp3lame", "opus": "libopus"}
FORMATS = ("wav", "flac", "ogg", *CODECS)


def noise(seconds: float = 3.3, rate_hz: int = 48_000, channels: int = 2, level: float = 0.1) -> Waveform:
    shape = (channels, int(seconds * rate_hz))
    samples = level * np.random.default_rng(channels).standard_normal(shape)
    return Waveform(np.clip(samples, -1, 1).astype(np.float32), rate_hz)


@cache
def file_of(suffix: str) -> Path:
    """Three seconds of stereo noise in a format."""
    path = Path(mkdtemp()) / f"a.{suffix}"
    if suffix in CODECS:
        encode(path, noise(), CODECS[suffix])
    else:
        soundfile.write(path, noise().samples.T, 48_000)
    return path


@pytest.mark.parametrize("suffix", FORMATS)
def test_blocks_and_stretches_are_slices_of_the_whole(suffix: str) -> None:
    whole = audio.read(file_of(suffix))
    pieces = list(audio.blocks(file_of(suffix), block_s=1.0))
    assert len(pieces) >= 3 and max(p.duration_s for p in pieces) < 1.2
    assert np.array_equal(np.concatenate([p.samples for p in pieces], axis=1), whole.samples)
    end = whole.num_samples
    with audio.reader(file_of(suffix)) as reader:
        for start, after in ((0, 10), (70_000, 70_001), (60_000, 120_000), (end - 5, end + 5), (end + 9, end + 10), (7, 7)):
            stretch = reader.read(start, after)
            assert stretch.sample_rate_hz == 48_000
            assert np.array_equal(stretch.samples, whole.samples[:, start:after]), (start, after)
    assert audio.probe(file_of(suffix)) == audio.Facts(48_000, 2, end)
    assert np.array_equal(audio.read(file_of(suffix), mono=True).samples[0], whole.mono())


@settings(max_examples=25)
@given(st.sampled_from(("mp3", "m4a", "flac")), st.lists(st.tuples(st.integers(0, 170_000), st.integers(0, 60_000)), max_size=5))
def test_stretches_in_any_order(suffix: str, wanted: list[tuple[int, int]]) -> None:
    whole = audio.read(file_of(suffix))
    with audio.reader(file_of(suffix)) as reader:
        for start, length in wanted:
            assert np.array_equal(reader.read(start, start + length).samples, whole.samples[:, start : start + length])


@pytest.mark.parametrize("rate_hz", [8_000, 11_025, 44_100, 96_000, 192_000])
@pytest.mark.parametrize("channels", [1, 2, 6, 8])
def test_every_rate_and_number_of_channels(rate_hz: int, channels: int, tmp_path: Path) -> None:
    given = noise(0.3, rate_hz, channels)
    for name in ("a.wav", "a.flac"):
        soundfile.write(tmp_path / name, given.samples.T, rate_hz, subtype="PCM_24")
        back = audio.read(tmp_path / name)
        assert back.sample_rate_hz == rate_hz and np.abs(back.samples - given.samples).max() <= 2**-23


@pytest.mark.parametrize(
    ("subtype", "container", "step"),
    [
        ("PCM_U8", "WAV", 2**-7),
        ("PCM_S8", "AIFF", 2**-7),
        ("PCM_16", "WAV", 2**-15),
        ("PCM_24", "WAV", 2**-23),
        ("PCM_32", "WAV", 2**-23),
        ("FLOAT", "WAV", 0.0),
        ("DOUBLE", "WAV", 0.0),
        ("FLOAT", "RF64", 0.0),
    ],
)
def test_every_depth_is_read_as_exactly_as_it_can_be(subtype: str, container: str, step: float, tmp_path: Path) -> None:
    given = noise(0.3)
    soundfile.write(tmp_path / "a.wav", given.samples.T, 48_000, subtype=subtype, format=container)
    assert np.abs(audio.read(tmp_path / "a.wav").samples - given.samples).max() <= step


def test_a_loud_float_file_has_one_scale_from_beginning_to_end(tmp_path: Path) -> None:
    quiet, loud = tone(12.0, level=0.1).samples[0], tone(1.0, level=4.0).samples[0]
    soundfile.write(tmp_path / "a.wav", np.concatenate([quiet, loud]), 24_000, subtype="FLOAT")
    first = next(audio.blocks(tmp_path / "a.wav"))
    assert np.abs(first.samples).max() == pytest.approx(0.1 / 4.0, rel=1e-3)
    with audio.reader(tmp_path / "a.wav") as reader:
        assert np.abs(reader.read(0, 24_000).samples).max() == pytest.approx(0.1 / 4.0, rel=1e-3)


@pytest.mark.parametrize(("rate_hz", "expected"), [(0, 48_000), (16_000, 16_000), (44_100, 44_100)])
def test_a_working_copy_is_what_reading_and_resampling_the_whole_gives(rate_hz: int, expected: int, tmp_path: Path) -> None:
    source = tmp_path / "a.m4a"
    encode(source, noise(25.0), "aac")
    facts = audio.write_working_copy(source, tmp_path / "work" / "copy.wav", rate_hz)
    whole = audio.read(source, mono=True)
    wanted = audio.resample(whole, rate_hz) if rate_hz else whole
    copy = audio.read(tmp_path / "work" / "copy.wav")
    assert facts == audio.Facts(expected, 1, wanted.num_samples)
    assert np.array_equal(copy.samples, wanted.samples)
    assert [p.name for p in (tmp_path / "work").iterdir()] == ["copy.wav"]


def test_a_source_that_breaks_leaves_no_half_copy(tmp_path: Path) -> None:
    samples = np.zeros(48_000 * 15, np.float32)
    samples[-1] = np.nan
    soundfile.write(tmp_path / "a.wav", samples, 48_000, subtype="FLOAT")
    with pytest.raises(RecordingsError, match="not numbers"):
        audio.write_working_copy(tmp_path / "a.wav", tmp_path / "work" / "copy.wav")
    assert list((tmp_path / "work").iterdir()) == []


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 3 // 4])


def scratched(path: Path) -> None:
    content = bytearray(path.read_bytes())
    at = len(content) * 3 // 4
    content[at : at + 2000] = bytes(2000)
    path.write_bytes(content)


@pytest.mark.parametrize("damage", [cut, scratched])
@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3", "webm", "opus"])
def test_a_file_that_breaks_in_the_middle_gives_what_it_holds(
    suffix: str, damage: Callable[[Path], None], tmp_path: Path
) -> None:
    path = tmp_path / f"a.{suffix}"
    path.write_bytes(file_of(suffix).read_bytes())
    damage(path)
    good = audio.read(file_of(suffix))
    pieces = list(audio.blocks(path, block_s=1.0))
    found = np.concatenate([p.samples for p in pieces], axis=1)
    assert good.num_samples // 2 < found.shape[1] <= good.num_samples
    assert np.array_equal(found[:, :48_000], good.samples[:, :48_000])
    with audio.reader(path) as reader:
        assert np.array_equal(reader.read(24_000, found.shape[1]).samples, found[:, 24_000:])


@pytest.mark.parametrize("name", ["12:30 interview.m4a", "pipe:0.m4a", "-i.m4a", b"caf\xe9.m4a", b"caf\xe9.wav", "é\n'.m4a"])
def test_odd_names_are_names(name: str | bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = Path(os.fsdecode(name))
    path.write_bytes(file_of(path.suffix[1:]).read_bytes())
    assert audio.probe(path).channels == 2


@pytest.mark.parametrize(
    ("rate_hz", "channels", "said"),
    [
        (4_000, 1, r"a\.wav is sampled at 4000 Hz; 8000 to 192000 Hz are needed"),
        (384_000, 1, r"a\.wav is sampled at 384000 Hz"),
        (48_000, 12, r"a\.wav has 12 channels; at most 8 are read"),
    ],
)
def test_what_no_recording_is_like_is_refused(rate_hz: int, channels: int, said: str, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", noise(0.2, rate_hz, channels).samples.T, rate_hz)
    for use in (audio.read, audio.probe, lambda path: audio.reader(path).read(0, 100)):
        with pytest.raises(RecordingsError, match=said):
            use(tmp_path / "a.wav")


def test_a_folder_and_a_pipe_are_no_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.wav")
    (tmp_path / "folder.wav").mkdir()
    for name in ("pipe.wav", "folder.wav"):
        with pytest.raises(RecordingsError, match="a folder or a device"):
            audio.read(tmp_path / name)


def spoiled(path: Path, target: Path) -> Path:
    """The file with 600 bytes in its first third that are none of its own."""
    content = bytearray(path.read_bytes())
    at = len(content) // 3
    content[at : at + 600] = np.random.default_rng(1).bytes(600)
    target.write_bytes(content)
    return target


@pytest.mark.parametrize("suffix", ["mp3", "m4a", "opus", "webm", "ogg", "mp4"])
def test_a_bad_packet_costs_itself_alone_and_is_told(suffix: str, tmp_path: Path) -> None:
    long = tmp_path / f"long.{suffix}"
    if suffix == "ogg":
        soundfile.write(long, noise(20.0).samples.T, 48_000)
    else:
        encode(long, noise(20.0), CODECS[suffix])
    whole, facts = audio.read(long), audio.probe(spoiled(long, tmp_path / f"bad.{suffix}"))
    assert facts.num_samples == pytest.approx(whole.num_samples, abs=2_400), "places behind it stay where they were"
    assert facts.remark == "" or "cannot be decoded (at " in facts.remark
    if suffix in ("mp3", "m4a", "mp4"):
        assert facts.remark
    found = audio.read(tmp_path / f"bad.{suffix}")
    end = whole.samples[0, -48_000:]
    near = [float(np.corrcoef(end, found.samples[0][found.num_samples - 48_000 - k :][:48_000])[0, 1]) for k in range(2_400)]
    assert max(near) > 0.9, "the end is the file's own"


def test_mp3s_put_together_are_read_to_the_end_whatever_their_rates(tmp_path: Path) -> None:
    one = file_of("mp3")
    (tmp_path / "two.mp3").write_bytes(2 * one.read_bytes())
    assert audio.probe(tmp_path / "two.mp3").num_samples == pytest.approx(2 * audio.probe(one).num_samples, rel=0.02)
    encode(tmp_path / "low.mp3", noise(5.0, 24_000, 1), "libmp3lame")
    (tmp_path / "other.mp3").write_bytes(one.read_bytes() + (tmp_path / "low.mp3").read_bytes())
    wave = audio.read(tmp_path / "other.mp3")
    assert wave.samples.shape[0] == 2 and wave.sample_rate_hz == 48_000
    assert wave.duration_s == pytest.approx(3.3 + 5.0, abs=0.2)


@pytest.mark.parametrize(
    "tag", ["Café 2024".encode("latin-1"), b"Son num\x8eriq", "音".encode("shift-jis").ljust(9), b"\xff\xfe\x00\xd8"]
)
def test_tags_in_any_encoding_are_no_damage(tag: bytes, tmp_path: Path) -> None:
    import av

    plain = tmp_path / "plain.m4a"
    encode(plain, noise(1.5), "aac")
    with av.open(str(plain)) as source, av.open(str(tmp_path / "a.m4a"), "w") as target:
        target.metadata["title"] = "XXXXXXXXX"
        stream = target.add_stream_from_template(source.streams.audio[0])
        for packet in source.demux(source.streams.audio[0]):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    content = (tmp_path / "a.m4a").read_bytes()
    assert b"XXXXXXXXX" in content and b"SoundHandler" in content
    (tmp_path / "a.m4a").write_bytes(content.replace(b"XXXXXXXXX", tag.ljust(9)[:9]).replace(b"SoundHandler", tag.ljust(12)[:12]))
    assert audio.probe(tmp_path / "a.m4a").num_samples == audio.probe(plain).num_samples


def unfinished(container: str, length: int | None) -> bytes:
    """Five seconds of which the header says that they are `length` bytes of sound (None: as written)."""
    out = io.BytesIO()
    soundfile.write(out, noise(5.0, channels=1).samples.T, 48_000, format=container, subtype="PCM_16")
    content = bytearray(out.getvalue())
    if length is None:
        return bytes(content)
    if container == "WAV":
        at = content.find(b"data")
        content[4:8], content[at + 4 : at + 8] = struct.pack("<I", 36 + length & 0xFFFFFFFF), struct.pack("<I", length)
    elif container == "RF64":
        at = content.find(b"ds64")
        content[at + 8 : at + 32] = struct.pack("<QQQ", length + 72, length, length // 2)
    elif container == "AIFF":
        common, sound = content.find(b"COMM"), content.find(b"SSND")
        content[common + 10 : common + 14] = struct.pack(">I", length // 2)
        content[sound + 4 : sound + 8] = struct.pack(">I", length + 8)
    elif container == "AU":
        content[8:12] = struct.pack(">I", length)
    else:
        at = content.find(b"data")
        content[at + 4 : at + 12] = struct.pack(">Q", length)
    return bytes(content)


@pytest.mark.parametrize("container", ["WAV", "RF64", "AIFF", "AU", "CAF"])
@pytest.mark.parametrize("length", [0, 9_600])
def test_a_header_that_was_never_finished_does_not_hide_the_sound(container: str, length: int, tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(unfinished(container, length))
    wave, facts = audio.read(path), audio.probe(path)
    good = noise(5.0, channels=1).samples[0]
    assert abs(wave.num_samples - len(good)) <= 16
    assert np.abs(wave.samples[0][: len(good)] - good[: wave.num_samples]).max() <= 2**-15
    assert "header was not finished" in facts.remark
    with audio.reader(path) as reader:
        assert np.array_equal(reader.read(60_000, 70_000).samples, wave.samples[:, 60_000:70_000])
    path.write_bytes(unfinished(container, None))
    assert audio.probe(path).remark == ""


@pytest.mark.parametrize(
    "tail",
    [b"TAG" + bytes(125), b"APETAGEX" + bytes(30_000), bytes(40_000), b"LIST" + struct.pack("<I", 30_000) + bytes(30_000), b"\1"],
)
def test_what_stands_behind_the_sound_is_not_taken_for_sound(tail: bytes, tmp_path: Path) -> None:
    for container in ("WAV", "FLAC"):
        out = io.BytesIO()
        soundfile.write(out, noise(3.0, channels=1).samples.T, 48_000, format=container, subtype="PCM_16")
        (tmp_path / "a.wav").write_bytes(out.getvalue() + tail)
        assert audio.probe(tmp_path / "a.wav").num_samples == 3 * 48_000, container


def test_what_cannot_be_read_to_its_end_says_so(tmp_path: Path) -> None:
    whole = unfinished("WAV", None)
    (tmp_path / "two.wav").write_bytes(2 * whole)
    assert audio.probe(tmp_path / "two.wav").remark == "another file begins behind its end, which is not read"
    encode(tmp_path / "a.m4a", noise(20.0), "aac")
    content = (tmp_path / "a.m4a").read_bytes()
    (tmp_path / "a.m4a").write_bytes(content[: content.find(b"moov") - 4])
    with pytest.raises(RecordingsError, match=r"a\.m4a was never finished: its index \(moov\) is missing"):
        audio.probe(tmp_path / "a.m4a")
    soundfile.write(tmp_path / "a.flac", noise(20.0, channels=1).samples.T, 48_000)
    cut(tmp_path / "a.flac")
    facts = audio.probe(tmp_path / "a.flac")
    assert facts.num_samples < 20 * 48_000 and "breaks off at" in facts.remark


@pytest.mark.parametrize("container", ["WAV", "AIFF", "CAF", "AU", "FLAC", "m4a"])
def test_files_put_together_that_no_player_reads_to_the_end_say_so(container: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.{container.lower()}"
    if container == "m4a":
        encode(path, noise(5.0), "aac")
    else:
        soundfile.write(path, noise(5.0, channels=1).samples.T, 48_000, format=container)
    assert audio.probe(path).remark == ""
    path.write_bytes(2 * path.read_bytes())
    assert audio.probe(path).remark == "another file begins behind its end, which is not read"


@pytest.mark.parametrize("container", ["WAV", "AIFF", "CAF", "AU"])
def test_a_copy_that_stopped_half_way_says_so(container: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.{container.lower()}"
    soundfile.write(path, noise(6.0, channels=1).samples.T, 48_000, format=container, subtype="PCM_16")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    facts = audio.probe(path)
    assert 2.9 * 48_000 < facts.num_samples < 3.1 * 48_000
    assert facts.remark == "it breaks off: only 50% of what its header promises is there"


def test_a_spoiled_flac_says_how_much_is_missing(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.flac", noise(20.0, channels=1).samples.T, 48_000)
    content = bytearray((tmp_path / "a.flac").read_bytes())
    middle = len(content) // 2
    content[middle : middle + 600] = bytes(range(200)) * 3
    (tmp_path / "a.flac").write_bytes(content)
    facts = audio.probe(tmp_path / "a.flac")
    lost_s = 20.0 - facts.num_samples / 48_000
    assert 0.01 < lost_s < 0.5 and facts.remark == f"{lost_s:.2f} s of it cannot be decoded and are missing"


def test_decoders_write_nothing_to_the_terminal(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    mp3 = file_of("mp3").read_bytes()
    for name, content in (
        ("two.mp3", 2 * mp3),
        ("tagged.mp3", b"ID3\x03\0\0\0\0\x0f\x76" + bytes(2038) + mp3),
        ("cut.mp3", mp3[:-333]),
        ("called.wav", mp3),
        ("bad.mp3", mp3[:3000] + bytes(range(256)) * 3 + mp3[4000:]),
        ("tagged.wav", b"ID3\x03\0\0\0\0\0\x0a" + bytes(10) + unfinished("WAV", None)),
    ):
        (tmp_path / name).write_bytes(content)
        assert audio.probe(tmp_path / name).num_samples > 48_000
    assert capfd.readouterr() == ("", "")
