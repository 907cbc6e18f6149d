"""What only a process of its own shows: signals, limits, closed and full streams, locales."""

from __future__ import annotations

import json
import os
import resource
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from aggregator.demo.newsroom import Newsroom
from tests.support.command import assert_one_line, call
from tests.support.installation import COMMAND


def run(
    *arguments: str, before: Callable[[], object] | None = None, **options: object
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(  # type: ignore[call-overload,no-any-return]
        [*COMMAND, *arguments], preexec_fn=before, timeout=60, **{"capture_output": True, **options}
    )


def limit_files() -> None:
    """Let no file grow beyond 300 KiB: SQLite takes that for a full disk."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (300 * 1024, 300 * 1024))


def limit_output() -> None:
    """Let no file grow beyond 40 KiB: the index of the log of SQLite has 32."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (40 * 1024, 40 * 1024))


def test_a_full_disk_loses_nothing(newcomer: Path) -> None:
    done = run("run-once", "--config", str(newcomer), before=limit_files)
    assert done.returncode == 3, done
    lines = done.stderr.decode().splitlines()
    assert lines[-1].startswith("aggregator: ")
    assert b"Traceback" not in done.stderr
    assert call("run-once", "--config", newcomer, "--all").status == 0
    articles = call("export", "--config", newcomer).records
    files = sorted((newcomer.parent / "articles").glob("*/*/*/*.txt"))
    assert len(articles) > 10
    assert {path.stem.partition("_")[2] for path in files} == {article["id"] for article in articles}
    assert not list(newcomer.parent.rglob("*.tmp"))


@pytest.mark.parametrize(
    ("target", "remedy"),
    [
        (("--format", "jsonl", "--out"), "make room or name another place with --out"),
        ((), "make room and call again, or name another folder"),
    ],
    ids=["file", "dataset"],
)
def test_a_full_disk_is_named_with_its_remedy(
    filled: Path, tmp_path: Path, target: tuple[str, ...], remedy: str
) -> None:
    place = tmp_path / "out"
    done = run("export", "--config", str(filled), *target, str(place), before=limit_output)
    assert (done.returncode, done.stdout) == (3, b"")
    assert done.stderr.decode() == f"aggregator: {place}: File too large; {remedy}\n"
    assert not place.exists() or not any(place.iterdir())


def test_a_reader_that_has_seen_enough(filled: Path) -> None:
    line = f'"{sys.executable}" -m aggregator export --config "{filled}" | head -c 10'
    done = subprocess.run(["bash", "-o", "pipefail", "-c", line], capture_output=True, timeout=60)
    assert (done.returncode, done.stderr, done.stdout[:6]) == (0, b"", b'{"id":')


def test_stdout_that_takes_nothing(filled: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        done = run("export", "--config", str(filled), stdout=full, stderr=subprocess.PIPE, capture_output=False)
    assert (done.returncode, done.stderr) == (3, b"aggregator: No space left on device\n")


def test_stdout_that_is_closed() -> None:
    done = run(
        "identify", "http://x.example/", before=lambda: os.close(1), capture_output=False, stderr=subprocess.PIPE
    )
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize(
    "environment",
    [
        {"LANG": "C", "LC_ALL": "C"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"PYTHONIOENCODING": "ascii"},
    ],
)
def test_any_locale_gives_utf_8(environment: dict[str, str]) -> None:
    odd = ["http://x.example/é☃", b"http://x.example/\xff", "\N{RIGHT-TO-LEFT OVERRIDE}\x1b]0;owned\x07"]
    given = [os.fsencode(one) if isinstance(one, str) else one for one in odd]
    for options in ((), ("--json",)):
        done = subprocess.run(
            [*COMMAND, "identify", *options, *given], capture_output=True, env={**os.environ, **environment}, timeout=60
        )
        assert (done.returncode, done.stderr) == (0, b"")
        lines = done.stdout.decode().splitlines()
        assert len(lines) == 3
        assert "\x1b" not in done.stdout.decode()
    assert json.loads(lines[0])["url"].startswith("http://x.example/")


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_run_once_ends_in_order_after_a_signal(
    newcomer: Path, room: Newsroom, number: signal.Signals, status: int
) -> None:
    text = newcomer.read_text(encoding="utf-8").replace('"50ms"', '"20s"')
    newcomer.write_text(text, encoding="utf-8")  # the second page of a host is a long way off
    asked = len(room.requests)
    with subprocess.Popen(
        [*COMMAND, "run-once", "--json", "--config", str(newcomer)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        while len(room.requests) < asked + 5:
            assert process.poll() is None
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (status, b"")
    assert json.loads(out)["feeds"]["polled"] > 0


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_any_other_command_ends_quietly_after_a_signal(number: signal.Signals, status: int) -> None:
    with subprocess.Popen(
        [*COMMAND, "identify", "-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b"x\n")
        process.stdin.flush()
        assert process.stdout.readline() == b"-\tno-url\tx\n"
        process.send_signal(number)
        _, err = process.communicate(timeout=30)
    assert (process.returncode, err.strip()) == (status, b"")


def test_a_store_that_is_held(own: Path, room: Newsroom, tmp_path: Path) -> None:
    asked = len(room.requests)
    with sqlite3.connect(own.parent / "aggregator.db") as connection:
        connection.execute("UPDATE feeds SET due_at = 0")
        connection.execute("UPDATE hosts SET feeds_due_at = 0, not_before = 0")
    connection.close()
    with subprocess.Popen(
        [*COMMAND, "run", "--config", str(own)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        while len(room.requests) == asked:
            assert process.poll() is None
        assert_one_line(call("run", "--config", own), 4, "another `aggregator run`")
        assert_one_line(call("db", "upgrade", "--config", own), 4, "another process holds the store")
        copy = f"sqlite:///{tmp_path / 'copy.db'}"
        assert_one_line(call("db", "copy", copy, "--config", own), 4, "another process holds the store")
        assert call("run-once", "--config", own).status == 0
        assert call("db", "backup", tmp_path / "backup.db", "--config", own).status == 0
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (0, b"")
    assert b"Traceback" not in err
