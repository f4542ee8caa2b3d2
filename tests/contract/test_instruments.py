"""The embedded instruments on two synthetic voices (flite's kal and slt, public-domain-like licence) saying known sentences."""

from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from voicekit import audio
from voicekit.backends.device import one_thread
from voicekit.backends.pitch import WorldPitch
from voicekit.backends.speaker import Ge2eSpeakerEncoder
from voicekit.backends.whisper import WhisperTranscriber
from voicekit.evaluate import text_errors, wer
from voicekit.evaluate.run import f0_hz
from voicekit.ports import PitchTracker, SpeakerEncoder, Transcriber
from voicekit.records import Waveform
from voicekit.shipped import shipped_model

GOLDEN = Path(__file__).parent.parent / "golden"
SAID = {1: "the opposite of hot is cold", 2: "seven plus two makes nine"}
READER = GOLDEN / "reader"
READ = {name: text for name, _, text in (line.split("|") for line in (READER / "metadata.csv").read_text().splitlines())}
SILENCE = Waveform(np.zeros((1, 24_000), np.float32), 24_000)
NOTHING = Waveform(np.zeros((1, 0), np.float32), 24_000)


@cache
def clip(voice: str, sentence: int) -> Waveform:
    samples, rate_hz = soundfile.read(GOLDEN / "voices" / f"{voice}-{sentence}.ogg", dtype="float32")
    return Waveform(np.asarray(samples[None], np.float32), rate_hz)


@cache
def encoder() -> Ge2eSpeakerEncoder:
    return Ge2eSpeakerEncoder()


@cache
def judge() -> WhisperTranscriber:
    return WhisperTranscriber(shipped_model("whisper-base"), threads=1)


def test_they_are_what_the_ports_ask_for() -> None:
    speaker: SpeakerEncoder = encoder()
    transcriber: Transcriber = judge()
    pitch: PitchTracker = WorldPitch()
    assert speaker.name and transcriber.name and pitch


def test_embeddings_equal_the_original_package() -> None:
    """`speaker_embedding.npz` holds what resemblyzer 0.1.4 makes of the same samples."""
    time_s = np.arange(48_000) / 16_000
    tone = np.sum([np.sin(2 * np.pi * h * (120 + 20 * np.sin(3 * time_s)) * time_s) / h for h in range(1, 20)], axis=0)
    noise = 0.003 * np.random.default_rng(0).standard_normal(48_000)
    samples = (tone * 0.05 * (1 + np.sin(2 * np.pi * 3 * time_s)) + noise).astype(np.float32)
    original = np.load(GOLDEN / "speaker_embedding.npz")["embedding"].astype(np.float32)
    assert encoder().embed_samples(samples) @ original > 0.9999


def test_a_speaker_resembles_themself_more_than_another_at_any_level_and_rate() -> None:
    found = {(v, s): encoder().embed(clip(v, s)) for v in ("kal", "slt") for s in (1, 2)}
    assert all(
        e.shape == (256,) and e.dtype == np.float32 and np.linalg.norm(e) == pytest.approx(1, abs=1e-5) for e in found.values()
    )
    same = min(found[v, 1] @ found[v, 2] for v in ("kal", "slt"))
    different = max(found["kal", a] @ found["slt", b] for a in (1, 2) for b in (1, 2))
    assert same > 0.75 > 0.65 > different
    quiet = Waveform(np.pad(0.01 * clip("slt", 1).samples, ((0, 1), (16_000, 0))) * 2, 16_000)
    assert encoder().embed(quiet) @ found["slt", 2] > same - 0.1


def test_silence_resembles_nobody_and_a_blink_of_speech_is_heard() -> None:
    assert not encoder().embed(SILENCE).any() and not encoder().embed(NOTHING).any()
    blink = Waveform(clip("slt", 1).samples[:, 8_000:10_000], 16_000)
    assert np.linalg.norm(encoder().embed(blink)) == pytest.approx(1, abs=1e-5)


def test_the_judge_hears_readers_and_is_silent_about_silence() -> None:
    found = [text_errors(text, judge().transcribe(audio.read(READER / f"{name}.flac"), "en")) for name, text in READ.items()]
    assert sum(errors.word_errors for errors in found) <= 0.1 * sum(errors.num_words for errors in found)
    assert judge().transcribe(SILENCE) == judge().transcribe(NOTHING) == ""


def test_the_judge_hears_what_is_said_and_not_what_is_likely() -> None:
    """Words in an order that nobody would say are heard in that order; backwards nothing is understood."""
    parts = [clip("slt", 1).samples, np.zeros((1, 8_000), np.float32), clip("slt", 2).samples]
    there, back = (judge().transcribe(Waveform(np.concatenate(order, axis=1), 16_000), "en") for order in (parts, parts[::-1]))
    assert wer(f"{SAID[1]} {SAID[2]}", there) <= 0.2 and wer(f"{SAID[2]} {SAID[1]}", back) <= 0.2
    assert wer(f"{SAID[1]} {SAID[2]}", back) > 0.6
    backwards = Waveform(clip("slt", 1).samples[:, ::-1].copy(), 16_000)
    assert wer(SAID[1], judge().transcribe(backwards, "en")) > 0.6


def test_the_judge_forgets_what_it_heard() -> None:
    first = judge().transcribe(clip("kal", 1), "en")
    judge().transcribe(clip("slt", 2), "en")
    assert judge().transcribe(clip("kal", 1), "en") == first


def test_pitch_follows_a_tone_that_moves_and_finds_the_higher_voice() -> None:
    time_s = np.arange(48_000) / 24_000
    truth_hz = 150 + 40 * np.sin(2 * np.pi * 0.7 * time_s)
    phase = 2 * np.pi * np.cumsum(truth_hz) / 24_000
    voice = np.sum([np.sin(h * phase) / h for h in range(1, 12)], axis=0) * 0.1
    found = WorldPitch().track(Waveform(voice[None].astype(np.float32), 24_000))
    inner, expected = found[10:190], truth_hz[::240][10:190]
    assert found.dtype == np.float32 and abs(len(found) - 200) <= 1
    assert np.abs(inner / expected - 1).max() < 0.03
    assert not WorldPitch().track(SILENCE).any() and WorldPitch().track(NOTHING).size == 0
    assert f0_hz(WorldPitch().track(clip("slt", 1))) > 1.3 * f0_hz(WorldPitch().track(clip("kal", 1)))


def test_alone_means_alone_and_afterwards_all_threads_are_there_again() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        with one_thread():
            with one_thread(), ThreadPoolExecutor(1) as threads:
                assert torch.get_num_threads() == threads.submit(torch.get_num_threads).result() == 1
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == 3
        first, second = one_thread(), one_thread()
        with ThreadPoolExecutor(1) as threads:  # one leaves while another is still inside
            first.__enter__()
            threads.submit(second.__enter__).result()
            first.__exit__(None, None, None)
            threads.submit(second.__exit__, None, None, None).result()
        with ThreadPoolExecutor(1) as threads:
            assert torch.get_num_threads() == threads.submit(torch.get_num_threads).result() == 3
    finally:
        torch.set_num_threads(before)
