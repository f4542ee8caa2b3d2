"""A recording read by the stretch is the recording."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from voicekit import audio
from voicekit.prepare.track import EAR_RATE_HZ, Track, forget_tracks
from voicekit.records import FloatArray, Waveform

RATE_HZ = 44_100


def written(folder: Path, seconds: float = 25.0, offset: float = 0.0) -> Path:
    rng = np.random.default_rng(0)
    noise = 0.02 * rng.standard_normal((2, int(seconds * RATE_HZ)))
    audio.write_flac(folder / "given.flac", Waveform((noise + offset).astype(np.float32), RATE_HZ))
    return folder / "given.flac"


def whole(file: Path) -> FloatArray:
    return audio.read(file, mono=True).samples[0]


def test_any_stretch_is_that_of_the_file_and_several_threads_may_read(tmp_path: Path) -> None:
    file = written(tmp_path)
    expected = whole(file)
    with Track(file, tmp_path / "work", RATE_HZ) as track, ThreadPoolExecutor(4) as threads:
        assert (track.num_samples, track.duration_s) == (len(expected), len(expected) / RATE_HZ)
        starts = [0, 700_000, 5, len(expected) - 10, 441_000] * 5
        for start, got in zip(starts, threads.map(lambda s: track.read(s, s + 1000), starts), strict=True):
            assert np.array_equal(got, expected[start : start + 1000])
        assert np.array_equal(track.between(1.0, 2.0), expected[RATE_HZ : 2 * RATE_HZ])
        assert len(track.read(3, 3)) == len(track.read(10**9, 10**9 + 1)) == 0


def test_what_is_measured_in_blocks_is_what_is_measured_at_once(tmp_path: Path) -> None:
    file = written(tmp_path)
    expected = Waveform(whole(file)[None], RATE_HZ)
    with Track(file, tmp_path / "work", RATE_HZ) as track:
        for size in (220, 882):
            assert np.allclose(track.powers(size), audio.frame_powers(expected.samples[0], size), rtol=1e-6)
        heard, at_once = track.heard(), audio.resample(expected, EAR_RATE_HZ)
        assert heard.sample_rate_hz == EAR_RATE_HZ and abs(heard.num_samples - at_once.num_samples) <= 1
        shared = min(heard.num_samples, at_once.num_samples)
        assert np.allclose(heard.samples[:, :shared], at_once.samples[:, :shared], atol=1e-5)
        assert track.heard(5.0, 7.0).duration_s == pytest.approx(2.0, abs=1e-3)


@pytest.mark.parametrize(("offset", "left"), [(0.2, 0.0), (0.00005, 0.00005)])
def test_it_lies_around_zero(offset: float, left: float, tmp_path: Path) -> None:
    file = written(tmp_path, 3.0, offset)
    with Track(file, tmp_path / "work", RATE_HZ) as track:
        expected = left if left == 0.0 else float(whole(file).mean())
        assert float(track.read(0, track.num_samples).mean()) == pytest.approx(expected, abs=2e-6)


def test_its_file_goes_with_it_and_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    work = tmp_path / "work"
    with Track(written(tmp_path, 1.0), work, RATE_HZ):
        assert len(list(work.iterdir())) == 1
    assert list(work.iterdir()) == []
    forgotten = Track(written(tmp_path, 1.0), work, RATE_HZ)
    del forgotten
    assert list(work.iterdir()) == []
    (work / "track-of-a-killed-one").mkdir()
    (work / "kept").mkdir()
    forget_tracks(work)
    assert [p.name for p in work.iterdir()] == ["kept"]
