"""What was sent with an idempotency key: another request with the same key is refused."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("idempotency_keys", sa.Column("request", sa.String(length=64), nullable=False, server_default=""))


def downgrade() -> None:
    op.drop_column("idempotency_keys", "request")
