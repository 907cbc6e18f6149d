"""The overview for operators: findings about all feeds, and the work of the last days. It reads the store only."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from aggregator.models.feeds import Feed
from aggregator.models.fetching import Cause
from aggregator.models.ids import FeedId
from aggregator.monitoring.health import Finding, Kind, Severity, diagnose, screen
from aggregator.monitoring.installation import Problem
from aggregator.ports.readings import Activity, Counts, DayCounts, FeedSigns
from aggregator.ports.store import Store
from aggregator.redaction import mask_password
from aggregator.sinks.outputs.follow import fact_name

_LOOKED_AT = timedelta(days=7)  # entries, pages and articles of this time are checked
_DAY = timedelta(days=1)
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)
_AT_ONCE = 1000  # feeds per query
_DAYS_SHOWN = 30
_WORTH_READING = 3  # the history of a feed with fewer failed polls is not read


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """A feed and its findings, the most urgent first. A feed without findings has no known problem."""

    feed: Feed
    findings: tuple[Finding, ...]

    @property
    def is_broken(self) -> bool:
        """Whether one of the findings says that the feed gives nothing."""
        return is_broken(self.findings)


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """The state of an installation at the time `at`.

    `activity` and the delays cover the 24 hours before `at`; `days` covers the last 30 days, the latest last.
    `feed_ids` are the ids of all feeds in the order in which they were added. `unwell` has the findings of each feed
    that has any, broken feeds first. `broken` is the number of broken feeds.
    """

    at: datetime
    counts: Counts
    activity: Activity
    days: tuple[DayCounts, ...]
    delay_p50: timedelta | None
    delay_p95: timedelta | None
    feed_ids: tuple[FeedId, ...]
    unwell: Mapping[FeedId, tuple[Finding, ...]]
    broken: int
    groups: tuple[Group, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The feeds whose findings have the same kind, cause and severity. `remedy` is "" if their remedies differ."""

    kind: Kind
    cause: Cause | None
    severity: Severity
    remedy: str
    feed_ids: tuple[FeedId, ...]


def is_broken(findings: Iterable[Finding]) -> bool:
    """Return whether one of a feed's findings says that the feed gives nothing."""
    return any(finding.severity is Severity.BROKEN for finding in findings)


def unwell(store: Store, now: datetime) -> tuple[Diagnosis, ...]:
    """Return the `Diagnosis` of each feed that has findings, in the order in which the feeds were added.

    The finding `own_clock` counts only for the feed that was polled last.
    """
    found = {one.feed.id: one for one in _unwell(store, now)}
    return tuple(found[feed_id] for feed_id in sorted(found))


def _unwell(store: Store, now: datetime) -> Iterator[Diagnosis]:
    """Yield the feeds that have findings. The finding `own_clock` is left out, except for the feed polled last.

    If our own clock went back, many feeds have this finding. The feed polled last is yielded at the end with it, even
    if it was yielded before without it.
    """
    last: tuple[datetime, Diagnosis] | None = None
    for one in _diagnoses(store, now):
        others = tuple(finding for finding in one.findings if finding.kind is not Kind.OWN_CLOCK)
        polled_at = one.feed.state.polled_at or _NEVER
        if others != one.findings and (last is None or polled_at > last[0]):
            last = polled_at, one
        if others:
            yield replace(one, findings=others)
    if last is not None:
        yield last[1]


def _diagnoses(store: Store, now: datetime) -> Iterator[Diagnosis]:
    """Yield the findings of each feed that may have some. The rows of feeds are read a thousand at a time."""
    signs = store.signs(now - _LOOKED_AT)
    telling = (feed_id for feed_id, sign in signs.items() if sign.tells)
    feed_ids = sorted({*store.suspect_ids(screen(now)), *telling})
    for start in range(0, len(feed_ids), _AT_ONCE):
        for feed in store.feeds(ids=feed_ids[start : start + _AT_ONCE]):
            sign = signs.get(feed.id, FeedSigns())
            is_unsteady = sign.polls_failed >= _WORTH_READING and feed.state.cause is None
            polls = store.polls(feed.id) if is_unsteady else ()
            yield Diagnosis(feed=feed, findings=diagnose(feed, polls, now, sign))


def overview(store: Store) -> Overview:
    """Read the state of the installation from the store."""
    now = store.now()
    activity = store.activity(now - _DAY)
    feed_ids = store.feed_ids()
    unwell = {one.feed.id: one.findings for one in _unwell(store, now)}
    return Overview(
        at=now,
        counts=store.counts(),
        activity=activity,
        days=store.days(now, _DAYS_SHOWN),
        delay_p50=_share(activity.delays, 0.5),
        delay_p95=_share(activity.delays, 0.95),
        feed_ids=feed_ids,
        unwell=dict(sorted(unwell.items(), key=lambda item: (not is_broken(item[1]), item[0]))),
        broken=sum(is_broken(findings) for findings in unwell.values()),
        groups=_groups(unwell),
    )


def _groups(unwell: Mapping[FeedId, tuple[Finding, ...]]) -> tuple[Group, ...]:
    """Return the feeds in groups with the same kind, cause and severity of finding.

    A feed with several findings is in several groups. Groups of broken feeds come first, then large groups.
    """
    feeds: defaultdict[tuple[Kind, Cause | None, Severity], list[FeedId]] = defaultdict(list)
    remedies: defaultdict[tuple[Kind, Cause | None, Severity], set[str]] = defaultdict(set)
    for feed_id, findings in unwell.items():
        for finding in findings:
            key = (finding.kind, finding.cause, finding.severity)
            feeds[key].append(feed_id)
            remedies[key].add(finding.remedy)
    groups = (
        Group(
            kind=kind,
            cause=cause,
            severity=severity,
            remedy=remedies[kind, cause, severity].pop() if len(remedies[kind, cause, severity]) == 1 else "",
            feed_ids=tuple(dict.fromkeys(ids)),
        )
        for (kind, cause, severity), ids in feeds.items()
    )
    return tuple(sorted(groups, key=lambda group: (group.severity is not Severity.BROKEN, -len(group.feed_ids))))


def _share(delays: Sequence[timedelta], share: float) -> timedelta | None:
    """Return a percentile of `delays`, which are in ascending order; `share` 0.95 means the 95th. None: no delays."""
    return delays[min(int(len(delays) * share), len(delays) - 1)] if delays else None


# --- records ----------------------------------------------------------------------------------------------------------


def title_of(feed: Feed) -> str:
    """Return how listings call a feed: its configured name, else the title in the feed, else its address."""
    return feed.name or feed.state.title or mask_password(feed.url)


def finding_record(feed: Feed | None, finding: Finding | Problem) -> dict[str, object]:
    """Return the JSON record of a finding about `feed`, or of a problem of the installation (`feed` is None).

    docs/how-to/monitor.md describes the fields.
    """
    return {
        "feed": None if feed is None else title_of(feed),
        "feed_id": None if feed is None else feed.id,
        "url": None if feed is None else mask_password(feed.url),
        "kind": str(finding.kind),
        "severity": finding.severity.value,
        "cause": None if finding.cause is None else finding.cause.value,
        "since": None if finding.since is None else finding.since.isoformat(),
        "detail": finding.detail,
        "remedy": finding.remedy,
    }


def failing_outputs(store: Store, names: Iterable[str]) -> tuple[str, ...]:
    """Return `NAME: reason` for each of the named outputs whose last delivery failed."""
    reasons = ((name, store.read_fact(fact_name(name))) for name in names)
    return tuple(mask_password(f"{name}: {reason}") for name, reason in reasons if reason)
