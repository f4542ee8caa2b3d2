"""Hashes, locks, prompts on disk, and a full disk however it is reported."""

import errno
import json
import multiprocessing
import shutil
from multiprocessing.synchronize import Event
from pathlib import Path

import numpy as np
import pytest

from voicekit.errors import IntegrityError, ResourceError, UsageError
from voicekit.records import VoicePrompt
from voicekit.storage import copy_tree, enough_room, locked, read_json, read_prompt, tree_sha256, write_json, write_prompt


def tree(folder: Path, **contents: str) -> Path:
    for name, text in contents.items():
        path = folder / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def test_the_hash_of_a_folder_is_its_content_not_its_place(tmp_path: Path) -> None:
    a = tree(tmp_path / "a", x_dot_wav="1", sub__y_dot_txt="2")
    b = tree(tmp_path / "elsewhere", sub__y_dot_txt="2", x_dot_wav="1")
    assert tree_sha256(a) == tree_sha256(b)
    tree(b, _dot_hidden="3", sub___dot_DS__z="4")
    assert tree_sha256(a) == tree_sha256(b)
    (b / "x.wav").rename(b / "z.wav")
    assert tree_sha256(a) != tree_sha256(b)
    tree(a, x_dot_wav="other")
    assert len({tree_sha256(a), tree_sha256(b), tree_sha256(a / "x.wav")}) == 3


def test_the_hash_can_be_limited_to_kinds_of_files(tmp_path: Path) -> None:
    folder = tree(tmp_path, x_dot_WAV="1", notes_dot_pdf="2")
    before = tree_sha256(folder, {".wav"})
    tree(folder, notes_dot_pdf="changed")
    assert tree_sha256(folder, {".wav"}) == before
    tree(folder, x_dot_WAV="changed")
    assert tree_sha256(folder, {".wav"}) != before


def test_a_copy_is_its_own_folder_and_leaves_out_what_is_named(tmp_path: Path) -> None:
    source = tree(tmp_path / "a", x="1", work__y="2", deep__z="3")
    copy_tree(source, tmp_path / "b", without=("work",))
    assert sorted(p.name for p in (tmp_path / "b").rglob("*") if p.is_file()) == ["x", "z"]
    shutil.rmtree(source)
    assert (tmp_path / "b" / "deep" / "z").read_text() == "3"


def test_a_prompt_comes_back_exactly(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    prompt = VoicePrompt(
        random.integers(0, 1024, 5), random.normal(size=(20, 64)).astype(np.float32), random.normal(size=84).astype(np.float32)
    )
    write_prompt(tmp_path / "p.safetensors", prompt)
    back = read_prompt(tmp_path / "p.safetensors")
    assert np.array_equal(back.tokens, prompt.tokens) and back.tokens.dtype == np.int64
    assert np.array_equal(back.latents, prompt.latents) and np.array_equal(back.speaker, prompt.speaker)
    assert [p.name for p in tmp_path.iterdir()] == ["p.safetensors"]


def test_a_damaged_prompt_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "p.safetensors").write_bytes(b"nothing of the kind")
    with pytest.raises(IntegrityError, match="cannot be read"):
        read_prompt(tmp_path / "p.safetensors")
    with pytest.raises(IntegrityError, match="cannot be read"):
        read_prompt(tmp_path / "absent.safetensors")


def test_json_is_whole_or_absent(tmp_path: Path) -> None:
    assert read_json(tmp_path / "absent.json") == {}
    write_json(tmp_path / "sub" / "a.json", {"ü": [1, None]})
    assert read_json(tmp_path / "sub" / "a.json") == {"ü": [1, None]}
    with pytest.raises(TypeError):
        write_json(tmp_path / "sub" / "a.json", {"no": object()})
    assert json.loads((tmp_path / "sub" / "a.json").read_text()) == {"ü": [1, None]}


def hold(path: Path, ready: Event, done: Event) -> None:
    with locked(path, "busy", ""):
        ready.set()
        done.wait(30)


def test_a_lock_keeps_others_out_until_its_holder_is_gone(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    ready, done = context.Event(), context.Event()
    holder = context.Process(target=hold, args=(tmp_path / "a.lock", ready, done))
    holder.start()
    assert ready.wait(30)
    with pytest.raises(UsageError, match="busy"), locked(tmp_path / "a.lock", "busy", ""):
        pass
    holder.kill()
    holder.join()
    with locked(tmp_path / "a.lock", "busy", ""):
        pass


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EDQUOT, "Disk quota exceeded"),
        RuntimeError("I/O error: No space left on device (os error 28)"),
        MemoryError(),
    ],
)
def test_running_out_of_room_is_one_clear_error(tmp_path: Path, error: Exception) -> None:
    with pytest.raises(ResourceError) as caught, enough_room(tmp_path, "run it again."):
        raise error
    assert "run it again" in caught.value.remedy and caught.value.exit_code == 5


def test_a_library_that_hides_a_full_disk_is_seen_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RuntimeError, match="unexpected"), enough_room(tmp_path, "run it again."):
        raise RuntimeError("unexpected pos 64 vs 0")
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=0))
    with pytest.raises(ResourceError), enough_room(tmp_path / "not" / "there", "run it again."):
        raise RuntimeError("unexpected pos 64 vs 0")
    with pytest.raises(UsageError, match="mine"), enough_room(tmp_path, "run it again."):
        raise UsageError("mine")
