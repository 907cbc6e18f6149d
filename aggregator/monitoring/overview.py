"""What an operator looks at: the state of all feeds, the last day's work. Reads the store, decides nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from aggregator.models.feeds import Feed
from aggregator.monitoring.health import Finding, Kind, Severity, diagnose
from aggregator.ports.readings import Activity, Counts, FeedSigns
from aggregator.ports.store import Store
from aggregator.redaction import mask_password
from aggregator.schedule.plan import FeedHistory
from aggregator.sinks.outputs.follow import fact_name

_LOOKED_AT = timedelta(days=7)  # entries, pages and articles that tell how a feed is
_DAY = timedelta(days=1)
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)
_WORTH_READING = 3  # failed polls that make the history of a feed worth reading


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """A feed and what is wrong with it, the worst first; nothing is good."""

    feed: Feed
    findings: tuple[Finding, ...]

    @property
    def is_broken(self) -> bool:
        """Whether nothing comes from this feed."""
        return any(finding.severity is Severity.BROKEN for finding in self.findings)


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """The state of an installation at `at`; `activity` is that of the day before."""

    at: datetime
    counts: Counts
    activity: Activity
    delay_p50: timedelta | None
    delay_p95: timedelta | None
    diagnoses: tuple[Diagnosis, ...]

    @property
    def unwell(self) -> tuple[Diagnosis, ...]:
        """The feeds with findings, broken ones first."""
        return tuple(
            sorted((one for one in self.diagnoses if one.findings), key=lambda one: not one.is_broken),
        )


def survey(store: Store, now: datetime) -> tuple[Diagnosis, ...]:
    """Return what is wrong with each enabled feed, feeds in the order in which they were added."""
    signs = store.signs(now - _LOOKED_AT)
    feeds = store.feeds()
    last_polled = max(feeds, key=lambda feed: feed.state.polled_at or _NEVER, default=None)
    diagnoses = []
    for feed in feeds:
        sign = signs.get(feed.id, FeedSigns())
        polls = store.polls(feed.id) if sign.polls_failed >= _WORTH_READING else ()
        findings = diagnose(feed, polls, now, sign)
        if feed is not last_polled:  # our own clock is no matter of each feed
            findings = tuple(finding for finding in findings if finding.kind is not Kind.OWN_CLOCK)
        diagnoses.append(Diagnosis(feed=feed, findings=findings))
    return tuple(diagnoses)


def overview(store: Store) -> Overview:
    """Return the state of the installation."""
    now = store.now()
    activity = store.activity(now - _DAY)
    return Overview(
        at=now,
        counts=store.counts(),
        activity=activity,
        delay_p50=_share(activity.delays, 0.5),
        delay_p95=_share(activity.delays, 0.95),
        diagnoses=survey(store, now),
    )


def histories(store: Store, limit: int = 5_000) -> tuple[int, tuple[FeedHistory, ...]]:
    """Return how many feeds are polled, and a fair sample of `limit` of them at most with their polls, for `plan`."""
    count, found = store.poll_histories(limit)
    return count, tuple(FeedHistory(feed=feed, polls=polls) for feed, polls in found)


def _share(delays: Sequence[timedelta], share: float) -> timedelta | None:
    """Return the delay that `share` of the ascending `delays` do not exceed."""
    return delays[min(int(len(delays) * share), len(delays) - 1)] if delays else None


# --- records ----------------------------------------------------------------------------------------------------------


def title_of(feed: Feed) -> str:
    """Return what listings call a feed: its name, its own title, its address."""
    return feed.name or feed.state.title or mask_password(feed.url)


def finding_record(feed: Feed, finding: Finding) -> dict[str, object]:
    """Return a finding as a record (docs/how-to/monitor.md)."""
    return {
        "feed": title_of(feed),
        "feed_id": feed.id,
        "url": mask_password(feed.url),
        "kind": finding.kind.value,
        "severity": finding.severity.value,
        "cause": None if finding.cause is None else finding.cause.value,
        "since": None if finding.since is None else finding.since.isoformat(),
        "detail": finding.detail,
        "remedy": finding.remedy,
    }


def room_record(problem: str) -> dict[str, object]:
    """Return the finding that concerns all feeds: the disk is nearly full."""
    remedy = "Free some space, or lower `[storage] min_free` or `retention`; polling resumes by itself."
    return _record_of_all("disk", problem, remedy)


def rule_record(fault: str) -> dict[str, object]:
    """Return the finding that a rule file is refused."""
    return _record_of_all("rule", fault, RULE_REMEDY)


RULE_REMEDY = "Correct the file; `aggregator config check` tries it. Until then its rule does not hold."


OUTPUT_REMEDY = "Correct the output or its receiver. It is tried again by itself, and gets every change in order."


def output_record(problem: str) -> dict[str, object]:
    """Return the finding that an output fails."""
    return _record_of_all("output", problem, OUTPUT_REMEDY)


def failing_outputs(store: Store, names: Iterable[str]) -> tuple[str, ...]:
    """Return what keeps which output from taking changes, as `NAME: reason`."""
    reasons = ((name, store.read_fact(fact_name(name))) for name in names)
    return tuple(mask_password(f"{name}: {reason}") for name, reason in reasons if reason)


def _record_of_all(kind: str, detail: str, remedy: str) -> dict[str, object]:
    return {
        "feed": None,
        "feed_id": None,
        "url": None,
        "kind": kind,
        "severity": Severity.BROKEN.value,
        "cause": None,
        "since": None,
        "detail": detail,
        "remedy": remedy,
    }
