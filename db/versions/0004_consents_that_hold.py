"""How alike a voice's consent and its clips sound, when a voice was revoked, and which evaluations were made for checking."""

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("voices", sa.Column("consent_cosine", sa.Float(53), nullable=True))
    op.add_column("voices", sa.Column("revoked_at", sa.String(length=40), nullable=False, server_default=""))
    op.add_column("evaluations", sa.Column("for_checking", sa.Boolean(), nullable=False, server_default=sa.false()))
    # Until now a consent was compared once, with whatever recordings were at hand.
    op.execute("UPDATE voices SET consent_cosine = (SELECT cosine FROM consents WHERE consents.id = voices.consent_id)")
    # When it was revoked nobody wrote down: a consent that lets it speak again must be given from now on.
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    op.execute(sa.text("UPDATE voices SET revoked_at = :now WHERE state = 'revoked'").bindparams(now=now))


def downgrade() -> None:
    # Not as a batch, which copies a table and drops the first: rows of others point at it.
    op.drop_column("evaluations", "for_checking")
    op.drop_column("voices", "revoked_at")
    op.drop_column("voices", "consent_cosine")
