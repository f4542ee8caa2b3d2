"""The embedded instruments on two synthetic voices (flite's kal and slt, public-domain-like licence) saying known sentences."""

from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from voicekit.backends.device import one_thread
from voicekit.backends.judge import PocketsphinxJudge, language_model
from voicekit.backends.pitch import WorldPitch
from voicekit.backends.speaker import Ge2eSpeakerEncoder
from voicekit.evaluate import wer
from voicekit.evaluate.run import f0_hz
from voicekit.ports import PitchTracker, SpeakerEncoder, Transcriber
from voicekit.records import Waveform

GOLDEN = Path(__file__).parent.parent / "golden"
SAID = {1: "the opposite of hot is cold", 2: "seven plus two makes nine"}
OTHERS = ("the opposite of tall is short", "three plus two makes five", "a cat is an animal", "two and two is four")
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
def judge() -> PocketsphinxJudge:
    return PocketsphinxJudge([*SAID.values(), *OTHERS])


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


@pytest.mark.parametrize("voice", ["kal", "slt"])
def test_the_judge_of_few_words_reads_clean_clips(voice: str) -> None:
    assert [wer(said, judge().transcribe(clip(voice, s))) <= 0.2 for s, said in SAID.items()] == [True, True]


def test_the_judge_hears_what_is_said_and_not_what_it_was_told_to_expect() -> None:
    deaf = PocketsphinxJudge([SAID[2], *OTHERS])
    assert wer(SAID[1], deaf.transcribe(clip("slt", 1))) > 0.1
    backwards = Waveform(clip("slt", 1).samples[:, ::-1].copy(), 16_000)
    assert wer(SAID[1], judge().transcribe(backwards)) > 0.6


def test_the_judge_of_general_speech_reads_a_clean_clip_well_enough() -> None:
    assert wer(SAID[2], PocketsphinxJudge().transcribe(clip("slt", 2))) <= 0.4


def test_the_judge_is_silent_about_silence_and_forgets_what_it_heard() -> None:
    first = judge().transcribe(clip("kal", 1))
    assert judge().transcribe(SILENCE) == judge().transcribe(NOTHING) == ""
    judge().transcribe(clip("slt", 2))
    assert judge().transcribe(clip("kal", 1)) == first


def test_asked_by_several_at_once_every_process_knows_the_same_words() -> None:
    asked = [clip(voice, number) for number in SAID for voice in ("kal", "slt")] * 2
    with ThreadPoolExecutor(3) as threads:
        heard = list(threads.map(PocketsphinxJudge([*SAID.values(), *OTHERS], 2).transcribe, asked))
    assert heard == [judge().transcribe(wave) for wave in asked]


def test_probabilities_of_the_language_model_add_up_after_every_word_and_pair() -> None:
    model = language_model([s.split() for s in (*SAID.values(), *OTHERS)])
    probability: dict[tuple[str, ...], float] = {}
    back_off: dict[tuple[str, ...], float] = {}
    for size in (1, 2, 3):
        part = model.partition(f"\\{size}-grams:\n")[2].partition("\n\n")[0]
        for fields in (line.split() for line in part.split("\n")):
            probability[tuple(fields[1 : 1 + size])] = 10 ** float(fields[0])
            back_off[tuple(fields[1 : 1 + size])] = 10 ** float(fields[-1]) if len(fields) > 1 + size else 1.0

    def after(past: tuple[str, ...], word: str) -> float:
        if (*past, word) in probability or not past:
            return probability[*past, word]
        return back_off.get(past, 1.0) * after(past[1:], word)

    words = [w for (w,) in (gram for gram in probability if len(gram) == 1) if w != "<s>"]
    pasts = [(), *(gram for gram in probability if len(gram) < 3 and "</s>" not in gram)]
    assert len(pasts) > 30
    for past in pasts:
        assert sum(after(past, word) for word in words) == pytest.approx(1, abs=0.01)
    assert after(("opposite", "of"), "hot") > 2 * after(("opposite", "of"), "nine") > 0


def test_words_that_no_dictionary_has_are_heard_too() -> None:
    made_up = PocketsphinxJudge(["the voicekit of nodomain is cold", *OTHERS])
    assert "cold" in made_up.transcribe(clip("slt", 1)).split()


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
