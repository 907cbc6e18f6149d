"""The search index holds words that this program splits. All texts are indexed again in many transactions."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

_SEARCH: Final = {
    "sqlite": (
        "DROP TABLE article_search",
        "CREATE VIRTUAL TABLE article_search USING fts5 (title, body, content='', tokenize='ascii')",
    ),
    "postgresql": ("TRUNCATE article_search",),
}


def upgrade() -> None:
    """Empty the index, and note that no text is in it."""
    for statement in _SEARCH[op.get_bind().dialect.name]:
        op.execute(statement)
    op.create_index(op.f("ix_articles_recorded_at_n"), "articles", ["recorded_at", "n"], unique=False)
    properties = sa.table("properties", sa.column("name", sa.Text()), sa.column("value", sa.Text()))
    op.bulk_insert(properties, [{"name": "search_index", "value": "0"}])
