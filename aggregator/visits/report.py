"""The counts of one visit. The engine adds them up."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from aggregator.models.fetching import Cause
from aggregator.ports.store_records import PollRecord, PollRecorded


@dataclass(slots=True, kw_only=True)
class VisitReport:
    """The counts of a visit. `articles` counts the articles made from feeds' own content by result, such as "new".

    `host_done`: the host gets no further visit in this run, since it is backed off or has used up its time.
    `more_to_fill`: a search for lost entries continues before the feed's next poll.
    """

    feeds_polled: int = 0
    feeds_unchanged: int = 0
    feeds_failed: int = 0
    entries_seen: int = 0
    entries_new: int = 0
    pages_requested: int = 0
    pages_failed: int = 0
    requests: int = 0
    causes: dict[Cause, int] = field(default_factory=dict)
    articles: Counter[str] = field(default_factory=Counter)
    host_done: bool = False
    more_to_fill: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether the visit sent no request, recorded no failed page, and leaves no search for lost entries undone."""
        return self.requests == 0 and self.pages_failed == 0 and not self.more_to_fill

    def count_poll(self, record: PollRecord, recorded: PollRecorded) -> None:
        """Count a poll of a feed, its entries, and its failure if it has one."""
        self.feeds_polled += 1
        self.feeds_unchanged += record.outcome.outcome == "unchanged"
        self.count_entries(record, recorded)
        if record.outcome.cause is not None:
            self.feeds_failed += 1
            self.count_cause(record.outcome.cause)

    def count_entries(self, record: PollRecord, recorded: PollRecorded) -> None:
        """Count the entries that an answer has, those that are new, and the articles made from them."""
        self.entries_seen += record.outcome.entries_seen
        self.entries_new += recorded.entries_new
        self.articles.update(article.kind for article in recorded.articles)

    def count_page_failure(self, cause: Cause) -> None:
        """Count a page that failed, and the cause."""
        self.pages_failed += 1
        self.count_cause(cause)

    def count_cause(self, cause: Cause) -> None:
        """Count the cause of a failure of a feed or page."""
        self.causes[cause] = self.causes.get(cause, 0) + 1
