"""From files to a dataset, with speech made of bursts: what comes out, what is refused, what a killed one continues with."""

import io
import shutil
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.fake_speech import BurstAligner, BurstCounter, burst_means, bursts, say, sentences, speech_s
from voicekit import audio
from voicekit.errors import InputError, LanguageError, RecordingsError, ResourceError, ScriptError, VoicekitError
from voicekit.ports import Progress
from voicekit.prepare import Given, load_dataset, load_notes, load_recordings, prepare_dataset, unpack
from voicekit.records import Dataset, Verdict, Waveform
from voicekit.specs import PrepareSpec

SPEC = PrepareSpec(min_speech_s=3.0)


@dataclass
class Work:
    """A folder of recordings with a metadata.csv, and a dataset made of it."""

    folder: Path
    texts: Sequence[str]
    aligner: BurstAligner = field(default_factory=BurstAligner)
    events: list[Progress] = field(default_factory=list)

    @property
    def recordings(self) -> Path:
        return self.folder / "recordings"

    @property
    def dataset(self) -> Path:
        return self.folder / "dataset"

    def prepare(
        self,
        spec: PrepareSpec = SPEC,
        recordings: Path | None = None,
        script: Path | None = None,
        folder: Path | None = None,
        **changes: Any,
    ) -> Dataset:
        given, means = Given(recordings or self.recordings, script), burst_means(self.aligner, **changes)
        return prepare_dataset(given, spec, folder or self.dataset, means, self.events.append)


@pytest.fixture
def work(tmp_path: Path) -> Work:
    made = Work(tmp_path, sentences(6))
    made.recordings.mkdir()
    for i, text in enumerate(made.texts):
        audio.write_wav(made.recordings / f"r{i}.wav", say(text))
    (made.recordings / "metadata.csv").write_text("".join(f"r{i}|{text}\n" for i, text in enumerate(made.texts)))
    return made


def test_files_that_are_neither_sounds_nor_scripts_are_named(work: Work) -> None:
    (work.recordings / "notes.docx").write_bytes(b"x")
    work.prepare()
    assert "Left aside as neither a sound nor a script: notes.docx." in load_notes(work.dataset)


def test_each_short_recording_becomes_one_clean_clip(work: Work) -> None:
    made = work.prepare()
    assert [c.recording for c in made.clips] == [f"r{i}.wav" for i in range(6)]
    assert {c.verdict for c in made.clips} == {Verdict.ACCEPTED} and {c.reason for c in made.clips} == {""}
    for clip, text in zip(made.clips, work.texts, strict=True):
        wave = audio.read(work.dataset / clip.audio)
        assert clip.audio == f"clips/{clip.id}.flac"
        assert wave.sample_rate_hz == 24_000 and wave.samples.shape[0] == 1
        assert wave.duration_s == pytest.approx(clip.duration_s, abs=1e-3)
        assert clip.duration_s == pytest.approx(speech_s(text) + 0.2, abs=0.03)
        assert clip.start_sample == pytest.approx(0.4 * 16_000, abs=0.02 * 16_000)
        assert audio.loudness_lufs(wave) == pytest.approx(SPEC.target_lufs, abs=0.3)
        assert wave.samples[0, 0] == 0.0 == wave.samples[0, -1]
        assert clip.transcript.text == text and clip.transcript.source == "script"
        assert [w.text for w in clip.transcript.words] == text.split()
        assert clip.transcript.words[0].start_s == pytest.approx(0.1, abs=0.02)
        assert clip.transcript.words[-1].end_s == pytest.approx(clip.duration_s - 0.1, abs=0.03)
        assert clip.grades.speaking_rate_wps == pytest.approx(6 / speech_s(text), rel=0.05)
        assert clip.grades.script_match == 1.0 and clip.grades.snr_db > 40 and clip.grades.clipped_ratio == 0.0


def test_the_dataset_on_disk_is_the_one_returned(work: Work) -> None:
    made = work.prepare()
    assert load_dataset(work.dataset) == made
    assert [r.path for r in load_recordings(work.dataset)] == [f"r{i}.wav" for i in range(6)]
    assert load_notes(work.dataset) == ()
    assert made.speech_s == pytest.approx(sum(c.duration_s for c in made.clips), abs=0.01)
    assert made.spec_hash == SPEC.digest()
    assert len((work.dataset / "clips.jsonl").read_text().splitlines()) == 6
    with pytest.raises(InputError, match="no dataset"):
        load_dataset(work.folder / "elsewhere")


def test_whole_recordings_are_held_out(work: Work) -> None:
    made = work.prepare(SPEC.model_copy(update={"held_out_ratio": 0.34}))
    train = {c.recording_id for c in made.train()}
    held_out = {c.recording_id for c in made.held_out()}
    assert len(held_out) == 2 and len(train) == 4 and not train & held_out


def test_the_id_is_that_of_content_and_spec(work: Work) -> None:
    first = work.prepare()
    assert work.prepare(folder=work.folder / "again").id == first.id
    moved = work.folder / "moved"
    shutil.copytree(work.recordings, moved)
    assert work.prepare(recordings=moved, folder=work.folder / "third").id == first.id
    assert work.prepare(SPEC.model_copy(update={"target_lufs": -20.0}), folder=work.folder / "fourth").id != first.id
    (moved / "metadata.csv").write_text((moved / "metadata.csv").read_text().replace("one", "uno"))
    assert work.prepare(recordings=moved, folder=work.folder / "fifth").id != first.id


class KilledError(BaseException):
    """What ends a process in the middle."""


def test_a_killed_preparation_continues(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = work.prepare(folder=work.folder / "whole")
    work.aligner.calls.clear()

    def killed_at(count: int) -> Callable[[Progress], None]:
        def report(event: Progress) -> None:
            if len(work.aligner.calls) >= count:
                raise KilledError

        return report

    for count in (2, 4):
        with pytest.raises(KilledError):
            prepare_dataset(Given(work.recordings), SPEC, work.dataset, burst_means(work.aligner), killed_at(count))
        assert not (work.dataset / "dataset.json").exists()
    journal = work.dataset / "work" / "clips.jsonl"
    journal.write_bytes(journal.read_bytes()[:-9])
    assert work.prepare() == whole
    assert len(work.aligner.calls) == 7  # six recordings, one of them twice: its journal line was cut off
    work.aligner.calls.clear()
    monkeypatch.setattr(audio, "read", lambda _: pytest.fail("a finished recording was decoded again"))
    assert work.prepare() == whole
    assert work.aligner.calls == []


def test_another_spec_in_the_same_folder_replaces_the_clips(work: Work) -> None:
    first = work.prepare()
    louder = work.prepare(SPEC.model_copy(update={"target_lufs": -20.0}))
    assert {f"clips/{p.name}" for p in (work.dataset / "clips").iterdir()} == {c.audio for c in louder.clips}
    assert load_dataset(work.dataset) == louder
    assert audio.loudness_lufs(audio.read(work.dataset / louder.clips[0].audio)) == pytest.approx(-20.0, abs=0.3)
    assert work.prepare() == first
    assert audio.loudness_lufs(audio.read(work.dataset / first.clips[0].audio)) == pytest.approx(-23.0, abs=0.3)


def long_recording(work: Work, count: int = 12) -> str:
    text = " ".join(sentences(count))
    shutil.rmtree(work.recordings)
    work.recordings.mkdir()
    audio.write_flac(work.recordings / "talk.flac", say(text))
    return text


def test_a_long_recording_is_cut_between_sentences(work: Work) -> None:
    text = long_recording(work)
    (work.recordings / "talk.txt").write_text(text)
    made = work.prepare()
    assert 3 <= len(made.clips) <= 6
    assert " ".join(c.transcript.text for c in made.clips) == text
    for clip in made.clips:
        assert clip.verdict is Verdict.ACCEPTED and clip.duration_s <= SPEC.max_clip_s
        assert clip.transcript.text.endswith(".")
        assert len(bursts(audio.read(work.dataset / clip.audio))) == len(clip.transcript.text.split())
    assert made.held_out_ids == () and len(made.train_ids) == len(made.clips)
    assert "one recording" in load_notes(work.dataset)[0]


def test_a_long_recording_whose_script_cannot_be_followed_is_refused(work: Work) -> None:
    text = long_recording(work)
    script = work.folder / "other.txt"
    script.write_text(text + " and much more that nobody said")
    with pytest.raises(ScriptError, match=r"0\.0 s of usable speech.*cannot be followed"):
        work.prepare(script=script)


def test_without_a_script_a_transcriber_says_what_is_said(work: Work) -> None:
    (work.recordings / "metadata.csv").unlink()
    with pytest.raises(ScriptError, match="no script that says what is said"):
        work.prepare()
    made = work.prepare(transcriber=BurstCounter())
    assert {c.transcript.text for c in made.clips} == {"la la la la la la"}
    assert {c.transcript.source for c in made.clips} == {"burst counter"}


def test_bad_recordings_become_rejected_clips_with_reasons(work: Work) -> None:
    root = work.recordings
    (root / "corrupt.wav").write_bytes(b"not audio at all" * 100)
    audio.write_wav(root / "silent.wav", Waveform(np.zeros((1, 32_000), np.float32), 16_000))
    shutil.copy(root / "r0.wav", root / "sub-copy.wav")
    audio.write_wav(root / "hiss.wav", say("one two three four", noise=0.05, level=0.1))
    audio.write_wav(root / "hot.wav", Waveform(np.clip(20 * say("a b c d").samples, -1, 1), 16_000))
    audio.write_wav(root / "short.wav", say("one"))
    audio.write_wav(root / "wrong.wav", say("one two three four five"))
    audio.write_wav(root / "unscripted.wav", say("one two three four five six"))
    with (root / "metadata.csv").open("a") as file:
        rows = {
            "hiss": "one two three four",
            "hot": "a b c d",
            "short": "one",
            "silent": "one",
            "wrong": "one two",
            "corrupt": "x",
        }
        file.writelines(f"{name}|{text}\n" for name, text in rows.items())
    made = work.prepare(SPEC.model_copy(update={"min_snr_db": 12.0}))
    reasons = {c.recording: c.reason for c in made.clips if c.verdict is Verdict.REJECTED}
    assert set(reasons) == {f"{n}.wav" for n in ("corrupt", "hiss", "hot", "short", "silent", "sub-copy", "unscripted", "wrong")}
    assert "cannot be read as audio" in reasons["corrupt.wav"]
    assert reasons["silent.wav"] == "no speech in it"
    assert reasons["sub-copy.wav"] == "the same recording as r0.wav"
    assert reasons["unscripted.wav"] == "the script has no text for it"
    assert reasons["hot.wav"].startswith("clipped: ")
    assert reasons["short.wav"].startswith("too short: ")
    assert reasons["wrong.wav"] == "script does not match: 0.40 of at least 0.5"
    assert len({c.id for c in made.clips}) == len(made.clips)
    assert set(made.train_ids) | set(made.held_out_ids) == {c.id for c in made.clips if c.verdict is Verdict.ACCEPTED}
    known = {r.id for r in load_recordings(work.dataset)}
    assert {c.recording_id for c in made.clips} <= known


def empty(work: Work) -> None:
    shutil.rmtree(work.recordings)
    work.recordings.mkdir()
    (work.recordings / "notes.pdf").write_bytes(b"x")


def corrupt(work: Work) -> None:
    for i in range(4):
        (work.recordings / f"r{i}.wav").write_bytes(b"x" * 500 + bytes([i]))


def silent(work: Work) -> None:
    for i in range(6):
        audio.write_wav(work.recordings / f"r{i}.wav", Waveform(np.zeros((1, 20_000 + i), np.float32), 16_000))


def few(work: Work) -> None:
    for i in range(1, 6):
        (work.recordings / f"r{i}.wav").unlink()


def wrong_script(work: Work) -> None:
    (work.recordings / "metadata.csv").write_text("".join(f"r{i}|one two three four five six seven eight\n" for i in range(6)))


def half_script(work: Work) -> None:
    (work.recordings / "metadata.csv").write_text(f"r0|{work.texts[0]}\nq1|x\nq2|x\n")


@pytest.mark.parametrize(
    ("spoil", "error", "said"),
    [
        (empty, RecordingsError, "no audio file in .*recordings"),
        (corrupt, RecordingsError, r"4 of 6 recordings cannot be used: r0\.wav: .*damaged.*and 1 more"),
        (silent, RecordingsError, "No speech was found in any of 6 recordings"),
        (few, RecordingsError, r"There are 2\.\d s of usable speech; at least 3 s are needed"),
        (wrong_script, ScriptError, "0.0 s of usable speech.*6 of 6 clips were rejected .*script does not match"),
        (half_script, ScriptError, r"no text for 5 of 6 recordings, such as r1\.wav. It names q1, q2, which are not there"),
        (lambda work: shutil.rmtree(work.recordings), RecordingsError, "nothing at"),
    ],
)
def test_what_cannot_be_used_is_one_clear_error(
    spoil: Callable[[Work], None], error: type[VoicekitError], said: str, work: Work
) -> None:
    spoil(work)
    with pytest.raises(error, match=said) as raised:
        work.prepare()
    assert raised.value.remedy
    assert not (work.dataset / "dataset.json").exists()


def test_an_unknown_language_is_refused_before_anything_is_read(work: Work) -> None:
    with pytest.raises(LanguageError, match="does not speak 'xx'"):
        work.prepare(SPEC.model_copy(update={"language": "xx"}), recordings=work.folder / "nothing")
    assert work.prepare(SPEC.model_copy(update={"language": "en-GB"}), languages=("en", "zh")).clips


def test_an_aligner_is_asked_only_about_its_languages(work: Work) -> None:
    class German(BurstAligner):
        languages = ("de",)

        def align(self, wave: Waveform, text: str, language: str = "en") -> Any:
            raise AssertionError("asked about English")

    means = burst_means(German(), work.aligner)
    made = prepare_dataset(Given(work.recordings), SPEC, work.dataset, means, work.events.append)
    assert len(made.train_ids) + len(made.held_out_ids) == 6


def test_progress_rises_to_one(work: Work) -> None:
    work.prepare()
    assert {e.step for e in work.events} == {"prepare"}
    fractions = [e.fraction for e in work.events]
    assert fractions == sorted(fractions) and fractions[0] < 0.1 and fractions[-1] == 1.0
    assert work.events[-1].message.startswith("6 clips accepted, 0 rejected")


def test_folders_are_searched_but_not_what_is_hidden_or_junk(work: Work) -> None:
    plain = work.prepare()
    for junk in ("__MACOSX/._r0.wav", ".cache/r9.wav", "._r1.wav", "deep/er/.hidden.wav"):
        (work.recordings / junk).parent.mkdir(parents=True, exist_ok=True)
        (work.recordings / junk).write_bytes(b"junk")
    (work.recordings / "deep/er/r9.WAV").write_bytes((work.recordings / "r0.wav").read_bytes())
    (work.recordings / "r0.wav").unlink()
    made = work.prepare(script=work.folder / "s.csv", folder=work.folder / "second") if write_script(work) else plain
    assert [c.recording for c in made.clips] == ["deep/er/r9.WAV", *(f"r{i}.wav" for i in range(1, 6))]


def write_script(work: Work) -> bool:
    names = ["r9", *(f"r{i}" for i in range(1, 6))]
    (work.folder / "s.csv").write_text("file,text\n" + "".join(f"{n},{t}\n" for n, t in zip(names, work.texts, strict=True)))
    return True


def pack(folder: Path, archive: Path, extra: dict[str, bytes] | None = None) -> Path:
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as zipped:
        for file in sorted(folder.rglob("*")):
            zipped.write(file, Path("voice") / file.relative_to(folder))
        for name, content in (extra or {}).items():
            zipped.writestr(name, content)
    return archive


def test_a_zip_is_as_good_as_a_folder(work: Work) -> None:
    archive = pack(work.recordings, work.folder / "voice.zip", {"__MACOSX/voice/._r0.wav": b"junk", "voice/run.sh": b"#!"})
    made = work.prepare(recordings=archive)
    assert [c.recording for c in made.clips] == [f"voice/r{i}.wav" for i in range(6)]
    assert len(made.train_ids) + len(made.held_out_ids) == 6
    assert not list(work.dataset.rglob("run.sh")) and not list(work.dataset.rglob("*.wav"))
    assert work.prepare(recordings=archive) == made


@pytest.mark.parametrize("name", ["../evil.wav", "/evil.wav", "a/../../evil.wav", "..\\evil.wav", "C:evil.wav"])
def test_a_zip_cannot_write_outside_its_folder(name: str, work: Work) -> None:
    archive = pack(work.recordings, work.folder / "voice.zip", {name: b"x"})
    with pytest.raises(RecordingsError, match="leads out of it"):
        work.prepare(recordings=archive)
    assert not list(work.folder.rglob("evil.wav"))


def test_damaged_locked_and_bursting_zips_are_refused(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = pack(work.recordings, work.folder / "voice.zip")
    content = archive.read_bytes()
    (work.folder / "cut.zip").write_bytes(content[: len(content) // 2])
    with pytest.raises(RecordingsError, match=r"cut\.zip is a damaged zip"):
        work.prepare(recordings=work.folder / "cut.zip")
    spoiled = bytearray(content)
    spoiled[3000:3400] = bytes(400)
    (work.folder / "spoiled.zip").write_bytes(spoiled)
    with pytest.raises(RecordingsError, match=r"spoiled\.zip is a damaged zip"):
        work.prepare(recordings=work.folder / "spoiled.zip")
    (work.folder / "text.zip").write_text("not a zip")
    with pytest.raises(RecordingsError, match="damaged zip"):
        work.prepare(recordings=work.folder / "text.zip")
    monkeypatch.setattr(unpack, "MAX_BYTES", 10_000)
    with pytest.raises(RecordingsError, match="too large: 7 files"):
        work.prepare(recordings=archive)


def test_a_zip_member_larger_than_it_says_is_refused(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as zipped:
        zipped.writestr("a.wav", bytes(1_000_000))
    lying = buffer.getvalue().replace((1_000_000).to_bytes(4, "little"), (1000).to_bytes(4, "little"))
    (tmp_path / "a.zip").write_bytes(lying)
    with pytest.raises(RecordingsError, match="damaged zip"):
        unpack.unpack(tmp_path / "a.zip", tmp_path / "out", audio.SUFFIXES)
    assert not list((tmp_path / "out").rglob("a.wav"))


def test_a_full_disk_is_said_and_loses_nothing(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = work.prepare(folder=work.folder / "whole")
    real, writes = Path.write_bytes, []

    def write_bytes(self: Path, data: bytes) -> int:
        writes.append(self)
        if len(writes) == 4:
            raise OSError(28, "No space left on device")
        return real(self, data)

    monkeypatch.setattr(Path, "write_bytes", write_bytes)
    with pytest.raises(ResourceError, match="disk is full"):
        work.prepare()
    assert work.prepare() == whole
