"""Fills a store with feeds that were polled for 60 days: `python benchmarks/fill_feeds.py FOLDER FEEDS [--polls N]`.

FOLDER gets `aggregator.toml`, `feeds.toml` with the list, and `aggregator.db`. Each feed has the statistics of 60 days
and its last polls (50 unless N says otherwise); one in a hundred fails, one in ten of those because of its name. The
same arguments give the same feeds; times lead up to now. Other benchmarks import `fill`.
"""

from __future__ import annotations

import argparse
import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

from aggregator.clock import SystemClock
from aggregator.config.loading import load_config
from aggregator.models.feeds import FeedState, FeedStatus, PublicationStats, Subscription
from aggregator.models.fetching import Cause
from aggregator.store import open_store
from aggregator.store.queue.feeds import state_values

DAYS = 60
KINDS = 500  # of feeds: each feed is one of these, some seconds earlier
AN_HOST = 10  # feeds of one host
FAILING = 100  # one in so many
KEPT = 64  # publication times
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

POLL = "INSERT INTO polls VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0)"


@dataclass(frozen=True, slots=True)
class Kind:
    """A way of publishing: its state, and its polls, the oldest first (time, outcome, new entries)."""

    state: FeedState
    polls: tuple[tuple[int, str, int], ...]


def address(number: int) -> str:
    return f"https://www.host-{number // AN_HOST}.example/section-{number}/feed.xml"


def subscriptions(count: int) -> list[Subscription]:
    return [Subscription(url=address(number), name=f"Feed {number}", tags=("filled",)) for number in range(count)]


def kind_of(seed: int, polls: int, now: datetime) -> Kind:
    random = Random(seed)
    rate = min(max(random.lognormvariate(0.7, 1.5), 0.05), 200.0)  # entries a day
    published, at = [], now - timedelta(days=DAYS)
    while at < now and len(published) < 20_000:
        at += timedelta(days=random.expovariate(rate))
        if 5 <= at.hour < 22 or random.random() < 0.2:
            published.append(at.replace(microsecond=0))
    recent = tuple(one for one in published if one < now)[-KEPT:]
    weight, exposure = 0.6 * rate * 20, 20.0
    interval = timedelta(days=1) / min(max(24 * (rate / 4) ** 0.5, 4), 200)
    due_at = now + interval * random.random()
    times = [due_at - interval * (polls - index) for index in range(polls)]
    outcomes = []
    for before, polled in zip([times[0] - interval, *times], times, strict=False):
        new = sum(before < one <= polled for one in recent)
        outcomes.append(((polled - EPOCH) // timedelta(microseconds=1), "new" if new else "unchanged", new))
    stats = PublicationStats(
        since=now - timedelta(days=DAYS),
        at=times[-1],
        weight=weight,
        exposure_days=exposure,
        hours=tuple(float(sum(one.hour == hour for one in recent)) for hour in range(24)),
        weekdays=tuple(float(sum(one.weekday() == day for one in recent)) for day in range(7)),
        minutes=tuple(float(sum(one.minute // 5 == part for one in recent)) for part in range(12)),
        recent=recent,
        window=random.choice((10, 20, 50)),
    )
    state = FeedState(
        due_at=due_at,
        status=FeedStatus.OK,
        polled_at=times[-1],
        succeeded_at=times[-1],
        title="A title of its own",
        format="rss",
        body_hash="0" * 32,
        stats=stats,
    )
    return Kind(state, tuple(outcomes))


def state_of(kind: Kind, number: int, now: datetime) -> FeedState:
    if number % FAILING:
        return kind.state
    cause = Cause.DNS if number % (10 * FAILING) == 0 else Cause.SERVER_ERROR
    return replace(
        kind.state,
        status=FeedStatus.FAILING,
        cause=cause,
        detail="500" if cause is Cause.SERVER_ERROR else "name does not resolve",
        failures=2.0,
        failing_since=now - timedelta(days=1),
    )


def fill(folder: Path, count: int, polls: int = 50) -> Path:
    """Write configuration and store; return the path of the configuration."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "aggregator.toml"
    path.write_text(
        '[storage]\nurl = "sqlite:///aggregator.db"\narticles_dir = ""\nraw_dir = ""\nmin_free = "0"\n'
        '[http]\ncontact = "nobody@example.org"\n[web]\nlisten = ""\n'
    )
    listed = subscriptions(count)
    with (folder / "feeds.toml").open("w") as file:
        file.writelines(f'[[feeds]]\nurl = "{one.url}"\nname = "{one.name}"\ntags = ["filled"]\n\n' for one in listed)
    now = datetime.now(UTC).replace(microsecond=0)
    store = open_store(f"sqlite:///{folder / 'aggregator.db'}", SystemClock())
    store.sync_feeds(listed, "filled", now)
    store.close()
    kinds = [kind_of(seed, polls, now) for seed in range(min(KINDS, count))]
    with closing(sqlite3.connect(folder / "aggregator.db")) as conn, conn:
        ids = [row[0] for row in conn.execute("SELECT id FROM feeds ORDER BY id")]
        conn.executemany(_update(), _states(ids, kinds, polls, now))
        conn.executemany(POLL, _polls(ids, kinds))
        conn.execute("UPDATE hosts SET feeds_due_at = (SELECT min(due_at) FROM feeds WHERE host_id = hosts.id)")
    return path


COLUMNS = tuple(state_values(FeedState(due_at=EPOCH)))


def _update() -> str:
    return f"UPDATE feeds SET {', '.join(f'{name} = ?' for name in COLUMNS)}, poll_count = ? WHERE id = ?"


def _bound(state: FeedState) -> list[object]:
    return [
        (value - EPOCH) // timedelta(microseconds=1) if isinstance(value, datetime) else value
        for value in state_values(state).values()
    ]


def _states(ids: list[int], kinds: list[Kind], polls: int, now: datetime) -> Iterator[list[object]]:
    well = [_bound(kind.state) for kind in kinds]
    for number, feed_id in enumerate(ids):
        one = number % len(kinds)
        values = well[one] if number % FAILING else _bound(state_of(kinds[one], number, now))
        yield [*values, polls, feed_id]


def _polls(ids: list[int], kinds: list[Kind]) -> Iterator[tuple[object, ...]]:
    for number, feed_id in enumerate(ids):
        early = number % 60 * 1_000_000
        history = kinds[number % len(kinds)].polls
        for index, (at, outcome, new) in enumerate(history):
            fails = not number % FAILING and index >= len(history) - 3
            said = "failed" if fails else outcome
            cause = "server_error" if fails else None
            size = 20_000 if new else 300
            yield feed_id, index, index, at - early, said, 500 if fails else 200, cause, "", 80_000, size, 20, new


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("feeds", type=int)
    parser.add_argument("--polls", type=int, default=50)
    arguments = parser.parse_args()
    started = time.perf_counter()
    path = fill(arguments.folder, arguments.feeds, arguments.polls)
    config = load_config(path, {})
    print(f"{path}: {len(config.feeds)} feeds, {time.perf_counter() - started:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
