"""nano's training from packed features: nothing but torch, transformers, numpy, scipy and safetensors, and the same losses."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from recipes.nano import packed
from recipes.nano.hearing import SETS as HEARING_SETS
from recipes.nano.stored import load_set, save, save_arrays, save_latents
from recipes.nano.tokenizer import SHARE, TESTS
from recipes.nano.voices import default_female
from recipes.nano.world import split
from voicekit.crew import Crew
from voicekit.shipped import shipped

pytestmark = pytest.mark.integration

# What voicekit needs beyond what a plain GPU machine has. Importing any of it fails in the training below.
BLOCKED = (
    "soundfile", "soxr", "pyworld", "av", "pocketsphinx", "silero_vad", "onnxruntime", "torchaudio", "peft", "jiwer",
    "pyloudnorm", "num2words", "sqlalchemy", "alembic", "typer", "rich", "pydantic", "pydantic_settings", "matplotlib",
    "accelerate", "openpyxl", "dbos", "fastapi", "uvicorn",
)  # fmt: skip
TRAIN = """
import runpy, sys
for name in {blocked!r}:
    sys.modules[name] = None
for program, *args in {programs!r}:
    sys.argv = [program, *args]
    print("program", program, *args[-1:], flush=True)
    runpy.run_module("recipes.nano." + program, run_name="__main__")
import recipes.nano.listening, recipes.nano.naming
"""
CLIPS = 12


def mels(rng: np.random.Generator, frames: int) -> np.ndarray:
    """Bytes that change slowly, as speech does."""
    walk = np.cumsum(rng.normal(0, 6, (frames, 80)), axis=0) + np.cumsum(rng.normal(0, 4, 80))
    return np.clip(130 + walk - walk.mean(0), 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A work folder as preparing leaves it, with a dozen made-up clips a set."""
    work, rng = tmp_path_factory.mktemp("work"), np.random.default_rng(0)
    (work / "text").mkdir()
    shutil.copy(shipped("assets/nano") / "tokenizer.json", work / "text")
    train, _, test = split()
    for name in (*SHARE, TESTS[0]):
        lengths = [int(n) for n in rng.integers(30, 60, CLIPS)]
        questions = (test if name in TESTS else train)[:CLIPS]
        texts = [q.fact.answer if name == "answers_train" else q.text for q in questions]
        rows = [{"text": t, "voice": default_female.name, "base": "slt", "named": True, "start": 7} for t in texts]
        folder = work / "audio" / name
        folder.mkdir(parents=True)
        (folder / "index_0000.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        pitches = [(rng.uniform(80, 200, n) * (rng.random(n) < 0.7)).astype(np.float16) for n in lengths]
        save(folder / "mel_0000.npz", [mels(rng, 4 * n) for n in lengths], pitches)
    (work / "hearing").mkdir()
    for name in HEARING_SETS:
        clips = [mels(rng, 2 * int(n)) for n in rng.integers(60, 120, CLIPS)]
        asked = [q.text for q in (test if name == "questions_test" else train)[:CLIPS]]
        rows = [{"text": t, "voice": "v", "base": "b", "named": False} for t in asked]
        frames = np.array([len(m) for m in clips])
        save_arrays(work / "hearing" / f"{name}.npz", {"mel": np.concatenate(clips), "frames": frames, "rows": json.dumps(rows)})
    frames = [4 * int(n) for n in rng.integers(30, 60, 4) for _ in range(2)]
    moved = [0.0, 0.2] * 4
    rows = [{"voice": default_female.name, "frames": f, "moved": by} for f, by in zip(frames, moved, strict=True)]
    originals = [np.cumsum(rng.normal(0, 0.2, (f, 64)), axis=0).astype(np.float16) for f in frames[::2]]
    latents = [x for o, by in zip(originals, moved[1::2], strict=True) for x in (o, packed.move(o, by))]
    save_latents(work / "latents.npz", rows, [mels(rng, f) for f in frames], latents)
    return work


def unpacked(prepared: Path, tmp_path: Path, coarse: int) -> Path:
    packed.pack(prepared, tmp_path / "features.npz", coarse)
    packed.unpack(tmp_path / "work", tmp_path / "features.npz")
    return tmp_path / "work"


def test_what_was_packed_exactly_comes_back_exactly(prepared: Path, tmp_path: Path) -> None:
    work = unpacked(prepared, tmp_path, coarse=1)
    for name in (*SHARE, TESTS[0]):
        for before, after in zip(load_set(prepared / "audio" / name), load_set(work / "audio" / name), strict=True):
            assert np.array_equal(before.mel, after.mel) and np.array_equal(before.pitch, after.pitch)
            assert after.row == {key: before.row[key] for key in packed.ROW}
    for file in sorted((prepared / "hearing").iterdir()):
        before, after = np.load(file), np.load(work / "hearing" / file.name)
        assert np.array_equal(before["mel"], after["mel"]) and np.array_equal(before["frames"], after["frames"])
        assert json.loads(str(before["rows"])) == json.loads(str(after["rows"]))
    assert (work / "text" / "tokenizer.json").read_bytes() == (prepared / "text" / "tokenizer.json").read_bytes()


@pytest.mark.parametrize("coarse", [2, 4])
def test_rounding_is_as_small_as_it_says(prepared: Path, tmp_path: Path, coarse: int) -> None:
    work = unpacked(prepared, tmp_path, coarse)
    pairs = zip(load_set(prepared / "audio" / "open_train"), load_set(work / "audio" / "open_train"), strict=True)
    assert max(np.abs(a.mel.astype(int) - b.mel.astype(int)).max() for a, b in pairs) == coarse // 2
    before, after = np.load(prepared / "latents.npz"), np.load(work / "latents.npz")
    rough, kept = before["latents"][:, :62].astype(float), after["latents"][:, :62].astype(float)
    steps = (rough.max(0) - rough.min(0)) / 255
    assert (np.abs(rough - kept) <= 0.5 * steps + 2e-3 * np.abs(rough) + 1e-6).all()
    assert np.array_equal(before["latents"][:, 62:], after["latents"][:, 62:])


def test_unpacking_again_changes_nothing(prepared: Path, tmp_path: Path) -> None:
    work = unpacked(prepared, tmp_path, coarse=2)
    kept = {f: f.stat().st_mtime_ns for f in work.rglob("*.npz")}
    packed.unpack(work, tmp_path / "features.npz")
    assert kept and kept == {f: f.stat().st_mtime_ns for f in work.rglob("*.npz")}


def losses(work: Path) -> dict[str, dict[str, float]]:
    """Train every part one step in a process that can import nothing else; the first losses by program."""
    common = ["--work", str(work), "--steps", "1"]
    programs = [
        ["chat", "--typed", *common],
        ["tokenizer", "--audio", str(work / "audio"), "--out", str(work / "tok"), "--vq-from", "0.0", "--steps", "1"],
        ["tokens", "--work", str(work)],
        ["hearing", *common],
        ["decoder", *common],
        ["chat", "--spoken-from", "0.0", *common],
        ["pack", "--work", str(work), "--out", str(work / "base")],
    ]
    code = TRAIN.format(blocked=BLOCKED, programs=programs)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=900)
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, dict[str, float]] = {}
    program = ""
    for line in done.stdout.splitlines():
        if line.startswith("program "):
            program = line.split()[1] if line.split()[1] not in found else line.split()[1] + " again"
        elif line.startswith("step 1 "):
            found[program] = {k: float(v) for k, v in re.findall(r"(\w+) (\d+\.\d+)", line.split(" s ", 1)[1])}
    return found


def test_training_needs_the_packed_file_alone_and_begins_the_same(prepared: Path, tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    shutil.copytree(prepared, plain)
    with Crew(2) as crew:
        there, here = crew.each(losses, [unpacked(prepared, tmp_path, packed.COARSE), plain])
    assert {"chat", "tokenizer", "hearing", "decoder", "chat again"} <= set(here) == set(there)
    assert there["chat"] == here["chat"]
    for program in ("tokenizer", "hearing", "decoder"):
        for name, loss in here[program].items():
            assert there[program][name] == pytest.approx(loss, rel=0.03, abs=0.02), (program, name)
    assert (tmp_path / "work" / "base" / "model.safetensors").exists()
