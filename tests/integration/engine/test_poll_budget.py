"""The slow controller of the budget, over a real store."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from aggregator.engine.poll_budget import PollBudget, restore_threshold
from aggregator.models.feeds import Subscription
from aggregator.schedule.due_times import PollPolicy
from aggregator.store import SqlStore, open_store
from tests.support.stores import START, StandingClock

DAY = timedelta(days=1)


@pytest.fixture
def kept(sqlite_template: Path, tmp_path: Path) -> SqlStore:
    shutil.copy(sqlite_template, tmp_path / "store.db")
    return open_store(f"sqlite:///{tmp_path / 'store.db'}", StandingClock())


def adjust(store: SqlStore, polls: int, *, policy: PollPolicy, fixed: bool = False) -> PollPolicy:
    interval = timedelta(minutes=10) if fixed else None
    store.sync_feeds([Subscription(url="https://example.org/feed", interval=interval)], f"{fixed}", START)
    (feed,) = store.feeds()
    budget = PollBudget(store)
    for _ in range(polls):
        budget.count_poll(feed)
    return budget.adjust(policy, feeds=1, elapsed=DAY)


@pytest.mark.parametrize(("polls", "sign"), [(48, 1), (24, 0), (12, -1)])
def test_too_many_polls_raise_the_threshold(kept: SqlStore, polls: int, sign: int) -> None:
    before = PollPolicy(budget=24, threshold=200)
    after = adjust(kept, polls, policy=before)
    assert (after.threshold > before.threshold) - (after.threshold < before.threshold) == sign
    kept.close()


def test_the_threshold_is_remembered_for_the_same_budget_alone(kept: SqlStore) -> None:
    policy = PollPolicy(budget=24)
    assert restore_threshold(kept, policy) == policy
    adjusted = adjust(kept, 100, policy=policy)
    assert restore_threshold(kept, policy) == adjusted
    assert restore_threshold(kept, PollPolicy(budget=6)) == PollPolicy(budget=6)
    kept.close()


def test_feeds_with_an_interval_of_their_own_do_not_count(kept: SqlStore) -> None:
    policy = PollPolicy(budget=24, threshold=200)
    assert adjust(kept, 1000, policy=policy, fixed=True).threshold < 200
    kept.close()
