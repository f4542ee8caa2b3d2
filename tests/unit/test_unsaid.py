"""What is written and not said is taken out, read as turns, or makes its clip useless; it is never learned."""

from pathlib import Path

import pytest

from tests.makers import recording
from voicekit.prepare.scripts import Cue, Script, look_for_script
from voicekit.prepare.scripts.textgrid import Interval, TextGrid, Tier, format_textgrid
from voicekit.prepare.turns import spoken_turns
from voicekit.prepare.unsaid import cleaned, doubt, is_pause, unclear, without_speakers

OWN = recording("talk.wav")  # ten seconds


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("[MUSIC] Hello [door slams] there.", "Hello there."),
        ("Hello (laughs), you (clears throat).", "Hello, you."),
        ("hello (0.8) there (.) you", "hello there you"),
        ("&=laughs hello #noise there <pause 0.5> you", "hello there you"),
        ("SPEAKER_01 Hello 😀 there 👍🏽 you :)", "Hello there you"),
        (r"Hello\nthere.\tYou", "Hello there. You"),
        ("<vocnoise> well <SIL> yes <breath/>", "well yes"),
        ("{NS} well {BR}", "well"),
        ("*sighs* **Well**, _yes_.", "Well, yes."),
        ("♪ la la la ♪ Hello", "Hello"),
        ("[00:12] Hello [00:15.250] there (1:02:03)", "Hello there"),
        ("<i>Hello</i> <font color='red'>you</font><br/>there", "Hello you there"),
        ('<speak>Hello <break time="1s"/> you</speak>', "Hello you"),
        ("<s> HELLO YOU </s>", "HELLO YOU"),
        ("well ++NOISE++ yes THE(2) end", "well yes THE end"),
        ("Tom &amp; Jerry&#39;s &quot;show&quot;", 'Tom & Jerry\'s "show"'),
        ("- Hello. - Hi there.", "Hello. Hi there."),
        (">> Hello. >> Hi.", "Hello. Hi."),
        ("[laughter-yes] and <LAUGH-no>", "yes and no"),
        ("[Musik] Guten Tag (lacht)", "Guten Tag"),
        ("[笑] こんにちは（拍手）", "こんにちは"),
        ("donâ€™t mind the cafÃ©", "don’t mind the café"),
    ],
)
def test_marks_are_taken_out(written: str, said: str) -> None:
    text, marks = cleaned(written)
    assert text == said and not unclear(text)
    assert cleaned(text) == (text, ()), "twice is once"
    assert isinstance(marks, tuple)


@pytest.mark.parametrize(
    "text",
    [
        "The mayor (a tall man) came.",
        "Version (2) costs (12.50) dollars #1.",
        "a * b * c",
        "3 < 5 and 7 > 2",
        "if a<b and c>d",
        "snake_case_name",
        "He said: come (quietly).",
        "well-known, 24/7 — yes…",
        "At 2:30 we left.",
        "“Yes,” she said; ‘no’.",
        "他说：“好的。”",
    ],
)
def test_what_may_be_read_aloud_stays(text: str) -> None:
    assert cleaned(text) == (text, ()) and not unclear(text)


@pytest.mark.parametrize(
    ("written", "mark"),
    [
        ("he [Lincoln] said", "[Lincoln]"),
        ("and then [inaudible] came", "[inaudible]"),
        ("and (unintelligible) came", "(unintelligible)"),
        ("it is <unk> now", "<unk>"),
        ("turn {HH AW1 S} left", "{HH AW1 S}"),
        ("a [ __ ] word", "[ __ ]"),
        ("and ((maybe this)) came", "((maybe this))"),
        ("and xxx came", "xxx"),
        ("I am <NAME> from <LOCATION>", "<NAME>"),
        ("[laughing: that is it]", "[laughing: that is it]"),
        ("a ... [...] word", "[...]"),
    ],
)
def test_what_stands_for_words_makes_a_text_useless(written: str, mark: str) -> None:
    text, _ = cleaned(written)
    assert unclear(text) == mark and doubt(text).startswith(f"unclear text: {mark} may not be said")


def test_in_subtitles_all_in_round_brackets_is_a_mark() -> None:
    assert cleaned("(door slams) Hello (MAN)", subtitles=True) == ("Hello", ("(door slams)", "(MAN)"))


@pytest.mark.parametrize(
    ("texts", "rests", "names"),
    [
        (["[SPEAKER_00]: Hi", "SPEAKER_01: Ho", "Speaker 2: He"], ["Hi", "Ho", "He"], ["SPEAKER_00", "SPEAKER_01", "Speaker 2"]),
        (["NARRATOR: It rains.", "plain"], ["It rains.", "plain"], ["NARRATOR", ""]),
        (["Anna: Hi", "Bob Lee: Hello", "Anna: ok"], ["Hi", "Hello", "ok"], ["Anna", "Bob Lee", "Anna"]),
        (["Note: it rains", "The end", "He left"], ["Note: it rains", "The end", "He left"], ["", "", ""]),
        (["CHAPTER ONE: The beginning"], ["CHAPTER ONE: The beginning"], [""]),
        (["It is 12:30: go", "https://x: y"], ["It is 12:30: go", "https://x: y"], ["", ""]),
        (["HE SAID: COME"], ["HE SAID: COME"], [""]),
    ],
)
def test_names_of_speakers_stand_before_what_they_say(texts: list[str], rests: list[str], names: list[str]) -> None:
    assert without_speakers(texts) == (rests, names)


def test_pauses_of_word_tiers_are_no_words() -> None:
    assert all(is_pause(p) for p in ("sp", "SIL", "spn", "<eps>", "{NS}", "<p:>", "#", "...")) and not is_pause("a")


def script_of(tmp_path: Path, name: str, content: str) -> Script:
    (tmp_path / name).write_text(content)
    return look_for_script(None, tmp_path, [OWN])


def cues(script: Script) -> list[tuple[float, float, str]]:
    return [(c.start_s, c.end_s, c.text) for c in script.cues[OWN.id]]


def stamped(*rows: tuple[str, str]) -> str:
    """A .vtt of (times, text)."""
    return "WEBVTT\n\n" + "\n".join(f"{times}\n{text}\n" for times, text in rows)


def test_highlighted_words_do_not_repeat_a_sentence(tmp_path: Path) -> None:
    """What Whisper writes with --highlight_words."""
    script = script_of(
        tmp_path,
        "talk.vtt",
        stamped(
            ("00:01.000 --> 00:01.400", "<u>Hello</u> there you"),
            ("00:01.400 --> 00:01.800", "Hello <u>there</u> you"),
            ("00:01.800 --> 00:02.200", "Hello there <u>you</u>"),
            ("00:04.000 --> 00:05.000", "<u>No.</u>"),
        ),
    )
    assert cues(script) == [(1.0, 2.2, "Hello there you"), (4.0, 5.0, "No.")]


def test_rolling_lines_are_said_once(tmp_path: Path) -> None:
    """What YouTube writes: each line stands below the one before, then moves up, and is shown alone for an instant."""
    script = script_of(
        tmp_path,
        "talk.vtt",
        stamped(
            ("00:00.500 --> 00:02.000 align:start", " \nhello<00:01.000><c> there</c>"),
            ("00:02.000 --> 00:02.010 align:start", "hello there\n "),
            ("00:02.010 --> 00:04.000 align:start", "hello there\nhow<00:03.000><c> are</c><c> you</c>"),
            ("00:04.000 --> 00:04.010 align:start", "how are you\n "),
            ("00:04.010 --> 00:06.000 align:start", "how are you\nwell"),
        ),
    )
    assert [text for _, _, text in cues(script)] == ["hello there", "how are you", "well"]


def test_captions_that_grow_word_by_word_are_said_once(tmp_path: Path) -> None:
    rows = [
        ("00:00.000 --> 00:01.000", "the"),
        ("00:01.000 --> 00:02.000", "the quick"),
        ("00:02.000 --> 00:03.000", "the quick fox"),
    ]
    script = script_of(tmp_path, "talk.vtt", stamped(*rows))
    assert script.texts[OWN.id] == "the quick fox"


def test_what_somebody_says_twice_stays_twice(tmp_path: Path) -> None:
    rows = [
        ("00:00.000 --> 00:01.000", "No."),
        ("00:01.000 --> 00:02.000", "No."),
        ("00:02.000 --> 00:03.000", "I think."),
        ("00:03.000 --> 00:04.000", "I think. So."),
        ("00:04.000 --> 00:05.000", "Come in."),
        ("00:05.000 --> 00:06.000", "Sit down."),
        ("00:06.000 --> 00:07.000", "Have a look."),
        ("00:07.000 --> 00:08.000", "Good bye."),
    ]
    script = script_of(tmp_path, "talk.vtt", stamped(*rows))
    assert script.texts[OWN.id] == "No. No. I think. I think. So. Come in. Sit down. Have a look. Good bye."


def test_marks_in_captions_are_counted_and_captions_of_marks_alone_vanish(tmp_path: Path) -> None:
    rows = [
        ("00:00.000 --> 00:01.000", "[Music]"),
        ("00:01.000 --> 00:02.000", "Hello. (door slams)"),
        ("00:03.000 --> 00:04.000", "♪ la ♪"),
    ]
    script = script_of(tmp_path, "talk.vtt", stamped(*rows))
    assert script.texts[OWN.id] == "Hello." and script.left_out == {"[Music]": 1, "(door slams)": 1, "♪ la ♪": 1}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("talk.vtt", stamped(("00:00.000 --> 00:02.000", "<v ann>Hello."), ("00:03.000 --> 00:05.000", "<v bob>Hi."))),
        ("talk.vtt", stamped(("00:00.000 --> 00:02.000", "ann: Hello."), ("00:03.000 --> 00:05.000", "bob: Hi."))),
        ("talk.vtt", stamped(("00:00.000 --> 00:02.000", "[ann]: Hello."), ("00:03.000 --> 00:05.000", "[bob]: Hi."))),
        (
            "talk.json",
            '{"segments": [{"start": 0, "end": 2, "text": " Hello.", "speaker": "ann"}, '
            '{"start": 3, "end": 5, "text": " Hi.", "speaker": "bob"}]}',
        ),
        ("all.stm", "talk 1 ann 0.0 2.0 Hello.\ntalk 1 bob 3.0 5.0 Hi.\n"),
        (
            "talk.TextGrid",
            format_textgrid(
                TextGrid(10.0, (Tier("ann", (Interval(0.0, 2.0, "Hello."),)), Tier("bob", (Interval(3.0, 5.0, "Hi."),))))
            ),
        ),
        (
            "talk.TextGrid",
            format_textgrid(
                TextGrid(
                    10.0,
                    (
                        Tier("ann - words", (Interval(0.0, 2.0, "Hello."), Interval(2.0, 2.5, "sp"))),
                        Tier("ann - phones", (Interval(0.0, 2.0, "hh"),)),
                        Tier("bob - words", (Interval(3.0, 5.0, "Hi."),)),
                        Tier("bob - phones", (Interval(3.0, 5.0, "hh"),)),
                    ),
                )
            ),
        ),
    ],
)
def test_who_says_what_becomes_turns(name: str, content: str, tmp_path: Path) -> None:
    if "ann: " in content:
        content = content.replace("ann:", "Ann:").replace("bob:", "Bob:")
    script = script_of(tmp_path, name, content)
    assert script.cues[OWN.id] == (Cue(0.0, 2.0, "Hello."), Cue(3.0, 5.0, "Hi."))
    assert [c.speaker.lower() for c in script.cues[OWN.id]] == ["ann", "bob"]
    turns = spoken_turns(script, [OWN], wanted=False)[OWN.id]
    assert [(t.speaker.lower(), t.start_s, t.end_s) for t in turns] == [("ann", 0.0, 2.5), ("bob", 2.5, 6.0)]


def test_a_tier_that_runs_along_with_another_is_no_speaker(tmp_path: Path) -> None:
    said = Tier("Mary", (Interval(0.0, 2.0, "Hello."), Interval(3.0, 5.0, "Hi.")))
    gloss = Tier("Deutsch", (Interval(0.0, 2.0, "Hallo."), Interval(3.0, 5.0, "Na.")))
    script = script_of(tmp_path, "talk.TextGrid", format_textgrid(TextGrid(10.0, (said, gloss))))
    assert script.texts[OWN.id] == "Hello. Hi." and script.remarks == ("talk.TextGrid: 'Deutsch' was not read",)
    assert spoken_turns(script, [OWN], wanted=False) == {}
    assert {t.speaker for t in spoken_turns(script, [OWN], wanted=True)[OWN.id]} == {"Mary"}
