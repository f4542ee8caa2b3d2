"""The doctor says what is wrong with a machine, and settings that make no sense are clear errors."""

from pathlib import Path

import pytest

from tests.fake_base import FakeBase
from tests.fake_engines import fake_engines
from voicekit import cli
from voicekit.app import App
from voicekit.catalog.store import SqlCatalog
from voicekit.doctor import examine
from voicekit.errors import MissingModel, UsageError
from voicekit.models import states
from voicekit.results import Check
from voicekit.storage import write_json
from voicekit.wiring import find_base, open_app


def checks(home: Path, url: str = "") -> dict[str, Check]:
    catalog = SqlCatalog(url or f"sqlite:///{home / 'catalog.db'}")
    return {c.name: c for c in App(home, catalog, fake_engines(FakeBase()), "fake").doctor()}


def test_a_healthy_machine(voicekit_home: Path) -> None:
    found = checks(voicekit_home)
    assert all(c.ok or c.optional for c in found.values())
    assert "torch 2." in found["packages"].detail and "fake @ 000000000000, licence none, speaks en" in found["base model"].detail
    assert found["catalog"].detail.endswith("schema 0005") and found["unfinished"].detail == "nothing"


def test_what_is_broken_is_named_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file where the folder should be")
    found = checks(tmp_path / "home", "postgresql://nobody:secret@127.0.0.1:1/none?connect_timeout=1")
    bad = {name for name, c in found.items() if not c.ok and not c.optional}
    assert bad == {"home", "catalog"}
    assert "VOICEKIT_HOME" in found["home"].remedy and "secret" not in found["catalog"].detail


def test_a_missing_base_is_no_crash(voicekit_home: Path) -> None:
    def missing() -> FakeBase:
        raise MissingModel("There is no base.", "Get one.")

    catalog = SqlCatalog(f"sqlite:///{voicekit_home / 'catalog.db'}")
    found = {c.name: c for c in examine(voicekit_home, catalog, missing, lambda: "cpu", "1.0")}
    assert found["base model"] == Check("base model", False, "There is no base.", "Get one.")


def test_each_step_of_messy_recordings_is_done_by_something(voicekit_home: Path) -> None:
    models = states(voicekit_home / "models", ("demucs", "speechmos"))
    catalog = SqlCatalog(f"sqlite:///{voicekit_home / 'catalog.db'}")

    def found() -> dict[str, Check]:
        return {c.name: c for c in examine(voicekit_home, catalog, FakeBase, lambda: "cpu", "1.0", models)}

    before = found()
    assert before["quality"].ok and "speechmos" in before["quality"].detail
    assert (
        not before["separation"].ok
        and before["separation"].optional
        and "DeepFilterNet 3, licence MIT" in before["separation"].detail
    )
    assert "models list" in before["separation"].remedy
    for name in ("htdemucs.yaml", "955717e8-8726e21a.th"):
        (voicekit_home / "models" / "htdemucs").mkdir(parents=True, exist_ok=True)
        (voicekit_home / "models" / "htdemucs" / name).write_text("x")
    models = states(voicekit_home / "models", ("demucs", "speechmos"))
    after = found()["separation"]
    assert after.ok and str(voicekit_home / "models" / "htdemucs") in after.detail and "MIT" in after.detail


def test_interrupted_jobs_are_listed(voicekit_home: Path) -> None:
    write_json(voicekit_home / "work" / "0123" / "job.json", {"name": "anna"})
    (voicekit_home / "work" / "0123" / "big").write_bytes(bytes(3 * 2**20))
    assert checks(voicekit_home)["unfinished"].detail.startswith("anna (3 MB)")


def test_the_command_says_it_with_its_exit_code(
    voicekit_home: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("VOICEKIT_BASE", "nowhere")
    assert cli.run(["doctor"]) == 1
    out = capfd.readouterr().out
    assert "no base model 'nowhere'" in " ".join(out.split()) and "NO" in out


@pytest.mark.parametrize(("name", "value"), [("VOICEKIT_THREADS", "many"), ("VOICEKIT_DEVICE", "abacus")])
def test_odd_settings_are_usage_errors(
    voicekit_home: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    code = cli.run(["doctor"])
    shown = capfd.readouterr()
    assert code in (1, 2) and value in shown.out + shown.err and "Traceback" not in shown.err


def test_a_home_that_is_a_file_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("")
    app = App(tmp_path / "home", SqlCatalog("sqlite://"), fake_engines(FakeBase()), "fake")
    with pytest.raises(UsageError, match="cannot be used"):
        app.create("anna", tmp_path)


def test_a_base_has_a_name_or_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in (tmp_path / "home" / "bases" / "mine", tmp_path / "here" / "other"):
        write_json(folder / "base.json", {})
    monkeypatch.chdir(tmp_path / "here")
    assert find_base("mine", tmp_path / "home") == "mine"
    assert find_base("other", tmp_path / "home") == find_base("./other", tmp_path / "home") == str(tmp_path / "here" / "other")
    with pytest.raises(MissingModel, match="no base model 'absent'"):
        find_base("absent", tmp_path / "home")


def test_opening_an_app_touches_nothing(voicekit_home: Path) -> None:
    open_app()
    assert not voicekit_home.exists()
