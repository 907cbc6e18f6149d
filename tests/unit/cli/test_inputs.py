"""What commands read: files plain and zipped, JSON lines, records of single pages and feeds."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.cli.articles import read_time
from aggregator.cli.inputs import BrokenLine, read_file, read_lines
from aggregator.errors import ConfigError
from tests.support.command import call

PAGE = (
    "<html lang=en><head><title>Tide barrier</title><meta property='article:published_time' "
    "content='2026-11-02T08:00:00Z'></head><body><article><h1>Tide barrier</h1>"
    + "<p>The barrier across the mouth of the river was closed for the first time.</p>" * 8
    + "<figure><figcaption>The barrier from above</figcaption></figure></article></body></html>"
)
FEED = "<rss version='2.0'><channel><title>T\x9bide</title><item><title>A\x85B</title><link>http://x.example/1</link></item></channel></rss>"
RECORD = {
    "word_count",
    "categories",
    "enclosures",
    "markdown",
    *("description", "section", "is_free", "licence", "rights", "images"),
    *("id", "url", "urls", "key", "title", "authors", "date", "published", "date_source", "updated", "source"),
    *(
        "change_seq",
        "first_seen",
        "language",
        "site",
        "feed",
        "feeds",
        "tags",
        "text",
        "body",
        "lead_image",
        "extractor",
    ),
    *("revision", "near_duplicate_of", "quality", "raw", "error"),
}


@pytest.fixture(autouse=True)
def _no_configuration_but_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/nonexistent")
    monkeypatch.delenv("AGGREGATOR_CONFIG", raising=False)


@given(st.binary(max_size=2000))
def test_a_zipped_file_reads_like_the_plain_one(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    file = tmp_path_factory.getbasetemp() / "some.gz"
    zipped = gzip.compress(data)
    file.write_bytes(zipped)
    assert read_file(file) == (data or zipped)
    assert read_file(file, keep_gzip=True) == zipped


def test_a_zipped_file_that_is_cut_off_gives_what_there_is(tmp_path: Path) -> None:
    file, data = tmp_path / "cut.gz", bytes(range(256)) * 4000
    file.write_bytes(gzip.compress(data)[:-100])
    assert read_file(file) == data[: len(read_file(file))] != b""
    file.write_bytes(b"\x1f\x8bnothing of the kind")
    assert read_file(file) == b"\x1f\x8bnothing of the kind"


def test_an_endless_file_is_refused() -> None:
    with pytest.raises(ConfigError, match="larger than 256 MiB"):
        read_file("/dev/zero")


def test_lines_that_are_no_objects_are_named(tmp_path: Path) -> None:
    file = tmp_path / "in.jsonl"
    file.write_bytes(b'{"a": 1}\n\n[1]\n{\n\xff\n')
    rows = list(read_lines(str(file)))
    assert rows[0] == {"a": 1}
    assert [row.number for row in rows[1:] if isinstance(row, BrokenLine)] == [3, 4, 5]
    assert str(rows[1]) == f"{file}: line 3: no JSON object"


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("2026-11-01", "2026-11-01T00:00:00+00:00"),
        ("2026-11-01T12:00:00Z", "2026-11-01T12:00:00+00:00"),
        ("2026-11-01T12:00:00+02:00", "2026-11-01T10:00:00+00:00"),
    ],
)
def test_times(text: str, meant: str) -> None:
    at = read_time(text)
    assert at is not None
    assert at.isoformat() == meant
    assert read_time(None) is None


# --- extract ----------------------------------------------------------------------------------------------------------


def test_extract_prints_the_text_or_the_record(tmp_path: Path) -> None:
    page = tmp_path / "page.html.gz"
    page.write_bytes(gzip.compress(PAGE.encode()))
    url = "https://x.example/tide"
    record = call("extract", page, "--url", url, "--json", folder=tmp_path).record
    assert set(record) == RECORD
    assert (record["url"], record["urls"], record["title"], record["date"]) == (
        url,
        [url],
        "Tide barrier",
        "2026-11-02",
    )
    assert (record["error"], record["first_seen"], record["feeds"]) == (None, None, [])
    seed = call("extract", page, "--url", url, folder=tmp_path)
    assert seed.out == record["text"] + "\n"
    assert call("extract", "-", "--url", url, stdin=PAGE.encode(), folder=tmp_path).raw == seed.raw
    body = call("extract", page, "--url", url, "--text", "body", folder=tmp_path)
    assert body.out.endswith(record["body"] + "\n")
    assert body.out != seed.out


def test_extract_takes_a_date_where_the_page_states_none(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text(PAGE.replace("2026-11-02T08:00:00Z", ""), encoding="utf-8")
    for given_date in ("2026-11-05", "2026-11-05T10:00:00+02:00"):
        called = call("extract", page, "--date", given_date, folder=tmp_path)
        assert called.out.startswith(" date 2026-11-05 ")


def test_extract_on_a_terminal_steers_nothing(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text(PAGE.replace("The barrier", "The \x9b31m barrier\u202e"), encoding="utf-8")
    assert "\x9b" not in call("extract", page, folder=tmp_path, terminal="out").out
    assert "\u202e" not in call("extract", page, folder=tmp_path, terminal="out").out


def test_extract_of_many_keeps_order_and_ids(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(PAGE, encoding="utf-8")
    rows = [{"id": number, "url": f"https://x.example/{number}", "html": PAGE} for number in range(20)]
    rows += [{"id": "path", "url": "https://x.example/p", "path": "page.html"}, {"id": "none", "path": "none.html"}]
    lines = "\n".join(json.dumps(row) for row in rows).encode()
    called = call("extract", "--jsonl", "-", "--text", "body", stdin=lines, folder=tmp_path)
    assert called.status == 0
    assert [row["id"] for row in called.records] == [row["id"] for row in rows]
    assert {frozenset(row) for row in called.records} == {frozenset(RECORD)}
    assert [row["error"] is None for row in called.records] == [True] * 21 + [False]
    assert called.records[0]["text"].endswith(called.records[0]["body"])


def test_extract_of_many_goes_on_after_a_page_that_takes_too_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AGGREGATOR_EXTRACTION__TIMEOUT", "100ms")
    row = {"id": 1, "html": PAGE.replace("<p>", "<p>long " * 20_000)}
    called = call("extract", "--jsonl", "-", stdin=json.dumps(row).encode(), folder=tmp_path)
    assert called.status == 0
    assert (called.record["id"], called.record["error"].partition(":")[0]) == (1, "extraction_timeout")


def test_extract_obeys_site_config_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sites").mkdir()
    (tmp_path / "sites" / "x.example.txt").write_text("author: //h1\n", encoding="utf-8")
    monkeypatch.setenv("AGGREGATOR_EXTRACTION__SITE_CONFIG_DIR", str(tmp_path / "sites"))
    called = call("extract", "-", "--url", "https://x.example/1", "--json", stdin=PAGE.encode(), folder=tmp_path)
    assert called.record["authors"] == ["Tide barrier"]


# --- parse ------------------------------------------------------------------------------------------------------------


def test_parse_prints_entries_or_the_record(tmp_path: Path) -> None:
    file = tmp_path / "feed.xml"
    file.write_text(FEED, encoding="utf-8")
    called = call("parse", file, "--url", "http://x.example/feed", "--json", folder=tmp_path)
    record = called.record
    assert set(record) == {"file", "kind", "format", "title", "feed_url", "entries", "seconds", "error"}
    assert (record["file"], record["kind"], record["format"], record["error"]) == (str(file), "feed", "rss", None)
    (entry,) = record["entries"]
    assert set(entry) == {"id", "link", "title", "published", "updated", "date", "author"}
    assert entry["link"] == "http://x.example/1"
    shown = call("parse", file, folder=tmp_path).out
    assert "(rss, 1 entry)" in shown
    assert "\x9b" not in shown


def test_parse_of_many_uses_headers(tmp_path: Path) -> None:
    (tmp_path / "feed.xml").write_bytes(FEED.replace("T\x9bide", "für").encode("latin-1"))
    row = {"file": "feed.xml", "url": "http://x.example/feed", "headers": {"Content-Type": "text/xml; charset=latin-1"}}
    (tmp_path / "in.jsonl").write_text(json.dumps(row), encoding="utf-8")
    called = call("parse", "--jsonl", tmp_path / "in.jsonl")
    assert (called.status, called.record["title"], called.record["file"]) == (0, "für", "feed.xml")
