"""Whatever a user can cause: one clear line on stderr, the right exit status, nothing lost, no traceback."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from aggregator.demo.configuration import demo_config
from aggregator.demo.newsroom import Newsroom
from tests.support.command import Called, call

COMMAND = [sys.executable, "-m", "aggregator"]
READING = [
    ("articles", "list"),
    ("articles", "show", "x"),
    ("articles", "search", "x"),
    ("export",),
    ("db", "stats"),
    ("db", "backup", "backup.db"),
    ("db", "copy", "sqlite:///copy.db"),
    ("reextract",),
    ("forget", "http://example.com/a"),
]
FEED_OF = '[[feeds]]\nurl = "{}"\n'


def assert_one_line(called: Called, status: int, *words: str) -> None:
    assert called.status == status, called
    assert called.out == ""
    assert called.err.startswith("aggregator: ")
    assert called.err.count("\n") == 1
    for word in words:
        assert word in called.err


def config_in(folder: Path, text: str = "") -> Path:
    path = folder / "aggregator.toml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture(autouse=True)
def _no_configuration_but_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/nonexistent")
    monkeypatch.delenv("AGGREGATOR_CONFIG", raising=False)


@pytest.fixture(scope="module")
def room() -> Iterator[Newsroom]:
    with Newsroom() as newsroom:
        yield newsroom


@pytest.fixture(scope="module")
def filled(room: Newsroom, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("filled")
    config = config_in(folder, demo_config(folder, room))
    assert call("run-once", "--config", config).status == 0
    return config


@pytest.fixture
def own(filled: Path, room: Newsroom, tmp_path: Path) -> Path:
    shutil.copytree(filled.parent, tmp_path / "own", ignore=shutil.ignore_patterns("*.locks"))
    return config_in(tmp_path / "own", demo_config(tmp_path / "own", room))


@pytest.fixture
def newcomer(room: Newsroom, tmp_path: Path) -> Path:
    """A configuration of the newsroom, and nothing stored."""
    return config_in(tmp_path, demo_config(tmp_path, room))


# --- usage ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("articels",), ("no such command 'articels' (did you mean 'articles'?)", "`aggregator --help`")),
        (("feeds", "ad"), ("did you mean 'add'?", "`aggregator feeds --help`")),
        (("run-once", "--al"), ("--al", "`aggregator run-once --help`")),
        (("run-once", "--feed"), ("--feed", "requires an argument")),
        (("export", "--format", "pdf"), ("'pdf' is not one of",)),
        (("export", "--format", "parquet"), ("--out PATH",)),
        (("articles", "list", "--limit", "0"), ("--limit",)),
        (("articles", "list", "--since", "yesterday"), ("--since", "yesterday", "2026-11-01")),
        (("export", "--since", "0001-01-01T00:00:00+14:00"), ("--since",)),
        (("export", "--since", "9" * 5000), ("--since",)),
        (("extract",), ("name one page, or --jsonl IN",)),
        (("extract", "a", "--jsonl", "b"), ("name one page, or --jsonl IN",)),
        (("extract", "a", "--date", "soon"), ("--date", "soon")),
        (("parse",), ("name one feed, or --jsonl IN",)),
        (("identify",), ("Missing argument",)),
        (("check",), ("Missing argument",)),
        (("feeds", "add", "http://example.com/", "--interval", "5"), ("--interval", "unit")),
        (("feeds", "test", "nonsense"), ("no web address",)),
        (("feeds", "discover", "nonsense"), ("no web address",)),
        (("db", "copy", "nonsense"), ("db copy", "names no store")),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, tuple) else None,
)
def test_wrong_usage(tmp_path: Path, arguments: tuple[str, ...], words: tuple[str, ...]) -> None:
    assert_one_line(call("--config", config_in(tmp_path), *arguments), 2, *words)


def test_a_group_without_a_command_shows_its_help_and_fails() -> None:
    for arguments in ((), ("feeds",)):
        called = call(*arguments)
        assert (called.status, called.out) == (2, "")
        assert called.err.startswith("Usage: aggregator")


# --- configuration ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "command", [("run-once",), ("config", "check"), ("export",), ("identify", "x"), ("feeds", "list")]
)
@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[pollin]\n", ("pollin", "did you mean [polling]?")),
        ('[polling]\nbudjet = "2"\n', ("budjet", 'did you mean "budget"?')),
        ('[http]\ntimeout = "5"\n', ("http.timeout", '"5"', "unit")),
        ("[http\n", ("line 1",)),
        (FEED_OF.format("nonsense"), ("feeds[0].url", "nonsense")),
        ("\0", ()),
    ],
    ids=["section", "key", "value", "syntax", "feed", "nul"],
)
def test_a_wrong_configuration(tmp_path: Path, command: tuple[str, ...], text: str, words: tuple[str, ...]) -> None:
    config = config_in(tmp_path, text)
    assert_one_line(call(*command, "--config", config), 2, str(config), *words)
    assert [path.name for path in tmp_path.iterdir()] == ["aggregator.toml"]


def test_a_configuration_that_cannot_be_read(tmp_path: Path) -> None:
    assert_one_line(call("run-once", "--config", tmp_path / "none.toml"), 2, "none.toml: no such file")
    assert_one_line(call("run-once", "--config", tmp_path), 2, "is a folder")
    assert_one_line(call("run-once", "--config", "a\nb"), 2)
    assert_one_line(call("run-once", "--config", "x" * 5000), 2)
    assert_one_line(call("parse", "a\0b", folder=tmp_path), 2, "is not a file name")
    latin = config_in(tmp_path)
    latin.write_bytes("# für\n".encode("latin-1"))
    assert_one_line(call("run-once", "--config", latin), 2, "line 1: is not UTF-8")
    assert_one_line(call("run-once", folder=tmp_path), 2, "no configuration found", "--config FILE")


def test_an_override_in_the_environment_that_names_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGGREGATOR_HTTP__TIMEOUTS", "1s")
    assert_one_line(call("config", "check", "--config", config_in(tmp_path)), 2, "AGGREGATOR_HTTP__TIMEOUT?")


def test_a_wrong_publisher_rule(tmp_path: Path) -> None:
    (tmp_path / "publishers").mkdir()
    (tmp_path / "publishers" / "mine.toml").write_text("hots = []\n", encoding="utf-8")
    assert_one_line(call("config", "check", "--config", config_in(tmp_path)), 2, "mine.toml", "hots")


def test_unknown_feeds(filled: Path) -> None:
    for command in ("run-once", "export"):
        assert_one_line(call(command, "--feed", "nobody", "--config", filled), 2, "--feed nobody: no")
    assert_one_line(call("articles", "list", "--feed", "nobody", "--config", filled), 2, "--feed nobody: no")


# --- files that are not what they should be ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "command", [("extract",), ("parse",), ("check",), ("feeds", "import"), ("extract", "--jsonl"), ("parse", "--jsonl")]
)
def test_files_that_cannot_be_read(tmp_path: Path, command: tuple[str, ...]) -> None:
    config = config_in(tmp_path)
    assert_one_line(call(*command, tmp_path / "none", "--config", config), 2, "none: No such file or directory")
    assert_one_line(call(*command, tmp_path, "--config", config), 2, "is a folder")
    assert_one_line(call(*command, "x" * 5000, "--config", config), 2, "File name too long")


def test_opml_that_is_broken(tmp_path: Path) -> None:
    config, file = config_in(tmp_path, "# mine\n"), tmp_path / "feeds.opml"
    for text, words in (("<opml><body>", "OPML, line 1"), ("<rss/>", "not <opml>"), ("", "OPML"), ("\x1b[31m", "OPML")):
        file.write_text(text, encoding="utf-8")
        assert_one_line(call("feeds", "import", file, "--config", config), 2, str(file), words)
    file.write_text('<opml><body><outline xmlUrl="mailto:x"/></body></opml>', encoding="utf-8")
    assert_one_line(call("feeds", "import", file, "--config", config), 2, "no http(s) address")
    assert config.read_text(encoding="utf-8") == "# mine\n"


def test_a_page_without_text(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text("<html><head><title>x</title></head><body></body></html>", encoding="utf-8")
    assert_one_line(call("extract", page, folder=tmp_path), 1, f"{page}: no_text")
    called = call("extract", page, "--json", folder=tmp_path)
    assert called.status == 1
    assert called.record["error"].startswith("no_text")
    assert called.record["text"] == ""


def test_a_feed_that_is_html(tmp_path: Path, room: Newsroom) -> None:
    page = tmp_path / "page.html"
    page.write_text('<!doctype html><link rel="alternate" type="application/rss+xml" href="/f">', encoding="utf-8")
    assert_one_line(
        call("parse", page, "--url", "http://x.example/", folder=tmp_path), 1, "advertises http://x.example/f"
    )
    record = call("parse", page, "--url", "http://x.example/", "--json", folder=tmp_path).record
    assert (record["kind"], record["feed_url"], record["entries"]) == ("html", "http://x.example/f", [])
    junk = tmp_path / "junk"
    junk.write_bytes(bytes(range(256)))
    assert_one_line(call("parse", junk, folder=tmp_path), 1, "no feed")
    text = demo_config(tmp_path, room).split("[[feeds]]")[0] + FEED_OF.format("http://www.harbour-courier.example/")
    called = call("run-once", "--config", config_in(tmp_path, text), "--strict")
    assert called.status == 1
    assert "1 failed" in called.out
    (row,) = call("feeds", "list", "--json", "--config", tmp_path / "aggregator.toml").records
    assert (row["status"], row["cause"]) == ("failing", "not_a_feed")


def test_addresses_that_cannot_be_fetched(filled: Path) -> None:
    for command in ("extract", "parse"):
        assert_one_line(call(command, "http://nobody.example/", "--config", filled), 1, "http://nobody.example/: ")
        assert_one_line(call(command, "http://127.0.0.1:1/", folder=filled.parent.parent), 1, "forbidden_address")


def test_broken_lines_cost_themselves_only(tmp_path: Path) -> None:
    page, feed = tmp_path / "a.html", tmp_path / "a.xml"
    page.write_text(
        "<title>T</title><article>" + "<p>Some words that are long enough to stay.</p>" * 9, encoding="utf-8"
    )
    feed.write_text("<rss version='2.0'><channel><title>T</title></channel></rss>", encoding="utf-8")
    broken = ["{", "[]", '"x"', "[" * 100_000, ""]
    pages = [json.dumps({"id": 7, "url": "http://x.example/1", "path": "a.html"}), *broken, json.dumps({"id": "b"})]
    pages += [
        json.dumps({"id": "c", "path": "\0"}),
        json.dumps({"id": "d", "path": 5}),
        json.dumps({"id": None, "html": 5}),
    ]
    file = tmp_path / "in.jsonl"
    file.write_text("\n".join(pages), encoding="utf-8")
    called = call("extract", "--jsonl", file)
    assert called.status == 2
    assert called.err.count("\n") == 4
    assert f"aggregator: {file}: line 2: no JSON" in called.err
    assert [row["id"] for row in called.records] == [7, None, None, None, None, "b", "c", "d", None]
    assert [row["error"] is None for row in called.records] == [True] + [False] * 8
    feeds = [
        json.dumps({"file": str(feed), "headers": [1]}),
        *broken,
        '{"file": "a.xml", "url": 5}',
        "{}",
        '{"file": 5}',
    ]
    file.write_text("\n".join(feeds), encoding="utf-8")
    called = call("parse", "--jsonl", file)
    assert called.status == 2
    assert [row["kind"] for row in called.records] == ["feed"] + [None] * 4 + ["feed", None, None]
    assert {frozenset(row) for row in called.records} == {
        frozenset({"file", "kind", "format", "title", "feed_url", "entries", "seconds", "error"})
    }


def test_an_article_nobody_knows(filled: Path) -> None:
    for name in ("0" * 16, "http://example.com/x", "", "x" * 100_000, "\x1b[31m\udcff"):
        assert_one_line(call("articles", "show", name, "--config", filled), 1, "no article has the id or address")


def test_searches_of_any_kind_are_answered(filled: Path) -> None:
    for query in ('"', "AND", "(", "*", "NEAR(a b", "a:b", "", "\0", "\udcff", "x" * 100_000, "' OR 1=1 --"):
        called = call("articles", "search", query, "--config", filled)
        assert (called.status, called.err) == (0, ""), query


# --- the store --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", READING, ids=" ".join)
def test_reading_makes_no_store(tmp_path: Path, command: tuple[str, ...]) -> None:
    config = config_in(tmp_path)
    assert_one_line(call(*command, "--config", config, folder=tmp_path), 3, "there is no store yet")
    assert [path.name for path in tmp_path.iterdir()] == ["aggregator.toml"]


@pytest.mark.parametrize("command", [("run-once",), ("feeds", "list"), *READING], ids=" ".join)
def test_a_store_that_is_no_database(tmp_path: Path, command: tuple[str, ...]) -> None:
    config, store = config_in(tmp_path), tmp_path / "data" / "aggregator.db"
    store.parent.mkdir()
    store.write_bytes(b"my diary, not a database" * 100)
    assert_one_line(call(*command, "--config", config, folder=tmp_path), 3, str(store))
    assert store.read_bytes() == b"my diary, not a database" * 100


def test_a_store_that_is_a_folder(tmp_path: Path) -> None:
    (tmp_path / "data" / "aggregator.db").mkdir(parents=True)
    for command in ("run-once", "export"):
        assert_one_line(call(command, "--config", config_in(tmp_path)), 3, "is a folder")


@pytest.mark.parametrize("command", [("run-once",), ("db", "upgrade"), *READING], ids=" ".join)
def test_a_store_of_a_newer_version(own: Path, command: tuple[str, ...], tmp_path: Path) -> None:
    store = own.parent / "aggregator.db"
    with closing(sqlite3.connect(store)) as connection, connection:
        (table,) = connection.execute("SELECT name FROM sqlite_master WHERE name LIKE 'alembic%'").fetchone()
        connection.execute(f"UPDATE {table} SET version_num = '9999'")
        before = connection.execute("SELECT count(*) FROM articles").fetchone()
    assert_one_line(call(*command, "--config", own, folder=tmp_path), 3, "schema version 9999")
    with closing(sqlite3.connect(store)) as connection:
        assert connection.execute("SELECT count(*) FROM articles").fetchone() == before


def test_a_store_that_nobody_answers_for(tmp_path: Path) -> None:
    config = config_in(tmp_path, '[storage]\nurl = "postgresql://nobody@127.0.0.1:1/none"\n')
    for command in ("run-once", "export"):
        assert_one_line(call(command, "--config", config), 3)


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("in the way", encoding="utf-8")
    assert_one_line(call("run-once", "--config", config_in(tmp_path)), 3, str(tmp_path / "data"))


def test_outputs_that_cannot_be_written(filled: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    for arguments in (
        ("--out", tmp_path),
        ("--out", tmp_path / "file" / "x.jsonl"),
        ("--format", "txt", "--out", tmp_path / "file"),
        ("--format", "parquet", "--out", tmp_path),
        ("--out", "/proc/x.jsonl"),
    ):
        assert_one_line(call("export", *arguments, "--config", filled), 3)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert_one_line(call("db", "backup", tmp_path / "file" / "x", "--config", filled), 3)
    assert_one_line(call("db", "backup", tmp_path, "--config", filled), 3)


def test_an_extra_that_is_not_installed(filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    called = call("export", "--format", "parquet", "--out", tmp_path / "x.parquet", "--config", filled)
    assert_one_line(called, 2, "pip install 'aggregator[parquet]'")
    assert list(tmp_path.iterdir()) == []


def test_little_room_on_the_disk(newcomer: Path, monkeypatch: pytest.MonkeyPatch, room: Newsroom) -> None:
    asked = len(room.requests)
    monkeypatch.setenv("AGGREGATOR_STORAGE__MIN_FREE", "1000000GiB")
    assert_one_line(call("run-once", "--config", newcomer), 3, "min_free")
    assert len(room.requests) == asked


# --- what needs a process of its own ----------------------------------------------------------------------------------


def run(
    *arguments: str, before: Callable[[], object] | None = None, **options: object
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(  # type: ignore[call-overload,no-any-return]
        [*COMMAND, *arguments], preexec_fn=before, timeout=60, **{"capture_output": True, **options}
    )


def limit_files() -> None:
    """Let no file grow beyond 300 KiB: SQLite takes that for a full disk."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (300 * 1024, 300 * 1024))


def test_a_full_disk_loses_nothing(newcomer: Path) -> None:
    unmeasured = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    done = run("run-once", "--config", str(newcomer), before=limit_files, env=unmeasured)
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


def test_a_reader_that_has_seen_enough(filled: Path) -> None:
    line = f'"{sys.executable}" -m aggregator export --config "{filled}" | head -c 10'
    done = subprocess.run(["bash", "-o", "pipefail", "-c", line], capture_output=True, timeout=60)
    assert (done.returncode, done.stderr, done.stdout[:6]) == (0, b"", b'{"id":')


def test_stdout_that_takes_nothing(filled: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        done = run("export", "--config", str(filled), stdout=full, stderr=subprocess.PIPE, capture_output=False)
    assert (done.returncode, done.stderr) == (3, b"aggregator: No space left on device\n") or (
        done.returncode == 3 and done.stderr.count(b"\n") == 1
    )


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
