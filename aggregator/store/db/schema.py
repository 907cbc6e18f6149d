"""The tables (docs/architecture.md, The store), one definition for SQLite and PostgreSQL; no query."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    String,
    Table,
    UniqueConstraint,
    and_,
    literal_column,
    text,
)

from aggregator.store.db.column_types import (
    NEVER,
    Bytes,
    Hash,
    Id,
    Moment,
    Span,
    Text,
    given_index,
    id_column,
    partial_index,
)
from aggregator.store.db.column_types import metadata as metadata
from aggregator.store.db.lesson_tables import blogs as blogs  # part of the schema
from aggregator.store.db.lesson_tables import lessons as lessons
from aggregator.store.db.lesson_tables import short_links as short_links
from aggregator.store.db.lesson_tables import variants as variants

HEAD: Final = "0008"  # the newest migration that this program knows

# States of a page: literals, because a partial index serves no parameter.
DUE: Final = literal_column("'due'", String())
FETCHED: Final = literal_column("'fetched'", String())
DONE: Final = literal_column("'done'", String())
FAILED: Final = literal_column("'failed'", String())
SKIPPED: Final = literal_column("'skipped'", String())  # by the operator's filters

# Small facts: the configuration last synced, the key version, the epoch.
properties = Table(
    "properties", metadata, Column("name", Text, primary_key=True), Column("value", Text, nullable=False)
)

hosts = Table(
    "hosts",
    metadata,
    id_column(),
    Column("name", Text, nullable=False, unique=True),  # name:port
    Column("feeds_due_at", Moment),
    Column("pages_due_at", Moment),
    Column("not_before", Moment, nullable=False, server_default="0"),  # pace, back-off, Retry-After
    Column("asked_until", Moment, nullable=False, server_default="0"),  # the last Retry-After: nothing overrides it
    Column("lease_until", Moment, nullable=False, server_default="0"),
    Column("lease_owner", Text, nullable=False, server_default=""),
    Column("token", BigInteger, nullable=False, server_default="0"),
    Column("priority", Integer, nullable=False, server_default="0"),
    Column("failures", Integer, nullable=False, server_default="0"),
    Column("robots", Text, nullable=False, server_default=""),
    Column("robots_at", Moment),
    Index(None, "feeds_due_at"),
    Index(None, "pages_due_at"),
    sqlite_autoincrement=True,
)

feeds = Table(
    "feeds",
    metadata,
    id_column(),
    Column("url", Text, nullable=False, unique=True),
    Column("host_id", Id, nullable=False),
    Column("name", Text, nullable=False),
    Column("tags", Text, nullable=False),  # JSON
    Column("interval", Span),
    Column("full_text", Boolean(create_constraint=False), nullable=False),
    Column("enabled", Boolean(create_constraint=False), nullable=False),
    Column("due_at", Moment, nullable=False),
    Column("status", Text, nullable=False),
    Column("cause", Text),
    Column("detail", Text, nullable=False),
    Column("failures", Float, nullable=False),
    Column("failing_since", Moment),
    Column("polled_at", Moment),
    Column("succeeded_at", Moment),
    Column("not_before", Moment),
    Column("etag", Text),
    Column("last_modified", Text),
    Column("body_hash", Text, nullable=False),
    Column("raw_hashes", Text, nullable=False),  # separated by blanks
    Column("title", Text, nullable=False),
    Column("rest", Text, nullable=False),  # JSON: see codec
    Column("poll_count", BigInteger, nullable=False, server_default="0"),
    Index(None, "host_id", "due_at"),
    sqlite_autoincrement=True,
)

polls = Table(
    "polls",
    metadata,
    Column("feed_id", Id, primary_key=True, autoincrement=False),
    Column("slot", Integer, primary_key=True, autoincrement=False),  # n mod 50
    Column("n", BigInteger, nullable=False),
    Column("at", Moment, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("status", Integer),
    Column("cause", Text),
    Column("detail", Text, nullable=False),
    Column("elapsed", Span, nullable=False),
    Column("wire_bytes", BigInteger, nullable=False),
    Column("entries_seen", Integer, nullable=False),
    Column("entries_new", Integer, nullable=False),
    Column("unconditional", Boolean(create_constraint=False), nullable=False),
    sqlite_with_rowid=False,
)

entries = Table(
    "entries",
    metadata,
    id_column(),
    Column("feed_id", Id, nullable=False),
    Column("entry_hash", Hash, nullable=False),  # of entry_id, which may be longer than an index takes
    Column("entry_id", Text, nullable=False),
    Column("link", Text),
    Column("title", Text, nullable=False),
    Column("published_at", Moment),
    Column("updated_at", Moment),
    Column("content_hash", Text, nullable=False),
    Column("rest", Text, nullable=False),  # JSON: see codec
    Column("page_id", Id),
    Column("first_seen", Moment, nullable=False),
    UniqueConstraint("feed_id", "entry_hash"),
    given_index("entries", "page_id"),
)

pages = Table(
    "pages",
    metadata,
    id_column(),
    Column("key_hash", Hash, nullable=False, unique=True),
    Column("key", Text, nullable=False),
    Column("url", Text, nullable=False),
    Column("host_id", Id, nullable=False),  # of target
    Column("target", Text, nullable=False),
    Column("hops", Text, nullable=False),  # JSON
    Column("state", Text, nullable=False),  # due, fetched, done, failed, skipped
    Column("due_at", Moment, nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),  # fetches since the last success
    Column("visits", Integer, nullable=False, server_default="0"),  # successful fetches so far
    Column("cause", Text),
    Column("detail", Text, nullable=False, server_default=""),
    Column("etag", Text),
    Column("last_modified", Text),
    Column("fetched_at", Moment),
    Column("first_seen", Moment, nullable=False),
    Column("feed_id", Id),  # of the first sighting
    Column("raw_hash", Text),
    Column("raw_folder", Text),
    Column("lease_until", Moment, nullable=False, server_default="0"),
    Column("lease_owner", Text, nullable=False, server_default=""),
    Column("token", BigInteger, nullable=False, server_default="0"),
    Column("extract_attempts", Integer, nullable=False, server_default="0"),
    Column("article_id", Text),
    Column("family", Hash),  # what its key has in common with those that a lesson may join with it
    Column("has_variants", Boolean(create_constraint=False), nullable=False, server_default=text("false")),
    partial_index("state = 'due'", "ix_pages_due", "host_id", "due_at"),
    partial_index("state = 'fetched'", "ix_pages_fetched", "id"),
    given_index("pages", "article_id"),
    given_index("pages", "raw_hash"),
    given_index("pages", "family"),
    sqlite_autoincrement=True,
)

# The values of a page's row when a claim on it ends: the claim's token is stale from then on. Any: columns and values.
CLAIM_ENDS: Final[Mapping[str, Any]] = {
    "token": pages.c.token + 1,
    "lease_until": NEVER,
    "lease_owner": "",
    "extract_attempts": 0,
}

# The folders of raw responses and when a worker that can read them was last seen.
folders = Table("folders", metadata, Column("id", Text, primary_key=True), Column("seen_at", Moment, nullable=False))

raw_responses = Table(
    "raw_responses",
    metadata,
    Column("content_hash", Text, primary_key=True),
    Column("page_id", Id, primary_key=True, autoincrement=False),  # two addresses may answer with the same bytes
    Column("url", Text, nullable=False),
    Column("final_url", Text, nullable=False),
    Column("status", Integer, nullable=False),
    Column("headers", Text, nullable=False),  # JSON
    Column("fetched_at", Moment, nullable=False),
    Index(None, "page_id"),
)

# Further pages of articles that are spread over several. `raw_hash` is that of the answer which they go on from.
page_parts = Table(
    "page_parts",
    metadata,
    Column("page_id", Id, primary_key=True, autoincrement=False),
    Column("raw_hash", Text, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),  # the page itself is 1
    Column("url", Text, nullable=False),
    Column("content_hash", Text),  # null: still to be fetched
    Column("cause", Text),
    Column("detail", Text, nullable=False, server_default=""),
    Column("tries", Integer, nullable=False, server_default="0"),  # failed fetches in a row
    sqlite_with_rowid=False,
)

articles = Table(
    "articles",
    metadata,
    Column("n", Id, primary_key=True),
    Column("id", Text, nullable=False, unique=True),  # 16 hexadecimal digits
    Column("key_hash", Hash, nullable=False, unique=True),
    Column("key", Text, nullable=False),  # the one that served the text
    Column("url", Text, nullable=False),
    Column("page_id", Id),
    Column("feed_id", Id),
    Column("first_seen", Moment, nullable=False),
    Column("recorded_at", Moment, nullable=False),  # when the current text came
    Column("revision", Integer, nullable=False),
    Column("title_hash", Hash, nullable=False),  # of the normalised title
    Column("body_hash", Hash, nullable=False),  # of the normalised body
    Column("site", Text, nullable=False),  # registrable domain
    Column("language", Text, nullable=False, server_default=""),  # "pt" of "pt-BR": what filters look for
    Column("print_hash", Hash, nullable=False),  # of the words alone: see fingerprint
    Column("print_size", Integer, nullable=False),
    Column("sample", Bytes, nullable=False),  # the fingerprint's hashes, 8 bytes each
    Column("quality", Text, nullable=False),  # JSON
    Column("raw_hash", Text),
    Column("near_duplicate_of", Text),
    Column("near_score", Float),
    Column("merged_into", Text),  # never itself merged
    Column("forgotten_at", Moment),
    Column("day", Text),
    Column("number", Integer),
    Column("change_seq", BigInteger),  # of the last numbered change
    UniqueConstraint("day", "number"),
    Index(None, "first_seen", "n"),
    Index(None, "change_seq"),
    Index(None, "recorded_at", "n"),
    Index(None, "language", "first_seen", "n"),
    Index(None, "language", "recorded_at", "n"),
    given_index("articles", "merged_into"),
    Index(None, "print_hash"),
    given_index("articles", "near_duplicate_of"),
    Index(None, "site"),
    sqlite_autoincrement=True,
)

# The condition for articles that readers and sinks see: neither merged into another article nor forgotten.
VISIBLE: Final = (articles.c.merged_into.is_(None), articles.c.forgotten_at.is_(None))

# What stands at pages that do not say the title of their entry: a text, or the key of the address that the page
# redirected to or names as its own. Kept for ever: see articles/walls/documents.
unnamed_texts = Table(
    "unnamed_texts",
    metadata,
    Column("hash", Hash, primary_key=True),
    Column("page_id", Id, primary_key=True, autoincrement=False),
    Column("text_hash", Hash, primary_key=True),
    Column("host", Text, nullable=False),
    Column("says_nothing", Boolean(create_constraint=False), nullable=False),  # of the title; else most of its words
    Index(None, "page_id"),
    sqlite_with_rowid=False,
)

revisions = Table(
    "revisions",
    metadata,
    Column("article_id", Text, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("recorded_at", Moment, nullable=False),
    Column("title", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("content", Text, nullable=False),  # JSON: the rest of the Extraction
    Column("raw_hash", Text),
)

# The condition that joins an article with its current text.
IS_CURRENT: Final = and_(revisions.c.article_id == articles.c.id, revisions.c.number == articles.c.revision)

aliases = Table(
    "aliases",
    metadata,
    Column("hash", Hash, primary_key=True),  # of a key or of a URL
    Column("article_id", Text, nullable=False),
    Index(None, "article_id"),
    sqlite_with_rowid=False,
)

article_urls = Table(
    "article_urls",
    metadata,
    Column("url_hash", Hash, primary_key=True),
    Column("url", Text, nullable=False),
    Column("key_hash", Hash),
    Column("key", Text),  # null: the address leads to the article and is not its own
    Column("rule", Text, nullable=False),
    Column("seen_at", Moment, nullable=False),
    given_index("article_urls", "key_hash"),
    sqlite_with_rowid=False,
)

evidence = Table(
    "evidence",
    metadata,
    id_column(),
    Column("key_hash", Hash, nullable=False),
    Column("other_hash", Hash, nullable=False),
    Column("kind", Text, nullable=False),
    Column("witness", Text, nullable=False),  # the site of the feed or page that says so
    Column("key", Text, nullable=False),
    Column("other", Text, nullable=False),
    Column("site", Text, nullable=False),
    Column("other_site", Text, nullable=False),
    Column("seen_at", Moment, nullable=False),
    UniqueConstraint("key_hash", "other_hash", "kind", "witness"),
    Index(None, "other_hash"),
)

# At most a few rows for each hash: what many articles share says nothing about any of them.
fingerprints = Table(
    "fingerprints",
    metadata,
    Column("hash", BigInteger, primary_key=True, autoincrement=False),
    Column("article_n", Id, primary_key=True, autoincrement=False),
    Index(None, "article_n"),
    sqlite_with_rowid=False,
)

decisions = Table(
    "decisions",
    metadata,
    id_column(),
    Column("url_hash", Hash, nullable=False),
    Column("source", Text, nullable=False),  # who decided: the feed, or the page
    Column("url", Text, nullable=False),
    Column("key_hash", Hash),
    Column("key", Text),
    Column("verdict", Text, nullable=False),
    Column("rule", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("article_id", Text),
    Column("at", Moment, nullable=False),
    Index(None, "url_hash"),
    given_index("decisions", "key_hash"),
    given_index("decisions", "article_id"),
)

changes = Table(
    "changes",
    metadata,
    id_column(),
    Column("article_id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("merged_into", Text),
    Column("change_seq", BigInteger, unique=True),
    Column("at", Moment, nullable=False),
    Index(None, "article_id"),
    partial_index("change_seq IS NULL", "ix_changes_unnumbered", "id"),
    sqlite_autoincrement=True,
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("sink", Text, primary_key=True),
    Column("folder", Text, primary_key=True),
    Column("change_seq", BigInteger, nullable=False),
)

days = Table("days", metadata, Column("day", Text, primary_key=True), Column("next_number", Integer, nullable=False))

gaps = Table(
    "gaps",
    metadata,
    id_column(),
    Column("feed_id", Id, nullable=False),
    Column("since", Moment, nullable=False),
    Column("until", Moment, nullable=False),
    Column("filled_at", Moment),
    UniqueConstraint("feed_id", "since"),
)
