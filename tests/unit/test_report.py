import base64
import io
import math
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import soundfile

from voicekit.evaluate import METRICS, gate
from voicekit.records import (
    ClipRow,
    Evaluation,
    EvaluationRows,
    FloatArray,
    HeardSpeech,
    Metric,
    Question,
    ReplyRow,
    TextErrors,
    Waveform,
)
from voicekit.report import write_report
from voicekit.report.labels import GROUPS, LABELS, interval, shown
from voicekit.report.media import audio_uri
from voicekit.specs import EvaluateSpec

RATE_HZ = 24_000
NAN = math.nan


def tone(seconds: float, f0_hz: float = 200.0) -> Waveform:
    time_s = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    return Waveform((0.3 * np.sin(2 * np.pi * f0_hz * time_s)).astype(np.float32)[None], RATE_HZ)


def speech(heard: str = "it is nine", errors: int = 0, seconds: float = 0.5) -> HeardSpeech:
    pitch: FloatArray = np.full(50, 200.0, np.float32)
    return HeardSpeech(tone(seconds), 0.8, heard, TextErrors(errors, 3, 4 * errors, 12), pitch)


def rows() -> EvaluationRows:
    replies = [
        ReplyRow(
            Question("four and five?", "it is nine", "sums"), "it is nine", "it is nine", True, True, 0.01, speech(), speech()
        ),
        ReplyRow(
            Question("two & <b>two</b>?", "it is four", "sums"),
            "it is five",
            "it is four",
            False,
            True,
            0.5,
            speech("it", 2),
            speech(),
        ),
        ReplyRow(Question("unspoken?", "yes", ""), "yes", "yes", True, True, 0.0),
    ]
    return EvaluationRows(
        tuple(replies),
        (ClipRow("the script", tone(1.0), 0.9, "the script", TextErrors(0, 2, 0, 10), speech("the script")),),
        201.0,
    )


def evaluation(**changes: Metric) -> Evaluation:
    likeness = {"base_speaker_cosine": Metric(0.4, 0.35, 0.45, 40)}
    metrics = {name: Metric(0.95, 0.9, 1.0, 40) for name in METRICS} | likeness | changes
    decision = gate(metrics, EvaluateSpec())
    return Evaluation("e" * 32, "r" * 32, 7, metrics, decision.passed, decision.reasons, decision.advice)


class Page(HTMLParser):
    """The tags and words of a page; fails when tags do not close."""

    VOID = ("meta", "img", "br", "input", "link")

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.open, self.sources, self.words, self.kinds = list[str](), list[str](), list[str](), set[str]()
        self.feed(markup)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in self.VOID:
            self.open.append(tag)
        self.kinds.add(tag)
        self.sources += [value or "" for key, value in attrs if key in ("src", "href")]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def page_of(path: Path) -> tuple[Page, str]:
    markup = path.read_text(encoding="utf-8")
    page = Page(markup)
    return page, " ".join(" ".join(page.words).split())


def test_every_metric_has_a_label_and_a_place() -> None:
    assert list(LABELS) and set(LABELS) == set(METRICS)
    assert sorted(name for names in GROUPS.values() for name in names) == sorted(METRICS)


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> tuple[Page, str]:
    losses = [(step, 4.0 / step) for step in range(1, 40)]
    path = tmp_path_factory.mktemp("report") / "new folder" / "report.html"
    assert write_report(path, "<script>alert(1)</script>", evaluation(), rows(), losses, {"Base model": "nano"}) == path
    return page_of(path)


def test_the_page_stands_alone_and_holds_pictures_and_playable_clips(good: tuple[Page, str]) -> None:
    page, words = good
    assert page.sources and all(source.startswith("data:") for source in page.sources)
    assert sum(s.startswith("data:image/png") for s in page.sources) == 6
    assert sum(s.startswith("data:audio/mpeg") for s in page.sources) == 1 + 2 * 2 + 1
    assert "passed this voice" in words and "Base model nano" in words
    assert all(LABELS[name].title in words for name in METRICS)


def test_what_a_person_wrote_stays_text(good: tuple[Page, str]) -> None:
    page, words = good
    assert "two & <b>two</b>?" in words
    assert "<script>alert(1)</script>" in page.words and "script" not in page.kinds


def test_a_refused_voice_says_why_and_what_to_do(tmp_path: Path) -> None:
    refused = evaluation(wer=Metric(0.9, 0.85, 0.95, 40), base_wer=Metric(0.1, 0.05, 0.15, 40))
    _, words = page_of(write_report(tmp_path / "report.html", "anna", refused, rows()))
    assert not refused.passed and refused.reasons and refused.advice
    assert "draft" in words and all(text in words for text in (*refused.reasons, *refused.advice))


def test_lost_answers_come_first_and_the_worst_heard_reply_is_shown(good: tuple[Page, str]) -> None:
    _, words = good
    assert "1 of 3 answers were right before and are wrong now" in words
    assert "it is five it is four" in words and "67 %" in words


@pytest.mark.parametrize("case", ["nothing measured", "mute", "no clips"])
def test_a_poor_evaluation_still_makes_a_page(tmp_path: Path, case: str) -> None:
    found, measured = rows(), evaluation()
    if case == "nothing measured":
        measured = evaluation(**{name: Metric(NAN, NAN, NAN, 0) for name in METRICS})
        found = EvaluationRows((), (), NAN)
    elif case == "mute":
        silent = replace(speech(), wave=Waveform(np.zeros((1, 0), np.float32), RATE_HZ), pitch_hz=np.zeros(0, np.float32))
        found = EvaluationRows(tuple(replace(r, voice=silent) for r in found.replies), found.clips, found.speaker_f0_hz)
    else:
        found = EvaluationRows(found.replies, (), NAN)
    _, words = page_of(write_report(tmp_path / "report.html", "anna", measured, found))
    assert "nan" not in re.findall(r"[a-z]+", words)


def test_audio_survives_the_page() -> None:
    wave = tone(1.0)
    samples, rate_hz = soundfile.read(io.BytesIO(base64.b64decode(audio_uri(wave).split(",")[1])))
    assert rate_hz == RATE_HZ and abs(len(samples) / rate_hz - 1.0) < 0.1
    middle = samples[6_000:18_000]
    assert np.argmax(np.abs(np.fft.rfft(middle))) * rate_hz / len(middle) == pytest.approx(200, abs=3)
    assert audio_uri(Waveform(tone(0.2).samples, 11_025)).startswith("data:audio/wav")
    assert audio_uri(Waveform(np.zeros((1, 0), np.float32), RATE_HZ)) == ""


def test_numbers_are_written_for_people() -> None:
    assert shown("wer", 0.126) == "13 %" and shown("retention", 0.976) == "0.98" and shown("wer", NAN) == "–"
    assert interval("wer", Metric(0.1, 0.05, 0.21, 40)) == "5 to 21 %"
    assert interval("wer", Metric(0.1, NAN, NAN, 1)) == ""
