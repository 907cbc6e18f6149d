"""The stored decisions about URLs. What a source, such as a feed, decides about a URL is stored only if it changed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row, select

from aggregator.identity.identify import key_hash
from aggregator.models.ids import ArticleId, Key
from aggregator.ports.store_records import Decision
from aggregator.store.db.any_of import any_of, batches
from aggregator.store.db.codec import record_of
from aggregator.store.db.database import Transaction
from aggregator.store.db.schema import aliases, article_urls, decisions

_last: Final = (
    select(decisions)
    .where(
        any_of(decisions.c.url_hash, "urls"),
        any_of(decisions.c.source, "sources"),
    )
    .order_by(decisions.c.id)
)


@dataclass(frozen=True, slots=True)
class SourceDecisions:
    """What one `source`, such as a feed or a page, decided about URLs. Two sources may differ about one URL."""

    source: str
    decisions: Sequence[Decision]
    article_id: ArticleId | None = None  # for decisions that name no article
    is_first: bool = False  # the source made no decision before this transaction


def record_decisions(tx: Transaction, source: str, made: Sequence[Decision], at: datetime) -> None:
    """Store what `source`, such as a feed or a page, decided about URLs.

    Its decisions about a URL are left out if they equal those about this URL that it stored last.
    """
    record_all_decisions(tx, [SourceDecisions(source, made)], at)


def record_all_decisions(tx: Transaction, made: Sequence[SourceDecisions], at: datetime) -> None:
    """Store the decisions of several feeds and pages about URLs, each as `record_decisions` does."""
    answers: dict[tuple[str, bytes], list[tuple[Decision, ArticleId | None]]] = defaultdict(list)
    for one in made:
        for decision in one.decisions:
            answer = (decision, decision.article_id or one.article_id)
            answers[one.source, key_hash(decision.url)].append(answer)
    new_sources = {one.source for one in made if one.is_first}
    before: dict[tuple[str, bytes], list[Row[Any]]] = defaultdict(list)
    for asked in batches(one for one in answers if one[0] not in new_sources):
        sources, urls = zip(*asked, strict=True)
        for row in tx.all(_last, {"urls": urls, "sources": next(batches(sources))}):
            before[row.source, row.url_hash].append(row)
    rows = [
        {
            "url_hash": asked[1],
            "source": asked[0],
            "url": decision.url,
            "key_hash": None if decision.key is None else key_hash(decision.key),
            "key": decision.key,
            "verdict": decision.verdict,
            "rule": decision.rule,
            "detail": decision.detail,
            "article_id": article,
            "at": at,
        }
        for asked, answer in answers.items()
        if asked not in before
        or [_row_facts(row) for row in before[asked][-len(answer) :]] != [_decision_facts(*one) for one in answer]
        for decision, article in answer
    ]
    tx.add(decisions, rows)


def _row_facts(row: Row[Any]) -> tuple[object, ...]:
    return (row.key, row.verdict, row.rule, row.detail, row.article_id)


def _decision_facts(decision: Decision, article: ArticleId | None) -> tuple[object, ...]:
    return (decision.key, decision.verdict, decision.rule, decision.detail, article)


_by_url: Final = select(decisions).where(any_of(decisions.c.url_hash))
_by_key: Final = select(decisions).where(any_of(decisions.c.key_hash))
_by_article: Final = select(decisions).where(any_of(decisions.c.article_id))
_articles_of: Final = select(aliases.c.article_id).where(any_of(aliases.c.hash))
_urls_of: Final = (
    select(article_urls.c.url_hash)
    .join(aliases, aliases.c.hash == article_urls.c.url_hash)
    .where(any_of(aliases.c.article_id))
)


def list_decisions(tx: Transaction, urls: Sequence[str], keys: Sequence[Key]) -> tuple[Decision, ...]:
    """Return the decisions about these addresses and keys, and about the articles that they mean, oldest first.

    Decisions about the other addresses of these articles are included.
    """
    of_urls, of_keys = [key_hash(url) for url in urls], [key_hash(key) for key in keys]
    found = {row.article_id for row in tx.all_of(_articles_of, of_urls + of_keys)}
    of_urls += [row.url_hash for row in tx.all_of(_urls_of, found)]
    rows: dict[int, Row[Any]] = {}
    for query, values in ((_by_url, of_urls), (_by_key, of_keys), (_by_article, found)):
        rows |= {row.id: row for row in tx.all_of(query, values)}
    return tuple(record_of(Decision, rows[n]) for n in sorted(rows))
