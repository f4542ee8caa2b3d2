"""Publishing needs a consent that holds, in every interface; what was revoked or withdrawn is not simply published again."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.api_house import ADA, ApiHouse, client, copy_of, furnished, served, spoken
from tests.browser.house import recordings as recordings_of_a_minute
from tests.fake_engines import FAKE_RECIPE, fake_recipe, fake_recordings
from tests.inline_worker import inline_app
from voicekit import audio, wiring
from voicekit.app import App
from voicekit.catalog.store import SqlCatalog
from voicekit.cli import run
from voicekit.consent import of_the_sample, sample_consent, state_of, statement
from voicekit.errors import ConsentNotFound, NotPublishable, VoiceRevoked
from voicekit.records import Consent, ConsentKind, Recording, Voice, VoiceState
from voicekit.shipped import shipped

SAID = statement("en").lower().replace(".", "")
DENIED = SAID.replace("i agree", "i do not agree")
SPEAKER, ANOTHER = 6, 1


@pytest.fixture(scope="session")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fake_recordings(tmp_path_factory.mktemp("given") / "recordings", pitch=SPEAKER)


@pytest.fixture(scope="session")
def furnished_home(tmp_path_factory: pytest.TempPathFactory, recordings: Path) -> Path:
    """A home with the draft anna, which the gate passed."""
    home = tmp_path_factory.mktemp("furnished") / "home"
    inline_app(home, require_consent=True).create("anna", recordings, recipe=fake_recipe())
    return home


@pytest.fixture
def app(furnished_home: Path, tmp_path: Path) -> App:
    shutil.copytree(furnished_home, tmp_path / "home")
    return inline_app(tmp_path / "home", require_consent=True)


def sound(folder: Path, text: str = SAID, pitch: int = SPEAKER) -> Path:
    file = folder / f"consent-{pitch}-{len(text)}.wav"
    audio.write_wav(file, spoken(text, pitch))
    return file


def consent(app: App, tmp_path: Path, text: str = SAID, pitch: int = SPEAKER, owner: str = "") -> Consent:
    return app.add_consent(owner, "Anna", "en", sound(tmp_path, text, pitch))


def test_what_the_gate_passed_waits_for_a_consent_and_says_so(app: App, recordings: Path) -> None:
    made = app.create("anna", recordings, recipe=fake_recipe())
    assert made.evaluation.passed and made.voice.state is VoiceState.DRAFT
    assert made.consent.kind is ConsentKind.NONE and "Nobody consented" in made.consent.says
    refusal = app.refusal(made.voice)
    assert refusal is not None and "Nobody consented" in str(refusal)
    with pytest.raises(NotPublishable, match="Nobody consented"):
        app.publish("anna")


@pytest.mark.parametrize(
    ("text", "pitch", "says"),
    [(DENIED, SPEAKER, "words"), ("the old house was empty", SPEAKER, "words"), (SAID, ANOTHER, "not the recordings' voice")],
)
def test_a_consent_that_failed_publishes_nothing(app: App, tmp_path: Path, text: str, pitch: int, says: str) -> None:
    given = consent(app, tmp_path, text, pitch)
    with pytest.raises(NotPublishable, match=says):
        app.publish("anna", consent_id=given.id)
    (voice,) = app.versions("anna")
    assert voice.state is VoiceState.DRAFT and not app.consent_state(voice).holds and says in app.consent_state(voice).says


def test_a_consent_is_compared_with_this_voice_whatever_it_was_compared_with_before(app: App, tmp_path: Path) -> None:
    """One that held for another's recordings published everybody's once."""
    given = consent(app, tmp_path, pitch=ANOTHER)
    assert app.check_consent_voice(given.id, fake_recordings(tmp_path / "theirs", pitch=ANOTHER)).voice_ok
    with pytest.raises(NotPublishable, match="not the recordings' voice"):
        app.publish("anna", consent_id=given.id)


def test_a_consent_of_which_the_recording_is_gone_does_not_hold(app: App, tmp_path: Path) -> None:
    given = consent(app, tmp_path)
    (app.home / given.recording).unlink()
    with pytest.raises(NotPublishable, match="not compared"):
        app.publish("anna", consent_id=given.id)


def test_a_consent_that_holds_publishes_and_is_shown(app: App, tmp_path: Path) -> None:
    published = app.publish("anna", consent_id=consent(app, tmp_path).id)
    assert published.state is VoiceState.PUBLISHED
    state = app.show("anna").consent
    assert state.holds and state.kind is ConsentKind.SPOKEN and state.says.startswith("Anna consented in person")


def test_another_consent_of_a_published_voice_must_hold_too(app: App, tmp_path: Path) -> None:
    good, bad = consent(app, tmp_path), consent(app, tmp_path, pitch=ANOTHER)
    app.publish("anna", consent_id=good.id)
    for other in (bad.id, ""):
        with pytest.raises(NotPublishable):
            app.change_voice("anna", consent_id=other)
    assert app.versions("anna")[0].consent_id == good.id


def test_other_peoples_consents_are_not_there(app: App, tmp_path: Path, recordings: Path) -> None:
    theirs = consent(app, tmp_path, owner="acme")
    for use in (
        lambda: app.publish("anna", consent_id=theirs.id),
        lambda: app.create("bert", recordings, recipe=fake_recipe(), consent_id=theirs.id),
        lambda: app.submit("bert", recordings, recipe=fake_recipe(), consent_id="consent-none"),
    ):
        with pytest.raises(ConsentNotFound):
            use()


def test_a_revoked_voice_waits_for_a_new_consent(app: App, tmp_path: Path) -> None:
    old = consent(app, tmp_path)
    app.publish("anna", consent_id=old.id)
    revoked = app.revoke("anna")
    assert revoked.revoked_at
    with pytest.raises(VoiceRevoked):
        app.say("anna", "hello", tmp_path / "a.wav")
    for again in (lambda: app.publish("anna"), lambda: app.publish("anna", consent_id=old.id)):
        with pytest.raises(NotPublishable, match="revoked"):
            again()
    with pytest.raises(NotPublishable, match="revoked"):
        app.publish("anna", consent_id=consent(app, tmp_path, pitch=ANOTHER).id)
    assert app.publish("anna", consent_id=consent(app, tmp_path).id).state is VoiceState.PUBLISHED


def test_without_required_consents_a_revoked_voice_stays_revoked_too(app: App, furnished_home: Path) -> None:
    lenient = inline_app(app.home, require_consent=False)
    assert lenient.publish("anna").state is VoiceState.PUBLISHED
    lenient.revoke("anna")
    with pytest.raises(NotPublishable, match="revoked"):
        lenient.publish("anna")


def test_a_withdrawn_consent_takes_its_voices_back(app: App, tmp_path: Path) -> None:
    given = consent(app, tmp_path)
    app.publish("anna", consent_id=given.id)
    dialogue = app.dialogue("anna")
    removed = app.remove_consent(given.id)
    assert removed.revoked == ("anna@1",) and removed.consents == (given.id,)
    (voice,) = app.versions("anna")
    assert voice.state is VoiceState.REVOKED and voice.consent_id == "" and not (app.home / given.recording).exists()
    with pytest.raises(NotPublishable, match="revoked"):
        app.publish("anna")
    from voicekit.dialogue import Failed, UserText

    dialogue.send(UserText("what is two plus three"))
    assert [type(e) for e in dialogue.events()] == [Failed], "a conversation that was open hears of it"


def test_a_job_publishes_what_it_was_asked_to_if_the_consent_holds(tmp_path: Path, recordings: Path) -> None:
    app = inline_app(tmp_path / "home", require_consent=True)
    for name, pitch, state in (("anna", SPEAKER, VoiceState.PUBLISHED), ("bert", ANOTHER, VoiceState.DRAFT)):
        given = consent(app, tmp_path, pitch=pitch)
        app.submit(name, recordings, recipe=fake_recipe(), consent_id=given.id, publish=True)
        app.work()
        assert app.versions(name)[0].state is state


def test_what_is_published_without_a_consent_says_so_wherever_it_is(
    app: App, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lenient = inline_app(app.home, require_consent=False)
    monkeypatch.setattr(wiring, "open_app", lambda: lenient)
    assert run(["publish", "anna", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)["consent"]
    assert not shown["holds"] and "Published without a consent" in shown["says"] and "VOICEKIT_REQUIRE_CONSENT" in shown["says"]
    for command in (["voices"], ["show", "anna"]):
        assert run(command) == 0
        assert "Published without a consent" in " ".join(capsys.readouterr().out.split())
    for command in (["voices", "--json"], ["show", "anna", "--json"]):
        assert run(command) == 0
        found = json.loads(capsys.readouterr().out)
        assert not (found[0] if isinstance(found, list) else found)["consent"]["holds"]
    strict = app.consent_state(app.versions("anna")[0])
    assert "Published without a consent" in strict.says and "VOICEKIT" not in strict.says, "also when they are required again"


def test_the_command_line_leads_from_recordings_to_a_published_voice(
    tmp_path: Path, recordings: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(wiring, "open_app", lambda: inline_app(tmp_path / "home", require_consent=True))
    recipe = tmp_path / "little.toml"
    recipe.write_text(FAKE_RECIPE)
    assert run(["create", "anna", str(recordings), "--recipe", str(recipe)]) == 0, "the gate passed it"
    told = capsys.readouterr()
    assert "version 1: draft" in told.out and "Nobody consented" in told.err and "voicekit publish anna" in told.err
    assert run(["publish", "anna"]) == 2 and "Nobody consented" in capsys.readouterr().err
    assert run(["consents", "statement"]) == 0 and capsys.readouterr().out.strip() == statement("en")
    assert run(["consents", "add", str(sound(tmp_path, DENIED)), "--speaker", "Anna"]) == 3
    assert "not the statement" in capsys.readouterr().err
    assert run(["consents", "list", "--json"]) == 0 and json.loads(capsys.readouterr().out) == []
    assert run(["consents", "add", str(sound(tmp_path)), "--speaker", "Anna"]) == 0
    given = capsys.readouterr().out.strip()
    assert run(["publish", "anna", "--consent", given]) == 0
    assert "version 1: published" in capsys.readouterr().out
    assert run(["consents", "list"]) == 0 and given in capsys.readouterr().out
    assert run(["revoke", "anna"]) == 0 and capsys.readouterr()
    assert run(["publish", "anna"]) == 2 and "revoked" in capsys.readouterr().err
    assert run(["consents", "remove", given]) == 0 and "Revoked" in capsys.readouterr().err
    assert run(["consents", "remove", given]) == 2 and "no consent" in capsys.readouterr().err


def test_a_voice_is_made_with_its_consent_in_one_go(tmp_path: Path, recordings: Path) -> None:
    app = inline_app(tmp_path / "home", require_consent=True)
    given = consent(app, tmp_path)
    assert app.create("anna", recordings, recipe=fake_recipe(), consent_id=given.id).published


def test_consents_are_required_unless_somebody_answers_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    from voicekit.settings import Settings

    monkeypatch.delenv("VOICEKIT_REQUIRE_CONSENT", raising=False)
    assert Settings().require_consent is True
    monkeypatch.setenv("VOICEKIT_REQUIRE_CONSENT", "false")
    assert Settings().require_consent is False


def test_only_the_bundled_sample_is_nobodys_voice(app: App, tmp_path: Path) -> None:
    import hashlib
    import zipfile

    with zipfile.ZipFile(shipped("assets/sample") / "recordings.zip") as pack:
        ids = [hashlib.sha256(pack.read(name)).hexdigest() for name in pack.namelist() if name.endswith(".ogg")]
    assert of_the_sample(ids) and of_the_sample(ids[:3]) and not of_the_sample([]) and not of_the_sample([*ids, "0" * 64])
    assert sample_consent()["kind"] == "synthetic" and "flite" in sample_consent()["speaker"]
    (voice,) = app.versions("anna")
    state = state_of(voice, None, synthetic=True)
    assert state.holds and state.kind is ConsentKind.SYNTHETIC and "Synthetic speaker" in state.says
    rows = [replace(r, id=ids[n]) for n, r in enumerate(app.show("anna").recordings)]
    assert _with_recordings(app, voice, rows).publish("anna").state is VoiceState.PUBLISHED


def _with_recordings(app: App, voice: Voice, rows: list[Recording]) -> App:
    """The same home, as if the voice had been made of other recordings."""

    class Catalog(SqlCatalog):
        def recordings_of(self, dataset_id: str) -> list[Recording]:
            return rows

    fresh = inline_app(app.home, require_consent=True)
    fresh._publisher._catalog = Catalog(f"sqlite:///{app.home / 'catalog.db'}")
    return fresh


def test_a_quick_check_is_never_published(tmp_path: Path) -> None:
    """Six steps and six questions were "This voice passed" once."""
    app = inline_app(tmp_path / "home", require_consent=False)
    made = app.create("anna", recordings_of_a_minute(tmp_path / "r"), recipe="smoke")
    assert made.evaluation.for_checking and not made.evaluation.passed and made.voice.state is VoiceState.DRAFT
    assert "made for checking" in made.evaluation.reasons[0]
    assert "quick check" in made.report.read_text()
    with pytest.raises(NotPublishable, match="made for checking"):
        app.publish("anna")
    assert app.evaluate("anna").evaluation.for_checking, "measuring it again changes nothing"


def test_what_an_earlier_version_let_pass_of_six_questions_is_not_published(app: App, tmp_path: Path) -> None:
    (voice,) = app.versions("anna")
    evaluation = app.show("anna").evaluation
    few = {name: replace(m, n=6) for name, m in evaluation.metrics.items()}
    app._catalog.add_evaluation(replace(evaluation, id="e" * 32, metrics=few, passed=True))
    old = replace(voice, evaluation_id="e" * 32)
    app._catalog.add_voice(old)
    with pytest.raises(NotPublishable, match="Too few questions"):
        app.publish("anna", consent_id=consent(app, tmp_path).id)
    refusal = app.refusal(old)
    assert refusal is not None and "Too few questions" in str(refusal)


@pytest.fixture(scope="module")
def api_furniture(tmp_path_factory: pytest.TempPathFactory) -> ApiHouse:
    return furnished(tmp_path_factory.mktemp("api"))


def test_over_http_a_failed_a_withdrawn_and_an_old_consent_publish_nothing(api_furniture: ApiHouse, tmp_path: Path) -> None:
    house = copy_of(api_furniture, tmp_path)
    with served(house.app()) as address, client(address, house.key(ADA)) as http:

        def given(text: str = SAID, pitch: int = SPEAKER) -> str:
            files = {"recording": ("yes.wav", sound(tmp_path, text, pitch).read_bytes())}
            return http.post("/v1/audio/voice_consents", data={"speaker": "Anna"}, files=files).json()["id"]

        def publish(consent_id: str) -> httpx.Response:
            http.patch("/v1/audio/voices/ada-draft", json={"consent_id": consent_id})
            return http.post("/v1/audio/voices/ada-draft/publish")

        def refused(answer: httpx.Response) -> Any:
            assert answer.status_code == 409 and answer.json()["error"]["code"] == "not_publishable", answer.text
            return answer.json()["error"]["message"]

        assert "not the recordings' voice" in refused(publish(given(pitch=ANOTHER)))
        assert "words" in refused(publish(given(DENIED)))
        first = given()
        shown = publish(first).json()
        assert shown["state"] == "published" and shown["consent"]["holds"] and shown["consent"]["kind"] == "spoken"
        stolen = http.patch("/v1/audio/voices/ada-draft", json={"consent_id": given(pitch=ANOTHER)})
        assert "not the recordings' voice" in refused(stolen)
        gone = http.delete(f"/v1/audio/voice_consents/{first}").json()
        assert gone["deleted"] and gone["removed"]["revoked"] == ["ada-draft@1"]
        assert http.get(f"/v1/audio/voice_consents/{first}").status_code == 404
        after = http.get("/v1/audio/voices/ada-draft").json()
        assert after["state"] == "revoked" and after["consent_id"] is None and not after["consent"]["holds"]
        assert "revoked" in refused(http.post("/v1/audio/voices/ada-draft/publish"))
        assert publish(given()).json()["state"] == "published"
        listed = {v["id"]: v["consent"] for v in http.get("/v1/audio/voices").json()["data"]}
        assert listed["ada-draft"]["holds"] and "Published without a consent" in listed["ada"]["says"]
