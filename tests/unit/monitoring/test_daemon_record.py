"""What the daemons of a store do, in one sentence."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from aggregator.monitoring.daemon_record import DaemonRecord, sentence

NOW = datetime(2026, 11, 19, 10, 0, tzinfo=UTC)
POLLS = DaemonRecord(at=NOW, started_at=NOW, ticked_at=NOW)
BUSY = replace(POLLS, visiting=1, hosts=("a.example:443",))
PAUSED = replace(POLLS, paused="less than 1 GiB is left")
DEAD = replace(POLLS, at=NOW - timedelta(minutes=2), ticked_at=NOW - timedelta(minutes=2))
HANGS = replace(POLLS, ticked_at=NOW - timedelta(seconds=40))
OFFLINE = replace(POLLS, is_offline=True)


@pytest.mark.parametrize(
    ("records", "said", "is_well"),
    [
        ((), "No daemon works on this store.", False),
        ((DEAD,), "No daemon works on this store. The last one wrote at 2026-11-19 09:58.", False),
        ((POLLS,), "Polling: nothing is due.", True),
        ((BUSY, DEAD), "Polling: 1 host is being visited.", True),
        ((BUSY, BUSY), "2 daemons: Polling: 2 hosts are being visited.", True),
        ((PAUSED,), "Paused: less than 1 GiB is left.", False),
        ((BUSY, PAUSED), "2 daemons: Paused: less than 1 GiB is left.", False),
        ((HANGS,), "Not polling: no tick since 2026-11-19 09:59:20.", False),
        ((HANGS, BUSY), "2 daemons: Polling: 1 host is being visited.", True),
        ((OFFLINE,), "Polling, but nearly no host can be reached: is the network down?", False),
        ((OFFLINE, BUSY), "2 daemons: Polling: 1 host is being visited.", True),
    ],
)
def test_what_daemons_do_in_a_sentence(records: tuple[DaemonRecord, ...], said: str, is_well: bool) -> None:
    assert sentence(records, NOW) == (said, is_well)


def test_a_clock_that_went_back_makes_no_dead_daemon_alive() -> None:
    assert not POLLS.is_alive(NOW - timedelta(hours=1))
    assert not POLLS.ticks(NOW - timedelta(hours=1))


def test_a_daemon_is_busy_while_it_lives_and_takes_a_fifth_of_a_core() -> None:
    at_work = replace(POLLS, cores=0.8)
    assert at_work.is_busy(NOW)
    assert not replace(POLLS, cores=0.06).is_busy(NOW)
    assert not at_work.is_busy(NOW + timedelta(minutes=2))
