"""Extracted articles on their way in: text, revision, identity, near duplicates, their pages; one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from sqlalchemy import Row, bindparam, case, select, update

from aggregator.identity.identify import article_id, key_hash
from aggregator.models.records import ArticleId, FetchedPage, HostId, PageId
from aggregator.ports.store_records import ArticleOutcome, ArticleRecorded
from aggregator.store.articles.batch_insert import save_newcomers
from aggregator.store.articles.rows import (
    TEXT_COLUMNS,
    Draft,
    Incoming,
    Text,
    announce,
    article_row,
    incoming_of,
    insert_articles,
    revise,
)
from aggregator.store.articles.walls import fail_walls
from aggregator.store.db.any_of import any_of
from aggregator.store.db.codec import load_strings
from aggregator.store.db.database import Transaction
from aggregator.store.db.schema import FETCHED, NEVER, articles, pages
from aggregator.store.identity.decisions import Said, record_all_decisions
from aggregator.store.identity.partition import WITHDRAWN, note_edges, note_urls, point, repartition
from aggregator.store.identity.wordpress import learn_blog, note_short_links
from aggregator.store.queue.hosts import lower_pages_due
from aggregator.store.queue.page_parts import ask_for_part

_Kind = Literal["new", "updated", "unchanged", "duplicate"]

_pages: Final = (
    select(*TEXT_COLUMNS, pages.c.host_id, pages.c.token)
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
        token=pages.c.token + 1,
        lease_until=NEVER,
        lease_owner="",
        extract_attempts=0,
        attempts=case((pages.c.raw_hash.is_(None), pages.c.attempts), else_=0),  # a stand-in ends no series of tries
        cause=None,
        detail="",
    )
)


@dataclass(frozen=True, slots=True)
class _Saved:
    """What became of an incoming text."""

    incoming: Incoming
    kind: _Kind
    article: ArticleId


def record_articles(
    tx: Transaction, outcomes: Sequence[ArticleOutcome], drafts: Sequence[Draft]
) -> tuple[ArticleRecorded | None, ...]:
    """Save what was extracted from pages, with the draft of each; None: the claim is lost, nothing of it was saved.

    Articles that nothing connects with any other are saved first and together, the others after them one by one.
    """
    tx.dialect.lock_identity(tx.conn)
    rows = {row.id: row for row in tx.all_of(_pages, (outcome.page.id for outcome in outcomes))}
    held = [
        (one, draft)
        for one, draft in zip(outcomes, drafts, strict=True)
        if one.page.id in rows and rows[one.page.id].token == one.page.token
    ]
    texts = {one.page.id: Text(rows[one.page.id], draft) for one, draft in held}
    failed = fail_walls(tx, list(texts.values()), {one.page.id: one.if_wall for one, _ in held})
    saved = _save_texts(tx, [text for page, text in texts.items() if page not in failed], are_new=False)
    _finish_pages(tx, [one for one, _ in held if one.page.id not in failed], saved)
    walls = {page: ArticleRecorded(article_id=article_id(texts[page].key), kind="wall") for page in failed}
    recorded = walls | {page: _recorded(one) for page, one in saved.items()}
    return tuple(recorded.get(outcome.page.id) for outcome in outcomes)


def record_along(tx: Transaction, texts: Sequence[Text]) -> dict[PageId, ArticleRecorded]:
    """Save what was read along with feeds; the transaction holds the lock of identity, and added the pages as done."""
    saved = _save_texts(tx, texts, are_new=True)
    others = {page: one.incoming.id for page, one in saved.items() if one.incoming.page.article_id != one.incoming.id}
    tx.run_all(_finish, [_finished(page, "done", tx.now, article) for page, article in others.items()])
    return {page_id: _recorded(one) for page_id, one in saved.items()}


def _recorded(saved: _Saved) -> ArticleRecorded:
    return ArticleRecorded(article_id=saved.article, kind=saved.kind)


def _save_texts(tx: Transaction, texts: Sequence[Text], *, are_new: bool) -> dict[PageId, _Saved]:
    """Save texts and what was decided about their addresses; by page. `are_new`: the pages are of this transaction."""
    saved = {PageId(one.page.id): _Saved(one, "new", one.id) for one in save_newcomers(tx, texts)}
    for newcomer in [one.incoming for one in saved.values()]:
        _heed_wordpress(tx, newcomer)
    for text in texts:
        if text.page.id not in saved:
            saved[PageId(text.page.id)] = _save_one(tx, incoming_of(tx, text))
    told = [
        Said(f"page {text.page.id}", text.record.decisions, saved[text.page.id].article, is_first=are_new)
        for text in texts
    ]
    record_all_decisions(tx, told, tx.now)
    return saved


def _save_one(tx: Transaction, incoming: Incoming) -> _Saved:
    """Save one text with all that is known about its addresses."""
    record = incoming.record
    owners = note_urls(tx, incoming.identities, incoming.at)
    note_edges(tx, record.edges, incoming.at)
    kind, article = save_text(tx, incoming, owners.get(key_hash(incoming.key)))
    _heed_wordpress(tx, incoming)
    point(tx, {key_hash(pointer.url): article for pointer in record.pointers}, move=False)
    return _Saved(incoming, kind, article)


def _heed_wordpress(tx: Transaction, incoming: Incoming) -> None:
    """Keep which short links were seen and where their blog lives; join what that joins."""
    record = incoming.record
    seen = [one.key for one in (record.identity, *record.urls, *record.pointers)]
    seen += [key for edge in record.edges for key in (edge.key, edge.other)]
    touched = note_short_links(tx, seen)
    if record.blog is not None:
        touched |= learn_blog(tx, record.blog)
    if touched:
        repartition(tx, touched, incoming.at)


def _finish_pages(tx: Transaction, held: Sequence[ArticleOutcome], saved: Mapping[PageId, _Saved]) -> None:
    """The pages are done, or due again."""
    finished = []
    due: dict[HostId, datetime] = {}
    resumed: list[tuple[FetchedPage, datetime]] = []
    for outcome in held:
        page, one = outcome.page, saved[outcome.page.id]
        at = outcome.if_changed if one.kind in ("new", "updated") else outcome.if_unchanged
        state = "done" if at is None else "due"
        finished.append(_finished(page.id, state, at or tx.now, one.incoming.id))
        if at is not None:
            host_id = HostId(one.incoming.page.host_id)
            due[host_id] = min(at, due.get(host_id, at))
            if outcome.resumes:
                resumed.append((page, at))
    tx.run_all(_finish, finished)
    for host_id, earliest in sorted(due.items()):
        lower_pages_due(tx, host_id, earliest)
    for page, at in resumed:
        ask_for_part(tx, page.id, page.parts[-1].url, at)


def _finished(page: PageId, state: str, at: datetime, article: ArticleId) -> dict[str, Any]:
    return {"page": page, "new_state": state, "at": at, "article": article}


# --- text -------------------------------------------------------------------------------------------------------------


def save_text(tx: Transaction, incoming: Incoming, meant: ArticleId | None) -> tuple[_Kind, ArticleId]:
    """Save the text where it is new, decide again what is one article; return what came of it and which article.

    `meant` is the article that the key means so far.
    """
    own = incoming.own
    keys = {incoming.key, *(key for edge in incoming.record.edges for key in (edge.key, edge.other))}
    if own is None:
        if meant is not None and _is_forgotten(tx, meant):
            return "unchanged", meant
        insert_articles(tx, [incoming])
        survivor = repartition(tx, keys, incoming.at, unannounced=incoming.id)[key_hash(incoming.key)]
        if survivor != incoming.id:
            return "duplicate", survivor
        announce(tx, [incoming], "new")
        return "new", incoming.id
    is_back = own.merged_into == WITHDRAWN
    changed = is_back or (own.forgotten_at is None and _is_revision(own, incoming))
    if is_back:
        tx.run(_stand_again, {"article": incoming.id})
    if changed:
        revise(tx, own, incoming)
    repartition(tx, keys, incoming.at)
    own = article_row(tx, incoming.id)
    if own is not None and own.merged_into is not None:
        return "unchanged", ArticleId(own.merged_into)
    if not changed:
        return "unchanged", incoming.id
    kind: Literal["new", "updated"] = "new" if is_back else "updated"
    announce(tx, [incoming], kind)
    return kind, incoming.id


_stand_again: Final = update(articles).where(articles.c.id == bindparam("article")).values(merged_into=None)


def _is_forgotten(tx: Transaction, article: ArticleId) -> bool:
    """Tell whether the article was forgotten: its text never comes back."""
    row = article_row(tx, article)
    return row is not None and row.forgotten_at is not None


def _is_revision(own: Row[Any], incoming: Incoming) -> bool:
    """Tell whether the words changed.

    What another feed says never replaces what is there, and what stands in for a page never the text of that page.
    """
    if (own.title_hash, own.body_hash) == (incoming.draft.title_hash, incoming.draft.body_hash):
        return False
    if incoming.record.content.source == "page":
        return True
    is_of_page = own.raw_hash is not None and not _stands_in(load_strings(own.quality))
    return incoming.page.id == own.page_id and not (is_of_page and _stands_in(incoming.record.quality))


def _stands_in(quality: Sequence[str]) -> bool:
    """Tell whether the feed's content is there because the page gave none."""
    return any(reason.startswith("page_") for reason in quality)
