"""What sites taught about their addresses."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the tables; pages that were announced before teach nothing."""
    op.add_column("pages", sa.Column("family", sa.LargeBinary(16)))
    op.add_column(
        "pages",
        sa.Column("has_variants", sa.Boolean(create_constraint=False), nullable=False, server_default=sa.text("false")),
    )
    given = sa.text("family IS NOT NULL")
    op.create_index("ix_pages_family", "pages", ["family"], sqlite_where=given, postgresql_where=given)
    op.create_table(
        "lessons",
        sa.Column("hash", sa.LargeBinary(16), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("uses", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("checked_at", sa.BigInteger()),
        sa.Column("imported", sa.Boolean(create_constraint=False), nullable=False, server_default=sa.text("false")),
        sa.PrimaryKeyConstraint("hash", name="pk_lessons"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_lessons_tenant", "lessons", ["tenant"])
    op.create_table(
        "variants",
        sa.Column("page_id", _ID, nullable=False),
        sa.Column("other_id", _ID, nullable=False),
        sa.Column("lesson", sa.LargeBinary(16), nullable=False),
        sa.Column("path", sa.LargeBinary(16), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("use", sa.Text(), nullable=False, server_default=""),
        sa.Column("decided_at", sa.BigInteger()),
        sa.PrimaryKeyConstraint("page_id", "other_id", name="pk_variants"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_variants_other_id", "variants", ["other_id"])
    op.create_index("ix_variants_lesson_use_verdict", "variants", ["lesson", "use", "verdict"])
