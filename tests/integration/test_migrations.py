"""The migrations, the models and db/schema.sql say the same; a database that cannot be used is a clear error."""

from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, inspect, text

from tests import makers
from voicekit.catalog.migrate import config, head_revision, schema_sql
from voicekit.catalog.store import SqlCatalog
from voicekit.catalog.tables import Base
from voicekit.errors import CatalogError, MissingModel
from voicekit.records import Consent, VoiceState
from voicekit.shipped import shipped
from voicekit.timebase import utc


def test_migrations_make_the_tables_the_models_describe(tmp_path: Path) -> None:
    catalog = SqlCatalog(f"sqlite:///{tmp_path / 'c.db'}")
    with catalog.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), Base.metadata) == []


def test_schema_sql_is_what_the_migrations_make(tmp_path: Path) -> None:
    made = schema_sql(SqlCatalog(f"sqlite:///{tmp_path / 'c.db'}").engine)
    assert (shipped("db") / "schema.sql").read_text() == made, "run `python -m voicekit.catalog.migrate > db/schema.sql`"


def test_down_to_nothing_and_up_again(tmp_path: Path) -> None:
    engine = SqlCatalog(f"sqlite:///{tmp_path / 'c.db'}").engine
    with engine.begin() as connection:
        settings = config()
        settings.attributes["connection"] = connection
        command.downgrade(settings, "base")
    assert inspect(engine).get_table_names() == ["alembic_version"]
    assert SqlCatalog(str(engine.url)).database()[1] == head_revision()


def test_a_catalog_of_0_10_knows_what_its_consents_were_worth(tmp_path: Path) -> None:
    """How alike consent and clips sound was kept with the consent, and nobody wrote down when a voice was revoked."""
    catalog = SqlCatalog(f"sqlite:///{tmp_path / 'c.db'}")
    made, measured = makers.run(), makers.evaluation()
    catalog.add_recordings([makers.recording("a.wav"), makers.recording("b.wav")])
    catalog.add_dataset(makers.dataset(), "anna")
    catalog.add_run(made)
    catalog.add_evaluation(measured)
    consent = Consent("c1", "", "Anna", "I agree.", "en", "c1.flac", True, "i agree", True, 0.91, utc())
    catalog.save_consent(consent)
    catalog.add_voice(makers.voice(consent_id="c1"))
    catalog.add_voice(makers.voice(version=2, state=VoiceState.REVOKED))
    with catalog.engine.begin() as connection:
        settings = config()
        settings.attributes["connection"] = connection
        command.downgrade(settings, "0003")
    first, second = SqlCatalog(str(catalog.engine.url)).versions("anna")
    assert (first.consent_cosine, first.revoked_at, first.state) == (0.91, "", VoiceState.PUBLISHED)
    assert second.consent_cosine is None and second.revoked_at > consent.created_at
    found = SqlCatalog(str(catalog.engine.url)).evaluation(measured.id)
    assert found is not None and not found.for_checking


def test_a_newer_catalog_is_left_alone(tmp_path: Path) -> None:
    engine = SqlCatalog(f"sqlite:///{tmp_path / 'c.db'}").engine
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(CatalogError, match="newer voicekit"):
        SqlCatalog(str(engine.url)).voices()


def test_a_file_that_is_no_database_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "c.db").write_bytes(b"not a database, just bytes " * 100)
    with pytest.raises(CatalogError, match="file is not a database"):
        SqlCatalog(f"sqlite:///{tmp_path / 'c.db'}").voices()


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("no address at all", "not a database address"),
        ("oracle9://x", "not a database address"),
        ("postgresql://user:secret@127.0.0.1:1/none?connect_timeout=1", "cannot be used"),
    ],
)
def test_bad_addresses_are_clear_errors_without_the_password(url: str, says: str) -> None:
    with pytest.raises((CatalogError, MissingModel), match=says) as caught:
        SqlCatalog(url).voices()
    assert "secret" not in str(caught.value)


def test_an_empty_memory_database_works() -> None:
    engine = create_engine("sqlite://")
    assert inspect(engine).get_table_names() == []
    assert SqlCatalog("sqlite://").voices() == []
