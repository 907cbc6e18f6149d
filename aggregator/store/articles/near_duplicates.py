"""Stores the fingerprints of articles, and finds the older article that an article nearly repeats."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from sqlalchemy import BigInteger, FromClause, Text, bindparam, cast, delete, func, select
from sqlalchemy.dialects.postgresql import JSONB

from aggregator.identity.fingerprint import (
    MAX_DOCUMENTS,
    MAX_SITE_SHARE,
    MIN_COMMON,
    Fingerprint,
    HashUse,
    best_match,
    is_boilerplate,
)
from aggregator.models.ids import ArticleId
from aggregator.store.db.any_of import any_of
from aggregator.store.db.codec import dump, load_sample
from aggregator.store.db.database import Transaction
from aggregator.store.db.dialects import Insert, insert_new
from aggregator.store.db.schema import VISIBLE, articles, fingerprints
from aggregator.store.identity.partition import SKIPPED

_KEPT: Final = MAX_DOCUMENTS + 2  # rows per hash: enough to recognise boilerplate
_ENOUGH: Final = int(MAX_DOCUMENTS / MAX_SITE_SHARE) + 1  # articles of a site; with more, its share cannot matter

_holders: Final = select(fingerprints.c.hash, fingerprints.c.article_n).where(any_of(fingerprints.c.hash))
_sites: Final = select(articles.c.n, articles.c.site).where(any_of(articles.c.n), articles.c.merged_into.is_(None))
_site_size: Final = select(func.count()).select_from(
    select(articles.c.n)
    .where(
        articles.c.site == bindparam("of_site"),
        articles.c.n <= bindparam("up_to"),
        articles.c.merged_into.is_distinct_from(SKIPPED),
    )
    .limit(_ENOUGH)
    .subquery()
)
_texts: Final = (
    select(articles.c.print_hash).where(any_of(articles.c.print_hash), articles.c.n < bindparam("below")).distinct()
)
_candidate_columns: Final = select(
    articles.c.id, articles.c.print_hash, articles.c.print_size, articles.c.sample
).where(articles.c.n < bindparam("own"), *VISIBLE)
_by_n: Final = _candidate_columns.where(any_of(articles.c.n))
_by_text: Final = _candidate_columns.where(articles.c.print_hash == bindparam("text")).limit(50)
_drop: Final = delete(fingerprints).where(fingerprints.c.article_n == bindparam("article"))
_NEWEST: Final = 2**62
# An article has some thirty hashes. They go in as one list: as many rows cost a third of recording an article.
_listed: Final = bindparam("hashes", type_=Text)
_lists: Final[dict[str, FromClause]] = {
    "sqlite": func.json_each(_listed).table_valued("value"),
    "postgresql": func.jsonb_array_elements_text(cast(_listed, JSONB)).table_valued("value"),
}


@dataclass(frozen=True, slots=True)
class Printed:
    """The fingerprint of the present text of an article, with the article's row number and site."""

    number: int
    site: str
    fingerprint: Fingerprint


def keep_fingerprints(
    tx: Transaction, texts: Sequence[Printed], *, replace: bool = False
) -> dict[int, tuple[ArticleId, float]]:
    """Store fingerprints of articles; return the older article that each one nearly repeats, with their resemblance.

    The result is by row number; articles that repeat none are left out. `texts` must be sorted by row number, since
    each text is also compared with the texts before it. With `replace`, the stored fingerprints of these articles are
    deleted first.
    """
    if replace:
        tx.run_all(_drop, [{"article": text.number} for text in texts])
    compared = [text for text in texts if text.fingerprint.size]
    holders, sites = _holders_of(tx, compared)
    known = _known_texts(tx, compared)
    matches: dict[int, tuple[ArticleId, float]] = {}
    rows: list[dict[str, Any]] = []
    for text in compared:
        own = text.fingerprint
        documents = {hashed: holders[hashed] for hashed in own.hashes if hashed in holders}
        on_site = {h: n for h, held in documents.items() if (n := sum(sites[one] == text.site for one in held))}
        uses = {h: HashUse(documents=len(held), site_documents=on_site.get(h, 0)) for h, held in documents.items()}
        up_to = _NEWEST if replace else text.number
        site_size = tx.run(_site_size, {"of_site": text.site, "up_to": up_to}).scalar_one() if on_site else 0
        shared = Counter(n for h, held in documents.items() if not is_boilerplate(uses[h], site_size) for n in held)
        numbers = [n for n, common in shared.items() if common >= MIN_COMMON and n < text.number]
        candidates = _candidates(tx, text, numbers, is_known=own.text_hash in known)
        match = best_match(own, candidates, uses, site_size) if candidates else None
        if match is not None:
            matches[text.number] = (match[0], match[1].resemblance)
        kept = sorted(h for h in own.hashes if len(documents.get(h, ())) < _KEPT)  # else: known to be boilerplate
        rows.append({"hashes": dump(kept), "article": text.number})
        for hashed in kept:
            holders[hashed].append(text.number)
        sites[text.number] = text.site
        known.add(own.text_hash)
    tx.run_all(_add(tx.dialect.name), rows)
    return matches


@cache
def _add(dialect: str) -> Insert:
    """Return the statement that stores hashes of an article. A hash that is stored already stays."""
    listed = _lists[dialect].c.value
    rows = select(cast(listed, BigInteger), bindparam("article", type_=BigInteger)).where(listed.is_not(None))
    return insert_new(dialect, fingerprints).from_select(["hash", "article_n"], rows)


def _holders_of(tx: Transaction, texts: Sequence[Printed]) -> tuple[dict[int, list[int]], dict[int, str]]:
    """Return the row numbers of other articles by each hash of `texts` they have, and their sites by row number."""
    own = {text.number for text in texts}
    hashes = {hashed for text in texts for hashed in text.fingerprint.hashes}
    held = [row for row in tx.all_of(_holders, hashes) if row.article_n not in own]
    sites = {row.n: row.site for row in tx.all_of(_sites, (row.article_n for row in held))}
    holders: dict[int, list[int]] = defaultdict(list)
    for row in held:
        if row.article_n in sites:
            holders[row.hash].append(row.article_n)
    return holders, sites


def _known_texts(tx: Transaction, texts: Sequence[Printed]) -> set[bytes]:
    """Return the hashes of those of `texts` that are also the text of an article older than all of them."""
    below = min((text.number for text in texts), default=0)
    return {
        row.print_hash for row in tx.all_of(_texts, (text.fingerprint.text_hash for text in texts), {"below": below})
    }


def _candidates(
    tx: Transaction, text: Printed, numbers: Sequence[int], *, is_known: bool
) -> dict[ArticleId, Fingerprint]:
    """Return the fingerprints of older articles that `text` may nearly repeat, by article id.

    They are the articles with the row numbers `numbers` and, if `is_known`, those whose text is equal.
    """
    found = tx.all_of(_by_n, numbers, {"own": text.number})
    if is_known:
        found += tx.all(_by_text, {"text": text.fingerprint.text_hash, "own": text.number})
    return {
        ArticleId(row.id): Fingerprint(hashes=load_sample(row.sample), size=row.print_size, text_hash=row.print_hash)
        for row in found
    }
