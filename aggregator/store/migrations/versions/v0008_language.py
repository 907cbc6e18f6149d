"""The language of an article, for filters."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

# A quotation mark within a text is escaped in JSON, so the pattern finds the field; jsonb refuses an escaped NUL.
_LANGUAGE: Final = {
    "sqlite": "coalesce(json_extract(content, '$.language'), '')",
    "postgresql": "coalesce(substring(content from '\"language\":\"([A-Za-z]+)'), '')",
}


def upgrade() -> None:
    """Add the column and its indexes, and fill it from the current texts."""
    op.add_column("articles", sa.Column("language", sa.Text(), nullable=False, server_default=""))
    tag = _LANGUAGE[op.get_bind().dialect.name]
    language = f"substr({tag}, 1, instr({tag} || '-', '-') - 1)" if op.get_bind().dialect.name == "sqlite" else tag
    op.execute(
        f"UPDATE articles SET language = coalesce((SELECT {language} FROM revisions "  # noqa: S608 # names of ours
        "WHERE article_id = articles.id AND number = articles.revision), '')"
    )
    op.create_index("ix_articles_language_first_seen_n", "articles", ["language", "first_seen", "n"])
    op.create_index("ix_articles_language_recorded_at_n", "articles", ["language", "recorded_at", "n"])
