"""Outputs that follow the corpus: every change in order, at least once; one that fails delays no other."""

from __future__ import annotations

import hashlib
import hmac
import json
import shutil
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from aggregator.clock import SystemClock
from aggregator.engine.followers import Followers, deliver_all
from aggregator.http.fetch import FetchLimits, HttpFetcher
from aggregator.http.netguard import parse_networks
from aggregator.ports.readings import Change
from aggregator.sinks.outputs.command import CommandOutput
from aggregator.sinks.outputs.files import FilesOutput
from aggregator.sinks.outputs.follow import DeliveryError, Follower, fact_name
from aggregator.sinks.outputs.lines import JsonlOutput
from aggregator.sinks.outputs.webhook import SIGNATURE_HEADER, WebhookOutput
from aggregator.sinks.records import document
from aggregator.store import SqlStore
from tests.support.articles import NOW, article
from tests.support.daemon import wait_for
from tests.support.stores import StandingClock, collect, entry, fetch_due, poll, sighting, subscribe

SECRET = b"key"


def change(seq: int, *, gone: bool = False) -> Change:
    one = article()
    return Change(
        seq=seq,
        kind="forgotten" if gone else "new",
        article_id=one.id,
        merged_into=None,
        article=None if gone else one,
        day="",
        number=None,
    )


@dataclass
class Recorder:
    """An output that notes what it was given, and fails as long as it is told to."""

    name: str = "recorder"
    folder: str = ""
    problem: DeliveryError | None = None
    taken: list[int] = field(default_factory=list)

    def deliver(self, changes: Sequence[Change], epoch: str) -> None:
        if self.problem is not None:
            raise self.problem
        self.taken += [one.seq for one in changes]


def fill(store: SqlStore, count: int = 3) -> int:
    """Store articles and number their changes; return the last number."""
    (feed,) = subscribe(store, "https://www.example.org/feed")
    made = [sighting(entry(f"e{number}", f"https://www.example.org/a-{1000 + number}")) for number in range(count)]
    poll(store, feed, *made)
    fetch_due(store)
    collect(store)
    store.number_changes()
    return store.position().seq


# --- the cursor -------------------------------------------------------------------------------------------------------


def test_a_follower_takes_each_change_once_and_in_order(store: SqlStore, clock: StandingClock) -> None:
    last = fill(store)
    output = Recorder()
    follower = Follower(output, store, clock)
    assert follower.advance().delivered == last
    assert (follower.advance().delivered, output.taken) == (0, list(range(1, last + 1)))
    later = Recorder()
    assert Follower(later, store, clock).advance().delivered == 0
    assert Follower(Recorder(name="other"), store, clock).advance().delivered == last


def test_a_failing_output_waits_twice_as_long_each_time_and_loses_nothing(
    store: SqlStore, clock: StandingClock
) -> None:
    last = fill(store)
    output = Recorder(problem=DeliveryError("no"))
    follower = Follower(output, store, clock)
    waits = []
    for _ in range(14):
        progress = follower.advance()
        assert progress.wait is not None
        waits.append(progress.wait)
        assert follower.advance().problem == ""  # it backs off
        clock.pass_(progress.wait)
    assert waits[:3] == [timedelta(seconds=5), timedelta(seconds=10), timedelta(seconds=20)]
    assert waits[-1] == timedelta(hours=1)
    assert store.read_fact(fact_name("recorder")) == "no"
    output.problem = None
    assert follower.advance().delivered == last
    assert store.read_fact(fact_name("recorder")) == ""
    assert output.taken == list(range(1, last + 1))


@pytest.mark.parametrize("is_delivered", [False, True])
def test_after_a_restart_an_output_that_works_is_no_longer_failing(
    store: SqlStore, clock: StandingClock, is_delivered: bool
) -> None:
    fill(store)
    broken = Recorder(problem=DeliveryError("no"))
    Follower(broken, store, clock).advance()
    if is_delivered:  # by a process that was killed before it stored that the output works
        store.set_delivered("recorder", "", store.position().seq)
    assert store.read_fact(fact_name("recorder")) == "no"
    Follower(Recorder(), store, clock).advance()
    assert store.read_fact(fact_name("recorder")) == ""


def test_what_the_receiver_asks_for_is_a_lower_bound(store: SqlStore, clock: StandingClock) -> None:
    fill(store)
    follower = Follower(Recorder(problem=DeliveryError("busy", timedelta(minutes=7))), store, clock)
    assert follower.advance().wait == timedelta(minutes=7)


def test_two_processes_do_not_deliver_at_once(store: SqlStore, clock: StandingClock) -> None:
    fill(store)
    with store.delivering("recorder", timedelta(0)) as held, store.delivering("other", timedelta(0)) as other:
        assert held
        assert other
        assert Follower(Recorder(), store, clock).advance().delivered == 0
    assert Follower(Recorder(), store, clock).advance().delivered > 0


def test_an_output_that_hangs_delays_no_other(store: SqlStore) -> None:
    last = fill(store)
    release = threading.Event()

    class Hanging(Recorder):
        def deliver(self, changes: Sequence[Change], epoch: str) -> None:
            release.wait(30)

    quick = Recorder(name="quick")
    try:
        problems = deliver_all(store, SystemClock(), [Hanging(name="slow"), quick], timedelta(seconds=3))
    finally:
        release.set()
        for thread in threading.enumerate():
            if thread.name == "output slow":
                thread.join(20)
    assert problems == {"slow": "not done after 3 s"}
    assert quick.taken == list(range(1, last + 1))


def test_a_daemon_follows_until_it_stops(store: SqlStore) -> None:
    last = fill(store)
    first, second = Recorder(name="first"), Recorder(name="second")
    followers = Followers(store, SystemClock())
    followers.follow([first])
    wait_for(lambda: len(first.taken) == last, "the first output")
    followers.follow([second])
    wait_for(lambda: len(second.taken) == last, "the second output")
    followers.stop()
    assert first.taken == second.taken == list(range(1, last + 1))


# --- lines ------------------------------------------------------------------------------------------------------------


def test_lines_are_appended_and_a_torn_one_is_removed(tmp_path: Path) -> None:
    output = JsonlOutput("lines", tmp_path / "out", "body", lambda: NOW)
    output.deliver([change(1)], "e")
    path = tmp_path / "out" / "2026-11-23.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"change_seq":2,"ki' + b"x" * 70_000)
    output.deliver([change(2, gone=True)], "e")
    lines = [json.loads(line) for line in path.read_bytes().splitlines()]
    assert [(one["change_seq"], one["epoch"], one["article"] is None) for one in lines] == [
        (1, "e", False),
        (2, "e", True),
    ]
    path.write_bytes(b"torn")
    JsonlOutput("lines", tmp_path / "out", "body", lambda: NOW + timedelta(days=1)).deliver([change(3)], "e")
    assert path.read_bytes() == b""
    assert len((tmp_path / "out" / "2026-11-24.jsonl").read_bytes().splitlines()) == 1


def test_a_folder_that_cannot_be_written_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(DeliveryError, match="file"):
        JsonlOutput("lines", tmp_path / "file", "seed", lambda: NOW).deliver([change(1)], "e")


# --- files ------------------------------------------------------------------------------------------------------------


def test_files_follow_the_corpus_and_an_emptied_folder_is_filled_again(
    store: SqlStore, clock: StandingClock, tmp_path: Path
) -> None:
    last = fill(store)
    folder = tmp_path / "files"
    follower = Follower(FilesOutput("files", folder, "body"), store, clock)
    assert follower.advance().delivered == last
    texts = {path: path.read_text(encoding="utf-8") for path in folder.rglob("*.txt")}
    stored = {document(one.content, "body") + "\n" for one in store.articles()}
    assert set(texts.values()) == stored
    gone = next(iter(store.articles()))
    store.forget([gone.key], [])
    store.number_changes()
    assert follower.advance().delivered == 1
    left = set(folder.rglob("*.txt"))
    assert {path for path in texts if gone.id in path.name} == texts.keys() - left
    shutil.rmtree(folder)
    assert Follower(FilesOutput("files", folder, "body"), store, clock).advance().delivered == last + 1
    assert set(folder.rglob("*.txt")) == left


def test_a_folder_for_files_that_cannot_be_made_is_a_problem(
    store: SqlStore, clock: StandingClock, tmp_path: Path
) -> None:
    fill(store)
    (tmp_path / "file").write_text("x")
    output = FilesOutput("files", tmp_path / "file" / "below", "seed")
    assert "file" in Follower(output, store, clock).advance().problem
    numbered = replace(change(1), day="2026/11/23", number=0)
    with pytest.raises(DeliveryError, match="file"):
        output.deliver([numbered], "e")


# --- a program --------------------------------------------------------------------------------------------------------


def command(*arguments: str, timeout: float = 20) -> CommandOutput:
    return CommandOutput("program", arguments, "seed", timedelta(seconds=timeout))


def test_a_program_gets_the_changes_on_its_standard_input(tmp_path: Path) -> None:
    copy = "import shutil, sys; shutil.copyfileobj(sys.stdin, open(sys.argv[1], 'w'))"
    command(sys.executable, "-c", copy, str(tmp_path / "$(got)")).deliver([change(1), change(2)], "e")
    lines = (tmp_path / "$(got)").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["change_seq"] for line in lines] == [1, 2]


def test_a_program_that_fails_or_is_missing_is_a_problem(tmp_path: Path) -> None:
    with pytest.raises(DeliveryError, match="exit status 7"):
        command(sys.executable, "-c", "raise SystemExit(7)").deliver([change(1)] * 2000, "e")
    with pytest.raises(DeliveryError, match="missing"):
        command(str(tmp_path / "missing")).deliver([change(1)], "e")


def test_a_program_that_hangs_is_killed_with_its_children(tmp_path: Path) -> None:
    hang = (
        "import os, sys, time; child = os.fork(); "
        "child and open(sys.argv[1], 'w').write(str(child)) and sys.stdout.flush(); time.sleep(60)"
    )
    with pytest.raises(DeliveryError, match="killed after 1 s"):
        command(sys.executable, "-c", hang, str(tmp_path / "child"), timeout=1).deliver([change(1)], "e")
    child = int((tmp_path / "child").read_text())
    wait_for(lambda: not is_running(child), "the end of the child")


def is_running(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


# --- an address -------------------------------------------------------------------------------------------------------


@dataclass
class Receiver:
    """A server that answers as told and notes what it took."""

    answers: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    requests: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    url: str = ""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            made.requests.append((dict(self.headers.items()), body))
            status, headers = made.answers.pop(0) if made.answers else (200, {})
            self.send_response(status)
            for name, value in {"Content-Length": "0", **headers}.items():
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        made.url = f"http://127.0.0.1:{server.server_port}/hook"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield made
        server.shutdown()
        thread.join()


@pytest.fixture
def poster() -> Iterator[HttpFetcher]:
    limits = FetchLimits(user_agent="aggregator/0", allow_private_networks=parse_networks(["127.0.0.0/8"]))
    made = HttpFetcher(limits, SystemClock())
    yield made
    made.close()


def test_a_webhook_posts_signed_batches(receiver: Receiver, poster: HttpFetcher) -> None:
    WebhookOutput("hook", receiver.url, SECRET, "seed", poster).deliver([change(1), change(2, gone=True)], "e1")
    WebhookOutput("hook", receiver.url, b"", "seed", poster).deliver([change(3)], "e1")
    (signed, body), (plain, _) = receiver.requests
    assert signed[SIGNATURE_HEADER] == "sha256=" + hmac.new(SECRET, body, hashlib.sha256).hexdigest()
    assert SIGNATURE_HEADER not in plain
    posted = json.loads(body)
    assert (posted["epoch"], posted["cursor"]) == ("e1", 2)
    assert [one["change_seq"] for one in posted["changes"]] == [1, 2]
    assert signed["User-Agent"] == "aggregator/0"


@pytest.mark.parametrize(
    ("status", "headers", "problem", "wait"),
    [
        (500, {}, "500 Internal Server Error", 0),
        (429, {"Retry-After": "120"}, "429 Too Many Requests", 120),
        (302, {"Location": "/elsewhere"}, "302 Found", 0),
        (599, {}, "599", 0),
    ],
)
def test_other_answers_are_problems(
    receiver: Receiver, poster: HttpFetcher, status: int, headers: dict[str, str], problem: str, wait: int
) -> None:
    receiver.answers = [(status, headers)]
    with pytest.raises(DeliveryError, match=problem) as raised:
        WebhookOutput("hook", receiver.url, SECRET, "seed", poster).deliver([change(1)], "e")
    assert raised.value.retry_after == timedelta(seconds=wait)
    assert len(receiver.requests) == 1


def test_the_address_check_holds_for_webhooks(receiver: Receiver) -> None:
    careful = HttpFetcher(FetchLimits(user_agent="aggregator/0"), SystemClock())
    try:
        for url in (receiver.url, "file:///etc/passwd", "http://127.0.0.1:1/"):
            assert careful.post(url, b"", {}, timedelta(seconds=5)).problem
    finally:
        careful.close()
    assert receiver.requests == []


def test_a_receiver_that_is_not_there_is_a_problem(poster: HttpFetcher) -> None:
    assert "127.0.0.1:9" in poster.post("http://127.0.0.1:9/hook", b"{}", {}, timedelta(seconds=5)).problem


def test_a_receiver_that_fails_for_a_while_has_everything_in_order_at_the_end(
    store: SqlStore, clock: StandingClock, receiver: Receiver, poster: HttpFetcher
) -> None:
    last = fill(store)
    receiver.answers = [(503, {"Retry-After": "60"}), (500, {}), (429, {}), (404, {})]
    follower = Follower(WebhookOutput("hook", receiver.url, SECRET, "seed", poster), store, clock)
    taken: list[int] = []
    while not taken:
        progress = follower.advance()
        clock.pass_(progress.wait or timedelta(0))
        if progress.delivered:
            taken = [one["change_seq"] for one in json.loads(receiver.requests[-1][1])["changes"]]
    assert taken == list(range(1, last + 1))
    assert len(receiver.requests) == 5
