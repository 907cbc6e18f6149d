"""A receiver and a program at their worst: every change arrives once and in order, and nobody else waits for them."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from aggregator.clock import SystemClock
from aggregator.engine.followers import Followers
from aggregator.http.fetch import FetchLimits, HttpFetcher
from aggregator.http.netguard import parse_networks
from aggregator.ports.readings import Change
from aggregator.sinks.outputs.command import CommandOutput
from aggregator.sinks.outputs.follow import Waits
from aggregator.sinks.outputs.webhook import WebhookOutput
from aggregator.store import SqlStore
from tests.support.daemon import wait_for
from tests.support.stores import collect, poll, sighting, subscribe

pytestmark = pytest.mark.soak(short=True)

SHORT = Waits(first=timedelta(milliseconds=50), longest=timedelta(milliseconds=400), look=timedelta(milliseconds=20))
DEADLINE = timedelta(milliseconds=300)
LATEST = 5.0  # seconds that another output may be late


@dataclass
class Receiver:
    """A server that takes changes, unless it fails, hangs, asks for patience, or is not there."""

    mode: str = "take"
    taken: list[int] = field(default_factory=list)
    asked: Counter[str] = field(default_factory=Counter)
    port: int = 0
    _server: ThreadingHTTPServer | None = None
    _thread: threading.Thread | None = None

    def start(self) -> None:
        if self._server is not None:
            return
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                mode = receiver.mode
                receiver.asked[mode] += 1
                if mode == "hang":
                    time.sleep(2 * DEADLINE.total_seconds())
                    return
                if mode == "take":
                    receiver.taken += [change["change_seq"] for change in json.loads(body)["changes"]]
                self.send_response({"take": 200, "busy": 429}.get(mode, 500))
                self.send_header("Content-Length", "0")
                if mode == "busy":
                    self.send_header("Retry-After", "1")
                self.end_headers()

            def log_message(self, *arguments: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    def was_asked(self, mode: str, times: int) -> bool:
        return self.asked[mode] >= times

    def stop(self) -> None:
        if self._server is not None and self._thread is not None:
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()
            self._server = None


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    made.start()
    yield made
    made.stop()


@dataclass
class Quick:
    """Another output; it notes when it was given what."""

    name: str = "quick"
    folder: str = ""
    at: dict[int, float] = field(default_factory=dict)

    def deliver(self, changes: Sequence[Change], epoch: str) -> None:
        self.at |= {change.seq: time.monotonic() for change in changes}

    def has(self, changes: Iterable[int]) -> bool:
        return self.at.keys() >= set(changes)


def test_every_change_arrives_in_order_and_no_other_output_waits(
    store: SqlStore, receiver: Receiver, tmp_path: Path
) -> None:
    (feed,) = subscribe(store, "https://www.example.org/feed")
    limits = FetchLimits(user_agent="aggregator/0", allow_private_networks=parse_networks(["127.0.0.0/8"]))
    poster = HttpFetcher(limits, SystemClock())
    hook = WebhookOutput("hook", f"http://127.0.0.1:{receiver.port}/", b"key", "body", poster, DEADLINE)
    quick = Quick()
    # The program hangs once for each file that is told of, and then takes what it is given.
    program = (
        "import pathlib, sys, time\n"
        "folder = pathlib.Path(sys.argv[1])\n"
        "for mark in folder.glob('hang-*'):\n"
        "    mark.unlink()\n"
        "    time.sleep(60)\n"
        "open(folder / 'taken', 'a').write(sys.stdin.read())\n"
    )
    loader = CommandOutput("loader", [sys.executable, "-c", program, str(tmp_path)], "body", timedelta(seconds=2))
    followers = Followers(store, SystemClock(), SHORT)
    followers.follow([hook, quick, loader])
    numbered: dict[int, float] = {}
    try:
        for turn, mode in enumerate(["take", "fail", "hang", "busy", "gone", "fail", "hang", "take"]):
            receiver.mode = mode
            if mode == "gone":
                receiver.stop()
            else:
                receiver.start()
            if mode == "hang":
                (tmp_path / f"hang-{turn}").touch()
            before = store.position().seq
            poll(store, feed, *(sighting(f"{turn}-{number}") for number in range(3)))
            collect(store)
            store.number_changes()
            new = range(before + 1, store.position().seq + 1)
            numbered |= dict.fromkeys(new, time.monotonic())
            wait_for(partial(quick.has, new), "the quick output")
            if mode in ("fail", "hang", "busy"):
                wait_for(partial(receiver.was_asked, mode, receiver.asked[mode] + 1), "another request")
        last = store.position().seq
        wait_for(lambda: receiver.taken[-1:] == [last], "the last change")
        taken = tmp_path / "taken"
        wait_for(lambda: taken.exists() and len(taken.read_bytes().splitlines()) >= last, "every line")
    finally:
        followers.stop()
        poster.close()
    assert receiver.taken == list(range(1, last + 1))
    assert [json.loads(line)["change_seq"] for line in taken.read_bytes().splitlines()] == receiver.taken
    assert not list(tmp_path.glob("hang-*"))
    assert max(quick.at[seq] - at for seq, at in numbered.items()) < LATEST
    assert receiver.asked.keys() == {"take", "fail", "hang", "busy"}
