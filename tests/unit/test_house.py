"""What keeps the house honest: sizes, pins, links, light imports. Nothing here looks at behaviour."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

import voicekit

ROOT = Path(__file__).parents[2]
CODE = ("voicekit", "recipes", "bench", "db", "studio_app", "tests")
OTHERS = ("README.md", "CHANGELOG.md", "Makefile", "pyproject.toml", "constraints.txt", ".ci/run", "docs")
TEXT = {".py", ".md", ".toml", ".txt", ".ini", ".sql", ".html", ".css", ".js", ".svg", ".json", ".mako", ""}
HEAVY = ("torch", "transformers", "peft", "scipy", "matplotlib", "sqlalchemy", "alembic", "av", "soundfile", "numpy")


def python_files() -> list[Path]:
    return sorted(path for folder in CODE for path in (ROOT / folder).rglob("*.py"))


def text_files() -> Iterator[Path]:
    for name in (*CODE, *OTHERS):
        start = ROOT / name
        for path in [start] if start.is_file() else sorted(start.rglob("*")):
            if path.is_file() and path.suffix in TEXT and "__pycache__" not in path.parts:
                yield path


def test_functions_stay_under_60_lines() -> None:
    long: list[str] = []
    for path in python_files():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines >= 60:
                    long.append(f"{path.relative_to(ROOT)}: {node.name} {lines} lines")
    assert long == []


def test_no_file_names_a_place_on_one_machine() -> None:
    places = re.compile("|".join(f"(?<![\\w.])/{top}/" for top in ("work", "root", "farm", "home/[a-z]+", "opt/pypi")))
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in text_files()
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), start=1)
        if places.search(line)
    ]
    assert found == []


def pins() -> dict[str, Version]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    wanted = [line for line in lines if line and not line.startswith("#")]
    assert all(re.fullmatch(r"[a-z0-9-]+==[\w.]+", line) for line in wanted)
    return {name: Version(version) for name, version in (line.split("==") for line in wanted)}


def requirements() -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = [line for lines in project["optional-dependencies"].values() for line in lines]
    return [Requirement(line) for line in [*project["dependencies"], *extras]]


def test_every_requirement_is_pinned_inside_its_range() -> None:
    exact = pins()
    wrong = [
        str(requirement)
        for requirement in requirements()
        if (name := canonicalize_name(requirement.name)) not in exact or exact[name] not in requirement.specifier
    ]
    assert wrong == []


def test_torch_and_torchaudio_are_of_one_version() -> None:
    exact = pins()
    assert exact["torch"] == exact["torchaudio"]


def test_the_changelog_knows_this_version() -> None:
    assert f"## [{voicekit.__version__}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    hatch = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["hatch"]
    assert ROOT / hatch["version"]["path"] == Path(voicekit.__file__)


@pytest.mark.parametrize("page", ["README.md", *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))])
def test_links_lead_to_files_that_exist(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    targets = [target.split("#")[0] for target in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in target]
    assert [target for target in targets if target and not (ROOT / page).parent.joinpath(target).exists()] == []


def loaded_by(code: str) -> set[str]:
    """Top-level modules a fresh interpreter has loaded after `code`, with its CPU seconds as the last word."""
    code += "\nimport sys, time; print(*{m.split('.')[0] for m in sys.modules}, time.process_time())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    *modules, cpu_s = done.stdout.splitlines()[-1].split()
    assert float(cpu_s) < 2.0, f"{cpu_s} s of CPU"
    return set(modules)


def test_importing_voicekit_loads_nothing_heavy() -> None:
    assert loaded_by("import voicekit").isdisjoint({*HEAVY, "pydantic", "typer", "rich"})


def test_what_queues_a_job_does_not_load_a_model_library() -> None:
    """A first request must not wait for imports only to have the files of a base hashed."""
    code = (
        "from pathlib import Path; from voicekit.settings import Settings; from voicekit.wiring import engines; "
        "engines(Settings(home=Path('unused'))).base_revision('nano')"
    )
    assert loaded_by(code).isdisjoint({"torch", "transformers"})


def test_no_test_leaves_itself_out_where_something_is_missing() -> None:
    """What a machine lacks is a failure with words. A mark that stands above a test, with its reason, is seen by everybody."""
    leaves = re.compile(r"pytest\.skip\(|importorskip\(|unittest\.skip|raise SkipTest")
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in sorted((ROOT / "tests").rglob("*.py"))
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if leaves.search(line) and path != Path(__file__)
    ]
    assert found == []
