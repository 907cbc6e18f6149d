"""Finds what is wrong with a feed, since when, and what an operator can do. It uses stored facts alone; no I/O.

A finding is `broken` if the feed gives nothing until an operator acts or the server recovers. It is `attention` if the
feed works, but an operator should check something (docs/how-to/monitor.md). The rule by which a host is backed off is
elsewhere: see `HOST_CAUSES` in `schedule/due_times.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import pairwise
from typing import Final

from aggregator.models.feeds import Feed, FeedState, FeedStatus, PublicationStats
from aggregator.models.fetching import Cause
from aggregator.monitoring.remedies import PAGE_REMEDIES, REMEDIES
from aggregator.ports.readings import FeedScreen, FeedSigns
from aggregator.ports.store_records import PollOutcome
from aggregator.redaction import mask_password
from aggregator.schedule.due_times import TEMPORARY_CAUSES
from aggregator.schedule.publication_rate import CAUTION, expected_rate

_DAY: Final = timedelta(days=1)


class Severity(StrEnum):
    """How urgent a finding is. The members are in order, the most urgent first."""

    BROKEN = "broken"
    ATTENTION = "attention"


class Kind(StrEnum):
    """The kinds of findings: what can be wrong with a feed."""

    FAILING = "failing"  # the polls fail
    BLOCKED = "blocked"  # the server refuses the feed or most of its pages
    HTML = "html"  # the feed's address answers with a web page
    GONE = "gone"  # 410: not polled until an operator acts
    OVERDUE = "overdue"  # long due and not polled
    SILENT = "silent"  # answers, but published nothing for much longer than usual
    UNSTEADY = "unsteady"  # works now, but often failed recently
    MOVED = "moved"  # permanently redirected to another address
    CLOCK = "clock"  # its dates cannot be right
    OWN_CLOCK = "own_clock"  # this machine's clock went back
    STUCK_VALIDATORS = "stuck_validators"  # answered 304 although there were new entries
    ENTRY_IDS = "entry_ids"  # one id stands for several entries
    LOST_ENTRIES = "lost_entries"  # its fixed interval is too long for the length of its document
    QUALITY = "quality"  # its pages give no article, or doubtful ones


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong with a feed.

    `since` is None if the start is unknown. `cause` is None if the finding is not about failed requests or pages.
    """

    kind: Kind
    severity: Severity = Severity.ATTENTION
    since: datetime | None = None
    cause: Cause | None = None
    detail: str
    remedy: str


def diagnose(
    feed: Feed, polls: Sequence[PollOutcome], now: datetime, signs: FeedSigns | None = None
) -> tuple[Finding, ...]:
    """Return the findings about `feed`, the most urgent first. A disabled feed has no findings.

    `polls` are the outcomes of the feed's last polls. `signs` are facts about the feed's latest entries, pages and
    articles.
    """
    if not feed.enabled:
        return ()
    signs = signs or FeedSigns()
    found = (
        _poll_failure(feed.state, now),
        _overdue(feed.state, now),
        _silent(feed.state, now),
        _unsteady(feed.state, polls),
        _moved(feed, now),
        _own_clock(feed.state, now),
        _feed_clock(signs),
        _stuck_validators(feed.state),
        _lost_entries(feed, now),
        _broken_ids(feed.state),
        _blocked_pages(signs),
        _failed_pages(signs),
        _doubtful_articles(signs),
    )
    return tuple(sorted((one for one in found if one is not None), key=lambda one: one.severity is Severity.ATTENTION))


def screen(now: datetime) -> FeedScreen:
    """Return the limits (how long overdue, how long silent and so on) beyond which a feed is diagnosed.

    `suspect_ids` selects the feeds by them. Feeds whose `FeedSigns.tells` is true are diagnosed, too. All other feeds
    have no findings.
    """
    return FeedScreen(
        now=now,
        due_before=now - _OVERDUE,
        polled_after=now + _CLOCK_TOLERANCE,
        silent_since=now - _SILENT_AT_LEAST,
        silent_entries=_SILENT_ENTRIES,
        prior=CAUTION,
        silent_gaps=_SILENT_GAPS,
    )


# --- polls ------------------------------------------------------------------------------------------------------------

_BLOCKING: Final = frozenset({Cause.UNAUTHORIZED, Cause.FORBIDDEN, Cause.ROBOTS})
_BROKEN_AFTER: Final = 1.0  # weighted failures in a row: four temporary ones (schedule)
_LASTING: Final = timedelta(hours=6)


def _poll_failure(state: FeedState, now: datetime) -> Finding | None:
    cause = state.cause
    if cause is None or state.status not in (FeedStatus.FAILING, FeedStatus.GONE):
        return None
    kind, remedy = Kind.FAILING, REMEDIES[cause]
    if state.status is FeedStatus.GONE:
        kind = Kind.GONE
    elif cause in _BLOCKING:
        kind = Kind.BLOCKED
    elif cause is Cause.NOT_A_FEED:
        kind = Kind.HTML
        if state.advertised:
            remedy = (
                f"The page advertises {', '.join(state.advertised[:3])}: take that as `url` if it is the same feed."
            )
    is_passing = (
        cause in TEMPORARY_CAUSES
        and state.succeeded_at is not None
        and state.failures < _BROKEN_AFTER
        and now - (state.failing_since or now) < _LASTING
    )
    return Finding(
        kind=kind,
        severity=Severity.ATTENTION if is_passing else Severity.BROKEN,
        since=state.failing_since,
        cause=cause,
        detail=state.detail,
        remedy=remedy,
    )


_OVERDUE: Final = timedelta(hours=1)


def _overdue(state: FeedState, now: datetime) -> Finding | None:
    due_at = max(state.due_at, state.not_before or state.due_at)
    if now - due_at < _OVERDUE:
        return None
    return Finding(
        kind=Kind.OVERDUE,
        since=due_at,
        detail=f"due {_ago(now - due_at)} ago and not polled since",
        remedy="Is the daemon (or the timer) running? If it is, the feed's host asked to be left alone, or every "
        "worker is busy: see /readyz and raise `[polling] workers`.",
    )


_UNSTEADY_POLLS: Final = 10  # fewer polls give no finding
_UNSTEADY_SHARE: Final = 0.3


def _unsteady(state: FeedState, polls: Sequence[PollOutcome]) -> Finding | None:
    failed = [poll for poll in polls if poll.outcome == "failed"]
    if state.cause is not None or len(polls) < _UNSTEADY_POLLS or len(failed) < _UNSTEADY_SHARE * len(polls):
        return None
    causes = Counter(poll.cause for poll in failed if poll.cause is not None)
    cause = causes.most_common(1)[0][0] if causes else None
    return Finding(
        kind=Kind.UNSTEADY,
        since=failed[-1].at,
        cause=cause,
        detail=f"{len(failed)} of the last {len(polls)} polls failed: {_spell(causes)}",
        remedy=REMEDIES[cause] if cause is not None else "See the history of its polls.",
    )


# --- rhythm -----------------------------------------------------------------------------------------------------------

_SILENT_ENTRIES: Final = 6.0  # expected entries: a steady feed shows none of six by chance once in 400 times
_SILENT_AT_LEAST: Final = timedelta(hours=12)
_SILENT_GAPS: Final = 2.0  # as a multiple of its longest recent pause
_KNOWN_RHYTHM: Final = 4  # with fewer publication times the rhythm is unknown
_WEEKDAYS_KNOWN: Final = 20.0  # with fewer entries the weekdays are unknown


def _silent(state: FeedState, now: datetime) -> Finding | None:
    """Return a finding if the feed answers, but has published nothing for much longer than usual.

    That is at least half a day, at least twice the longest recent pause, and long enough to expect six entries.
    """
    recent = state.stats.recent
    if state.cause is not None or len(recent) < _KNOWN_RHYTHM:
        return None
    last = recent[-1]
    pauses = [later - earlier for earlier, later in pairwise(recent)]
    silence = now - last
    if silence < max(_SILENT_AT_LEAST, _SILENT_GAPS * max(pauses)):
        return None
    expected = _expected_entries(state.stats, last, now)
    if expected < _SILENT_ENTRIES:
        return None
    return Finding(
        kind=Kind.SILENT,
        since=last,
        detail=f"answers, and published nothing for {_ago(silence)}; about {expected:.0f} entries were expected",
        remedy="Compare with the publisher's site: if it has new articles, the feed was replaced; "
        "`aggregator feeds discover <site>` finds the new one.",
    )


def _expected_entries(stats: PublicationStats, since: datetime, until: datetime) -> float:
    """Return how many entries the feed should have published between two times, by its rate and its usual weekdays."""
    rate = expected_rate(stats, stats.at or since)
    known = sum(stats.weekdays)
    expected, at = 0.0, since
    while at < until:
        end = min(at.replace(hour=0, minute=0, second=0, microsecond=0) + _DAY, until)
        factor = 7 * stats.weekdays[at.weekday()] / known if known >= _WEEKDAYS_KNOWN else 1.0
        expected += rate * factor * ((end - at) / _DAY)
        at = end
    return expected


# --- address, clock, validators ---------------------------------------------------------------------------------------

_SETTLED: Final = timedelta(days=7)  # health proposes an edit after the new address has worked for this time


def _moved(feed: Feed, now: datetime) -> Finding | None:
    state = feed.state
    if state.adopted_url is None or state.adopted_at is None or now - state.adopted_at < _SETTLED:
        return None
    return Finding(
        kind=Kind.MOVED,
        since=state.adopted_at,
        detail=f"permanently redirected to {state.adopted_url}, which is used since then",
        remedy=f'In the configuration write url = "{state.adopted_url}" instead of "{mask_password(feed.url)}".',
    )


_CLOCK_TOLERANCE: Final = timedelta(minutes=5)
_FLAGGED_SHARE: Final = 0.2


def _own_clock(state: FeedState, now: datetime) -> Finding | None:
    if state.polled_at is None or state.polled_at - now < _CLOCK_TOLERANCE:
        return None
    return Finding(
        kind=Kind.OWN_CLOCK,
        detail=f"the last poll is dated {state.polled_at:%Y-%m-%d %H:%M} UTC: {_ago(state.polled_at - now)} from now",
        remedy="This machine's clock was moved back: check that it is set by NTP.",
    )


def _feed_clock(signs: FeedSigns) -> Finding | None:
    if not signs.dates_flagged or signs.dates_flagged < _FLAGGED_SHARE * signs.entries:
        return None
    return Finding(
        kind=Kind.CLOCK,
        detail=f"{signs.dates_flagged} of its {signs.entries} latest entries have a date that cannot be right",
        remedy="Nothing is lost: such dates are not used, the time of discovery is. Tell the publisher "
        "(a wrong clock or time zone).",
    )


def _stuck_validators(state: FeedState) -> Finding | None:
    if state.revalidation != "distrusted":
        return None
    return Finding(
        kind=Kind.STUCK_VALIDATORS,
        since=state.distrusted_at,
        detail="the server answered 304 Not Modified although there were new entries; it is asked without validators",
        remedy="Nothing to do here; tell the publisher that ETag or Last-Modified do not change with the feed.",
    )


def _broken_ids(state: FeedState) -> Finding | None:
    if not state.entry_ids:
        return None
    instead = state.entry_ids.replace("+", " and ")
    return Finding(
        kind=Kind.ENTRY_IDS,
        detail=f"one guid stands for several links; its entries are told apart by {instead}",
        remedy="Nothing is lost: entries and articles stay what they are. Tell the publisher that each entry needs "
        "a guid of its own.",
    )


def _lost_entries(feed: Feed, now: datetime) -> Finding | None:
    """Return a finding if all entries were replaced between two polls in the last week: some may be lost.

    Only a feed with a configured `interval` has this finding, since only the operator can shorten this interval.
    """
    gap_at = feed.state.gap_at
    if feed.interval is None or gap_at is None or now - gap_at >= _SETTLED:
        return None
    return Finding(
        kind=Kind.LOST_ENTRIES,
        since=gap_at,
        detail=f"between two polls, every {_ago(feed.interval)}, all entries were replaced: some may be lost",
        remedy="Write a shorter `interval`, or none: then the feed's own rhythm decides. `aggregator gaps` lists when.",
    )


# --- pages and articles -----------------------------------------------------------------------------------------------

_FEW: Final = 3
_QUALITY_SHARE: Final = 0.25
_REFUSALS: Final = _BLOCKING | {Cause.RATE_LIMITED}


def _blocked_pages(signs: FeedSigns) -> Finding | None:
    refused = {cause: count for cause, count in signs.pages_failed.items() if cause in _REFUSALS}
    return _pages_finding(Kind.BLOCKED, refused, signs, "refused us")


def _failed_pages(signs: FeedSigns) -> Finding | None:
    failed = {cause: count for cause, count in signs.pages_failed.items() if cause not in _REFUSALS}
    return _pages_finding(Kind.QUALITY, failed, signs, "gave no article")


def _pages_finding(kind: Kind, failed: Mapping[Cause, int], signs: FeedSigns, verb: str) -> Finding | None:
    """Return a finding about a feed's failed pages, counted by cause in `failed`; None: they are too few.

    Enough are three pages that are at least a quarter of the feed's latest pages. `verb` says what the pages did.
    """
    count = sum(failed.values())
    all_pages = signs.articles + sum(signs.pages_failed.values())
    if count < _FEW or count < _QUALITY_SHARE * all_pages:
        return None
    cause = max(failed, key=lambda one: failed[one])
    return Finding(
        kind=kind,
        cause=cause,
        detail=f"{count} of its {all_pages} latest pages {verb}: {_spell(failed)}",
        remedy=PAGE_REMEDIES[cause],
    )


def _doubtful_articles(signs: FeedSigns) -> Finding | None:
    if signs.articles_doubtful < _FEW or signs.articles_doubtful < _QUALITY_SHARE * signs.articles:
        return None
    reasons = f": {_spell(signs.reasons)}" if signs.reasons else ""
    return Finding(
        kind=Kind.QUALITY,
        detail=f"{signs.articles_doubtful} of its {signs.articles} latest articles are doubtful{reasons}",
        remedy="Look at some with `aggregator articles list --quality`; a publisher rule or `full_text = false` "
        "may help.",
    )


# --- words ------------------------------------------------------------------------------------------------------------


def _spell(counts: Mapping[Cause, int] | Mapping[str, int] | Counter[Cause]) -> str:
    ordered = sorted(counts.items(), key=lambda item: (-item[1], str(item[0])))
    return ", ".join(f"{count} {str(name).replace('_', ' ')}" for name, count in ordered[:4])


def _ago(span: timedelta) -> str:
    """Return a time span in whole minutes, hours or days.

    >>> _ago(timedelta(minutes=90)), _ago(timedelta(days=3))
    ('2 hours', '3 days')
    """
    hours = span / timedelta(hours=1)
    return (
        f"{span.days} days" if hours >= 48 else f"{round(hours)} hours" if hours >= 1.5 else f"{hours * 60:.0f} minutes"
    )
