"""Problems of the whole installation: disk, rules, outputs, lists, page, configuration, publishing, network. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from aggregator.models.feeds import Feed
from aggregator.models.fetching import Cause
from aggregator.monitoring.daemon_record import DaemonRecord
from aggregator.monitoring.health import Finding, Kind, Severity

REMEDIES: Final = {
    "disk": "Free some space, or lower `[storage] min_free` or `retention`; polling resumes by itself.",
    "rule": "Correct the file; `aggregator config check` tries it. Until then a running daemon keeps "
    "the rules that it has, and a new one starts without this file.",
    "output": "Correct the output or its receiver. It is retried automatically, and gets every change in order.",
    "list": "Correct `url` or `path`, or the list itself. It is read again by itself; its feeds stay as they were.",
    "page": "Stop the other program, or write another `[web] listen`; the daemon tries it again each second.",
    "configuration": "Correct the file, or restart the daemon where the message says so. Until then the settings hold "
    "that it runs with.",
    "publishing": "Nothing to do: the daemon, or the next run-once, writes them. Is `articles_dir` on a slow disk?",
    "network": "Our own network: check its connection, /etc/resolv.conf and the name servers. The feeds are polled "
    "again by themselves.",
}

_MANY_CHANGES: Final = 1_000  # waiting changes; fewer are written in a moment
_FEWEST_HOSTS: Final = 3  # hosts with names that do not resolve
_SAME_OUTAGE: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Something that is wrong with the installation, not with one feed. `kind` is a key of `REMEDIES`."""

    kind: str
    detail: str
    severity: Severity = Severity.BROKEN
    since: datetime | None = None
    cause: Cause | None = None

    @property
    def remedy(self) -> str:
        """What an operator can do about the problem."""
        return REMEDIES[self.kind]


def daemon_problems(records: Iterable[DaemonRecord], now: datetime) -> tuple[Problem, ...]:
    """Return the problems that live daemons have with status page and configuration, without repetitions."""
    alive = [record for record in records if record.is_alive(now)]
    pages = (Problem(kind="page", detail=record.page_fault) for record in alive if record.page_fault)
    files = (Problem(kind="configuration", detail=record.config_fault) for record in alive if record.config_fault)
    return tuple(dict.fromkeys((*pages, *files)))


def publishing_problem(folder: str, written: int, changes: int) -> Problem | None:
    """Return a problem if a thousand changes or more are not yet written as text files to `folder`; else None.

    `changes` is the number of all changes of the store, `written` the number of those in the folder.
    """
    if changes - written < _MANY_CHANGES:
        return None
    detail = f"{folder}: {written} of {changes} changes are written, {changes - written} wait"
    return Problem(kind="publishing", detail=detail, severity=Severity.ATTENTION)


def network_problem(feeds: Iterable[Feed], hosts_answered: Callable[[datetime], Collection[str]]) -> Problem | None:
    """Return a problem if our own network seems to be down, else None.

    It seems to be down if the names of at least three hosts do not resolve any more, and at most as many other hosts
    have answered since then. Names that failed long before most others are left out. `hosts_answered` returns the
    hosts on which a poll succeeded since a given time.
    """
    unresolved = [
        (feed.state.failing_since, feed.host)
        for feed in feeds
        if feed.state.cause is Cause.DNS and feed.state.failing_since is not None
    ]
    if len({host for _, host in unresolved}) < _FEWEST_HOSTS:
        return None
    middle = sorted(unresolved)[len(unresolved) // 2][0]  # the median: names that failed long before do not change it
    since = min(at for at, _ in unresolved if at >= middle - _SAME_OUTAGE)
    silent = {host for at, host in unresolved if at >= since}
    if len(silent) < max(len({*hosts_answered(since)} - silent), _FEWEST_HOSTS):
        return None
    detail = f"the names of {len(silent)} hosts do not resolve"
    return Problem(kind="network", detail=detail, since=since, cause=Cause.DNS)


def is_of_network(finding: Finding, problem: Problem | None) -> bool:
    """Return whether a feed's finding is explained by `problem`, an outage of our own network.

    This is so if the feed's host name does not resolve, and failed to resolve only after the outage began.
    """
    if problem is None or problem.since is None or finding.since is None:
        return False
    return finding.kind is Kind.FAILING and finding.cause is Cause.DNS and finding.since >= problem.since
