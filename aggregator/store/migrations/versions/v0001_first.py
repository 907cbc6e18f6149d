"""The first version: every table of docs/architecture.md, The store."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_ID: Final = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_TEXTS = (
    "CREATE VIEW article_texts AS SELECT a.n AS n, r.title AS title, r.body AS body "
    "FROM articles a JOIN revisions r ON r.article_id = a.id AND r.number = a.revision"
)
_SEARCH: Final = {
    "sqlite": (
        _TEXTS,
        "CREATE VIRTUAL TABLE article_search USING fts5 (title, body, content='article_texts', content_rowid='n', "
        "tokenize='unicode61 remove_diacritics 2')",
    ),
    "postgresql": (
        _TEXTS,
        "CREATE TABLE article_search (n bigint PRIMARY KEY, document tsvector NOT NULL)",
        "CREATE INDEX ix_article_search_document ON article_search USING gin (document)",
    ),
}


def upgrade() -> None:
    """Make the tables; the search index is of each engine's own kind."""
    _create_tables()
    for statement in _SEARCH[op.get_bind().dialect.name]:
        op.execute(statement)


def _create_tables() -> None:
    op.create_table(
        "aliases",
        sa.Column("hash", sa.LargeBinary(length=16), nullable=False),
        sa.Column("article_id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_aliases")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_aliases_article_id"), "aliases", ["article_id"], unique=False)
    op.create_table(
        "article_urls",
        sa.Column("url_hash", sa.LargeBinary(length=16), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("key_hash", sa.LargeBinary(length=16), nullable=True),
        sa.Column("key", sa.Text(), nullable=True),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("url_hash", name=op.f("pk_article_urls")),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ix_article_urls_key_hash",
        "article_urls",
        ["key_hash"],
        unique=False,
        sqlite_where=sa.text("key_hash IS NOT NULL"),
        postgresql_where=sa.text("key_hash IS NOT NULL"),
    )
    op.create_table(
        "articles",
        sa.Column("n", _ID, nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("key_hash", sa.LargeBinary(length=16), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("page_id", _ID, nullable=True),
        sa.Column("feed_id", _ID, nullable=True),
        sa.Column("first_seen", sa.BigInteger(), nullable=False),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("title_hash", sa.LargeBinary(length=16), nullable=False),
        sa.Column("body_hash", sa.LargeBinary(length=16), nullable=False),
        sa.Column("site", sa.Text(), nullable=False),
        sa.Column("print_hash", sa.LargeBinary(length=16), nullable=False),
        sa.Column("print_size", sa.Integer(), nullable=False),
        sa.Column("sample", sa.LargeBinary(), nullable=False),
        sa.Column("quality", sa.Text(), nullable=False),
        sa.Column("raw_hash", sa.Text(), nullable=True),
        sa.Column("near_duplicate_of", sa.Text(), nullable=True),
        sa.Column("near_score", sa.Float(), nullable=True),
        sa.Column("merged_into", sa.Text(), nullable=True),
        sa.Column("forgotten_at", sa.BigInteger(), nullable=True),
        sa.Column("day", sa.Text(), nullable=True),
        sa.Column("number", sa.Integer(), nullable=True),
        sa.Column("change_seq", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("n", name=op.f("pk_articles")),
        sa.UniqueConstraint("day", "number", name=op.f("uq_articles_day_number")),
        sa.UniqueConstraint("id", name=op.f("uq_articles_id")),
        sa.UniqueConstraint("key_hash", name=op.f("uq_articles_key_hash")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_articles_change_seq"), "articles", ["change_seq"], unique=False)
    op.create_index(op.f("ix_articles_first_seen_n"), "articles", ["first_seen", "n"], unique=False)
    op.create_index(
        "ix_articles_merged_into",
        "articles",
        ["merged_into"],
        unique=False,
        sqlite_where=sa.text("merged_into IS NOT NULL"),
        postgresql_where=sa.text("merged_into IS NOT NULL"),
    )
    op.create_index(
        "ix_articles_near_duplicate_of",
        "articles",
        ["near_duplicate_of"],
        unique=False,
        sqlite_where=sa.text("near_duplicate_of IS NOT NULL"),
        postgresql_where=sa.text("near_duplicate_of IS NOT NULL"),
    )
    op.create_index(op.f("ix_articles_print_hash"), "articles", ["print_hash"], unique=False)
    op.create_index(op.f("ix_articles_site"), "articles", ["site"], unique=False)
    op.create_table(
        "blogs",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("site", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("number", "host", name=op.f("pk_blogs")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_blogs_host"), "blogs", ["host"], unique=False)
    op.create_table(
        "short_links",
        sa.Column("key_hash", sa.LargeBinary(length=16), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("blog", sa.BigInteger(), nullable=False),
        sa.Column("post", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("key_hash", name=op.f("pk_short_links")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_short_links_blog_post"), "short_links", ["blog", "post"], unique=False)
    op.create_table(
        "changes",
        sa.Column("id", _ID, nullable=False),
        sa.Column("article_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("merged_into", sa.Text(), nullable=True),
        sa.Column("change_seq", sa.BigInteger(), nullable=True),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_changes")),
        sa.UniqueConstraint("change_seq", name=op.f("uq_changes_change_seq")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_changes_article_id"), "changes", ["article_id"], unique=False)
    op.create_index(
        "ix_changes_unnumbered",
        "changes",
        ["id"],
        unique=False,
        sqlite_where=sa.text("change_seq IS NULL"),
        postgresql_where=sa.text("change_seq IS NULL"),
    )
    op.create_table(
        "days",
        sa.Column("day", sa.Text(), nullable=False),
        sa.Column("next_number", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("day", name=op.f("pk_days")),
    )
    op.create_table(
        "decisions",
        sa.Column("id", _ID, nullable=False),
        sa.Column("url_hash", sa.LargeBinary(length=16), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("key_hash", sa.LargeBinary(length=16), nullable=True),
        sa.Column("key", sa.Text(), nullable=True),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("article_id", sa.Text(), nullable=True),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_decisions")),
    )
    op.create_index(
        "ix_decisions_article_id",
        "decisions",
        ["article_id"],
        unique=False,
        sqlite_where=sa.text("article_id IS NOT NULL"),
        postgresql_where=sa.text("article_id IS NOT NULL"),
    )
    op.create_index(
        "ix_decisions_key_hash",
        "decisions",
        ["key_hash"],
        unique=False,
        sqlite_where=sa.text("key_hash IS NOT NULL"),
        postgresql_where=sa.text("key_hash IS NOT NULL"),
    )
    op.create_index(op.f("ix_decisions_url_hash"), "decisions", ["url_hash"], unique=False)
    op.create_table(
        "deliveries",
        sa.Column("sink", sa.Text(), nullable=False),
        sa.Column("folder", sa.Text(), nullable=False),
        sa.Column("change_seq", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("sink", "folder", name=op.f("pk_deliveries")),
    )
    op.create_table(
        "entries",
        sa.Column("id", _ID, nullable=False),
        sa.Column("feed_id", _ID, nullable=False),
        sa.Column("entry_hash", sa.LargeBinary(length=16), nullable=False),
        sa.Column("entry_id", sa.Text(), nullable=False),
        sa.Column("link", sa.Text(), nullable=True),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("published_at", sa.BigInteger(), nullable=True),
        sa.Column("updated_at", sa.BigInteger(), nullable=True),
        sa.Column("content_hash", sa.Text(), nullable=False),
        sa.Column("rest", sa.Text(), nullable=False),
        sa.Column("page_id", _ID, nullable=True),
        sa.Column("first_seen", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_entries")),
        sa.UniqueConstraint("feed_id", "entry_hash", name=op.f("uq_entries_feed_id_entry_hash")),
    )
    op.create_index(
        "ix_entries_page_id",
        "entries",
        ["page_id"],
        unique=False,
        sqlite_where=sa.text("page_id IS NOT NULL"),
        postgresql_where=sa.text("page_id IS NOT NULL"),
    )
    op.create_table(
        "evidence",
        sa.Column("id", _ID, nullable=False),
        sa.Column("key_hash", sa.LargeBinary(length=16), nullable=False),
        sa.Column("other_hash", sa.LargeBinary(length=16), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("witness", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("other", sa.Text(), nullable=False),
        sa.Column("site", sa.Text(), nullable=False),
        sa.Column("other_site", sa.Text(), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_evidence")),
        sa.UniqueConstraint(
            "key_hash", "other_hash", "kind", "witness", name=op.f("uq_evidence_key_hash_other_hash_kind_witness")
        ),
    )
    op.create_index(op.f("ix_evidence_other_hash"), "evidence", ["other_hash"], unique=False)
    op.create_table(
        "feeds",
        sa.Column("id", _ID, nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("host_id", _ID, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("tags", sa.Text(), nullable=False),
        sa.Column("interval", sa.BigInteger(), nullable=True),
        sa.Column("full_text", sa.Boolean(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("failures", sa.Float(), nullable=False),
        sa.Column("failing_since", sa.BigInteger(), nullable=True),
        sa.Column("polled_at", sa.BigInteger(), nullable=True),
        sa.Column("succeeded_at", sa.BigInteger(), nullable=True),
        sa.Column("not_before", sa.BigInteger(), nullable=True),
        sa.Column("etag", sa.Text(), nullable=True),
        sa.Column("last_modified", sa.Text(), nullable=True),
        sa.Column("body_hash", sa.Text(), nullable=False),
        sa.Column("raw_hashes", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("rest", sa.Text(), nullable=False),
        sa.Column("poll_count", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_feeds")),
        sa.UniqueConstraint("url", name=op.f("uq_feeds_url")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_feeds_host_id_due_at"), "feeds", ["host_id", "due_at"], unique=False)
    op.create_table(
        "fingerprints",
        sa.Column("hash", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("article_n", _ID, autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("hash", "article_n", name=op.f("pk_fingerprints")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_fingerprints_article_n"), "fingerprints", ["article_n"], unique=False)
    op.create_table(
        "folders",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_folders")),
    )
    op.create_table(
        "gaps",
        sa.Column("id", _ID, nullable=False),
        sa.Column("feed_id", _ID, nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.Column("filled_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_gaps")),
        sa.UniqueConstraint("feed_id", "since", name=op.f("uq_gaps_feed_id_since")),
    )
    op.create_table(
        "hosts",
        sa.Column("id", _ID, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("feeds_due_at", sa.BigInteger(), nullable=True),
        sa.Column("pages_due_at", sa.BigInteger(), nullable=True),
        sa.Column("not_before", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("asked_until", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("lease_until", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("lease_owner", sa.Text(), server_default="", nullable=False),
        sa.Column("token", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("priority", sa.Integer(), server_default="0", nullable=False),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("robots", sa.Text(), server_default="", nullable=False),
        sa.Column("robots_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_hosts")),
        sa.UniqueConstraint("name", name=op.f("uq_hosts_name")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_hosts_feeds_due_at"), "hosts", ["feeds_due_at"], unique=False)
    op.create_index(op.f("ix_hosts_pages_due_at"), "hosts", ["pages_due_at"], unique=False)
    op.create_table(
        "pages",
        sa.Column("id", _ID, nullable=False),
        sa.Column("key_hash", sa.LargeBinary(length=16), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("host_id", _ID, nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("hops", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("visits", sa.Integer(), server_default="0", nullable=False),
        sa.Column("cause", sa.Text(), nullable=True),
        sa.Column("detail", sa.Text(), server_default="", nullable=False),
        sa.Column("etag", sa.Text(), nullable=True),
        sa.Column("last_modified", sa.Text(), nullable=True),
        sa.Column("fetched_at", sa.BigInteger(), nullable=True),
        sa.Column("first_seen", sa.BigInteger(), nullable=False),
        sa.Column("feed_id", _ID, nullable=True),
        sa.Column("raw_hash", sa.Text(), nullable=True),
        sa.Column("raw_folder", sa.Text(), nullable=True),
        sa.Column("lease_until", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("lease_owner", sa.Text(), server_default="", nullable=False),
        sa.Column("token", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("extract_attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("article_id", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pages")),
        sa.UniqueConstraint("key_hash", name=op.f("uq_pages_key_hash")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_pages_article_id",
        "pages",
        ["article_id"],
        unique=False,
        sqlite_where=sa.text("article_id IS NOT NULL"),
        postgresql_where=sa.text("article_id IS NOT NULL"),
    )
    op.create_index(
        "ix_pages_due",
        "pages",
        ["host_id", "due_at"],
        unique=False,
        sqlite_where=sa.text("state = 'due'"),
        postgresql_where=sa.text("state = 'due'"),
    )
    op.create_index(
        "ix_pages_fetched",
        "pages",
        ["id"],
        unique=False,
        sqlite_where=sa.text("state = 'fetched'"),
        postgresql_where=sa.text("state = 'fetched'"),
    )
    op.create_index(
        "ix_pages_raw_hash",
        "pages",
        ["raw_hash"],
        unique=False,
        sqlite_where=sa.text("raw_hash IS NOT NULL"),
        postgresql_where=sa.text("raw_hash IS NOT NULL"),
    )
    op.create_table(
        "polls",
        sa.Column("feed_id", _ID, autoincrement=False, nullable=False),
        sa.Column("slot", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("n", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("cause", sa.Text(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("elapsed", sa.BigInteger(), nullable=False),
        sa.Column("wire_bytes", sa.BigInteger(), nullable=False),
        sa.Column("entries_seen", sa.Integer(), nullable=False),
        sa.Column("entries_new", sa.Integer(), nullable=False),
        sa.Column("unconditional", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("feed_id", "slot", name=op.f("pk_polls")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "properties",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_properties")),
    )
    op.create_table(
        "raw_responses",
        sa.Column("content_hash", sa.Text(), nullable=False),
        sa.Column("page_id", _ID, autoincrement=False, nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("final_url", sa.Text(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("headers", sa.Text(), nullable=False),
        sa.Column("fetched_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("content_hash", "page_id", name=op.f("pk_raw_responses")),
    )
    op.create_index(op.f("ix_raw_responses_page_id"), "raw_responses", ["page_id"], unique=False)
    op.create_table(
        "revisions",
        sa.Column("article_id", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("raw_hash", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("article_id", "number", name=op.f("pk_revisions")),
    )
