"""The counts of one visit. The engine adds them up."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from aggregator.models.fetching import Cause
from aggregator.ports.store_records import PollRecord, PollRecorded


@dataclass(slots=True, kw_only=True)
class VisitReport:
    """The counts of a visit. `articles` counts results for entries whose content came with the feed.

    `host_done` True: the host gets no further visit in this run, since it backs off or used up its waiting time.
    `more_to_fill` True: the search for the lost entries of a gap continues, at once or in seconds.
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
        """Whether there was nothing to do."""
        return self.requests == 0 and self.pages_failed == 0 and not self.more_to_fill

    def count_poll(self, record: PollRecord, recorded: PollRecorded) -> None:
        """Count a poll of a feed."""
        self.feeds_polled += 1
        self.feeds_unchanged += record.outcome.outcome == "unchanged"
        self.count_entries(record, recorded)
        if record.outcome.cause is not None:
            self.feeds_failed += 1
            self.count_cause(record.outcome.cause)

    def count_entries(self, record: PollRecord, recorded: PollRecorded) -> None:
        """Count the entries and articles of an answer."""
        self.entries_seen += record.outcome.entries_seen
        self.entries_new += recorded.entries_new
        self.articles.update(article.kind for article in recorded.articles)

    def count_page_failure(self, cause: Cause) -> None:
        """Count a page that failed."""
        self.pages_failed += 1
        self.count_cause(cause)

    def count_cause(self, cause: Cause) -> None:
        """Count the cause of a failure."""
        self.causes[cause] = self.causes.get(cause, 0) + 1
