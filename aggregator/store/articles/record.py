"""Records extracted articles: text, revision, identity, near duplicates and their pages, in one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, Literal

from sqlalchemy import Row, bindparam, case, select, update

from aggregator.filters.decide import NO_FILTERS, Filters
from aggregator.identity.identify import article_id, key_hash
from aggregator.identity.same_text import is_long_enough
from aggregator.models.ids import ArticleId, HostId, Key, PageId
from aggregator.models.pages import FetchedPage
from aggregator.ports.store_records import ArticleOutcome, ArticleRecorded
from aggregator.store.articles.batch_insert import insert_unconnected
from aggregator.store.articles.doubts import mark_doubtful, replaces_other, revisit_doubtful
from aggregator.store.articles.erasure import erase_page
from aggregator.store.articles.filtering import filter_recorded
from aggregator.store.articles.lessons.declarations import note_declared_pages
from aggregator.store.articles.lessons.settling import settle_lessons
from aggregator.store.articles.rows import (
    PAGE_COLUMNS,
    ArticleDraft,
    ArticleWrite,
    add_change,
    article_row,
    find_article,
    insert_articles,
    revise,
)
from aggregator.store.articles.walls.ending import fail_walls, withdraw_earlier
from aggregator.store.db.any_of import any_of
from aggregator.store.db.codec import load_strings
from aggregator.store.db.database import Transaction
from aggregator.store.db.schema import CLAIM_ENDS, FETCHED, articles, pages
from aggregator.store.identity.decisions import SourceDecisions, record_all_decisions
from aggregator.store.identity.partition import SKIPPED, WITHDRAWN, note_edges, note_urls, repartition, set_aliases
from aggregator.store.identity.same_text import edges_of_text
from aggregator.store.identity.wordpress import learn_blog, note_short_links
from aggregator.store.queue.hosts import lower_all_pages_due
from aggregator.store.queue.page_parts import ask_for_part

_Kind = Literal["new", "updated", "unchanged", "duplicate"]

_pages: Final = (
    select(*PAGE_COLUMNS, pages.c.host_id, pages.c.token)
    .where(any_of(pages.c.id), pages.c.state == FETCHED)
    .order_by(pages.c.id)
    .with_for_update()
)
_finish: Final = (
    update(pages)
    .where(pages.c.id == bindparam("page"))
    .values(
        state=bindparam("new_state"),
        due_at=bindparam("at"),
        article_id=bindparam("article"),
        **CLAIM_ENDS,
        attempts=case((pages.c.raw_hash.is_(None), pages.c.attempts), else_=0),  # the feed's content does not reset it
        cause=None,
        detail="",
    )
)


@dataclass(frozen=True, slots=True)
class _Saved:
    """A saved text. `own_id` is the article made from it; `article` is the same, or the one that it was merged into."""

    write: ArticleWrite
    own_id: ArticleId
    kind: _Kind
    article: ArticleId


def record_articles(
    tx: Transaction, outcomes: Sequence[ArticleOutcome], drafts: Sequence[ArticleDraft], filters: Filters = NO_FILTERS
) -> tuple[ArticleRecorded | None, ...]:
    """Save the articles of `outcomes`; `drafts` has the draft of each. Return what happened to each, in this order.

    None in the result: the claim of the page is lost, and nothing was saved.
    """
    tx.dialect.lock_identity(tx.conn)
    rows = {row.id: row for row in tx.all_of(_pages, (outcome.page.id for outcome in outcomes))}
    held = [
        (one, draft)
        for one, draft in zip(outcomes, drafts, strict=True)
        if one.page.id in rows and rows[one.page.id].token == one.page.token
    ]
    writes = {one.page.id: ArticleWrite(rows[one.page.id], draft, tx.now, one.if_doubtful) for one, draft in held}
    failed = fail_walls(tx, list(writes.values()), {one.page.id: one.if_wall for one, _ in held})
    withdraw_earlier(tx, [write for page, write in writes.items() if page not in failed])
    saved = _save_texts(tx, [write for page, write in writes.items() if page not in failed], are_new=False)
    _finish_pages(tx, [one for one, _ in held if one.page.id not in failed], saved)
    revisit_doubtful(tx, [one.write for one in saved.values()])
    related = {page for page, write in writes.items() if write.page.has_variants}
    related |= note_declared_pages(tx, (one.write for one in saved.values()))
    if related:
        settle_lessons(tx, related)
    walls = {page: ArticleRecorded(article_id=article_id(writes[page].key), kind="wall") for page in failed}
    recorded = walls | {page: _recorded(one) for page, one in saved.items()}
    skipped = filter_recorded(tx, filters, recorded).skipped
    recorded |= {page: replace(one, kind="skipped") for page, one in recorded.items() if page in skipped}
    return tuple(recorded.get(outcome.page.id) for outcome in outcomes)


def record_with_poll(tx: Transaction, writes: Sequence[ArticleWrite]) -> dict[PageId, ArticleRecorded]:
    """Save articles whose whole text came with a feed.

    The caller holds the identity lock. It has inserted their pages with the state "done".
    """
    saved = _save_texts(tx, writes, are_new=True)
    others = {page: one.own_id for page, one in saved.items() if one.write.page.article_id != one.own_id}
    tx.run_all(_finish, [_finished(page, "done", tx.now, article) for page, article in others.items()])
    return {page_id: _recorded(one) for page_id, one in saved.items()}


def _recorded(saved: _Saved) -> ArticleRecorded:
    return ArticleRecorded(article_id=saved.article, kind=saved.kind)


def _save_texts(tx: Transaction, writes: Sequence[ArticleWrite], *, are_new: bool) -> dict[PageId, _Saved]:
    """Save articles and the decisions about their addresses; return the saved articles by page.

    `are_new`: the pages were inserted by this transaction, so there are no earlier decisions.
    """
    inserted = insert_unconnected(tx, writes)
    saved = {PageId(write.page.id): _Saved(write, article, "new", article) for article, write in inserted.items()}
    for write in inserted.values():
        _note_wordpress(tx, write)
    for write in writes:
        if write.page.id not in saved:
            saved[PageId(write.page.id)] = _save_one(tx, write)
    made = [
        SourceDecisions(f"page {write.page.id}", write.record.decisions, saved[write.page.id].article, is_first=are_new)
        for write in writes
    ]
    record_all_decisions(tx, made, tx.now)
    return saved


def _save_one(tx: Transaction, write: ArticleWrite) -> _Saved:
    """Save one article with all facts about its addresses."""
    record = write.record
    own_id, own = find_article(tx, write.key)
    owners = note_urls(tx, write.identities, write.at)
    note_edges(tx, record.edges, write.at)
    kind, article = save_text(tx, write, own_id, own, owners.get(key_hash(write.key)))
    _note_wordpress(tx, write)
    set_aliases(tx, {key_hash(pointer.url): article for pointer in record.pointers}, move=False)
    return _Saved(write, own_id, kind, article)


def _note_wordpress(tx: Transaction, write: ArticleWrite) -> None:
    """Store the wp.me links of an article, and the blog that its page states; merge the articles that this connects."""
    record = write.record
    seen = [one.key for one in (record.identity, *record.urls, *record.pointers)]
    seen += [key for edge in record.edges for key in (edge.key, edge.other)]
    touched = note_short_links(tx, seen)
    if record.blog is not None:
        touched |= learn_blog(tx, record.blog)
    if touched:
        repartition(tx, touched, write.at)


def _finish_pages(tx: Transaction, held: Sequence[ArticleOutcome], saved: Mapping[PageId, _Saved]) -> None:
    """Set the pages of saved articles to "due" for a revisit, or to "done" if no revisit is planned.

    The time of the revisit is `if_changed` for a new or updated article, else `if_unchanged`; None: no revisit.
    """
    finished = []
    due: dict[HostId, datetime] = {}
    resumed: list[tuple[FetchedPage, datetime]] = []
    for outcome in held:
        page, one = outcome.page, saved[outcome.page.id]
        at = outcome.if_changed if one.kind in ("new", "updated") else outcome.if_unchanged
        state = "done" if at is None else "due"
        finished.append(_finished(page.id, state, at or tx.now, one.own_id))
        if at is not None:
            host_id = HostId(one.write.page.host_id)
            due[host_id] = min(at, due.get(host_id, at))
            if outcome.resumes:
                resumed.append((page, at))
    tx.run_all(_finish, finished)
    lower_all_pages_due(tx, due)
    for page, at in resumed:
        ask_for_part(tx, page.id, page.parts[-1].url, at)


def _finished(page: PageId, state: str, at: datetime, article: ArticleId) -> dict[str, Any]:
    return {"page": page, "new_state": state, "at": at, "article": article}


# --- text -------------------------------------------------------------------------------------------------------------


def save_text(
    tx: Transaction, write: ArticleWrite, own_id: ArticleId, own: Row[Any] | None, meant: ArticleId | None
) -> tuple[_Kind, ArticleId]:
    """Insert the article, or revise its text if that changed; then merge and split articles by the evidence.

    Return what happened ("new", "updated", "unchanged", "duplicate"), and the article that the key of `write` now
    means. `own_id`, `own`: id and row of the article with this very key (None: there is none). `meant`: the article to
    which the key led before. A forgotten article gets no text; the entries and responses of the page are erased.
    """
    keys = {write.key, *(key for edge in write.record.edges for key in (edge.key, edge.other))}
    if own is None:
        if meant is not None and _is_forgotten(tx, meant):
            erase_page(tx, write.page.id)
            return "unchanged", meant
        insert_articles(tx, {own_id: write})
        keys |= _note_same_texts(tx, write)
        survivor = repartition(tx, keys, write.at, unannounced=own_id)[key_hash(write.key)]
        if survivor != own_id:
            return "duplicate", survivor
        add_change(tx, [own_id], "new", write.at)
        mark_doubtful(tx, write, own_id)
        return "new", own_id
    if own.forgotten_at is not None:
        erase_page(tx, write.page.id)
    is_back = own.merged_into == WITHDRAWN
    changed = is_back or (own.forgotten_at is None and _is_revision(own, write))
    if is_back:
        tx.run(_stand_again, {"article": own_id})
    is_doubtful = changed and replaces_other(tx, own, write)
    if changed:
        revise(tx, own, write)
        keys |= _note_same_texts(tx, write)
    repartition(tx, keys, write.at)
    now = article_row(tx, own_id)
    if now is not None and now.merged_into is not None:
        return "unchanged", own_id if now.merged_into == SKIPPED else ArticleId(now.merged_into)
    if not changed:
        return "unchanged", own_id
    kind: Literal["new", "updated"] = "new" if is_back else "updated"
    add_change(tx, [own_id], kind, write.at)
    mark_doubtful(tx, write, own_id, is_known=is_doubtful)
    return kind, own_id


def _note_same_texts(tx: Transaction, write: ArticleWrite) -> set[Key]:
    """Store the evidence that the articles with the same text as `write` are one article.

    Return the keys of all articles with this text; empty if there is no other. Only a long text of a page is compared.
    """
    if write.record.content.source != "page" or not is_long_enough(write.record.content.body):
        return set()
    edges, keys = edges_of_text(tx, write.draft.fingerprint.text_hash)
    note_edges(tx, edges, write.at)
    return keys


_stand_again: Final = update(articles).where(articles.c.id == bindparam("article")).values(merged_into=None)


def _is_forgotten(tx: Transaction, article: ArticleId) -> bool:
    """Return whether the article was forgotten: its text never comes back."""
    row = article_row(tx, article)
    return row is not None and row.forgotten_at is not None


def _is_revision(own: Row[Any], write: ArticleWrite) -> bool:
    """Return whether the title or body of `write` differs from the article's, and may replace it.

    A page's text always may. A feed's content may if it is from the same page. If it is used because the page gave no
    text now, it may not replace a text that the page gave before.
    """
    if (own.title_hash, own.body_hash) == (write.draft.title_hash, write.draft.body_hash):
        return False
    if write.record.content.source == "page":
        return True
    is_of_page = own.raw_hash is not None and not _stands_in(load_strings(own.quality))
    return write.page.id == own.page_id and not (is_of_page and _stands_in(write.record.quality))


def _stands_in(quality: Sequence[str]) -> bool:
    """Return whether a quality reason says that an article has a feed's content because its page gave no text."""
    return any(reason.startswith("page_") for reason in quality)
