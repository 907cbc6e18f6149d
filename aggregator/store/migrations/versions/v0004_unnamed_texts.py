"""What stands at pages that do not say the title of their entry."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Make the table of texts."""
    op.create_table(
        "unnamed_texts",
        sa.Column("hash", sa.LargeBinary(16), nullable=False),
        sa.Column("page_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("text_hash", sa.LargeBinary(16), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("says_nothing", sa.Boolean(create_constraint=False), nullable=False),
        sa.PrimaryKeyConstraint("hash", "page_id", "text_hash", name="pk_unnamed_texts"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_unnamed_texts_page_id", "unnamed_texts", ["page_id"])
