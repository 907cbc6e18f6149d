"""Removes the texts of walls from articles.

A wall is one document at addresses that feeds announced as different articles. An article that was recorded from a wall
gets its earlier text back, or is withdrawn. Its pages are recorded as failed and may be fetched again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row, and_, bindparam, case, delete, or_, select, update

from aggregator.identity.fingerprint import Fingerprint, fingerprint
from aggregator.identity.identify import key_hash
from aggregator.models.fetching import Cause
from aggregator.models.ids import ArticleId, EvidenceKind, HostId, Key, PageId
from aggregator.ports.store_records import Decision
from aggregator.store.articles.doubts import REASON, ask_again, says_nothing, says_own_title
from aggregator.store.articles.lessons.settling import settle_lessons
from aggregator.store.articles.rows import ArticleWrite, restore_revision
from aggregator.store.articles.search import forget_text
from aggregator.store.articles.walls.documents import (
    NAMING,
    Document,
    PageText,
    is_announced,
    note_documents,
    note_samples,
    note_varying_targets,
    texts_at,
    walls_among,
)
from aggregator.store.db.any_of import any_of
from aggregator.store.db.codec import load_strings
from aggregator.store.db.database import Transaction
from aggregator.store.db.schema import (
    CLAIM_ENDS,
    FETCHED,
    SKIPPED,
    VISIBLE,
    articles,
    changes,
    evidence,
    pages,
    revisions,
)
from aggregator.store.db.schema import unnamed_texts as facts
from aggregator.store.identity.decisions import SourceDecisions, record_all_decisions
from aggregator.store.identity.doubts import announced_pages
from aggregator.store.identity.partition import WITHDRAWN, drop_aliases, repartition
from aggregator.store.queue.hosts import lower_pages_due
from aggregator.store.queue.pages import has_content

_OF_PAGES: Final = (*sorted(NAMING), EvidenceKind.DECLARED)
_DETAIL: Final = "it says nothing of its title; the same stands at other entries, or its article stood here before"


@dataclass(frozen=True, slots=True)
class Answer:
    """The hash of the new text of a page, and when the page is fetched again if this text is a wall (None: never)."""

    text_hash: bytes
    if_wall: datetime | None


_standing: Final = (  # articles whose current text is that of the wall, and at which page
    select(articles, pages.c.id.label("of_page"))
    .select_from(facts)
    .join(pages, pages.c.id == facts.c.page_id)
    .join(articles, and_(articles.c.id == pages.c.article_id, articles.c.print_hash == facts.c.text_hash))
    .where(facts.c.hash == bindparam("document"), facts.c.host == bindparam("at_host"))
    .order_by(articles.c.n, pages.c.id)
)
_given_by: Final = (
    select(articles, pages.c.id.label("of_page"))
    .join(pages, pages.c.article_id == articles.c.id)
    .where(any_of(pages.c.id))
    .order_by(articles.c.n, pages.c.id)
)
_led: Final = select(pages.c.id).where(any_of(pages.c.article_id))
_rows: Final = (
    select(pages.c.id, pages.c.host_id, pages.c.url, pages.c.key, pages.c.article_id, pages.c.has_variants)
    .where(any_of(pages.c.id))
    .order_by(pages.c.id)
)


def fail_walls(tx: Transaction, texts: Sequence[ArticleWrite], due: Mapping[PageId, datetime | None]) -> set[PageId]:
    """Remove texts of walls from articles and record the pages as failed. Return which pages of `texts` failed.

    `due` gives the time at which a page of `texts` is fetched again if it failed; None: never. Pages of walls that are
    not in `texts` become due at the earliest time of the failed pages, or now if there is none.
    """
    answers = {
        PageId(text.page.id): Answer(text.draft.fingerprint.text_hash, due[PageId(text.page.id)]) for text in texts
    }
    documents = note_varying_targets(tx, texts) | note_documents(tx, texts)
    return end_walls(tx, documents, answers, note_samples(tx, texts) | _in_front(tx, texts))


def _in_front(tx: Transaction, texts: Iterable[ArticleWrite]) -> set[PageText]:
    """Return the pages whose new text must not replace the text of their article, each with the hash of the new text.

    The new text is short and contains nothing of the title of the page's entry; the article's text contains that title.
    """
    silent = {text.page.article_id: text for text in texts if text.page.article_id and says_nothing(text)}
    rows = [row for row in tx.all_of(_with_ids, silent) if row.page_id == silent[row.id].page.id]
    stand = announced_pages(tx, rows, [""])
    said = (row.id for row in rows if row.n in stand and says_own_title(stand[row.n]))
    return {(PageId(text.page.id), text.draft.fingerprint.text_hash) for text in map(silent.__getitem__, said)}


def end_walls(
    tx: Transaction,
    documents: Collection[Document],
    answers: Mapping[PageId, Answer],
    alike: Collection[PageText] = (),
) -> set[PageId]:
    """Remove the texts of walls from articles; return the pages in `answers` whose new text is a wall.

    Walls are searched among `documents`. `alike` are texts already found to be walls, each with its page. An article
    gets its earlier text back; without one it is withdrawn. The pages of walls are recorded as failed.
    """
    walls = walls_among(tx, documents)
    if not walls and not alike:
        return set()
    at_wall = {one for wall in walls for one in texts_at(tx, wall, answers)} | set(alike)
    failed = {page for page, text in at_wall if page in answers and answers[page].text_hash == text}
    first = min((at for page in failed if (at := answers[page].if_wall) is not None), default=tx.now)
    standing = [row for wall in walls for row in tx.all(_standing, wall.named)]
    standing += [
        row for row in tx.all_of(_given_by, {page for page, _ in alike}) if (row.of_page, row.print_hash) in alike
    ]
    withdrawn = _withdraw(tx, {row.n: row for row in standing}.values(), {row.of_page for row in standing} | failed)
    left = ({PageId(row.of_page) for row in standing} | _led_to(tx, withdrawn)) - answers.keys()
    at_walls = tx.all_of(_rows, sorted(left | failed))
    for page in at_walls:
        article = None if page.article_id in withdrawn else page.article_id
        _fail(tx, page, article, answers[page.id].if_wall if page.id in answers else first)
    record_all_decisions(tx, [SourceDecisions(f"page {page.id}", [_decision(page)]) for page in at_walls], tx.now)
    settle_lessons(tx, [PageId(page.id) for page in at_walls if page.has_variants])
    return failed


def _led_to(tx: Transaction, withdrawn: Collection[str]) -> set[PageId]:
    """Return all pages of withdrawn articles (by id), also pages that a lesson joined to them without a fetch."""
    return {PageId(row.id) for row in tx.all_of(_led, sorted(withdrawn))}


def _decision(page: Row[Any]) -> Decision:
    return Decision(url=page.url, key=Key(page.key), verdict="failed", rule=Cause.WALL, detail=_DETAIL)


# --- pages ------------------------------------------------------------------------------------------------------------

_failed: Final = (
    update(pages)
    .where(pages.c.id == bindparam("page"))
    .values(
        state=case((pages.c.state == SKIPPED, pages.c.state), else_=bindparam("new_state")),
        due_at=bindparam("at"),
        article_id=bindparam("article"),
        cause=Cause.WALL,
        detail=_DETAIL,
        etag=None,  # those of the answer that showed the wall
        last_modified=None,
        raw_hash=case((bindparam("new_state") == FETCHED, None), else_=pages.c.raw_hash),
        **CLAIM_ENDS,
        attempts=case((pages.c.attempts > 0, pages.c.attempts), else_=1),
        visits=case((pages.c.visits > 0, pages.c.visits - 1), else_=0),
    )
)


def _fail(tx: Transaction, page: Row[Any], article: str | None, at: datetime | None) -> None:
    """Record that a page failed because it is a wall. It keeps `article` (an id); None: it has no article.

    The new state is the first of these that fits: "fetched" (no article, but the entry's content can be extracted),
    "due" (`at` is a time), "done" (an article), "failed". A skipped page stays skipped.
    """
    state = "due" if at is not None else "failed" if article is None else "done"
    if article is None and has_content(tx, PageId(page.id)):
        state = "fetched"
    tx.run(_failed, {"page": page.id, "new_state": state, "at": at or tx.now, "article": article})
    if state == "due" and at is not None:
        lower_pages_due(tx, HostId(page.host_id), at)


# --- articles ---------------------------------------------------------------------------------------------------------

_texts_of: Final = select(facts.c.text_hash).where(any_of(facts.c.page_id))
_earlier: Final = (
    select(revisions).where(revisions.c.article_id == bindparam("article")).order_by(revisions.c.number.desc())
)
_later: Final = delete(revisions).where(
    revisions.c.article_id == bindparam("article"), revisions.c.number > bindparam("kept")
)
_withdraw_row: Final = (
    update(articles)
    .where(articles.c.n == bindparam("number_"))
    .values(merged_into=WITHDRAWN, revision=0, near_duplicate_of=None, near_score=None)
)
_claims: Final = select(evidence.c.id, evidence.c.key, evidence.c.other).where(
    or_(any_of(evidence.c.key_hash), any_of(evidence.c.other_hash)),
    evidence.c.kind.in_(_OF_PAGES),
    evidence.c.seen_at >= bindparam("since"),
)
_drop: Final = delete(evidence).where(evidence.c.id == bindparam("edge"))


def _withdraw(tx: Transaction, rows: Iterable[Row[Any]], at_pages: Collection[int]) -> set[str]:
    """Remove the texts of walls from the articles in `rows`; return the ids of the articles that were withdrawn.

    The texts of the pages `at_pages` are walls. An article gets back its latest text that is no wall, or is
    withdrawn if it has none. Evidence about its key that pages stated since the wall was recorded is deleted.
    """
    walls = {row.text_hash for row in tx.all_of(_texts_of, sorted(at_pages))}
    withdrawn: set[str] = set()
    touched: set[Key] = set()
    new_changes: list[dict[str, Any]] = []
    for row in rows:
        touched |= {Key(row.key)} | _drop_claims(tx, row, row.recorded_at)
        forget_text(tx, row.n)
        kept = next((one for one in tx.all(_earlier, {"article": row.id}) if _print(one).text_hash not in walls), None)
        tx.run(_later, {"article": row.id, "kept": 0 if kept is None else kept.number})
        if kept is not None:
            restore_revision(tx, row, kept, _print(kept))
        else:
            tx.run(_withdraw_row, {"number_": row.n})
            drop_aliases(tx, ArticleId(row.id))
            withdrawn.add(row.id)
        if row.merged_into is None:
            kind = "withdrawn" if kept is None else "updated"
            new_changes.append({"article_id": row.id, "kind": kind, "merged_into": None, "at": tx.now})
    tx.add(changes, new_changes)
    if touched:
        repartition(tx, touched, tx.now)
    return withdrawn


_silent: Final = select(facts.c.page_id, facts.c.text_hash).where(any_of(facts.c.page_id), facts.c.says_nothing)
_with_ids: Final = select(articles).where(any_of(articles.c.id), *VISIBLE)


def withdraw_earlier(tx: Transaction, writes: Iterable[ArticleWrite]) -> None:
    """Withdraw the article that a page had before, if the page now has an article with another key.

    The old article is withdrawn only if it may be a wall: it has the quality reason "fragment", or its text contained
    nothing of its entry's title. It is kept if a feed announced an address with its key.
    """
    left, given = {}, set()
    for write in writes:
        given.add(PageId(write.page.id))
        if write.page.article_id is not None:
            left[write.page.article_id] = key_hash(write.key)
    moved = [row for row in tx.all_of(_with_ids, left) if row.key_hash != left[row.id]]
    silent = {(row.page_id, row.text_hash) for row in tx.all_of(_silent, [row.page_id for row in moved])}
    rows = [
        row
        for row in moved
        if REASON in load_strings(row.quality) or (row.page_id, row.print_hash) in silent
        if not is_announced(tx, row.key_hash)
    ]
    touched: set[Key] = set()
    for row in rows:
        touched |= {Key(row.key)} | _drop_claims(tx, row, row.first_seen)
        forget_text(tx, row.n)
        tx.run(_later, {"article": row.id, "kept": 0})
        tx.run(_withdraw_row, {"number_": row.n})
        drop_aliases(tx, ArticleId(row.id))
    tx.add(changes, [{"article_id": row.id, "kind": "withdrawn", "merged_into": None, "at": tx.now} for row in rows])
    ask_again(tx, dict.fromkeys(_led_to(tx, {row.id for row in rows}) - given, tx.now))
    if touched:
        repartition(tx, touched, tx.now)


def _print(revision: Row[Any]) -> Fingerprint:
    return fingerprint(revision.body)


def _drop_claims(tx: Transaction, row: Row[Any], since: datetime) -> set[Key]:
    """Delete the evidence that pages stated about an article's key at `since` or later; return the keys it connected.

    Pages state evidence by a redirect, a canonical link or a declaration. Other evidence stays.
    """
    claims = tx.all_of(_claims, [row.key_hash], {"since": since})
    tx.run_all(_drop, [{"edge": claim.id} for claim in claims])
    return {Key(end) for claim in claims for end in (claim.key, claim.other)}
