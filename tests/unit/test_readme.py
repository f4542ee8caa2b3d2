"""What the README tells people to type exists, and `--help` stays quick."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from typer.core import TyperGroup
from typer.main import get_command

from voicekit.cli import cli
from voicekit.specs import read_recipe

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
HEAVY = {"torch", "transformers", "peft", "scipy", "matplotlib", "sqlalchemy", "alembic", "av", "soundfile"}


def commands() -> dict[str, set[str]]:
    """Every command with its options."""
    group = get_command(cli)
    assert isinstance(group, TyperGroup)
    return {name: {o for p in command.params for o in (*p.opts, *p.secondary_opts)} for name, command in group.commands.items()}


def mentioned() -> list[tuple[str, str]]:
    """(command, what stands behind it) wherever the README types `voicekit ...`, in blocks and between backticks."""
    blocks = "\n".join(re.findall(r"```sh\n(.*?)```", README, flags=re.DOTALL))
    typed = re.findall(r"^\S*voicekit +(\w+)(.*)$", blocks, flags=re.MULTILINE)
    return typed + re.findall(r"`voicekit +(\w+)([^`]*)`", README)


@pytest.mark.parametrize(("name", "rest"), mentioned())
def test_every_command_of_the_readme_exists_with_its_options(name: str, rest: str) -> None:
    assert name in commands()
    assert {word for word in shlex.split(rest) if word.startswith("-")} <= commands()[name]


def test_the_readme_lists_every_command_and_its_options_are_real() -> None:
    rows = dict(re.findall(r"^\| `voicekit (\w+).*?` \|(.*)\|$", README, flags=re.MULTILINE))
    assert set(rows) == set(commands())
    for name, text in rows.items():
        assert set(re.findall(r"`(--[\w-]+)", text)) <= commands()[name], name


def test_the_make_targets_of_the_readme_exist() -> None:
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    asked = set(re.findall(r"`make (\w+)`", README)) | set(re.findall(r"^make (\w+)", README, flags=re.MULTILINE))
    assert asked and asked <= set(targets)


def test_the_readme_names_every_shipped_recipe_and_each_is_valid() -> None:
    files = sorted((ROOT / "recipes").glob("*.toml"))
    assert [path.stem for path in files] == sorted(re.findall(r"`recipes/(\w+)\.toml`", README))
    for path in files:
        assert read_recipe(path).name == path.stem


@pytest.mark.parametrize("arguments", [["--help"], ["create", "--help"], ["--version"]])
def test_help_needs_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys, time\nfrom voicekit.cli import run\n"
        f"code = run({arguments!r})\n"
        "print(code, time.process_time(), *{m.split('.')[0] for m in sys.modules}, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    exit_code, cpu_s, *modules = done.stderr.splitlines()[-1].split()
    assert exit_code == "0" and done.stdout.strip()
    assert HEAVY.isdisjoint(modules)
    assert float(cpu_s) < 2.0, f"{cpu_s} s of CPU"


def test_a_time_that_is_stated_twice_is_one_time_and_was_measured() -> None:
    """The README said 4 to 7 minutes where the Makefile said 6 to 8."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    demo = re.search(r"(\d+) to (\d+) minutes on two cores", README)
    assert demo is not None and re.findall(r"\((\d+ to \d+) minutes, after setup\)", makefile) == [f"{demo[1]} to {demo[2]}"]
    benchmarks = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    took = re.findall(r"whole command (\d+\.\d)(?: and (\d+\.\d))?", benchmarks.replace("\n", " "))
    minutes = [float(value) for found in took for value in found if value]
    assert len(minutes) >= 3 and (round(min(minutes)), round(max(minutes))) == (int(demo[1]), int(demo[2]))
    setup = re.search(r"about (\d+) minutes and (\d+) GB", README)
    assert setup is not None and f"(about {setup[1]} minutes, {setup[2]} GB)" in makefile


def test_how_much_to_record_is_said_alike_everywhere() -> None:
    """In the studio, in its review, in the documentation: what the advice of `prepare` goes by."""
    from voicekit.audio import MAX_DURATION_S
    from voicekit.prepare.summary import GOOD_S
    from voicekit.specs import PrepareSpec

    good = f"{GOOD_S / 60:.0f} minutes and more make a good voice"
    recordings = (ROOT / "docs" / "recordings.md").read_text(encoding="utf-8")
    pages = [(ROOT / "studio_app" / name).read_text(encoding="utf-8") for name in ("clip_view.py", "stage_recordings.py")]
    for text in (recordings, *pages):
        assert good in text and set(re.findall(r"\d+ minutes and more make", text)) == {good.removesuffix(" a good voice")}
    assert f"{PrepareSpec().min_speech_s:.0f} s of usable speech are the least" in recordings
    assert f"up to {MAX_DURATION_S / 3600:.0f} hours a file" in recordings
