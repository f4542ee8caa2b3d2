"""Alembic's entry: migrates the connection it is given, or the catalog of the settings when alembic is run by hand."""

from alembic import context
from sqlalchemy import Connection, create_engine

from voicekit.catalog.tables import Base
from voicekit.settings import Settings


def _migrate(connection: Connection) -> None:
    # SQLite cannot alter a column in place: "batch" copies the table.
    context.configure(connection=connection, target_metadata=Base.metadata, render_as_batch=True, compare_type=True)
    with context.begin_transaction():
        context.run_migrations()


if context.is_offline_mode():
    context.configure(url=Settings().catalog_url(), target_metadata=Base.metadata, literal_binds=True)
    with context.begin_transaction():
        context.run_migrations()
elif (given := context.config.attributes.get("connection")) is not None:
    _migrate(given)
else:
    with create_engine(Settings().catalog_url()).begin() as own:
        _migrate(own)
