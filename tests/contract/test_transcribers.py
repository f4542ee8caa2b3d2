"""What every transcriber promises (the embedded Whisper base and a tiny random one), and what predicted quality says."""

from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from tests.fake_speech import burst_means
from tests.tiny_models import write_tiny_whisper
from voicekit import audio
from voicekit.backends.dnsmos import DnsmosQuality, NoQuality
from voicekit.backends.whisper import WhisperTranscriber
from voicekit.errors import LanguageError, MissingModel
from voicekit.evaluate import wer
from voicekit.ports import Quality, Transcriber
from voicekit.prepare import Given, prepare_dataset
from voicekit.records import FloatArray, Heard, Waveform
from voicekit.shipped import shipped_model
from voicekit.specs import PrepareSpec

READER = Path(__file__).parents[1] / "golden" / "reader"
TEXTS = [line.split("|")[2] for line in (READER / "metadata.csv").read_text().splitlines()]


@cache
def reader(number: int) -> Waveform:
    return audio.read(sorted(READER.glob("*.flac"))[number])


@cache
def embedded() -> WhisperTranscriber:
    return WhisperTranscriber(shipped_model("whisper-base"), threads=1)


@pytest.fixture(scope="module")
def whisper_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_whisper(tmp_path_factory.mktemp("whisper") / "tiny")


@pytest.fixture(scope="module", params=["embedded", "tiny"])
def transcriber(request: pytest.FixtureRequest, whisper_folder: Path) -> Transcriber:
    return embedded() if request.param == "embedded" else WhisperTranscriber(whisper_folder, threads=1)


def test_words_have_times_in_order_and_the_same_gives_the_same(transcriber: Transcriber) -> None:
    wave = reader(0)
    heard = transcriber.hear(wave, "en-US")
    assert transcriber.name and heard.language == "en" and heard.words
    assert " ".join(w.text for w in heard.words) == heard.text
    starts = [w.start_s for w in heard.words]
    assert starts == sorted(starts)
    assert all(0.0 <= w.start_s <= w.end_s <= wave.duration_s and 0.0 <= w.confidence <= 1.0 for w in heard.words)
    assert transcriber.hear(wave, "en") == transcriber.hear(wave) == heard
    assert transcriber.transcribe(wave, "en") == transcriber.transcribe(wave)


def test_rate_and_channels_do_not_matter(transcriber: Transcriber) -> None:
    stereo = Waveform(np.repeat(audio.resample(reader(2), 44_100).samples, 2, axis=0), 44_100)
    assert transcriber.hear(stereo).language == "en" and transcriber.hear(stereo).words


def test_nothing_is_heard_in_nothing(transcriber: Transcriber) -> None:
    for samples in (np.zeros((1, 24_000), np.float32), np.zeros((2, 0), np.float32), np.full((1, 2), 0.1, np.float32)):
        heard = transcriber.hear(Waveform(samples, 24_000))
        assert heard.text == "" and heard.words == () and transcriber.transcribe(Waveform(samples, 24_000)) == ""


def test_a_language_it_does_not_hear_is_an_error(whisper_folder: Path) -> None:
    english = WhisperTranscriber(whisper_folder, threads=1)
    for ask in (english.hear, english.transcribe):
        with pytest.raises(LanguageError, match="'de'"):
            ask(reader(0), "de")


@pytest.fixture(scope="module")
def of_all_languages(tmp_path_factory: pytest.TempPathFactory) -> WhisperTranscriber:
    """One that takes what it hears for German."""
    return WhisperTranscriber(write_tiny_whisper(tmp_path_factory.mktemp("whisper") / "all", hears="de"), threads=1)


def test_a_language_is_found_out_or_taken_as_it_is_given(of_all_languages: WhisperTranscriber) -> None:
    assert {"en", "de", "zh"} <= set(of_all_languages.languages)
    heard = of_all_languages.hear(reader(0))
    assert heard.language == "de"
    assert of_all_languages.hear(reader(0), "de-AT") == heard, "found out or told is the same"
    assert of_all_languages.hear(reader(0), "fr").language == "fr"
    with pytest.raises(LanguageError, match=r"does not hear 'tlh'\.\s+It hears: .*de, .*en"):
        of_all_languages.hear(reader(0), "tlh")


def test_recordings_are_written_down_in_their_own_language(of_all_languages: WhisperTranscriber, tmp_path: Path) -> None:
    audio.write_wav(tmp_path / "in" / "a.wav", reader(2))
    asked: list[str | None] = []

    class Overheard:
        name = of_all_languages.name

        def transcribe(self, wave: Waveform, language: str | None = None) -> str:
            asked.append(language)
            return of_all_languages.transcribe(wave, language)

        def hear(self, wave: Waveform, language: str | None = None) -> Heard:
            raise AssertionError("times are not needed")

    spec = PrepareSpec(language="fr", min_speech_s=0.0)
    means = burst_means(transcriber=Overheard(), languages=("en", "fr"))
    made = prepare_dataset(Given(tmp_path / "in"), spec, tmp_path / "out", means, lambda _: None, strict=False)
    assert asked and set(asked) == {"fr"}
    assert [c.transcript.source for c in made.clips if c.transcript.text] == [of_all_languages.name] * len(asked)


def test_the_embedded_one_hears_where_each_word_is() -> None:
    wave = Waveform(np.concatenate([np.zeros((1, 22_050), np.float32), reader(2).samples], axis=1), 22_050)
    heard = embedded().hear(wave)
    assert heard.language == "en" and wer(TEXTS[2], heard.text) <= 0.2
    assert heard.words[0].start_s == pytest.approx(1.0, abs=0.3)
    assert heard.words[-1].end_s == pytest.approx(wave.duration_s, abs=0.4)


def tune(seconds: float) -> FloatArray:
    """float32 [T] at 16 kHz: plucked notes, two a second."""
    time_s = np.arange(int(16_000 * seconds)) / 16_000
    samples = np.zeros(len(time_s))
    for number, note in enumerate(np.random.default_rng(0).integers(0, 24, int(2 * seconds))):
        since_s = time_s - number / 2
        envelope = np.where(since_s >= 0, np.exp(-3 * np.maximum(since_s, 0)), 0.0)
        samples += envelope * sum(np.sin(2 * np.pi * 220 * 2 ** (note / 12) * h * time_s) / h for h in range(1, 6))
    return (0.5 * samples / np.abs(samples).max()).astype(np.float32)


def hiss(seconds: float, level: float) -> FloatArray:
    return (level * np.random.default_rng(0).standard_normal(int(16_000 * seconds))).astype(np.float32)


@pytest.mark.parametrize(
    "samples",
    [hiss(20, 0.001), hiss(20, 0.1), hiss(2, 0.1), tune(20), tune(3), hiss(1, 0.0), np.pad(hiss(0.01, 1.0), 30_000)],
    ids=["faint noise", "noise", "short noise", "music", "short music", "silence", "click"],
)
def test_no_words_are_invented_where_nobody_speaks(samples: FloatArray) -> None:
    wave = Waveform(samples[None], 16_000)
    assert embedded().hear(wave).text == "" == embedded().transcribe(wave, "en")


@pytest.mark.parametrize("seconds", [0.0, 1.0, 6.0])
def test_short_sentences_are_heard_once_however_long_the_silence_behind_them(seconds: float) -> None:
    """In a window that ends with the words, Whisper repeats them."""
    samples = np.pad(audio.read(READER.parent / "voices" / "slt-2.ogg").mono(), (0, int(16_000 * seconds)))
    wave = Waveform(samples[None], 16_000)
    for heard in (embedded().transcribe(wave, "en"), embedded().hear(wave, "en").text):
        assert wer("seven plus two makes nine", heard) <= 0.2


def test_asked_by_several_at_once_they_hear_the_same(transcriber: Transcriber) -> None:
    waves = [reader(number) for number in (0, 1, 2)]
    alone = [transcriber.hear(wave, "en") for wave in waves]
    with ThreadPoolExecutor(3) as threads:
        assert list(threads.map(lambda wave: transcriber.hear(wave, "en"), waves[::-1])) == alone[::-1]


def test_long_sound_is_heard_to_its_end() -> None:
    voices = [
        audio.read(READER.parent / "voices" / f"{name}.ogg") for name in ("slt-consent", "kal-1", "slt-denial", "kal-2", "slt-1")
    ]
    waves = [reader(0), *voices, *voices[::-1], reader(2)]
    parts = [part for wave in waves for part in (audio.resample(wave, 16_000).mono(), np.zeros(16_000, np.float32))]
    long = Waveform(np.concatenate(parts)[None], 16_000)
    assert long.duration_s > 40
    heard = embedded().hear(long)
    assert heard.text.lower().startswith("in being") and heard.text.lower().count("operations") == 1
    begins_s = long.duration_s - reader(2).duration_s - 1.0
    (said,) = [word for word in heard.words if word.text.startswith("operations")]
    assert said.start_s == pytest.approx(begins_s + 0.7, abs=0.3)
    assert "operations" in embedded().transcribe(long)


def test_a_damaged_or_incomplete_model_is_named(whisper_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(MissingModel, match=r"no config\.json, model\.bin, tokenizer\.json"):
        WhisperTranscriber(tmp_path)
    for file in whisper_folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes()[:3_000] if file.name == "model.bin" else file.read_bytes())
    with pytest.raises(MissingModel, match="cannot open the model") as caught:
        WhisperTranscriber(tmp_path)
    assert str(tmp_path) in caught.value.problem


@pytest.fixture(scope="module", params=["none", "dnsmos"])
def quality(request: pytest.FixtureRequest) -> Quality:
    return NoQuality() if request.param == "none" else DnsmosQuality()


def test_a_score_is_on_the_scale_or_none(quality: Quality) -> None:
    assert quality.name
    assert quality.predict(Waveform(np.zeros((1, 16_000), np.float32), 16_000)) is None
    assert quality.predict(Waveform(np.zeros((2, 0), np.float32), 16_000)) is None
    for wave in (reader(0), Waveform(reader(0).samples[:, :100], 22_050), Waveform(np.tile(reader(0).samples, 7), 22_050)):
        score = quality.predict(wave)
        assert score is None if quality.name == "none" else score is not None and 1.0 <= score <= 5.0
        assert quality.predict(wave) == score


def test_noise_lowers_the_score() -> None:
    clean = reader(0)
    noise = np.random.default_rng(0).standard_normal(clean.samples.shape).astype(np.float32)
    scores = [
        DnsmosQuality().predict(Waveform((clean.samples + level * noise).astype(np.float32), clean.sample_rate_hz))
        for level in (0.0, 0.01, 0.1)
    ]
    best, middle, worst = (score or 0.0 for score in scores)
    assert best > middle + 0.2 > worst + 0.4


def test_a_damaged_network_is_named(tmp_path: Path) -> None:
    (tmp_path / "sig_bak_ovr.onnx").write_bytes(b"nothing")
    with pytest.raises(MissingModel, match="speechmos cannot open"):
        DnsmosQuality(tmp_path / "sig_bak_ovr.onnx")
