"""The daemon in this process, with its timings shortened: it polls, publishes, reloads, pauses and stops in order."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import pytest

from aggregator.app import open_app
from aggregator.config.loading import load_config
from aggregator.engine.local import LocalEngine
from aggregator.monitoring.daemon_record import DaemonRecord, read_records, sentence
from aggregator.monitoring.metrics import Metrics
from aggregator.ports.protocols import Sink
from aggregator.ports.readings import Change
from aggregator.service import Service, Timings
from aggregator.service.status import DaemonStatus
from aggregator.store import open_store
from tests.support.citizen import Site, answering, item, one_by_one, rss
from tests.support.daemon import MovableClock, Systemd, wait_for
from tests.support.pool import PoolHere

SHORT = timedelta(milliseconds=20)
TIMINGS = Timings(
    tick=SHORT, publish=SHORT, housekeeping=SHORT, rekey=SHORT, budget=SHORT, say=SHORT, status=SHORT, lists=SHORT
)


@dataclass
class Running:
    """A daemon in the main thread, and what the thread beside it may do."""

    folder: Path
    systemd: Systemd
    clock: MovableClock = field(default_factory=MovableClock)

    @property
    def config(self) -> Path:
        return self.folder / "aggregator.toml"

    def write(self, *urls: str, min_free: str = "0", more: str = "") -> None:
        feeds = "".join(f'[[feeds]]\nurl = "{url}"\ninterval = "1h"\n' for url in urls)
        self.config.write_text(
            f'[storage]\nmin_free = "{min_free}"\nretention = "10d"\nraw_retention = "10d"\n'
            '[http]\nallow_private_networks = ["127.0.0.0/8"]\nper_host_interval = "1ms"\n'
            f'timeout = "1s"\ntotal_timeout = "1s"\n[polling]\nmin_interval = "1h"\n[web]\nlisten = ""\n{more}{feeds}',
            encoding="utf-8",
        )

    @property
    def files(self) -> list[Path]:
        return list((self.folder / "data" / "articles").rglob("*.txt"))

    @property
    def records(self) -> tuple[DaemonRecord, ...]:
        """What this daemon tells of itself."""
        store = open_store(f"sqlite:///{self.folder}/data/aggregator.db", self.clock, readonly=True)
        try:
            return read_records(store)
        finally:
            store.close()

    @property
    def sentence(self) -> str:
        """What the status page says of this daemon."""
        return sentence(self.records, self.clock.now())[0]

    def run(self, script: Callable[[], None], *sinks: Sink) -> None:
        """Run the daemon; `script` plays beside it and ends with a signal of its own or of ours."""
        problems: list[BaseException] = []

        def play() -> None:
            try:
                wait_for(lambda: self.systemd.heard("READY=1"), "READY")
                script()
            except BaseException as problem:  # noqa: BLE001 - shown by the main thread
                problems.append(problem)
            os.kill(os.getpid(), signal.SIGTERM)

        environ = {"NOTIFY_SOCKET": str(self.systemd.path), "WATCHDOG_USEC": "30000000"}
        config = load_config(self.config, {})
        with open_app(config, clock=self.clock, pool=PoolHere()) as app:  # type: ignore[arg-type]
            engine = LocalEngine(app.visits)
            app = replace(app, sinks=sinks or app.sinks)
            service = Service(app, engine, lambda: load_config(self.config, {}), environ, timings=TIMINGS)
            player = threading.Thread(target=play)
            player.start()
            service.run()
            player.join()
        if problems:
            raise problems[0]


@contextmanager
def _signals_restored() -> Iterator[None]:
    before = [(number, signal.getsignal(number)) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)]
    yield
    for number, handler in before:
        signal.signal(number, handler)


@pytest.fixture
def running(tmp_path: Path, sqlite_template: Path, caplog: pytest.LogCaptureFixture) -> Iterator[Running]:
    (tmp_path / "data").mkdir()
    shutil.copy(sqlite_template, tmp_path / "data" / "aggregator.db")
    logging.getLogger("aggregator").propagate = True
    caplog.set_level(logging.INFO)
    caplog.set_level(logging.INFO, logger="aggregator")  # a command in this process may have set another
    systemd = Systemd(tmp_path / "notify")
    systemd.listen()
    with _signals_restored():
        yield Running(tmp_path, systemd)
    systemd.close()


def test_it_polls_collects_publishes_and_stops(running: Running) -> None:
    with Site(rss(item("/a/1"), item("/a/2"))) as site:
        running.write(site.url())
        running.run(lambda: wait_for(lambda: len(running.files) == 2, "two files"))
        assert sorted(site.pages) == ["/a/1", "/a/2"]
        assert len(site.asked()) == 1
    assert running.systemd.heard("WATCHDOG=1")
    assert running.systemd.heard("STOPPING=1")


def test_an_edit_is_taken_up_and_a_bad_one_changes_nothing(running: Running, caplog: pytest.LogCaptureFixture) -> None:
    with Site() as site, Site() as other:
        running.write(site.url())

        def script() -> None:
            wait_for(lambda: running.files, "a file")
            running.write(site.url(), more="[filter]\nkept = 1\n")
            wait_for(lambda: "configuration refused" in caplog.text, "the refusal")
            wait_for(lambda: "kept" in running.records[0].config_fault, "the refusal in the record that `health` reads")
            running.write(site.url(), other.url())
            wait_for(lambda: running.records[0].config_fault == "", "the end of it")
            wait_for(lambda: other.asked(), "the new feed")
            os.kill(os.getpid(), signal.SIGHUP)
            wait_for(lambda: running.systemd.heard("RELOADING=1") >= 3, "a reload by signal")

        running.run(script)
        assert len(site.asked()) == 1, "no feed is polled again for a reload"
    assert "configuration reloaded" in caplog.text


def test_an_edit_waits_for_a_store_that_takes_nothing(running: Running, caplog: pytest.LogCaptureFixture) -> None:
    with Site() as site, Site() as other:
        running.write(site.url())

        def script() -> None:
            wait_for(lambda: running.files, "a file")
            with closing(sqlite3.connect(running.folder / "data" / "aggregator.db")) as store:
                store.execute("CREATE TRIGGER no_room BEFORE INSERT ON feeds BEGIN SELECT RAISE(ABORT, 'no room'); END")
                running.write(site.url(), other.url())
                wait_for(lambda: "waits for the store" in caplog.text, "the reload")
                wait_for(lambda: running.systemd.heard("RELOADING=1") >= 3, "another try")
                store.execute("DROP TRIGGER no_room")
            wait_for(other.asked, "the new feed")
            wait_for(lambda: running.records[0].config_fault == "", "the end of it")

        running.run(script)
    assert caplog.text.count("waits for the store") == 1


def test_a_reload_without_a_change_goes_on_observing(running: Running, caplog: pytest.LogCaptureFixture) -> None:
    with Site(one_by_one(answering(rss(item("/a/1"))), answering(b"", status=500))) as site:
        running.write(site.url())

        def script() -> None:
            wait_for(site.asked, "a poll")
            os.kill(os.getpid(), signal.SIGHUP)
            wait_for(lambda: "nothing changed" in caplog.text, "the reload")
            running.clock.move(timedelta(hours=3))
            wait_for(lambda: "feed fails" in caplog.text, "the failure in the log")

        running.run(script)


def test_a_list_is_followed_without_a_restart(running: Running, caplog: pytest.LogCaptureFixture) -> None:
    with Site(rss(item("/a/1"))) as site:
        path = running.folder / "list.txt"
        running.write(more='[[lists]]\npath = "list.txt"\n')

        def script() -> None:
            wait_for(lambda: "list not read" in caplog.text, "the missing list")
            path.write_text(site.url(), encoding="utf-8")
            wait_for(lambda: len(running.files) == 1, "a text")
            assert "list read" in caplog.text

        running.run(script)


def test_a_changed_secret_is_used_without_a_restart(running: Running, caplog: pytest.LogCaptureFixture) -> None:
    secret = running.folder / "token"
    secret.write_text("first", encoding="utf-8")
    with Site() as site:
        running.write(site.url(), more='[hosts."127.0.0.1"]\nbearer = "file:token"\n')

        def script() -> None:
            wait_for(lambda: running.files, "a file")  # the visit has ended
            secret.write_text("second", encoding="utf-8")
            wait_for(lambda: "configuration reloaded" in caplog.text, "a reload")  # an empty file is refused first
            running.clock.move(timedelta(hours=2))
            wait_for(lambda: len(site.asked()) > 1, "the next poll")

        running.run(script)
        sent = [request.header("Authorization") for request in site.asked()]
    assert sent[:2] == ["Bearer first", "Bearer second"]


def test_another_token_and_another_key_of_an_output_are_said(
    running: Running, caplog: pytest.LogCaptureFixture
) -> None:
    token, key = running.folder / "token", running.folder / "key"
    token.write_text("first", encoding="utf-8")
    key.write_text("first", encoding="utf-8")
    output = '[[outputs]]\ntype = "webhook"\nname = "hook"\nurl = "http://127.0.0.1:9/"\nsecret = "file:key"\n'
    running.write(more=f'token_file = "token"\n{output}')

    def changes() -> list[str]:
        return [record.change for record in caplog.records if hasattr(record, "change")]

    def script() -> None:
        token.write_text("second", encoding="utf-8")
        wait_for(lambda: changes() == ["secret of [web] token_file"], "the new token in the log")
        key.write_text("second", encoding="utf-8")
        wait_for(lambda: changes()[1:] == ["secret of output hook"], "the new key in the log")

    running.run(script)
    assert "nothing changed" not in caplog.text


def test_a_full_disk_pauses_and_room_resumes(running: Running, caplog: pytest.LogCaptureFixture) -> None:
    with Site() as site:
        running.write(site.url(), min_free="900TiB")

        def script() -> None:
            wait_for(lambda: running.systemd.heard("STATUS=paused"), "the pause")
            wait_for(lambda: running.sentence.startswith("Paused: "), "the pause on the page")
            assert site.asked() == []
            running.write(site.url())
            wait_for(lambda: site.asked(), "a poll")
            wait_for(lambda: running.sentence.startswith("Polling: "), "polling on the page")

        running.run(script)
    assert caplog.text.count("polling pauses") == 1
    assert caplog.text.count("polling resumes") == 1
    assert running.sentence == "No daemon works on this store."


def test_a_clock_that_is_set_back_leaves_nothing_waiting(running: Running, caplog: pytest.LogCaptureFixture) -> None:
    with Site() as site:
        running.write(site.url())

        def script() -> None:
            wait_for(lambda: site.asked(), "a poll")
            running.clock.move(-timedelta(days=2))
            wait_for(lambda: "the clock went back" in caplog.text, "the step in the log")
            running.clock.move(timedelta(hours=2))
            wait_for(lambda: len(site.asked()) > 1, "the next poll")

        running.run(script)


# --- the stop ---------------------------------------------------------------------------------------------------------


class SlowSink:
    """A disk that takes half a second for each batch."""

    name = "slow"
    folder = "slow"

    def __init__(self) -> None:
        self.batches: list[int] = []
        self._never = threading.Event()

    def deliver(self, changes: Sequence[Change]) -> None:
        self._never.wait(0.5)
        self.batches.append(changes[-1].seq)

    def sweep(self, *_: object) -> int:
        return 0


def test_a_stop_during_a_long_publishing_ends_after_the_batch_in_hand(
    running: Running, caplog: pytest.LogCaptureFixture
) -> None:
    """20,000 changes wait for a slow disk: the rest is written at the next start, and `stopped` is the last line."""
    with Site(rss(item("/a/1"))) as site:
        running.write(site.url())
        running.run(lambda: wait_for(lambda: running.files, "a file"))
        database = running.folder / "data" / "aggregator.db"
        with closing(sqlite3.connect(database)) as conn, conn:
            (article,) = conn.execute("SELECT article_id FROM changes LIMIT 1").fetchone()
            rows = [(article, "updated", 0)] * 20_000
            conn.executemany("INSERT INTO changes (article_id, kind, at) VALUES (?, ?, ?)", rows)
        slow = SlowSink()
        caplog.clear()
        running.run(lambda: wait_for(lambda: slow.batches, "a batch"), slow)
    assert len(slow.batches) < 20
    with closing(sqlite3.connect(database)) as conn:
        delivered = conn.execute("SELECT change_seq FROM deliveries WHERE sink = 'slow'").fetchone()
    assert delivered == (slow.batches[-1],)
    assert [one.getMessage() for one in caplog.records if one.name == "aggregator.service"][-1] == "stopped"


def test_a_daemon_that_has_ended_writes_no_status(running: Running) -> None:
    """A job of another thread may still run then."""
    running.write()
    with open_app(load_config(running.config, {}), clock=running.clock, pool=PoolHere()) as app:  # type: ignore[arg-type]
        status = DaemonStatus(app.store, Metrics())
        status.write(app.visits, ticked_at=0.0, paused="")
        assert len(running.records) == 1
        status.end()
        status.write(app.visits, ticked_at=0.0, paused="")
        assert running.records == ()


def test_upkeep_ends_at_a_stop(running: Running) -> None:
    """Keys, files of text and raw pages: each is left where it is, for the next start."""
    running.write()
    with open_app(load_config(running.config, {}), clock=running.clock, pool=PoolHere()) as app:  # type: ignore[arg-type]
        name = app.raw_store.put(b"nobody refers to it", app.clock.now())
        running.clock.move(timedelta(days=3))
        app.request_stop()
        app.keep_house(sweep=True)
        assert app.raw_store.get(name) is not None
        assert not app.renew_keys(timedelta(hours=1))


@pytest.mark.parametrize(("raw_dir", "is_left"), [("data/raw", True), ("", False)])
def test_the_sweep_deletes_bytes_of_extracted_pages_if_none_are_kept(
    running: Running, raw_dir: str, is_left: bool
) -> None:
    """A row refers to them for as long as the page exists; only a page that waits for extraction needs them."""
    with Site(rss(item("/a/1"))) as site:
        running.write(site.url())
        text = running.config.read_text(encoding="utf-8").replace('raw_retention = "10d"\n', "")
        running.config.write_text(text.replace("[storage]\n", f'[storage]\nraw_dir = "{raw_dir}"\n'), encoding="utf-8")
        running.run(lambda: wait_for(lambda: running.files, "a file"))
    with open_app(load_config(running.config, {}), clock=running.clock, pool=PoolHere()) as app:  # type: ignore[arg-type]
        name = app.raw_store.put(b"left by a process that was killed", app.clock.now())
        with closing(sqlite3.connect(running.folder / "data" / "aggregator.db")) as conn, conn:
            assert conn.execute("UPDATE raw_responses SET content_hash = ?", [name]).rowcount == 1
        running.clock.move(timedelta(days=3))
        app.keep_house(sweep=True)
        assert (app.raw_store.get(name) is not None) == is_left


def test_the_daemon_loads_nothing_that_its_other_processes_work_with() -> None:
    """The page is served by one process, extraction done by others: each library here would stay in memory for ever."""
    code = "import sys, aggregator.service; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"fastapi", "uvicorn", "jinja2", "trafilatura", "aggregator.extraction.extract"}.intersection(loaded)
