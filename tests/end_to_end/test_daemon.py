"""`aggregator run` as systemd and an operator see it: ready, watched, reloaded, refused, stopped."""

from __future__ import annotations

import os
import resource
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import requests

from aggregator.demo.newsroom import Newsroom
from tests.support.daemon import Systemd, daemon, wait_for
from tests.support.installation import Installation


def files(installation: Installation) -> list[Path]:
    return list((installation.folder / "articles").rglob("*.txt"))


def test_systemd_sees_every_step_and_a_bad_edit_changes_nothing(
    installation: Installation, newsroom: Newsroom, tmp_path: Path
) -> None:
    systemd = Systemd(tmp_path / "notify")
    text = installation.config.read_text(encoding="utf-8")
    with daemon(installation, systemd) as process:
        wait_for(lambda: systemd.heard("READY=1"), "READY")
        wait_for(lambda: systemd.heard("WATCHDOG=1") >= 2, "WATCHDOG")
        wait_for(lambda: len(files(installation)) > 10, "articles")
        refused = installation.run("run", status=4)
        assert "another `aggregator run`" in refused.stderr
        assert installation.json("run-once")["feeds"]["polled"] == 0  # beside the daemon it simply works

        asked = len(newsroom.requests)
        installation.config.write_text(text.replace('"50ms"', '"fifty"'), encoding="utf-8")
        wait_for(lambda: systemd.heard("RELOADING=1"), "RELOADING")
        wait_for(lambda: systemd.heard("READY=1") >= 2, "READY again")
        process.send_signal(signal.SIGHUP)
        wait_for(lambda: systemd.heard("RELOADING=1") >= 2, "RELOADING by SIGHUP")
        installation.config.write_text(text.replace('"50ms"', '"60ms"'), encoding="utf-8")
        wait_for(lambda: systemd.heard("RELOADING=1") >= 3, "RELOADING by edit")
        wait_for(lambda: systemd.heard("READY=1") >= 4, "READY a third time")
        assert len(newsroom.requests) == asked, "no feed is polled again for a reload"
        process.send_signal(signal.SIGHUP)
        wait_for(lambda: systemd.heard("READY=1") >= 5, "READY after a reload that changes nothing")

        process.send_signal(signal.SIGTERM)
        started = time.monotonic()
        _, log = process.communicate(timeout=30)
        assert time.monotonic() - started < 10
    assert process.returncode == 0
    assert systemd.heard("STOPPING=1")
    assert 'http.per_host_interval: "fifty"' in log
    assert "aggregator.service: started version=" in log
    assert "changed change='http.per_host_interval: 50ms -> 60ms'" in log
    assert "configuration read again; nothing changed" in log
    assert log.splitlines()[-1].endswith("aggregator.service: stopped")
    assert "Traceback" not in log
    assert len(installation.articles()) == len(files(installation))


def test_a_feed_that_is_added_is_polled_within_seconds(
    installation: Installation, newsroom: Newsroom, tmp_path: Path
) -> None:
    systemd = Systemd(tmp_path / "notify")
    text = installation.config.read_text(encoding="utf-8")
    first, rest = text.split("[[feeds]]", 1)[0], text.split("[[feeds]]")[1:]
    installation.config.write_text(first, encoding="utf-8")
    with daemon(installation, systemd) as process:
        wait_for(lambda: systemd.heard("READY=1"), "READY")
        assert newsroom.requests == ()
        installation.config.write_text(first + "[[feeds]]" + rest[0], encoding="utf-8")
        wait_for(lambda: len(newsroom.requests) > 0, "the poll of the new feed")
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
    assert process.returncode == 0


@contextmanager
def few_descriptors(number: int) -> Iterator[None]:
    """Let processes that are started in here have so many open files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (number, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_silent_connections_to_the_page_cost_the_poller_nothing(installation: Installation, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        address = probe.getsockname()[:2]
    text = installation.config.read_text(encoding="utf-8").replace('listen = ""', f'listen = "127.0.0.1:{address[1]}"')
    head, *feeds = text.split("[[feeds]]")
    installation.config.write_text(head, encoding="utf-8")
    systemd = Systemd(tmp_path / "notify")
    with ExitStack() as stack:
        with few_descriptors(256):
            process = stack.enter_context(daemon(installation, systemd))
        wait_for(lambda: systemd.heard("WATCHDOG=1"), "a tick")
        for _ in range(300):
            stack.enter_context(socket.create_connection(address, timeout=60))
        assert requests.get(f"http://127.0.0.1:{address[1]}/healthz", timeout=60).status_code == 200
        installation.config.write_text("[[feeds]]".join([head, *feeds]), encoding="utf-8")
        wait_for(lambda: len(files(installation)) > 10, "articles")
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "Traceback" not in log
    assert "in trouble" not in log
    assert len(log) < 10_000


def test_status_page_metrics_and_probes(installation: Installation, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    text = installation.config.read_text(encoding="utf-8")
    installation.config.write_text(text.replace('listen = ""', f'listen = "127.0.0.1:{port}"'), encoding="utf-8")
    systemd = Systemd(tmp_path / "notify")
    with daemon(installation, systemd) as process:
        wait_for(lambda: systemd.heard("WATCHDOG=1"), "a tick")
        wait_for(lambda: len(files(installation)) > 10, "articles")

        def get(path: str) -> requests.Response:
            return requests.get(f"http://127.0.0.1:{port}{path}", timeout=10)

        assert get("/healthz").status_code == get("/readyz").status_code == 200
        wait_for(lambda: 'aggregator_request_seconds_count{kind="feed",outcome="ok"}' in get("/metrics").text, "times")
        assert 'aggregator_polls_total{outcome="changed"}' in get("/metrics").text
        assert "Ukraine: Russia says" in get("/articles").text
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
    assert process.returncode == 0


def children(pid: int) -> list[int]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid and fields[0] != "Z":
            found.append(int(stat.parent.name))
    return found


def page_of(pid: int) -> int | None:
    """Return the process that answers for a daemon."""
    for child in children(pid):
        try:
            command = Path(f"/proc/{child}/cmdline").read_bytes()
        except OSError:
            continue
        if b"aggregator page" in command:
            return child
    return None


def test_the_page_dies_with_its_daemon_and_a_daemon_lives_without_its_page(
    installation: Installation, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    text = installation.config.read_text(encoding="utf-8")
    installation.config.write_text(text.replace('listen = ""', f'listen = "127.0.0.1:{port}"'), encoding="utf-8")
    systemd = Systemd(tmp_path / "notify")
    with daemon(installation, systemd) as process:
        wait_for(lambda: systemd.heard("WATCHDOG=1"), "a tick")
        first = page_of(process.pid)
        assert first is not None
        os.kill(first, signal.SIGKILL)
        wait_for(lambda: page_of(process.pid) not in (None, first), "another page")
        assert requests.get(f"http://127.0.0.1:{port}/readyz", timeout=60).status_code == 200
        wait_for(lambda: len(files(installation)) > 10, "articles")
        second = page_of(process.pid)
        process.kill()
        process.wait()
        wait_for(lambda: not Path(f"/proc/{second}").exists(), "the end of the page")
        with socket.create_server(("127.0.0.1", port)):  # nobody holds the address any more
            pass
