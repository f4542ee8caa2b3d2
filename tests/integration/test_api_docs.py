"""What docs/api.md shows works as it is written there, and its table of codes is complete."""

import io
import re
import subprocess
import zipfile
from pathlib import Path

import pytest

from tests.api_house import ApiHouse, furnished, samples_of, served, spoken
from voicekit import errors
from voicekit.audio import write_wav
from voicekit.consent import statement

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")


def blocks(kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", PAGE, flags=re.DOTALL)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> ApiHouse:
    return furnished(tmp_path_factory.mktemp("api"))


def test_the_commands_and_the_program_run(house: ApiHouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_wav(tmp_path / "consent.wav", spoken(statement("en").lower()))
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for file in house.recordings.iterdir():
            archive.write(file, file.name)
    (tmp_path / "recordings.zip").write_bytes(packed.getvalue())
    with served(house.app()) as address:
        key = house.key()
        said = ""
        for block in blocks("sh curl"):
            script = f"set -e\nURL={address}\nKEY={key}\n{block}"
            done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, cwd=tmp_path, check=False)
            assert done.returncode == 0, done.stderr
            said += done.stdout
        assert len(samples_of((tmp_path / "morning.mp3").read_bytes(), "mp3")) > 10_000
        assert '"state":"queued"' in said and '"words_ok":true' in said
        printed: list[object] = []
        for block in blocks("python openai"):
            exec(compile(block, "docs/api.md", "exec"), {"URL": address, "KEY": key, "print": printed.append})
        assert printed == ["five"] and len(samples_of((tmp_path / "morning.wav").read_bytes(), "wav")) == 12 * 960


def test_every_code_that_is_answered_is_in_the_table() -> None:
    source = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "voicekit" / "api").glob("*.py"))
    own = set(re.findall(r'ApiError\(\s*\d+,\s*"(\w+)"', source))
    listed = set(re.findall(r"`([a-z_0-9]+)`", PAGE.split("| status | codes |")[1].split("\n\n")[0]))
    assert own <= listed
    known = {kind.code for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.VoicekitError)}
    other = {"not_found", "method_not_allowed", "too_large", "unsupported_media_type", "invalid_request", "internal", "bad_range"}
    assert listed <= own | known | other


def test_the_settings_without_effect_are_those_of_the_page() -> None:
    from voicekit.api.schemas import ChatRequest

    said = set(re.findall(r"`(\w+)`", PAGE.split("`Voicekit-No-Effect` names them: ")[1].split(".\n")[0]))
    silent = {name for name, field in ChatRequest.model_fields.items() if field.description == "Has no effect."}
    assert said == silent and len(said) > 10


def test_the_limits_are_those_of_the_page() -> None:
    from voicekit.api.incoming import NAME_BYTES
    from voicekit.api.limits import MB, Limits
    from voicekit.api.schemas import MOST_CHARS, MOST_FIELDS

    limits = Limits()
    for words in (
        f"{limits.upload_bytes // (1000 * MB)} GB and {limits.files} files; the name of a file {NAME_BYTES} bytes",
        f"{limits.consent_bytes // MB} MB, 2 min",
        f"{limits.json_bytes // MB} MB, {limits.json_parts // 1000} 000 values, 64 messages",
        f"a spoken question {limits.question_s:.0f} s",
        f"| {limits.small_bytes // MB} MB; a text {MOST_CHARS} characters, of an earlier answer too; {MOST_FIELDS} fields |",
        f"| {limits.sessions}, of them {limits.sessions_of_key} for one key",
        f"| {limits.connections.head_s:.0f} s |",
        f"pauses of {limits.pause_s:.0f} s, {limits.slowest_bytes_per_s // 1000} kB/s on average",
        f"| an answer that nobody reads | {limits.connections.unread_s:.0f} s |",
    ):
        assert words in PAGE
