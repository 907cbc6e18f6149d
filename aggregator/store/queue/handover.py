"""Records that a page redirects: to a known article, to the address of a waiting page, or to an unknown address."""

from __future__ import annotations

from collections import defaultdict
from typing import Any, Final

from sqlalchemy import Row, and_, bindparam, or_, select, update

from aggregator.identity.evidence import Edge
from aggregator.identity.identify import key_hash
from aggregator.identity.lessons.variants import Lesson, LessonKind
from aggregator.identity.walls import is_wall
from aggregator.models.fetching import Hop
from aggregator.models.ids import ArticleId, HostId, Identity, PageId
from aggregator.models.pages import Page
from aggregator.ports.store_records import Claim, Decision
from aggregator.store.db.codec import dump_hops
from aggregator.store.db.database import Transaction
from aggregator.store.db.schema import DUE, FETCHED, entries, pages
from aggregator.store.identity.decisions import record_decisions
from aggregator.store.identity.lessons import HELD, LONGEST_WAIT, add_pair
from aggregator.store.identity.partition import note_edges, note_urls, repartition, resolve, set_aliases
from aggregator.store.queue.hosts import host_ids, lock_hosts, lower_pages_due
from aggregator.urls import host_of

_still_due: Final = (pages.c.id == bindparam("page"), pages.c.state == DUE)

_hand_over: Final = (
    update(pages)
    .where(*_still_due)
    .values(
        host_id=bindparam("to_host"),
        target=bindparam("to_url"),
        hops=bindparam("new_hops"),
        due_at=bindparam("at"),
    )
)
_settle: Final = (
    update(pages)
    .where(*_still_due)
    .values(state="done", article_id=bindparam("article"), hops=bindparam("new_hops"), attempts=0)
)


_led_there: Final = (
    select(pages.c.id, entries.c.title)
    .join(entries, entries.c.page_id == pages.c.id)
    .where(or_(pages.c.id == bindparam("page"), pages.c.article_id == bindparam("article")))
    .order_by(pages.c.id)
    .limit(50)
)
_announced: Final = select(pages.c.id).where(pages.c.key_hash == bindparam("hashed"))


def _may_be_wall(tx: Transaction, page: Page, target: Identity, article: ArticleId) -> bool:
    """Return whether `target`, the address of `article`, may be a wall, so that it must be fetched and compared.

    It may be a wall if no feed announced it, and pages of entries with other titles redirected there, too.
    """
    if target.key is not None and tx.first(_announced, {"hashed": key_hash(target.key)}) is not None:
        return False
    titles: dict[int, set[str]] = defaultdict(set)
    for row in tx.all(_led_there, {"page": page.id, "article": article}):
        titles[row.id].add(row.title)
    return is_wall(titles.values())


_is_waiting: Final = or_(pages.c.state == FETCHED, and_(pages.c.state == DUE, pages.c.attempts == 0))
_waiting: Final = select(pages.c.id).where(
    pages.c.key_hash == bindparam("hashed"), pages.c.id != bindparam("page"), pages.c.article_id.is_(None), _is_waiting
)
_own_page: Final = select(pages.c.id).where(
    pages.c.key_hash == bindparam("hashed"),
    pages.c.id != bindparam("page"),
    or_(pages.c.article_id.is_not(None), _is_waiting),
)


def is_known_target(tx: Transaction, page: Page, target: Identity) -> bool:
    """Return whether another page than `page` has the key of `target` and has an article or will give one.

    A target that no feed announced has no page. It may be a wall, so it is fetched, and its text is compared.
    """
    if target.key is None or target.key == page.key:
        return False
    return tx.first(_own_page, {"hashed": key_hash(target.key), "page": page.id}) is not None


def _waiting_page(tx: Transaction, page: Page, target: Identity) -> Row[Any] | None:
    """Return another page than `page` with the key of `target` that waits for its first fetch or for extraction."""
    if target.key is None or target.key == page.key:
        return None
    return tx.first(_waiting, {"hashed": key_hash(target.key), "page": page.id})


def record_handover(
    tx: Transaction,
    claim: Claim,
    page: Page,
    target: Identity,
    host: str,
    hops: tuple[Hop, ...],
    edges: tuple[Edge, ...] = (),
) -> tuple[PageId, HostId] | None:
    """Record that `page` redirects to `target`; return the ids of the page and of the host where it is due.

    None: the page is done, or the claim is lost. It is done if it has no article and the target is a known article that
    cannot be a wall. Its address then means that article; its key does, too, if `edges` prove it. Any other page is due
    at the target: now, or within an hour if another page with the key of `target` waits (`_waiting_page`).
    """
    if edges:
        tx.dialect.lock_identity(tx.conn)
    host_id = host_ids(tx, [host])[host]
    if lock_hosts(tx, {claim.host_id, host_id}).get(claim.host_id) != claim.token:
        return None
    now = tx.now
    hashes = [key_hash(target.key)] if target.key is not None else []
    hashes.append(key_hash(target.url))
    known = resolve(tx, hashes)
    article = next((known[hashed] for hashed in hashes if hashed in known), None)
    if article is not None and page.article_id is None and not _may_be_wall(tx, page, target, article):
        tx.run(_settle, {"page": page.id, "article": article, "new_hops": dump_hops(hops)})
        note_urls(tx, [target], now)
        set_aliases(tx, {key_hash(page.url): article}, move=False)
        if edges:
            note_edges(tx, edges, now)
            repartition(tx, {key for edge in edges for key in (edge.key, edge.other)}, now)
        decision = Decision(
            url=page.url, key=page.key, verdict="merged", rule="redirect", detail=target.url, article_id=article
        )
        record_decisions(tx, f"page {page.id}", [decision], now)
        return None
    waiting = None if article is not None or page.article_id is not None else _waiting_page(tx, page, target)
    at = now if waiting is None else now + LONGEST_WAIT
    values = {"page": page.id, "to_host": host_id, "to_url": target.url, "new_hops": dump_hops(hops), "at": at}
    if tx.run(_hand_over, values).rowcount != 1:
        return None
    if waiting is not None:
        lesson = Lesson(tenant=host_of(page.url), kind=LessonKind.REDIRECT, subject="redirects")
        add_pair(tx, page.id, waiting.id, lesson, key_hash(page.key), HELD)
    lower_pages_due(tx, host_id, at)
    return PageId(page.id), host_id
