"""The responses whose bytes are in the raw store: status, headers, addresses. One row per page and content."""

from __future__ import annotations

from functools import cache
from typing import Any, Final

from sqlalchemy import Row

from aggregator.models.ids import PageId
from aggregator.models.pages import RawResponse
from aggregator.store.db.codec import dump, load_mapping
from aggregator.store.db.database import Transaction
from aggregator.store.db.dialects import Insert, insert
from aggregator.store.db.schema import raw_responses

RAW_COLUMNS: Final = (  # for `load_raw`
    raw_responses.c.content_hash,
    raw_responses.c.url.label("raw_url"),
    raw_responses.c.final_url,
    raw_responses.c.status,
    raw_responses.c.headers,
    raw_responses.c.fetched_at.label("raw_fetched_at"),
)


def keep_raw(tx: Transaction, page_id: PageId, raw: RawResponse) -> None:
    """Save a response of the page, in place of an earlier one with the same bytes."""
    tx.run(_replacing(tx.dialect.name), raw_row(page_id, raw))


@cache
def _replacing(dialect: str) -> Insert:
    """Return the statement that writes a response; it replaces an earlier response of the page with the same bytes."""
    statement = insert(dialect, raw_responses)
    kept = {name: statement.excluded[name] for name in ("url", "final_url", "status", "headers", "fetched_at")}
    keys = [raw_responses.c.content_hash, raw_responses.c.page_id]
    return statement.on_conflict_do_update(index_elements=keys, set_=kept)


def raw_row(page_id: PageId, raw: RawResponse) -> dict[str, Any]:
    """Return the row of a response to a request for this page."""
    return {
        "content_hash": raw.content_hash,
        "page_id": page_id,
        "url": raw.url,
        "final_url": raw.final_url,
        "status": raw.status,
        "headers": dump(dict(raw.headers)),
        "fetched_at": raw.fetched_at,
    }


def load_raw(row: Row[Any]) -> RawResponse:
    """Return a response from a row with `RAW_COLUMNS`."""
    return RawResponse(
        content_hash=row.content_hash,
        url=row.raw_url,
        final_url=row.final_url,
        status=row.status,
        headers=load_mapping(row.headers),
        fetched_at=row.raw_fetched_at,
    )
