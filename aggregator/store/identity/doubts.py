"""Finds pages that state one address as their own, although feeds announced them as different articles.

They may be a wall: one document at the addresses of several articles. So the address that they state proves nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from itertools import combinations
from typing import Any, Final

from sqlalchemy import Row, select

from aggregator.identity.evidence import Edge, refusal_alone
from aggregator.identity.identify import key_hash
from aggregator.identity.walls import AnnouncedPage, may_be_one
from aggregator.models.ids import EvidenceKind, Key
from aggregator.store.db.any_of import any_of
from aggregator.store.db.database import Transaction
from aggregator.store.db.schema import IS_CURRENT, articles, entries, evidence, pages, revisions

DOUBTED: Final = frozenset(  # statements of a page about its address; a wall cannot fake statements of a feed
    {EvidenceKind.REDIRECT, EvidenceKind.CANONICAL, EvidenceKind.BARE_CANONICAL, EvidenceKind.DECLARED}
)

_titles: Final = select(entries.c.page_id, entries.c.title).where(any_of(entries.c.page_id))
_stored: Final = (
    select(articles.c.n, revisions.c.title, revisions.c.body).join(revisions, IS_CURRENT).where(any_of(articles.c.n))
)
_claims: Final = select(evidence.c.key).where(any_of(evidence.c.key_hash), evidence.c.kind.in_(sorted(DOUBTED)))
_announced_keys: Final = select(pages.c.key_hash).where(any_of(pages.c.key_hash))


def announced_titles(tx: Transaction, page_ids: Iterable[int]) -> dict[int, set[str]]:
    """Return the titles under which feeds announced these pages."""
    titles: dict[int, set[str]] = defaultdict(set)
    for row in tx.all_of(_titles, page_ids):
        titles[row.page_id].add(row.title)
    return titles


def announced_pages(
    tx: Transaction, rows: Collection[Row[Any]], more: Collection[str] = ()
) -> dict[int, AnnouncedPage]:
    """Return the page of each article, with the titles under which feeds announced it, by the number of the article.

    `rows` are the articles. The result is empty if all pages have the same set of titles: then titles cannot tell the
    articles apart. `more` are the titles of one further page, which is compared, but not returned.
    """
    titles = announced_titles(tx, {row.page_id for row in rows if row.page_id is not None})
    if len({frozenset(titles[row.page_id]) for row in rows} | ({frozenset(more)} if more else set())) < 2:
        return {}
    texts = {row.n: row for row in tx.all_of(_stored, (row.n for row in rows))}
    return {
        row.n: AnnouncedPage(announced=frozenset(titles[row.page_id]), title=texts[row.n].title, body=texts[row.n].body)
        for row in rows
        if row.n in texts
    }


def doubted_keys(tx: Transaction, keys: Iterable[Key]) -> set[Key]:
    """Return those of `keys` whose page redirects to another address, or states another address as its own."""
    return {Key(row.key) for row in tx.all_of(_claims, map(key_hash, keys))}


def doubtful_edges(tx: Transaction, edges: Iterable[Edge], by_key: Mapping[Key, Row[Any]]) -> set[Edge]:
    """Return the edges that do not count, since different articles of a site state one address as their own.

    The titles in feeds show that the articles are different. If a feed announced the stated address, two kinds of edges
    count: redirects, and those of an article that may be the same as the article at that address.
    """
    naming: dict[Key, list[Edge]] = defaultdict(list)
    for edge in edges:
        if edge.kind in DOUBTED and edge.site == edge.other_site and refusal_alone(edge) is None:
            naming[edge.other].append(edge)
    ends = {
        target: [by_key[key] for key in sorted({target, *(edge.key for edge in named)} & by_key.keys())]
        for target, named in naming.items()
    }
    suspects = {target: rows for target, rows in ends.items() if len(rows) > 1}
    if not suspects:
        return set()
    stand = announced_pages(tx, list({row.n: row for rows in suspects.values() for row in rows}.values()))
    announced = {row.key_hash for row in tx.all_of(_announced_keys, map(key_hash, suspects if stand else ()))}
    doubtful: set[Edge] = set()
    for target, rows in suspects.items():
        own = by_key.get(target) if key_hash(target) in announced else None
        groups = _groups(rows, stand, own)
        if len(set(groups.values())) > 1:
            doubtful |= {edge for edge in naming[target] if own is None or _is_doubtful(edge, own, groups, by_key)}
    return doubtful


def _groups(
    rows: Iterable[Row[Any]], stand: Mapping[int, AnnouncedPage], announced: Row[Any] | None
) -> dict[int, frozenset[int]]:
    """Group articles that may be one article; return for each article's number the numbers of its group.

    If two articles may be the same as a third, all three are in one group. So are articles with the text and title of
    `announced`, the article at the address that all of them state. None: no feed announced an article there.
    """
    groups = {row.n: frozenset({row.n}) for row in rows if row.n in stand}
    same = {row.n for row in rows if announced is not None and _texts(row) == _texts(announced)}
    for one, other in combinations(groups, 2):
        if groups[one] is not groups[other] and ({one, other} <= same or may_be_one(stand[one], stand[other])):
            joined = groups[one] | groups[other]
            groups.update(dict.fromkeys(joined, joined))
    return groups


def _is_doubtful(
    edge: Edge, announced: Row[Any], groups: Mapping[int, frozenset[int]], by_key: Mapping[Key, Row[Any]]
) -> bool:
    """Return whether an edge does not count, as its article and the article `announced` are in different `groups`.

    Its article is the one with the key `edge.key`. A redirect is never doubtful: the page moved.
    """
    if edge.kind is EvidenceKind.REDIRECT or edge.key not in by_key:
        return False
    return announced.n not in groups.get(by_key[edge.key].n, {announced.n})


def _texts(row: Row[Any]) -> tuple[bytes, bytes]:
    return row.print_hash, row.title_hash
