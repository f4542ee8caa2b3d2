"""The scripts that people bring from other toolkits lie beside their recordings; each is read, or named with the reason."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import openpyxl
import pytest

from tests.makers import recording
from voicekit.errors import ScriptError
from voicekit.prepare.scripts import Script, look_for_script
from voicekit.records import Recording

TEXTS = {
    "001": "While everybody slept, the rescuers collected photographs.",
    "002": "The mayor polished the brass candlesticks.",
    "003": "The orchestra photographed the thunderstorm.",
    "004": "The old sailor balanced seven plates.",
}
Rows = dict[str, str]
Write = Callable[[Path, Rows], object]


def rows(texts: Rows, form: str) -> str:
    return "".join(form.format(n=name, t=text) for name, text in texts.items())


def put(root: Path, file: str, content: str) -> None:
    (root / file).parent.mkdir(parents=True, exist_ok=True)
    (root / file).write_text(content)


def table(file: str, form: str, header: str = "") -> Write:
    return lambda root, texts: put(root, file, header + rows(texts, form))


def each(file: str, content: Callable[[str], str]) -> Write:
    return lambda root, texts: [put(root, file.format(n=name), content(text)) for name, text in texts.items()]


def both(*writes: Write) -> Write:
    return lambda root, texts: [write(root, texts) for write in writes]


def part(first: int, after: int, write: Write) -> Write:
    return lambda root, texts: write(root, dict(list(texts.items())[first:after]))


def workbook(root: Path, texts: Rows) -> None:
    book = openpyxl.Workbook()
    assert book.active is not None
    for row in (["Nr", "Datei", "Text"], *([number, name, text] for number, (name, text) in enumerate(texts.items()))):
        book.active.append(row)
    (root / "wavs").mkdir(exist_ok=True)
    book.save(root / "wavs/liste.xlsx")


def srt(text: str) -> str:
    return f"1\n00:00:00,000 --> 00:00:02,000\n{text}\n"


def vtt(text: str) -> str:
    return f"WEBVTT\n\n00:00.000 --> 00:02.000\n{text}\n"


def whisper(text: str) -> str:
    return json.dumps({"text": text, "segments": [{"id": 0, "start": 0, "end": 2.0, "text": f" {text}"}], "language": "en"})


def elan(text: str) -> str:
    slots = '<TIME_SLOT TIME_SLOT_ID="a" TIME_VALUE="0"/><TIME_SLOT TIME_SLOT_ID="b" TIME_VALUE="2000"/>'
    note = f'<ALIGNABLE_ANNOTATION TIME_SLOT_REF1="a" TIME_SLOT_REF2="b"><ANNOTATION_VALUE>{text}</ANNOTATION_VALUE>'
    tier = f'<TIER TIER_ID="ann"><ANNOTATION>{note}</ALIGNABLE_ANNOTATION></ANNOTATION></TIER>'
    document = f"<ANNOTATION_DOCUMENT><TIME_ORDER>{slots}</TIME_ORDER>{tier}</ANNOTATION_DOCUMENT>"
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{document}'


def htk(words: Sequence[str]) -> str:
    return "0 1000000 sil\n" + "".join(f"{n * 1000000} {(n + 1) * 1000000} {w}\n" for n, w in enumerate(words, 1))


def aligned_grid(text: str) -> str:
    words = f'"IntervalTier"\n"words"\n0\n2\n2\n0\n1.8\n"{text}"\n1.8\n2\n"<eps>"\n'
    phones = '"IntervalTier"\n"phones"\n0\n2\n1\n0\n2\n"sil"\n'
    return f'File type = "ooTextFile"\nObject class = "TextGrid"\n\n0\n2\n<exists>\n2\n{words}{phones}'


def halves(text: str) -> tuple[str, str]:
    words = text.split()
    return " ".join(words[:3]), " ".join(words[3:])


def of_halves(form: str, header: str = "") -> Write:
    def write(root: Path, texts: Rows) -> None:
        lines = (form.format(n=n, t=half, a=at, b=at + 1) for n, text in texts.items() for at, half in enumerate(halves(text)))
        put(root, "m.json" if form.startswith("{{") else "segments.csv", header + "".join(lines))

    return write


LAYOUTS: dict[str, tuple[str, Write]] = {
    "XTTS": ("wavs/{n}.wav", both(
        part(0, 3, table("metadata_train.csv", "wavs/{n}.wav|{t}|coqui\n", "audio_file|text|speaker_name\n")),
        part(3, 4, table("metadata_eval.csv", "wavs/{n}.wav|{t}|coqui\n", "audio_file|text|speaker_name\n")))),
    "Common Voice": ("clips/{n}.mp3", both(
        part(0, 3, table("train.tsv", "x\t{n}.mp3\tff0\t{t}\t2\n", "client_id\tpath\tsentence_id\tsentence\tup_votes\n")),
        part(3, 4, table("dev.tsv", "x\t{n}.mp3\tff0\t{t}\t2\n", "client_id\tpath\tsentence_id\tsentence\tup_votes\n")))),
    "one top folder": ("mine/wavs/{n}.wav", table("mine/transcript.csv", '{n}.wav,"{t}"\n', "file,text\n")),
    "LibriSpeech": ("84/121/{n}.flac", table("84/121/84-121.trans.txt", "{n} {t}\n")),
    "LibriTTS, a file each": ("84/{n}.wav", each("84/{n}.normalized.txt", str)),
    "LibriTTS, a table": ("84/121/{n}.wav", table("84/121/84_121.trans.tsv", "{n}\t{t}\t{t}\n")),
    "texts in a folder of their own": ("wavs/{n}.wav", each("txt/{n}.txt", str)),
    "VCTK": ("wav48/p225/{n}_mic1.flac", each("txt/p225/{n}.txt", lambda text: f"{text}\n")),
    "VITS": ("wavs/{n}.wav", table("filelists/train.txt", "DUMMY1/{n}.wav|{t}\n")),
    "metadata.txt": ("wavs/{n}.wav", table("metadata.txt", "{n}|{t}\n")),
    "Mimic": ("{n}.wav", table("metadata.txt", "{n}.wav|{t}|43\n")),
    "StyleTTS2": ("wavs/{n}.wav", table("metadata.csv", "{n}.wav|{t}|0\n")),
    "GPT-SoVITS": ("wavs/{n}.wav", table("slicer.list", "/data/{n}.wav|alice|EN|{t}\n")),
    "Bert-VITS2": ("wavs/{n}.wav", table("esd.list", "./w/{n}.wav|ann|EN|{t}|_ hh ah l ow _|0 1 2 0 0|1 4 1\n")),
    "Piper": ("wavs/{n}.wav", table("metadata.csv", "{n}|anna maria|{t}\n")),
    "CSS10": ("wavs/{n}.wav", table("transcript.txt", "wavs/{n}.wav|{t}|{t}|3.21\n")),
    "KSS": ("1/{n}.wav", table("transcript.v.1.4.txt", "1/{n}.wav|{t}|{t}|{t}|3.5|The same in another language, much longer\n")),
    "DeepSpeech": ("wavs/{n}.wav", table("train.csv", 'wavs/{n}.wav,9,"{t}"\n', "wav_filename,wav_filesize,transcript\n")),
    "NeMo": (
        "wavs/{n}.wav",
        table("train_manifest.json", '{{"audio_filepath": "wavs/{n}.wav", "duration": 3, "text": "{t}"}}\n'),
    ),
    "NeMo, stretches": (
        "wavs/{n}.wav",
        of_halves('{{"audio_filepath": "{n}.wav", "offset": {a}, "duration": 1, "text": "{t}"}}\n'),
    ),
    "stretches in a table": ("wavs/{n}.wav", of_halves('{n}.wav,{a}.0,{b}.0,"{t}"\n', "filename,start,end,text\n")),
    "SpeechBrain, JSON": ("wavs/{n}.wav", lambda root, texts: put(
        root, "train.json", json.dumps({n: {"wav": f"{{data_root}}/{n}.wav", "words": t} for n, t in texts.items()}))),
    "SpeechBrain, CSV": ("wavs/{n}.wav", table("train.csv", '{n},3.2,$root/{n}.wav,1,"{t}"\n', "ID,duration,wav,spk_id,wrd\n")),
    "M-AILABS": ("wavs/{n}.wav", lambda root, texts: put(
        root, "metadata_mls.json", json.dumps({f"{n}.wav": {"original": t, "clean": t} for n, t in texts.items()}))),
    "lhotse": (
        "wavs/{n}.wav",
        table("supervisions.jsonl", '{{"recording_id": "{n}", "start": 0, "duration": 9, "text": "{t}"}}\n'),
    ),
    "Kaldi": ("wavs/{n}.wav", both(
        table("data/text", "spk-{n} {t}\n"), table("data/wav.scp", "spk-{n} sph2pipe -f wav /data/{n}.wav |\n"),
        table("data/utt2spk", "spk-{n} spk\n"))),
    "Festvox": ("wav/{n}.wav", table("etc/txt.done.data", '( {n} "{t}" )\n')),
    "Sphinx": ("wav/{n}.wav", table("etc/db_train.transcription", "<s> {t} </s> ({n})\n")),
    "JSUT": ("wav/{n}.wav", table("transcript_utf8.txt", "{n}:{t}\n")),
    "numbered prompts": ("wavs/{n}.wav", table("prompts.txt", "{n}. {t}\n")),
    "NIST stm": ("wavs/{n}.wav", table("all.stm", "{n} 1 ann 0.0 2.0 <o,f0,male> {t}\n", ";; made elsewhere\n")),
    "NIST trn": ("wavs/{n}.wav", table("ref.trn", "{t} ({n})\n")),
    "Whisper's subtitles": ("wavs/{n}.wav", each("wavs/{n}.srt", srt)),
    "Whisper's JSON": ("wavs/{n}.wav", each("wavs/{n}.json", whisper)),
    "Whisper's table": ("wavs/{n}.wav", each("wavs/{n}.tsv", lambda text: f"start\tend\ttext\n0\t2000\t{text}\n")),
    "subtitles by language": ("wavs/{n}.wav", each("wavs/{n}.en.vtt", vtt)),
    "YouTube": ("wavs/{n}.wav", each("wavs/{n}.sbv", lambda text: f"0:00:00.000,0:00:02.000\n{text}\n")),
    "lyrics": ("wavs/{n}.wav", each("wavs/{n}.lrc", lambda text: f"[ti:song]\n[00:00.10]{text}\n")),
    "SubStation": ("wavs/{n}.wav", each("wavs/{n}.ass", lambda text: (
        "[Events]\nFormat: Layer, Start, End, Style, Name, Effect, Text\n"
        f"Dialogue: 0,0:00:00.00,0:00:02.00,Default,,,{{\\an8}}{text}\n"))),
    "Audacity": ("wavs/{n}.wav", each("wavs/{n}.txt", lambda text: f"0.100000\t2.000000\t{text}\n")),
    "HTK, words": ("wavs/{n}.wav", each("wavs/{n}.lab", lambda text: htk(text.split()))),
    "MFA": ("wavs/{n}.wav", each("wavs/{n}.TextGrid", aligned_grid)),
    "ELAN": ("wavs/{n}.wav", each("wavs/{n}.eaf", elan)),
    "a workbook below": ("wavs/{n}.wav", workbook),
    "another language's header": ("wavs/{n}.wav", table("liste.csv", "{n}.wav;{t}\r\n", "Aufnahme;Inhalt\r\n")),
    "Excel's first line": ("wavs/{n}.wav", table("liste.csv", "{n}.wav;{t}\r\n", "sep=;\r\nfile;text\r\n")),
    "columns in any order": ("wavs/{n}.wav", table("l.csv", 'ann,2.1,"{t}",{n}.wav\n', "speaker,duration,sentence,clip\n")),
    "no header, text first": ("wavs/{n}.wav", table("liste.txt", "{t}|{n}.wav\n")),
    "no header, speaker first": ("wavs/{n}.wav", table("utt.tsv", "ann\t{n}.wav\t3.2\t{t}\n")),
    "Excel's quotes between tabs": ("wavs/{n}.wav", table("m.tsv", '{n}.wav\t"{t}"\n', "file\ttext\n")),
    "the recording's whole name, then .txt": ("wavs/{n}.wav", each("wavs/{n}.wav.txt", str)),
    "the recording's whole name, then .srt": ("wavs/{n}.mp3", each("wavs/{n}.mp3.srt", srt)),
    "subtitles by country": ("wavs/{n}.wav", each("wavs/{n}.en-US.vtt", vtt)),
    "labels by name": ("wavs/{n}.wav", each("wavs/{n}_labels.txt", lambda text: f"0.100000\t2.000000\t{text}\n")),
    "OpenAI": ("wavs/{n}.wav", each("wavs/{n}.json", lambda text: json.dumps({"text": text}))),
    "Emilia": ("wavs/{n}.mp3", each("wavs/{n}.json", lambda text: json.dumps({"id": "x", "text": text, "dnsmos": 3}, indent=1))),
    "vosk": ("wavs/{n}.wav", each("wavs/{n}.json", lambda text: json.dumps(
        {"result": [{"conf": 1, "start": 0.1, "end": 0.2, "word": word} for word in text.split()], "text": text}))),
    "Deepgram": ("wavs/{n}.wav", each("wavs/{n}.json", lambda text: json.dumps(
        {"results": {"channels": [{"alternatives": [{"transcript": text, "words": []}, {"transcript": "not this"}]}]}}))),
    "Amazon": ("wavs/{n}.wav", each("wavs/{n}.json", lambda text: json.dumps(
        {"jobName": "x", "results": {"transcripts": [{"transcript": text}], "items": [{"alternatives": []}]}}))),
    "whisper.cpp": ("wavs/{n}.wav", each("wavs/{n}.json", lambda text: json.dumps(
        {"result": {"language": "en"}, "transcription": [{"offsets": {"from": 0, "to": 2000}, "text": f" {text}"}]}))),
    "whisper.cpp, CSV": ("wavs/{n}.wav", each("wavs/{n}.wav.csv", lambda text: f'start,end,text\n0,2000,"{text}"\n')),
    "AssemblyAI": ("wavs/{n}.wav", each("wavs/{n}.json", lambda text: json.dumps(
        {"text": text, "words": [], "utterances": [{"speaker": "A", "start": 0, "end": 2000, "text": text}]}))),
    "ELAN, text": ("wavs/{n}.wav", each("wavs/{n}.txt", lambda text: f"ann\t\t00:00:00.100\t0.1\t00:00:02.000\t2.0\t{text}\n")),
    "meeting notes": ("wavs/{n}.wav", each("wavs/{n}.txt", lambda text: (
        f"Ann Lee  0:00\n{halves(text)[0]}\n\nAnn Lee  0:05\n{halves(text)[1]}\n"))),
    "Excel's lost zeros": ("wavs/{n}.wav", lambda root, texts: put(
        root, "liste.csv", "Nr;Text\n" + "".join(f"{int(name)};{text}\n" for name, text in texts.items()))),
    "JSON, a list by name": ("wavs/{n}.wav", lambda root, texts: put(
        root, "t.json", json.dumps({"files": [{"filename": f"{n}.wav", "transcription": t} for n, t in texts.items()]}))),
    "JSON, names further inside": ("wavs/{n}.wav", lambda root, texts: put(
        root, "t.json", json.dumps({"version": 2, "transcripts": {f"{n}.wav": t for n, t in texts.items()}}))),
    "Label Studio": ("wavs/{n}.wav", lambda root, texts: put(root, "project.json", json.dumps([
        {"id": k, "data": {"audio": f"/data/upload/2/3f2a9c1{k}-{n}.wav", "text": "a machine's guess"},
         "annotations": [{"was_cancelled": True, "result": []}, {"result": [{"id": "x", "value": {"text": [t]}}]}]}
        for k, (n, t) in enumerate(texts.items())]))),
    "Label Studio, local files": ("wavs/{n}.wav", lambda root, texts: put(root, "project-min.json", json.dumps([
        {"id": k, "audio": f"/data/local-files/?d={n}.wav", "transcription": t} for k, (n, t) in enumerate(texts.items())]))),
    "JSON, pairs": ("wavs/{n}.wav", lambda root, texts: put(root, "t.json", json.dumps(list(texts.items())))),
    "quoted between bars": ("wavs/{n}.wav", table("metadata.csv", '{n}|"{t}"|"{t}"\n')),
    "a title above": ("wavs/{n}.wav", table("m.csv", "{n}.wav;{t}\n", "Our recordings;\n\nfile;text\n")),
    "a remark above": ("wavs/{n}.wav", table("m.csv", "{n}.wav|{t}\n", "# recorded in May\nfile|text\n")),
    "unquoted, a speaker behind": ("wavs/{n}.wav", table("m.csv", "{n}.wav,{t},ann\n")),
    "names with blanks": ("take {n}.wav", table("prompts.txt", "take {n}: {t}\n", "The prompts\n")),
    "two lines each": ("wavs/{n}.wav", table("prompts.txt", "{n}.wav\n{t}\n\n")),
    "FLEURS": ("wavs/{n}.wav", lambda root, texts: put(root, "dev.tsv", "".join(
        f"{k}\t{n}.wav\t{t}\t{t.lower().replace(',', '').rstrip('.')}\tw h | o\t3210\tMALE\n"
        for k, (n, t) in enumerate(texts.items())))),
    "half a table, half beside": (
        "wavs/{n}.wav",
        both(part(0, 2, table("metadata.csv", "{n}|{t}\n")), part(2, 4, each("wavs/{n}.txt", str))),
    ),
}  # fmt: skip


def looked(tmp_path: Path, path: str, write: Write, given: str = "") -> tuple[Script, dict[str, Recording]]:
    own = {name: recording(path.format(n=name)) for name in TEXTS}
    write(tmp_path, TEXTS)
    return look_for_script(tmp_path / given if given else None, tmp_path, list(own.values())), own


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_toolkits_layout_is_read(layout: str, tmp_path: Path) -> None:
    script, own = looked(tmp_path, *LAYOUTS[layout])
    assert {name: script.texts.get(r.id) for name, r in own.items()} == TEXTS
    assert set(script.sources) == {r.id for r in own.values()} and script.not_read == () and script.unused == ()
    assert all((tmp_path / source).is_file() for source in script.sources.values())


@pytest.mark.parametrize(
    ("write", "reason"),
    [
        (table("train.txt.cleaned", "w/{n}.wav|həlˈoʊ ðˌɛɹ wˈɜːld ˈɪz\n"), "it holds phonemes, not words"),
        (each("wavs/{n}.lab", lambda _: htk("hh ah0 l ow1 w er l d".split())), "holds phonemes, not words"),
        (each("wavs/{n}.de.vtt", vtt), "it is in another language than its recording (de)"),
        (
            table("invalidated.tsv", "x\t{n}.wav\t{t}\n", "client_id\tpath\tsentence\n"),
            "it lists clips that listeners found wrong",
        ),
        (table("durations.tsv", "{n}.wav\t3210\n", "clip\tduration[ms]\n"), "it has no column for the file and one for the text"),
        (table("other.csv", "x{n}.wav|{t}\n"), "it names no recording: it names x001.wav"),
        (lambda root, texts: put(root, "story.txt", "Once upon a time."), "it has no column for the file"),
        (table("speakers.tsv", "{n}.wav\tann\n"), "it holds single words about recordings, not what is said in them"),
        (table("who.csv", "{n}.wav,ann\n", "file,speaker\n"), "it has no column for the file and one for the text"),
        (lambda root, texts: put(root, "lengths.json", json.dumps(dict.fromkeys(texts, 3.2))), "is JSON about something else"),
        (table("segments.txt", "{n}\thttp://x.org/a.mp3\t1.0\t12.0\n"), "it has no column for the file and one for the text"),
        (lambda root, texts: put(root, "package.json", '{"name": "x", "version": [1]}'), "is JSON about something else"),
        (lambda root, texts: (root / "old.csv").write_bytes(bytes(range(256))), "is not text"),
    ],
)
def test_what_is_not_read_is_named_with_its_reason(write: Write, reason: str, tmp_path: Path) -> None:
    script, _ = looked(tmp_path, "wavs/{n}.wav", write)
    assert script.texts == {}
    assert script.not_read and all(reason in found.reason for found in script.not_read), script.not_read
    assert {found.file for found in script.not_read} == {p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*.*")}


def test_a_list_of_numbered_lines_is_asked_last(tmp_path: Path) -> None:
    own = {name: recording(f"{name}.wav") for name in TEXTS}
    put(tmp_path, "todo.txt", "1. Buy milk\n2. Record more\n")
    for name, text in TEXTS.items():
        put(tmp_path, f"{name}.txt", text)
    script = look_for_script(None, tmp_path, list(own.values()))
    assert {name: script.texts[r.id] for name, r in own.items()} == TEXTS
    assert script.remarks[0] == "todo.txt has another text for 001.wav than 001.txt, which is taken"


def test_a_text_that_may_be_of_several_recordings_is_of_none(tmp_path: Path) -> None:
    own = [recording(f"{day}/take.wav") for day in ("monday", "tuesday")]
    put(tmp_path, "take.txt", "whose?")
    script = look_for_script(None, tmp_path, own)
    assert script.texts == {} and [f.reason for f in script.not_read] == ["recordings in several folders have its name"]
    (tmp_path / "take.txt").unlink()
    put(tmp_path, "texts/monday/take.txt", "one")
    put(tmp_path, "texts/tuesday/take.txt", "two")
    assert [look_for_script(None, tmp_path, own).texts[r.id] for r in own] == ["one", "two"]
    put(tmp_path, "talk_text.txt", "of talk_text")
    both = [recording("talk.wav"), recording("talk_text.wav")]
    assert look_for_script(None, tmp_path, both).texts == {both[1].id: "of talk_text"}


def test_a_single_recording_has_the_only_transcript_there_is(tmp_path: Path) -> None:
    own = recording("talk.wav")
    put(tmp_path, "notes.txt", "we met in May")
    put(tmp_path, "transcript.txt", "one two")
    assert look_for_script(None, tmp_path, [own]).texts == {own.id: "one two"}
    put(tmp_path, "captions.srt", srt("three"))
    script = look_for_script(None, tmp_path, [own])
    assert script.texts == {own.id: "three"} and [f.file for f in script.not_read] == ["notes.txt", "transcript.txt"]


def stretches(start: str, end: str, text: str, per_s: int = 1) -> list[dict[str, object]]:
    return [
        {start: 1 * per_s, end: 3 * per_s, text: "one", "speaker": "ann"},
        {start: 4 * per_s, end: 6 * per_s, text: "two"},
    ]


CHUNKS = [{"timestamp": [1, 3], "text": "one", "speaker": "ann"}, {"timestamp": [4, 6], "text": "two"}]


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("talk.json", json.dumps(stretches("start", "end", "text"))),
        ("talk.json", json.dumps({"utterances": stretches("start", "end", "text", per_s=1000)})),
        ("talk.json", json.dumps({"segments": stretches("startTime", "endTime", "body")})),
        ("talk.json", json.dumps({"text": "one two", "chunks": CHUNKS})),
        ("talk.csv", "Start Time,End Time,Speaker Name,Text\n00:00:01.000,00:00:03,ann,one\n00:00:04,0:06,,two\n"),
        ("talk.tsv", "start\tduration\ttext\tspeaker\n1.0\t2.0\tone\tann\n4.0\t2.0\ttwo\t\n"),
        ("talk.txt", "ann\t1.0\t3.0\tone\n\t4.0\t6.0\ttwo\n"),
    ],
)
def test_stretches_keep_their_times_and_speakers_whatever_lists_them(file: str, content: str, tmp_path: Path) -> None:
    own = recording("talk.wav")
    put(tmp_path, file, content)
    script = look_for_script(None, tmp_path, [own])
    cues = [(c.start_s, c.end_s, c.text, c.speaker) for c in script.cues[own.id]]
    assert cues == [(1.0, 3.0, "one", "ann"), (4.0, 6.0, "two", "")]


@pytest.mark.parametrize("labels", [("ann", "bob"), ("Speech", "Speech")])
def test_stretches_of_a_task_have_speakers_where_their_labels_differ(labels: tuple[str, str], tmp_path: Path) -> None:
    """Label Studio lists a stretch once for its label and once for its text."""
    own, result = recording("talk.wav"), []
    for number, (label, text) in enumerate(zip(labels, ("one", "two"), strict=True)):
        times = {"start": 3 * number + 1, "end": 3 * number + 3}
        result += [
            {"id": f"r{number}", "value": {**times, "labels": [label]}},
            {"id": f"r{number}", "value": {**times, "text": [text]}},
        ]
    put(tmp_path, "p.json", json.dumps([{"id": 1, "data": {"audio": "talk.wav"}, "annotations": [{"result": result}]}]))
    cues = [(c.start_s, c.end_s, c.text, c.speaker) for c in look_for_script(None, tmp_path, [own]).cues[own.id]]
    ann, bob = labels if labels[0] != labels[1] else ("", "")
    assert cues == [(1.0, 3.0, "one", ann), (4.0, 6.0, "two", bob)]


def test_labels_of_points_in_time_last_until_the_next(tmp_path: Path) -> None:
    own = recording("talk.wav")
    put(tmp_path, "talk.txt", "1.000000\t1.000000\tone\n4.000000\t4.000000\ttwo\n")
    cues = look_for_script(None, tmp_path, [own]).cues[own.id]
    assert [(c.start_s, c.end_s) for c in cues] == [(1.0, 4.0), (4.0, 10.0)]


def test_frames_are_no_times(tmp_path: Path) -> None:
    put(tmp_path, "talk.csv", "Start Time,End Time,Text\n00:00:01:00,00:00:03:12,one\n")
    with pytest.raises(ScriptError, match=r"talk\.csv, line 2: .* has no times"):
        look_for_script(None, tmp_path, [recording("talk.wav")])


def test_of_what_a_program_leaves_beside_a_recording_one_is_read_and_the_others_are_named(tmp_path: Path) -> None:
    every = both(each("wavs/{n}.srt", srt), each("wavs/{n}.vtt", vtt), each("wavs/{n}.json", whisper), each("wavs/{n}.txt", str))
    script, own = looked(tmp_path, "wavs/{n}.wav", every)
    assert set(script.sources.values()) == {f"wavs/{name}.srt" for name in TEXTS} and len(script.texts) == 4
    assert len(script.not_read) == 12 and {f.reason for f in script.not_read} == {"another file has the text of its recording"}
    assert len(own) == 4


def test_a_table_names_the_recordings_of_its_own_folder_first(tmp_path: Path) -> None:
    own = [recording(f"s{n}/wavs/00{k}.wav") for n in (1, 2) for k in (0, 1)]
    for n in (1, 2):
        put(tmp_path, f"s{n}/metadata.csv", f"000|text {n} a\nwavs/001|text {n} b\n")
    script = look_for_script(None, tmp_path, own)
    assert [script.texts[r.id] for r in own] == ["text 1 a", "text 1 b", "text 2 a", "text 2 b"]
    put(tmp_path, "metadata.csv", "000|whose?\n")
    with pytest.raises(ScriptError, match=r"metadata\.csv, line 1 names 000, which may be s1/wavs/000\.wav and s2"):
        look_for_script(None, tmp_path, own)


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        (
            "metadata.csv",
            "001|one two\n002|three | four\n003|five six\n004|seven\n",
            r"line 2 has 3 cells, where the table has 2",
        ),
        ("metadata.csv", "001|one two|ann\n002|three four\n003|five six|ann\n", r"line 2 has 2 cells, where the table has 3"),
        (
            "m.csv",
            "file,text,speaker\n001,one two,ann\n002,three, four,ann\n",
            r"m\.csv, line 3 has 4 cells, where the table has 3",
        ),
        ("m.tsv", "path\tsentence\n001\tone two\textra\n", r"m\.tsv, line 2 has 3 cells, where the table has 2"),
        (
            "m.jsonl",
            '{"file_name": "001.wav", "text": "one"}\n{"file_name": "002.wav"}\n',
            r'm\.jsonl, line 2: it has no "file_name"',
        ),
    ],
)
def test_a_row_of_another_width_is_an_error_with_its_line(file: str, content: str, said: str, tmp_path: Path) -> None:
    put(tmp_path, file, content)
    with pytest.raises(ScriptError, match=said):
        look_for_script(None, tmp_path, [recording(f"wavs/{name}.wav") for name in TEXTS])


@pytest.mark.parametrize(("file", "sign"), [("metadata.csv", ","), ("train.tsv", "\t"), ("m.csv", ";")])
@pytest.mark.parametrize("at", ["001", "002", "004"])
def test_a_stray_quote_takes_no_other_lines_with_it(file: str, sign: str, at: str, tmp_path: Path) -> None:
    bare = {name: text.replace(",", "") for name, text in TEXTS.items()}
    lines = [f"{name}.wav{sign}{chr(34) if name == at else ''}{text}\n" for name, text in bare.items()]
    put(tmp_path, file, sign.join(("path", "sentence")) + "\n" + "".join(lines))
    own = {name: recording(f"wavs/{name}.wav") for name in TEXTS}
    script = look_for_script(None, tmp_path, list(own.values()))
    assert {name: script.texts[r.id].lstrip('"') for name, r in own.items()} == bare


def test_a_quoted_text_may_have_lines(tmp_path: Path) -> None:
    put(tmp_path, "m.csv", 'file,text\n001,"one,\n""two""\nthree"\n002,plain\n')
    own = [recording(f"wavs/{name}.wav") for name in ("001", "002")]
    script = look_for_script(None, tmp_path, own)
    assert [script.texts[r.id] for r in own] == ['one, "two" three', "plain"]


def test_what_was_given_goes_first_and_what_lies_beside_fills_the_gaps(tmp_path: Path) -> None:
    own = {name: recording(f"wavs/{name}.wav") for name in TEXTS}
    put(tmp_path, "x/s.csv", "001|given\n")
    for name in ("001", "002"):
        put(tmp_path, f"wavs/{name}.txt", f"beside {name}")
    script = look_for_script(tmp_path / "x/s.csv", tmp_path, list(own.values()))
    assert script.texts == {own["001"].id: "given", own["002"].id: "beside 002"}
    assert [f.file for f in script.not_read] == ["wavs/001.txt"]


def test_two_tables_that_disagree_are_told_of(tmp_path: Path) -> None:
    own = recording("wavs/001.wav")
    put(tmp_path, "metadata.csv", "001|One two.\n")
    put(tmp_path, "a.csv", "file,text\n001,one two\n")
    put(tmp_path, "b.csv", "file,text\n001,three\n")
    script = look_for_script(None, tmp_path, [own])
    assert script.texts == {own.id: "One two."}
    assert script.remarks == ("b.csv has another text for wavs/001.wav than metadata.csv, which is taken",)


def test_names_are_the_same_in_every_normal_form_of_unicode(tmp_path: Path) -> None:
    own = recording("wavs/cafe\u0301.wav")
    put(tmp_path, "metadata.csv", "caf\u00e9|one two\n")
    assert look_for_script(None, tmp_path, [own]).texts == {own.id: "one two"}
    (tmp_path / "metadata.csv").unlink()
    put(tmp_path, "wavs/caf\u00e9.txt", "beside it")
    assert look_for_script(None, tmp_path, [own]).texts == {own.id: "beside it"}


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("cp1252", "Le café déjà vu — “oui” l’été"),
        ("mac_roman", "Le café déjà vu — l’été über"),
        ("utf-32", "Größe"),
        ("cp1251", "Сегодня хорошая погода, пойдём гулять в парк. Он пришёл домой поздно вечером."),
        ("koi8-r", "Сегодня хорошая погода, пойдём гулять в парк. Он пришёл домой поздно вечером."),
        ("cp1250", "Zażółć gęślą jaźń, dziękuję bardzo za pomoc. Książka leży na stole."),
        ("shift_jis", "今日は天気がいいので散歩に行きましょう。水を買わなくてはならないのです。"),
        ("gbk", "今天天气很好，我们去公园散步吧。他昨天晚上很晚才回家。"),
        ("euc_kr", "오늘은 날씨가 좋아서 산책을 갑니다. 어제는 비가 많이 왔습니다."),
    ],
)
def test_texts_of_every_country_are_read_in_their_encoding(encoding: str, text: str, tmp_path: Path) -> None:
    own = recording("wavs/001.wav")
    (tmp_path / "metadata.csv").write_bytes(f"001|{text}\n".encode(encoding))
    assert look_for_script(None, tmp_path, [own]).texts == {own.id: text}


def test_tables_above_a_folder_of_recordings_are_read_if_they_name_them(tmp_path: Path) -> None:
    own = {name: recording(f"{name}.wav") for name in TEXTS}
    table("metadata_train.csv", "wavs/{n}.wav|{t}\n")(tmp_path, dict(list(TEXTS.items())[:3]))
    table("metadata_eval.csv", "wavs/{n}.wav|{t}\n")(tmp_path, dict(list(TEXTS.items())[3:]))
    put(tmp_path, "notes.csv", "001|not this\n")
    put(tmp_path, "train.csv", "a,b\nc,d\n")
    (tmp_path / "wavs").mkdir()
    script = look_for_script(None, tmp_path / "wavs", list(own.values()))
    assert {name: script.texts[r.id] for name, r in own.items()} == TEXTS
    assert set(script.sources.values()) == {"../metadata_train.csv", "../metadata_eval.csv"} and script.not_read == ()


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("talk.json", '{"segments": [{"start": NaN, "end": 3, "text": "one"}]}'),
        ("talk.json", '{"segments": [{"start": 0, "end": 1e400, "text": "one"}]}'),
        ("talk.json", '{"segments": [{"start": -9, "end": 3, "text": "one"}]}'),
        ("talk.json", '[{"start": 5, "end": 1, "text": "one"}]'),
        ("talk.json", f'{{"segments": [{{"start": 0, "end": {"9" * 400}, "text": "one"}}]}}'),
        ("talk.csv", "start,end,text\nnan,3.5,one\n"),
        ("all.csv", "file,start,end,text\ntalk.wav,5,1,one\n"),
        ("all.json", f'[{{"file": "talk.wav", "start": 1, "end": {"9" * 400}, "text": "one"}}]'),
    ],
)
def test_times_that_cannot_be_are_errors_with_their_place(file: str, content: str, tmp_path: Path) -> None:
    put(tmp_path, file, content)
    with pytest.raises(
        ScriptError, match=rf"{file}(, (line 2|segment 1|entry 1))?: .*(no stretch of time|behind the end|no times)"
    ):
        look_for_script(None, tmp_path, [recording("talk.wav")])


def test_what_lies_around_stops_nobody(tmp_path: Path) -> None:
    own = [recording("talk.wav"), recording("more.wav")]
    put(tmp_path, "big.txt", "x" * 500_000)
    put(tmp_path, "talk.txt", "\ufeff")
    (tmp_path / "more.normalized").write_bytes(bytes(range(256)))
    script = look_for_script(None, tmp_path, own)
    assert script.texts == {} and {f.file: f.reason for f in script.not_read} == {
        "big.txt": "line 1: field larger than field limit",
        "talk.txt": "there is no text in it",
        "more.normalized": "it is not text: neither UTF-8, UTF-16 nor Windows-1252",
    }


def test_names_with_blanks_that_do_not_break_are_names(tmp_path: Path) -> None:
    own = recording("take 1.wav")
    put(tmp_path, "m.csv", "file,text\ntake\u00a01.wav,one\n")
    assert look_for_script(None, tmp_path, [own]).texts == {own.id: "one"}
    put(tmp_path, "m.csv", "file,text\nfile:///x/take%201.wav,one\n")
    assert look_for_script(None, tmp_path, [own]).texts == {own.id: "one"}
