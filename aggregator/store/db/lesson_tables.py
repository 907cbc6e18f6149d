"""The tables of lessons (what was learned about the addresses of a site) and of WordPress blogs; no query."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Index, Table, text

from aggregator.store.db.column_types import Hash, Id, Moment, Text, metadata

# What sites taught about their addresses, and the pairs of pages that prove or disprove it: articles/lessons/settling.
lessons = Table(
    "lessons",
    metadata,
    Column("hash", Hash, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("uses", BigInteger, nullable=False, server_default="0"),
    Column("checked_at", Moment),
    Column("imported", Boolean(create_constraint=False), nullable=False, server_default=text("false")),
    Index(None, "tenant"),
    sqlite_with_rowid=False,
)

variants = Table(
    "variants",
    metadata,
    Column("page_id", Id, primary_key=True, autoincrement=False),
    Column("other_id", Id, primary_key=True, autoincrement=False),  # the page that was announced before
    Column("lesson", Hash, nullable=False),
    Column("path", Hash, nullable=False),  # the pages' family: pairs of one path are one proof
    Column("verdict", Text, nullable=False),
    Column("use", Text, nullable=False, server_default=""),  # the page is "held" until the lesson is proven, or "taken"
    Column("decided_at", Moment),
    Index(None, "other_id"),
    Index(None, "lesson", "use", "verdict"),
    sqlite_with_rowid=False,
)

# Where WordPress blogs live, as their pages say (more than one place: nobody's), and the wp.me links seen.
blogs = Table(
    "blogs",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("host", Text, primary_key=True),
    Column("site", Text, nullable=False),
    Index(None, "host"),
    sqlite_with_rowid=False,
)

short_links = Table(
    "short_links",
    metadata,
    Column("key_hash", Hash, primary_key=True),
    Column("key", Text, nullable=False),
    Column("blog", BigInteger, nullable=False),
    Column("post", BigInteger, nullable=False),
    Index(None, "blog", "post"),
    sqlite_with_rowid=False,
)
