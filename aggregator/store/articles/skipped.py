"""Withdraws articles that the operator's filters skip, and puts them back. Their texts stay stored."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from sqlalchemy import Row, and_, bindparam, delete, select, update

from aggregator.identity.fingerprint import Fingerprint
from aggregator.models.ids import ArticleId, Key
from aggregator.store.articles.near_duplicates import Printed, keep_fingerprints
from aggregator.store.articles.rows import add_change
from aggregator.store.db.any_of import any_of
from aggregator.store.db.codec import load_sample
from aggregator.store.db.database import Transaction
from aggregator.store.db.schema import articles, changes, fingerprints
from aggregator.store.identity.partition import SKIPPED, repartition

ROWS: Final = select(
    articles.c.n,
    articles.c.id,
    articles.c.key,
    articles.c.site,
    articles.c.print_hash,
    articles.c.print_size,
    articles.c.sample,
    articles.c.merged_into,
    articles.c.change_seq,
).where(any_of(articles.c.id))
_stand: Final = (
    update(articles)
    .where(articles.c.n == bindparam("number_"))
    .values(merged_into=bindparam("into"), near_duplicate_of=None, near_score=None)
)
_unsay: Final = delete(changes).where(changes.c.article_id == bindparam("article"), changes.c.change_seq.is_(None))
_state: Final = select(articles.c.merged_into).where(articles.c.n == bindparam("number_"))


def withdraw(tx: Transaction, row: Row[Any]) -> None:
    """Withdraw an article from the corpus, and split off the articles that were merged into it.

    Sinks are told of the withdrawal if the article was published and not merged.
    """
    tx.run(_stand, {"number_": row.n, "into": SKIPPED})
    if row.merged_into is None and row.change_seq is None:
        tx.run(_unsay, {"article": row.id})
    elif row.merged_into is None:
        add_change(tx, [ArticleId(row.id)], "withdrawn", tx.now)
    repartition(tx, [Key(row.key)], tx.now)
    _compare_again(tx, tx.all(_repeats, {"of_article": row.id}))


def put_back(tx: Transaction, row: Row[Any]) -> None:
    """Put an article back into the corpus that filter rules had withdrawn.

    Sinks get it as new, unless evidence merges it with another article at once.
    """
    own = ArticleId(row.id)
    tx.run(_stand, {"number_": row.n, "into": None})
    repartition(tx, [Key(row.key)], tx.now, unannounced=own)
    if tx.run(_state, {"number_": row.n}).scalar_one() is None:
        add_change(tx, [own], "new", tx.now)
    hashes = load_sample(row.sample)
    newer = {one.n: one for one in tx.all(_alike, {"text": row.print_hash, "own": row.n})}
    newer |= {one.n: one for one in tx.all_of(_sharing, hashes, {"own": row.n})}
    _compare_again(tx, [row, *newer.values()])


# --- near duplicates --------------------------------------------------------------------------------------------------

_printed: Final = select(articles.c.n, articles.c.site, articles.c.print_hash, articles.c.print_size, articles.c.sample)
_repeats: Final = _printed.where(articles.c.near_duplicate_of == bindparam("of_article"))
_alike: Final = _printed.where(articles.c.print_hash == bindparam("text"), articles.c.n > bindparam("own"))
_sharing: Final = (
    _printed.join(fingerprints, and_(fingerprints.c.article_n == articles.c.n))
    .where(any_of(fingerprints.c.hash), articles.c.n > bindparam("own"))
    .distinct()
)
_mark: Final = (
    update(articles)
    .where(articles.c.n == bindparam("number_"))
    .values(near_duplicate_of=bindparam("of_article"), near_score=bindparam("score"))
)


def _compare_again(tx: Transaction, rows: Iterable[Row[Any]]) -> None:
    """Compare articles again with all older ones, and store for each which older article it nearly repeats, if any."""
    texts = [Printed(row.n, row.site, _print(row)) for row in sorted(rows, key=lambda row: int(row.n))]
    matches = keep_fingerprints(tx, texts, replace=True)
    nothing = (None, None)
    marks = [(text.number, *matches.get(text.number, nothing)) for text in texts]
    tx.run_all(_mark, [{"number_": n, "of_article": of_article, "score": score} for n, of_article, score in marks])


def _print(row: Row[Any]) -> Fingerprint:
    return Fingerprint(hashes=load_sample(row.sample), size=row.print_size, text_hash=row.print_hash)
