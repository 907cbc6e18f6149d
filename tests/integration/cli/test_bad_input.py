"""Whatever a user can cause: one clear line on stderr, the right exit status, nothing lost, no traceback."""

from __future__ import annotations

import json
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest

from aggregator.demo.configuration import demo_config
from aggregator.demo.newsroom import Newsroom
from tests.support.command import assert_one_line, call

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


def config_in(folder: Path, text: str = "") -> Path:
    path = folder / "aggregator.toml"
    path.write_text(text, encoding="utf-8")
    return path


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
        (("export", "--format", "md"), ("FOLDER",)),
        (("export", "--format", "txt", "--format", "jsonl"), ("FOLDER",)),
        (("export", "folder", "--out", "file"), ("exclude each other",)),
        (("export", "/"), ("FOLDER / has no name",)),
        (("export", "--until", "soon"), ("--until",)),
        (("export", "folder", "--since-cursor", "0"), ("--since-cursor", "FOLDER")),
        (("export", "--out", "file", "--since-cursor", "0"), ("--since-cursor", "--out")),
        (("export", "--format", "txt", "--since-cursor", "0"), ("--since-cursor", "--format")),
        (("export", "--language", "de", "--since-cursor", "0"), ("--since-cursor", "--language")),
        (("export", "--dedup", "none", "--since-cursor", "0"), ("--since-cursor", "--dedup")),
        (("export", "--out", "file", "--diff", "manifest.json"), ("--diff", "--out")),
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
        (("feeds", "import", "nonsense"), ("aggregator: nonsense: No such file",)),
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
    for text, words in (("<rss/>", "not <opml>"), ("", "neither OPML nor"), ("\x1b[31m", "neither OPML nor")):
        file.write_text(text, encoding="utf-8")
        assert_one_line(call("feeds", "import", file, "--config", config), 2, str(file), words)
    file.write_text("<opml><body>", encoding="utf-8")
    empty = call("feeds", "import", file, "--config", config)
    assert (empty.status, empty.out) == (1, "0 feeds added, 0 there already, 0 skipped\n")
    file.write_text('<opml><body>\n<outline xmlUrl="mailto:x"/></body></opml>', encoding="utf-8")
    skipped = call("feeds", "import", file, "--config", config)
    assert "line 2: skipped 'mailto:x': no http(s) address" in skipped.err
    assert (skipped.status, skipped.out) == (1, "0 feeds added, 0 there already, 1 skipped\n")
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


def test_a_file_that_cannot_be_written_is_named_as_the_user_named_it(tmp_path: Path) -> None:
    out = tmp_path / ("x" * 255)  # no temporary name can be made of it
    config = config_in(tmp_path, FEED_OF.format("http://example.com/feed"))
    assert_one_line(call("feeds", "export", "--out", out, "--config", config), 3, f"{out}: File name too long")


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
        ("--format", "warc", "--out", "."),
        ("--out", "/"),
        ("--out", "/proc/x.jsonl"),
    ):
        assert_one_line(call("export", *arguments, "--config", filled), 3)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert_one_line(call("db", "backup", tmp_path / "file" / "x", "--config", filled), 3)
    for place in (tmp_path, ".", "/"):
        assert_one_line(call("db", "backup", place, "--config", filled), 3)
        assert_one_line(call("feeds", "export", "--out", place, "--config", filled), 3)


def test_an_extra_that_is_not_installed(filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    called = call("export", "--format", "parquet", "--out", tmp_path / "x.parquet", "--config", filled)
    assert_one_line(called, 2, "pip install 'feed-corpus[parquet]'")
    assert list(tmp_path.iterdir()) == []


def test_little_room_on_the_disk(newcomer: Path, monkeypatch: pytest.MonkeyPatch, room: Newsroom) -> None:
    asked = len(room.requests)
    monkeypatch.setenv("AGGREGATOR_STORAGE__MIN_FREE", "1000000GiB")
    assert_one_line(call("run-once", "--config", newcomer), 3, "min_free")
    assert len(room.requests) == asked


# --- the style of the log ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("run", "--nonsense"), "No such option"),
        (("run", "--config", "/nowhere/a.toml"), "no such file"),
        (("articles", "list", "--since", "never", "--config"), "is no ISO 8601 time"),
    ],
)
@pytest.mark.parametrize(
    "style", [("--log-format", "json"), ("--log-format=json",), ()], ids=["two words", "one", "text"]
)
def test_an_error_looks_like_the_log(
    arguments: tuple[str, ...], words: str, style: tuple[str, ...], tmp_path: Path
) -> None:
    (tmp_path / "a.toml").touch()
    place = (str(tmp_path / "a.toml"),) if arguments[-1] == "--config" else ()
    called = call(*arguments, *place, *style)
    assert called.status == 2
    (line,) = called.err.splitlines()
    if style:
        assert words in json.loads(line)["message"]
        assert json.loads(line)["level"] == "ERROR"
    else:
        assert line.startswith("aggregator: ")
        assert words in line
