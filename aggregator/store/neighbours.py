"""Near duplicates: fingerprints in, the closest older article out."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

from sqlalchemy import bindparam, delete, func, select

from aggregator.fingerprint import (
    MAX_DOCUMENTS,
    MAX_SITE_SHARE,
    MIN_COMMON,
    Fingerprint,
    HashUse,
    best_match,
    is_boilerplate,
)
from aggregator.models import ArticleId
from aggregator.store.codec import load_sample
from aggregator.store.database import Transaction
from aggregator.store.hashes import batches
from aggregator.store.schema import articles, fingerprints

_KEPT: Final = MAX_DOCUMENTS + 2  # rows of one hash: enough to know it for boilerplate
_ENOUGH: Final = int(MAX_DOCUMENTS / MAX_SITE_SHARE) + 1  # articles of a site, beyond which its share cannot matter

_holders: Final = select(fingerprints.c.hash, fingerprints.c.article_n).where(
    fingerprints.c.hash.in_(bindparam("hashes", expanding=True)), fingerprints.c.article_n != bindparam("own")
)
_sites: Final = select(articles.c.n, articles.c.site).where(
    articles.c.n.in_(bindparam("numbers", expanding=True)), articles.c.merged_into.is_(None)
)
_site_size: Final = select(func.count()).select_from(
    select(articles.c.n).where(articles.c.site == bindparam("of_site")).limit(_ENOUGH).subquery()
)
_candidate_columns: Final = select(
    articles.c.id, articles.c.print_hash, articles.c.print_size, articles.c.sample
).where(articles.c.n < bindparam("own"), articles.c.merged_into.is_(None), articles.c.forgotten_at.is_(None))
_by_n: Final = _candidate_columns.where(articles.c.n.in_(bindparam("numbers", expanding=True)))
_by_text: Final = _candidate_columns.where(articles.c.print_hash == bindparam("text")).limit(50)


def find_near_duplicate(
    tx: Transaction, own: Fingerprint, number: int, site: str
) -> tuple[tuple[ArticleId, float] | None, frozenset[int]]:
    """Return the older article that `own` (of article row `number`) repeats, with the resemblance.

    The second value are those hashes that need no further row: they are known to be boilerplate.
    """
    if own.size == 0:
        return None, frozenset()
    held = [row for batch in batches(own.hashes) for row in tx.all(_holders, {"hashes": batch, "own": number})]
    sites = {
        row.n: row.site
        for batch in batches(row.article_n for row in held)
        for row in tx.all(_sites, {"numbers": batch})
    }
    rows = [row for row in held if row.article_n in sites]
    documents = Counter(row.hash for row in rows)
    on_site = Counter(row.hash for row in rows if sites[row.article_n] == site)
    uses = {hashed: HashUse(documents=n, site_documents=on_site[hashed]) for hashed, n in documents.items()}
    site_size = tx.run(_site_size, {"of_site": site}).scalar_one() if on_site else 0
    shared = Counter(row.article_n for row in rows if not is_boilerplate(uses[row.hash], site_size))
    numbers = [article for article, common in shared.items() if common >= MIN_COMMON and article < number]
    found = [row for batch in batches(numbers) for row in tx.all(_by_n, {"numbers": batch, "own": number})]
    found += tx.all(_by_text, {"text": own.text_hash, "own": number})
    candidates = {
        ArticleId(row.id): Fingerprint(hashes=load_sample(row.sample), size=row.print_size, text_hash=row.print_hash)
        for row in found
    }
    match = best_match(own, candidates, uses, site_size)
    common = frozenset(hashed for hashed, n in documents.items() if n >= _KEPT)
    return None if match is None else (match[0], match[1].resemblance), common


_drop: Final = delete(fingerprints).where(fingerprints.c.article_n == bindparam("article"))


def save_fingerprint(tx: Transaction, number: int, hashes: frozenset[int], *, replace: bool) -> None:
    """Keep the hashes under which an article is found, instead of earlier ones where there are any."""
    if replace:
        tx.run(_drop, {"article": number})
    rows: list[dict[str, Any]] = [{"hash": hashed, "article_n": number} for hashed in sorted(hashes)]
    tx.add(fingerprints, rows)
