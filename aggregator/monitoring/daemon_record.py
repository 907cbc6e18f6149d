"""The `DaemonRecord`: the state of a daemon, which the daemon saves in the store every few seconds.

Other processes (`aggregator health`, the process that serves page and API) read it to show what the daemon does.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from aggregator.ports.store import Store

PREFIX: Final = "daemon:"  # prefix of the names of the facts that hold records
_ALIVE: Final = timedelta(seconds=60)  # if the record is older, the daemon ended or hangs
_TICKS: Final = timedelta(seconds=30)
_BUSY: Final = 0.2  # of a core; polls at a steady rate of 6 a second take 0.06
_FORGOTTEN: Final = timedelta(hours=1)  # records of dead daemons are removed after this time


@dataclass(frozen=True, slots=True, kw_only=True)
class DaemonRecord:
    """The state of a daemon at the time `at`. All times are from the store's clock."""

    at: datetime
    started_at: datetime
    ticked_at: datetime  # last search for due work
    paused: str = ""  # why it starts no visits; "": it polls
    is_offline: bool = False  # nearly all recent requests failed to reach a host
    visiting: int = 0  # hosts being visited
    hosts: tuple[str, ...] = ()  # some of these hosts, the longest visited first
    requests: int = 0  # since it started
    cores: float = 0.0  # CPU of its main process since the record before
    page_fault: str = ""  # why page and API are not served
    config_fault: str = ""  # why the present configuration file is not in force
    metrics: str = ""  # for Prometheus

    def ticks(self, now: datetime) -> bool:
        """Return whether the daemon's last tick (a search for due work) is less than 30 seconds old."""
        return abs(now - self.ticked_at) < _TICKS

    def is_alive(self, now: datetime) -> bool:
        """Return whether the daemon wrote this record within the last minute."""
        return abs(now - self.at) < _ALIVE

    def is_busy(self, now: datetime) -> bool:
        """Return whether a live daemon uses more than a fifth of a CPU core, as in a first fill or with a backlog."""
        return self.is_alive(now) and self.cores > _BUSY


def write_record(store: Store, name: str, record: DaemonRecord) -> None:
    """Save `record` as the state of the daemon `name`; it replaces the daemon's earlier record.

    Raises:
        StorageError: the store cannot be written.
    """
    facts = asdict(record) | {
        "at": record.at.isoformat(),
        "started_at": record.started_at.isoformat(),
        "ticked_at": record.ticked_at.isoformat(),
        "metrics": base64.b64encode(zlib.compress(record.metrics.encode())).decode(),  # reduces 20 kB to 2 kB
    }
    store.write_fact(PREFIX + name, json.dumps(facts))


def read_record(store: Store, name: str) -> DaemonRecord | None:
    """Return the record of the daemon `name`, or None if it has no readable record.

    Raises:
        StorageError: the store cannot be read.
    """
    text = store.read_fact(PREFIX + name)
    return None if text is None else _load(text)


def read_records(store: Store) -> tuple[DaemonRecord, ...]:
    """Return the records of all daemons on this store, the newest first, with empty `metrics`.

    Unreadable records, as another version of the program may have written, are left out.

    Raises:
        StorageError: the store cannot be read.
    """
    found = (_load(text) for text in store.read_facts(PREFIX).values())
    records = (replace(record, metrics="") for record in found if record is not None)
    return tuple(sorted(records, key=lambda one: one.at, reverse=True))


def forget_records(store: Store, now: datetime, name: str = "") -> None:
    """Remove the record of the daemon `name`, unreadable records, and records that were last written over an hour ago.

    A daemon that was killed could not remove its record.

    Raises:
        StorageError: the store cannot be written.
    """
    for fact, text in store.read_facts(PREFIX).items():
        record = _load(text)
        if fact == PREFIX + name or record is None or abs(now - record.at) > _FORGOTTEN:
            store.delete_fact(fact)


def _load(text: str) -> DaemonRecord | None:
    """Return the record that `text` (JSON) holds, or None if it is unreadable.

    Another version of the program may have written it.
    """
    try:
        facts = json.loads(text)
        times = {key: datetime.fromisoformat(facts[key]) for key in ("at", "started_at", "ticked_at")}
        metrics = zlib.decompress(base64.b64decode(facts["metrics"])).decode()
        return DaemonRecord(**facts | times | {"metrics": metrics, "hosts": tuple(facts["hosts"])})
    except (ValueError, KeyError, TypeError, zlib.error):
        return None


# --- the sentence on all daemons --------------------------------------------------------------------------------------


def sentence(records: Sequence[DaemonRecord], now: datetime) -> tuple[str, bool]:
    """Return a sentence on what the daemons do now, and whether all is well.

    `records` are the records of all daemons on a store, the newest first. Examples of the sentence: "Polling: 3 hosts
    are being visited.", "Not polling: no tick since 2026-11-01 12:00:00." All is not well if no daemon is alive, if a
    live one is paused, if none ticks, or if all are offline.
    """
    alive = [record for record in records if record.is_alive(now)]
    if not alive:
        last = f" The last one wrote at {records[0].at:%Y-%m-%d %H:%M}." if records else ""
        return f"No daemon works on this store.{last}", False
    many = f"{len(alive)} daemons: " if len(alive) > 1 else ""
    paused = sorted({record.paused for record in alive if record.paused})
    if paused:
        return f"{many}Paused: {'; '.join(paused)}.", False
    if not any(record.ticks(now) for record in alive):
        ticked_at = max(record.ticked_at for record in alive)
        return f"{many}Not polling: no tick since {ticked_at:%Y-%m-%d %H:%M:%S}.", False
    if all(record.is_offline for record in alive):
        return f"{many}Polling, but nearly no host can be reached: is the network down?", False
    visiting = sum(record.visiting for record in alive)
    doing = f"{visiting} {'host is' if visiting == 1 else 'hosts are'} being visited" if visiting else "nothing is due"
    return f"{many}Polling: {doing}.", True
