"""The store's port for all that reads, publishes, re-extracts or erases articles: sinks, web pages, commands."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Protocol

from aggregator.filters.decide import Filters
from aggregator.models.articles import Article
from aggregator.models.ids import ArticleId, Identity, Key, PageId
from aggregator.models.pages import FetchedPage, RawResponse
from aggregator.ports.protocols import RawStore, Snapshot
from aggregator.ports.readings import (
    ArticleFilter,
    ArticleSearch,
    Change,
    FilterChange,
    FoundPage,
    Position,
    Revision,
)
from aggregator.ports.store_records import ArticleRecord


class Corpus(Protocol):
    """The articles in the store. Methods publish them, read them, replace their extraction, and erase them.

    A change is numbered and then delivered: to a sink (the files of `articles_dir`), or to an output of `[[outputs]]`.
    """

    def publishing(self, wait: timedelta) -> AbstractContextManager[bool]:
        """Lock publishing for this process while the block runs.

        The block gets True, or False if another process had the lock for the whole of `wait`.
        """

    def delivering(self, output: str, wait: timedelta) -> AbstractContextManager[bool]:
        """Lock the delivery to the named output for this process while the block runs; see `publishing`."""

    def number_changes(self) -> int:
        """Give each new change the next number, in commit order; return how many there were.

        A new article also gets its day (YYYY/MM/DD) and its number within that day. Call this inside `publishing`.
        """

    def changes_after(self, seq: int, limit: int) -> tuple[Change, ...]:
        """Return up to `limit` changes with numbers above `seq`, each with the present state of its article."""

    def position(self) -> Position:
        """Return the number of the store's last change, and the epoch to which this number belongs."""

    def delivered(self, sink: str, folder: str) -> int:
        """Return the number of the last change that was delivered to the sink or output named `sink`; 0: none.

        `folder` is the id of the folder that it writes to (`Sink.folder`); "": it writes to no folder.
        """

    def set_delivered(self, sink: str, folder: str, seq: int) -> None:
        """Record that all changes up to the number `seq` were delivered; see `delivered`."""

    def snapshot(self) -> AbstractContextManager[Snapshot]:
        """Open a snapshot for the block: all its queries read one state of the store."""

    def articles(self, wanted: ArticleFilter = ArticleFilter()) -> Iterator[Article]:  # noqa: B008 - frozen
        """Yield the articles that match `wanted`, from one state of the store; see `Snapshot.articles`."""

    def article(self, id_or_url: str, keys: Sequence[Key] = ()) -> Article | None:
        """Return the article with this id, with this address, or with one of `keys`; None: there is none.

        If the article was merged into another one, return that one.
        """

    def revisions(self, article_id: ArticleId) -> tuple[Revision, ...]:
        """Return all stored texts of an article, oldest first."""

    def search(self, wanted: ArticleSearch) -> FoundPage:
        """Return the articles that match the search `wanted`, in its order: at most its limit, from its starting place.

        Raises:
            ValueError: `wanted.after` is not the `next` of an earlier result.
        """

    def near_duplicates(self, article_id: ArticleId) -> tuple[ArticleId, ...]:
        """Return the ids of up to 20 articles that repeat this one nearly word for word."""

    def raw_of(self, article_id: ArticleId) -> tuple[RawResponse, ...]:
        """Return the stored responses of an article: its page, then its further pages in order.

        Empty: they are no longer stored.
        """

    def stored_pages(self, after: PageId, limit: int) -> tuple[FetchedPage, ...]:
        """Return up to `limit` pages that can be extracted again, with ids above `after`, in the order of their ids.

        Each has a stored response. It also has an article that still exists, or else it failed for good.
        """

    def record_reextracted(self, page: FetchedPage, record: ArticleRecord) -> bool:
        """Save a new extraction of a stored page; False: the article was merged, forgotten or replaced meanwhile.

        A new title, text or body makes a new revision. Other new facts are corrected in the current revision.
        """

    def rekey(self, version: str, identify: Callable[[str], Identity], *, limit: int = 200) -> bool:
        """Recompute the keys of the next `limit` stored addresses by the present rules; True: all are recomputed.

        `version` is the version of the rules (`identify.key_version`). Two articles that get the same key are merged if
        their texts agree. When all are recomputed, further calls with this version cost one query each.
        """

    def search_walls(self) -> bool:
        """Withdraw the walls among the next stored articles; True: all articles of the store were checked, once.

        A wall is one document that several addresses serve, such as a consent page.
        """

    def ask_refused_again(self, raw_store: RawStore) -> bool:
        """Check the next pages, and make due those refused by an earlier version whose bytes are gone.

        Such a page gave no article because of low quality or no text. It is due once, within a week. True: all pages
        were checked.
        """

    def use_filters(self, filters: Filters) -> None:
        """Apply these `keep` and `skip` rules to everything recorded from now on.

        If the rules differ from the last ones, decide again about skipped pages and due pages without an article. A
        stored article stays; only `apply_filters` withdraws it.
        """

    def apply_filters(self, filters: Filters, *, dry_run: bool = False) -> Iterator[FilterChange]:
        """Apply the rules to all stored pages and articles; `dry_run`: change nothing.

        Yield each page whose decision changed: it is skipped from now on, or it is no longer skipped.
        """

    def forget(self, keys: Sequence[Key], host_names: Sequence[str]) -> tuple[tuple[ArticleId, ...], tuple[str, ...]]:
        """Erase the articles with these keys and all articles of these hosts (and of the hosts below them).

        The keys stay, so that the articles do not come back. Return the ids of the erased articles (without merged
        ones), and the content hashes of the raw responses that may be deleted.
        """

    def scrub(self, wait: timedelta) -> bool:
        """Rewrite the store's files so that no erased text is left in them.

        False: a reader kept an old file open for the whole of `wait`.
        """
