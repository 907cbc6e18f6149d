"""Stores the documents of pages, and finds the walls among them.

A document (text, or target of a redirect or canonical link) is stored if its page does not contain the entry's title.
It is kept for ever, so the order in which pages are fetched does not matter.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import bindparam, func, select, update

from aggregator.identity.evidence import refusal_alone
from aggregator.identity.identify import key_hash
from aggregator.identity.walls import MOST_OF_SKETCH, AnnouncedPage, Resemblance, is_wall, may_be_one, sketch_of
from aggregator.models.ids import EvidenceKind, Key, PageId
from aggregator.store.articles.doubts import announced_page, says_nothing
from aggregator.store.articles.rows import ArticleWrite
from aggregator.store.db.any_of import any_of
from aggregator.store.db.database import Transaction
from aggregator.store.db.schema import articles, entries, pages
from aggregator.store.db.schema import unnamed_texts as facts
from aggregator.store.identity.doubts import announced_pages, announced_titles
from aggregator.urls import host_of

_MOST: Final = 50  # addresses of a document that are checked
NAMING: Final = frozenset({EvidenceKind.REDIRECT, EvidenceKind.CANONICAL, EvidenceKind.BARE_CANONICAL})

PageText = tuple[PageId, bytes]  # a page, and the hash of its text


@dataclass(frozen=True, slots=True)
class Document:
    """What pages of a host may have in common: a text, or the target of a redirect or canonical link.

    `hash` is the hash of the text, or of the target's key.
    """

    host: str
    hash: bytes

    @property
    def named(self) -> dict[str, Any]:
        """The parameters of a query for this document."""
        return {"document": self.hash, "at_host": self.host}


def note_documents(tx: Transaction, texts: Iterable[ArticleWrite]) -> set[Document]:
    """Store the documents of each fetched page that does not contain its entry's title; return these documents."""
    rows = [
        _fact(text, document, is_silent=text.record.says_title is Resemblance.NOTHING)
        for text in texts
        if text.record.says_title is not Resemblance.SAYS and text.record.content.source == "page"
        for document in {_text_of(text)[1], *(key_hash(target) for target in _targets(text))}
    ]
    tx.add(facts, rows)
    return {Document(row["host"], row["hash"]) for row in rows}


def _text_of(text: ArticleWrite) -> PageText:
    return PageId(text.page.id), text.draft.fingerprint.text_hash


def _fact(text: ArticleWrite, document: bytes, *, is_silent: bool) -> dict[str, Any]:
    page, own = _text_of(text)
    host = host_of(text.page.url)
    return {"hash": document, "page_id": page, "text_hash": own, "host": host, "says_nothing": is_silent}


def _targets(text: ArticleWrite) -> set[Key]:
    """Return the keys of the addresses that a page redirects to or states as its own, without the key of the page."""
    edges = (edge for edge in text.record.edges if edge.kind in NAMING and refusal_alone(edge) is None)
    return {edge.other for edge in edges} - {Key(text.page.key)}


_announced: Final = (
    select(facts.c.page_id, entries.c.title)
    .join(entries, entries.c.page_id == facts.c.page_id)
    .where(facts.c.hash == bindparam("document"), facts.c.host == bindparam("at_host"), facts.c.says_nothing)
    .order_by(facts.c.page_id)
    .limit(_MOST)
)
_at_several_pages: Final = (
    select(facts.c.host, facts.c.hash)
    .where(any_of(facts.c.hash), facts.c.says_nothing)
    .group_by(facts.c.host, facts.c.hash)
    .having(func.count() > 1)
)
_pages_of: Final = select(facts.c.page_id, facts.c.text_hash).where(
    facts.c.host == bindparam("at_host"),
    facts.c.hash == bindparam("document"),
    any_of(facts.c.page_id),
)
_of_address: Final = select(pages.c.id).where(pages.c.key_hash == bindparam("hashed"))


def is_announced(tx: Transaction, hashed: bytes) -> bool:
    """Return whether a feed announced an address whose key has the hash `hashed`."""
    return tx.first(_of_address, {"hashed": hashed}) is not None


def stands_as_wall(tx: Transaction, document: Document) -> bool:
    """Return whether a document (a text, or the target of a redirect or canonical link) is a wall, as a login page is.

    It is a wall if feeds announced its pages under titles of different articles. Only pages that contain nothing of
    their announced title count. A target that a feed announced itself is no wall: articles may have moved to it.
    """
    if is_announced(tx, document.hash):
        return False
    titles: dict[int, set[str]] = defaultdict(set)
    for row in tx.all(_announced, document.named):
        titles[row.page_id].add(row.title)
    return is_wall(titles.values())


def walls_among(tx: Transaction, documents: Collection[Document]) -> list[Document]:
    """Return the walls among the documents, sorted by host and hash."""
    several = {Document(row.host, row.hash) for row in tx.all_of(_at_several_pages, {one.hash for one in documents})}
    return [
        one
        for one in sorted(several.intersection(documents), key=lambda one: (one.host, one.hash))
        if stands_as_wall(tx, one)
    ]


def texts_at(tx: Transaction, wall: Document, wanted: Iterable[PageId]) -> set[PageText]:
    """Return the pages in `wanted` that ever had the document `wall`, each with the hash of its text at that time."""
    return {(PageId(row.page_id), row.text_hash) for row in tx.all_of(_pages_of, wanted, wall.named)}


# --- texts that differ in a few words ---------------------------------------------------------------------------------

_alike: Final = (
    select(facts.c.page_id, facts.c.text_hash)
    .where(any_of(facts.c.hash), facts.c.host == bindparam("at_host"))
    .group_by(facts.c.page_id, facts.c.text_hash)
    .having(func.count() >= MOST_OF_SKETCH)
    .order_by(facts.c.page_id)
    .limit(_MOST)
)


def note_samples(tx: Transaction, texts: Iterable[ArticleWrite]) -> set[PageText]:
    """Store samples of each short text that contains nothing of its entry's title; return the texts that are walls.

    Two texts on one host are walls if they differ in a few words only, and their entries have titles of different
    articles. The result has both texts, even if one was stored earlier.
    """
    sketches = [(text, sorted(sketch_of(text.record.content.body))) for text in texts if says_nothing(text)]
    tx.add(facts, [_fact(text, one, is_silent=True) for text, sketch in sketches for one in sketch])
    walls: set[PageText] = set()
    for text, sketch in sketches:
        alike = tx.all_of(_alike, sketch, {"at_host": host_of(text.page.url)})
        titles = announced_titles(tx, {text.page.id, *(row.page_id for row in alike)})
        own = titles[text.page.id]
        others = {(PageId(row.page_id), row.text_hash) for row in alike if is_wall([own, titles[row.page_id]])}
        walls |= {*others, _text_of(text)} if others else set()
    return walls


# --- redirects to one address that shows several articles -------------------------------------------------------------

_of_key: Final = select(articles).where(
    any_of(articles.c.key_hash), articles.c.merged_into.is_(None), articles.c.raw_hash.is_not(None)
)
_known: Final = select(facts.c.hash).where(any_of(facts.c.hash), facts.c.says_nothing)
_is_silent: Final = (
    update(facts)
    .where(
        facts.c.hash == bindparam("document"),
        facts.c.page_id == bindparam("page"),
        facts.c.text_hash == bindparam("its_text"),
    )
    .values(says_nothing=True)
)


def note_varying_targets(tx: Transaction, texts: Iterable[ArticleWrite]) -> set[Document]:
    """Store and return the walls among the addresses to which our requests for the pages were redirected.

    An address has one article. So a target is a wall if it shows different articles, for example if it repeats the
    title of each page that redirects to it.
    """
    led: dict[Document, list[ArticleWrite]] = defaultdict(list)
    for text in filter(_was_led, texts):
        led[Document(host_of(text.page.url), key_hash(text.key))].append(text)
    hashes = {document.hash for document in led}
    standing = {row.key_hash: row for row in tx.all_of(_of_key, hashes)}
    known = {row.hash for row in tx.all_of(_known, hashes)}
    walls = set()
    for document, several in led.items():
        shown: dict[PageText, AnnouncedPage] = {}
        own = standing.get(document.hash)
        if own is not None and own.page_id is not None:
            shown = {(PageId(own.page_id), own.print_hash): page for page in announced_pages(tx, [own], [""]).values()}
        if document.hash in known or len(several) > 1 or shown:
            shown = {one: page for one, page in shown.items() if one[0] not in {text.page.id for text in several}}
            shown |= {_text_of(text): announced_page(tx, text) for text in several}
            others = [one for one in shown if any(not may_be_one(shown[one], other) for other in shown.values())]
            silent = list(shown) if stands_as_wall(tx, document) else others
            _keep_silent(tx, document, silent)
            walls |= {document} if silent else set()
    return walls


def _was_led(text: ArticleWrite) -> bool:
    """Return whether our own request for the page was redirected."""
    is_ours = (edge.kind is EvidenceKind.REDIRECT and edge.other == text.key for edge in text.record.edges)
    return text.record.content.source == "page" and any(is_ours)


def _keep_silent(tx: Transaction, document: Document, texts: Iterable[PageText]) -> None:
    rows = [{"document": document.hash, "page": page, "its_text": text} for page, text in texts]
    one = {"hash": document.hash, "host": document.host, "says_nothing": True}
    tx.add(facts, [{"page_id": row["page"], "text_hash": row["its_text"], **one} for row in rows])
    tx.run_all(_is_silent, rows)
