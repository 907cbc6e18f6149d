"""Articles that may be walls: other pages, which feeds announced under other titles, have the same text.

Two cases look the same: a wall that repeats the title of the entry, and a description that all episodes of a podcast
share. So the article stays, with the quality reason "fragment" (`REASON`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row, and_, bindparam, case, or_, select, update

from aggregator.identity.evidence import refusal_alone
from aggregator.identity.identify import key_hash
from aggregator.identity.walls import AnnouncedPage, Resemblance, compare_title, may_be_one, resemble
from aggregator.models.ids import ArticleId, HostId, Key, PageId
from aggregator.store.articles.rows import ArticleWrite, add_change
from aggregator.store.db.any_of import any_of
from aggregator.store.db.codec import dump, load_strings
from aggregator.store.db.database import Transaction
from aggregator.store.db.schema import DUE, VISIBLE, articles, evidence, pages
from aggregator.store.identity.doubts import DOUBTED, announced_pages, announced_titles
from aggregator.store.queue.hosts import lower_pages_due
from aggregator.urls import host_of

REASON: Final = "fragment"
_SHORT: Final = 200  # words; two sections may print a longer text under two headlines
_MOST: Final = 40  # addresses that are looked at

_columns: Final = select(
    articles.c.n,
    articles.c.id,
    articles.c.key_hash,
    articles.c.url,
    articles.c.page_id,
    articles.c.quality,
).where(articles.c.raw_hash.is_not(None), *VISIBLE)
_with_text: Final = _columns.where(any_of(articles.c.print_hash)).order_by(articles.c.n).limit(_MOST)
_naming: Final = (
    _columns.where(
        or_(
            any_of(articles.c.key_hash),
            articles.c.key_hash.in_(
                select(evidence.c.key_hash).where(any_of(evidence.c.other_hash), evidence.c.kind.in_(sorted(DOUBTED)))
            ),
        )
    )
    .order_by(articles.c.n)
    .limit(_MOST)
)
_judged: Final = update(articles).where(articles.c.id == bindparam("article")).values(quality=bindparam("new_quality"))


def mark_doubtful(
    tx: Transaction,
    write: ArticleWrite,
    own: ArticleId,
    later: Collection[ArticleId] = (),
    *,
    is_known: bool = False,
) -> None:
    """Add the quality reason "fragment" to the article `own` and to articles of other titles with the same text.

    One text at several articles may be a wall, as a login page is. If there are no such other articles, `own` gets the
    reason only with `is_known`. Articles in `later` do not count, since a later call handles them.
    """
    doubtful = [row for row in doubtful_with(tx, write) if row.id not in later]
    if not doubtful and not is_known:
        return
    unmarked = [row for row in doubtful if REASON not in load_strings(row.quality)]
    marked = {row.id: dump((*load_strings(row.quality), REASON)) for row in unmarked}
    add_change(tx, [ArticleId(row.id) for row in unmarked], "updated", tx.now)
    if write.if_doubtful is not None:
        ask_again(tx, {PageId(row.page_id): write.if_doubtful for row in unmarked if row.page_id is not None})
    marked[own] = dump(with_reason(write.record.quality))
    tx.run_all(_judged, [{"article": article, "new_quality": quality} for article, quality in marked.items()])


_qualities: Final = (
    select(pages.c.id, articles.c.quality).join(articles, articles.c.id == pages.c.article_id).where(any_of(pages.c.id))
)
_hosts_of: Final = select(pages.c.id, pages.c.host_id).where(any_of(pages.c.id))
_is_sooner: Final = and_(pages.c.state == DUE, pages.c.due_at < bindparam("at"))
_again: Final = (
    update(pages)
    .where(pages.c.id == bindparam("page"), pages.c.state.in_((DUE, "done")))
    .values(
        state=DUE,
        due_at=case((_is_sooner, pages.c.due_at), else_=bindparam("at")),
        etag=None,  # the answer "not modified" would end no doubt
        last_modified=None,
    )
)


def revisit_doubtful(tx: Transaction, writes: Iterable[ArticleWrite]) -> None:
    """Make pages due again if their articles just became doubtful, or if the pages may be walls.

    A page may be a wall if its text is short and contains nothing of its entry's title. If no entry of the page has a
    title, a short text is enough if the page redirects to another address or states one as its own.
    """
    asked = {PageId(write.page.id): write for write in writes if write.if_doubtful is not None}
    reasons = {row.id: load_strings(row.quality) for row in tx.all_of(_qualities, asked)}
    elsewhere = [page for page, write in asked.items() if _names_other(write)]
    titles = announced_titles(tx, elsewhere)
    untitled = {page for page in elsewhere if not any(title.strip() for title in titles[page])}
    doubtful = {
        page: write.if_doubtful
        for page, write in asked.items()
        if write.if_doubtful is not None
        if says_nothing(write)
        or page in untitled
        or (REASON in reasons.get(page, ()) and REASON not in write.record.quality)
    }
    ask_again(tx, doubtful)


def says_nothing(write: ArticleWrite) -> bool:
    """Return whether a page's text is short, and contains nothing of the title that the feed's entry gives it."""
    return write.record.says_title is Resemblance.NOTHING and _is_short(write)


def _names_other(write: ArticleWrite) -> bool:
    """Return whether a page has a short text, and redirects to another address or states another as its own."""
    return _is_short(write) and any(edge.kind in DOUBTED for edge in write.record.edges)


def _is_short(write: ArticleWrite) -> bool:
    return write.record.content.source == "page" and write.draft.fingerprint.size < _SHORT


def ask_again(tx: Transaction, due: Mapping[PageId, datetime]) -> None:
    """Fetch each page again, unconditionally, at the time in `due`, or earlier if it is due earlier.

    Pages that failed, are skipped or wait for extraction stay as they are.
    """
    tx.run_all(_again, [{"page": page, "at": at} for page, at in sorted(due.items())])
    for row in tx.all_of(_hosts_of, due):
        lower_pages_due(tx, HostId(row.host_id), due[row.id])


def replaces_other(tx: Transaction, own: Row[Any], write: ArticleWrite) -> bool:
    """Return whether `write` has the text of another page than the stored article `own`, and is another article.

    The titles under which feeds announced the two pages decide whether they are different articles.
    """
    if own.page_id in (None, write.page.id) or write.record.content.source != "page":
        return False
    page = announced_page(tx, write)
    stand = announced_pages(tx, [own], page.announced)
    return own.n in stand and not may_be_one(page, stand[own.n])


def announced_page(tx: Transaction, write: ArticleWrite) -> AnnouncedPage:
    """Return the title and text of an article's page, and the titles under which feeds announced it."""
    announced = announced_titles(tx, [write.page.id])[write.page.id]
    content = write.record.content
    return AnnouncedPage(announced=frozenset(announced), title=content.title, body=content.body)


def with_reason(quality: tuple[str, ...]) -> tuple[str, ...]:
    """Return `quality`, the reasons to doubt an article, with the reason "fragment" added."""
    return tuple(dict.fromkeys((*quality, REASON)))


def doubtful_with(tx: Transaction, write: ArticleWrite) -> list[Row[Any]]:
    """Return the articles of the same host that have the text of `write`, but are different articles by their titles.

    Two pages are linked if both state one address as theirs (by redirect, canonical link or declaration), or if the
    page of `write` states the address of the other. For linked pages nearly the same text is enough. Pages that are not
    linked do not count if their text is long and each contains its own title.
    """
    if write.record.content.source != "page":
        return []
    own, host = key_hash(write.key), host_of(write.record.url)
    printed = write.draft.fingerprint
    equal = {row.n: row for row in tx.all_of(_with_text, [printed.text_hash])}
    named = {row.n: row for row in _named_with(tx, write)}
    rows = equal | named
    others = [row for row in rows.values() if row.key_hash != own and host_of(row.url) == host]
    if not others:
        return []
    page = announced_page(tx, write)
    stand = announced_pages(tx, others, page.announced)
    return [
        row
        for row in others
        if row.n in stand and not may_be_one(page, stand[row.n])
        if (row.n in named and resemble(page.body, stand[row.n].body))
        or (row.n in equal and (printed.size < _SHORT or not (says_own_title(page) and says_own_title(stand[row.n]))))
    ]


def _named_with(tx: Transaction, write: ArticleWrite) -> Iterable[Row[Any]]:
    """Return the articles whose addresses the page of `write` states as its own address or redirects to.

    Articles whose pages state or redirect to the same addresses are returned too.
    """
    edges = [edge for edge in write.record.edges if edge.kind in DOUBTED and refusal_alone(edge) is None]
    targets: set[Key] = {edge.other for edge in edges}
    return tx.all_of(_naming, map(key_hash, targets)) if targets else ()


def says_own_title(page: AnnouncedPage) -> bool:
    """Return whether a page contains a title under which a feed announced it."""
    return any(compare_title(title, page.title, page.body) is Resemblance.SAYS for title in page.announced)
