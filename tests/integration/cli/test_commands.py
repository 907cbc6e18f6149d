"""Every command with every option: result, shape of `--json`, exit status, and what goes where."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from aggregator.compression import zstd
from aggregator.demo.newsroom import Newsroom
from tests.support.command import Called, call

ROOT = Path(__file__).parents[3]
SEED = ROOT / "seeds" / "000_140eb00cdc832ed0.txt"
SHORT = "http://p.dw.com/p/4JNNH"
LONG = "http://www.dw.com/en/ukraine-russia-says-kherson-city-pullout-completed/a-63723431"
SEED_KEY = "dw:63723431"
DW_FEED = "http://rss.dw.com/rdf/rss-en-all"
ARTICLE: dict[str, type | tuple[type, ...]] = {
    "id": str,
    "url": str,
    "urls": list,
    "key": str,
    "title": str,
    "authors": list,
    "date": str,
    "published": str,
    "date_source": str,
    "updated": str,
    "source": str,
    "change_seq": int,
    "first_seen": str,
    "language": str,
    "site": str,
    "feed": str,
    "feeds": list,
    "tags": list,
    "text": str,
    "body": str,
    "markdown": (str, type(None)),
    "description": (str, type(None)),
    "section": (str, type(None)),
    "is_free": (bool, type(None)),
    "licence": (str, type(None)),
    "rights": (dict, type(None)),
    "images": (list, type(None)),
    "word_count": int,
    "categories": list,
    "enclosures": list,
    "lead_image": (dict, type(None)),
    "extractor": dict,
    "revision": int,
    "near_duplicate_of": (str, type(None)),
    "quality": list,
    "raw": str,
}
UTC_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?\+00:00")


def ids(called: Called) -> list[str]:
    return [record["id"] for record in called.records]


def assert_article(record: dict[str, Any]) -> None:
    assert set(record) == set(ARTICLE)
    assert {name for name, kind in ARTICLE.items() if not isinstance(record[name], kind)} == set()
    assert re.fullmatch(r"[0-9a-f]{16}", record["id"])
    assert UTC_TIME.fullmatch(record["first_seen"])
    assert not record["updated"] or UTC_TIME.fullmatch(record["updated"])
    assert record["url"] in record["urls"]
    assert record["source"] in ("page", "feed")
    assert set(record["extractor"]) == {"name", "version"}
    assert record["lead_image"] is None or set(record["lead_image"]) == {"url", "caption", "alt", "credit"}


# --- run-once ---------------------------------------------------------------------------------------------------------


def test_run_once_says_in_numbers_what_it_did(filled: Path) -> None:
    record = json.loads((filled.parent / "first.json").read_bytes())
    assert {name: set(part) for name, part in record.items() if name != "seconds"} == {
        "feeds": {"polled", "unchanged", "failed"},
        "entries": {"seen", "new"},
        "pages": {"collected", "waiting", "failed"},
        "articles": {"new", "updated", "duplicate"},
    }
    assert all(
        isinstance(number, int) for part in record.values() if isinstance(part, dict) for number in part.values()
    )
    assert isinstance(record["seconds"], float)
    assert record["feeds"]["failed"] > 0
    assert record["articles"]["new"] == len(call("export", "--config", filled).records)


def test_run_once_for_people_and_for_one_feed(own: Path, room: Newsroom) -> None:
    asked = len(room.requests)
    called = call("run-once", "--config", own, "--all", "--feed", DW_FEED)
    assert called.status == 0
    assert called.err == ""
    assert re.search(r"^feeds +1 polled, \d unchanged, 0 failed$", called.out, re.MULTILINE)
    assert "\nNothing new.\nnext      a feed is due at " in called.out
    assert {request.url for request in room.requests[asked:]} == {DW_FEED}


def test_strict_makes_a_failed_feed_an_exit_status(own: Path) -> None:
    called = call("run-once", "--config", own, "--all", "--strict", "--json")
    assert called.status == 1
    assert called.record["feeds"]["failed"] > 0


def test_progress_is_shown_on_a_terminal_only(own: Path) -> None:
    called = call("run-once", "--config", own, "--all", terminal="err")
    assert called.out.startswith("feeds ")
    assert "\x1b" not in called.out
    assert re.search(r"\d+/\d+ feeds, \d+/\d+ pages, \d+/s", called.err)


# --- options that stand on every command ------------------------------------------------------------------------------


def test_common_options_stand_before_and_after_the_command(filled: Path) -> None:
    after = call("articles", "list", "--config", filled)
    assert after.out.count("\n") > 10
    for arguments in (
        ("--config", filled, "articles", "list"),
        ("articles", "--config", filled, "list"),
        ("--config", "nowhere.toml", "articles", "list", "--config", filled),
    ):
        assert call(*arguments) == after


def test_the_log_goes_to_stderr_as_text_or_json(own: Path) -> None:
    text = call("run-once", "--config", own, "--all", "--feed", DW_FEED, "-v")
    assert " INFO aggregator." in text.err
    assert "INFO" not in text.out
    rows = call("--log-format", "json", "-vv", "run-once", "--config", own, "--all", "--feed", DW_FEED, "--json")
    events = [json.loads(line) for line in rows.err.splitlines()]
    assert {"time", "level", "logger", "message"} <= set(events[0])
    assert list(rows.record) == ["feeds", "entries", "pages", "articles", "seconds"]
    assert call("run-once", "-q", "--config", own, "--json").err == ""


def test_where_the_configuration_is_looked_for(filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home, here = tmp_path / "home", tmp_path / "here"
    (home / ".config" / "aggregator").mkdir(parents=True)
    (here / "config").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("AGGREGATOR_CONFIG", raising=False)
    places = [home / ".config" / "aggregator" / "aggregator.toml", here / "config" / "aggregator.toml"]
    assert call("config", "check", folder=here).status == 2
    for number, place in enumerate(places, 1):  # each one comes before those looked at so far
        place.write_text(f'[[feeds]]\nurl = "https://example.com/{number}"\n', encoding="utf-8")
        (only,) = call("feeds", "list", "--json", folder=here).records
        assert only["url"] == f"https://example.com/{number}"
    monkeypatch.setenv("AGGREGATOR_CONFIG", str(filled))
    assert len(call("feeds", "list", "--json", folder=here).records) > 1
    assert len(call("feeds", "list", "--json", "--config", places[0], folder=here).records) == 1


# --- feeds ------------------------------------------------------------------------------------------------------------


def test_feeds_list(filled: Path) -> None:
    rows = call("feeds", "list", "--config", filled, "--json").records
    fields = {"url", "name", "enabled", "tags", "status", "cause", "polled_at", "due_at", "moved_to"}
    assert {frozenset(row) for row in rows} == {frozenset(fields)}
    assert {row["status"] for row in rows} >= {"ok", "failing"}
    assert all(UTC_TIME.fullmatch(row["polled_at"]) for row in rows)
    lines = call("feeds", "list", "--config", filled).out.splitlines()
    assert [line.split("\t")[1] for line in lines] == [row["url"] for row in rows]
    assert all(line.count("\t") == 5 for line in lines)


def test_feeds_list_before_the_first_run(tmp_path: Path) -> None:
    config = tmp_path / "aggregator.toml"
    config.write_text('[[feeds]]\nurl = "https://example.com/feed"\n', encoding="utf-8")
    assert call("feeds", "list", "--config", config, "--json").record["status"] == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["aggregator.toml"]


def test_feeds_add_and_remove_keep_comments(own: Path) -> None:
    own.write_text("# mine\n" + own.read_text(encoding="utf-8").split("[[feeds]]")[0], encoding="utf-8")
    options = ("--name", "DW", "--interval", "10m", "--tag", "a", "--tag", "b", "--no-full-text")
    called = call("feeds", "add", DW_FEED, *options, "--config", own)
    assert (called.status, called.out) == (0, f"added {DW_FEED}\n")
    text = own.read_text(encoding="utf-8")
    assert text.startswith("# mine\n")
    for line in ('name = "DW"', 'interval = "10m"', 'tags = ["a", "b"]', "full_text = false"):
        assert line in text
    again = call("feeds", "add", DW_FEED, "--config", own)
    assert again.status == 2
    assert "listed already" in again.err
    assert call("feeds", "remove", "DW", "--config", own).status == 0
    assert "[[feeds]]" not in own.read_text(encoding="utf-8")
    gone = call("feeds", "remove", "DW", "--config", own)
    assert (gone.status, gone.out) == (1, "")
    assert "no feed has the name or URL 'DW'; see `aggregator feeds list`" in gone.err
    own.write_text(own.read_text(encoding="utf-8") + '[[lists]]\npath = "list.txt"\n', encoding="utf-8")
    assert "one that stands in [[lists]] is removed there" in call("feeds", "remove", "DW", "--config", own).err


def test_feeds_add_takes_the_feed_that_a_site_advertises(own: Path) -> None:
    own.write_text(own.read_text(encoding="utf-8").split("[[feeds]]")[0], encoding="utf-8")
    site = "http://www.harbour-courier.example/"
    advertised = [row["url"] for row in call("feeds", "discover", site, "--config", own, "--json").records]
    assert advertised
    called = call("feeds", "add", site, "--config", own)
    assert (called.status, called.out) == (0, f"added {advertised[0]}\n")
    assert call("feeds", "list", "--config", own, "--json").record["url"] == advertised[0]


def test_feeds_add_of_what_cannot_be_reached_now(own: Path) -> None:
    called = call("feeds", "add", "http://nobody.example/feed", "--config", own)
    assert called.status == 0
    assert "not reached just now" in called.err
    assert "nobody.example" in own.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        (LONG, "neither a feed nor a page that advertises one"),
        ("http://www.dw.com/nothing/here", "not_found"),
        ("ftp://example.com/feed", "is no web address"),
        ("example.com", "is no web address"),
    ],
)
def test_feeds_add_refuses_what_is_no_feed(own: Path, address: str, reason: str) -> None:
    before = own.read_bytes()
    called = call("feeds", "add", address, "--config", own)
    assert called.status == 2
    assert reason in called.err
    assert own.read_bytes() == before


def test_a_dry_run_of_an_import_changes_nothing(own: Path, tmp_path: Path) -> None:
    before, listed = own.read_text(encoding="utf-8"), tmp_path / "list.txt"
    first = call("feeds", "list", "--config", own, "--json").records[0]["url"]
    listed.write_text(f"{first}\nhttps://new.example/rss\nnothing\n", encoding="utf-8")
    result = call("feeds", "import", "--dry-run", listed, "--config", own)
    assert result.out == "https://new.example/rss\n1 feed would be added, 1 there already, 1 skipped\n"
    assert (result.status, own.read_text(encoding="utf-8")) == (1, before)


def test_feeds_travel_as_opml(own: Path, tmp_path: Path) -> None:
    exported = call("feeds", "export", "--config", own)
    target, other = tmp_path / "feeds.opml", tmp_path / "other.toml"
    assert call("feeds", "export", "--out", target, "--config", own).out == ""
    assert target.read_bytes() == exported.raw
    other.write_text("", encoding="utf-8")
    count = len(call("feeds", "list", "--config", own, "--json").records)
    assert (
        call("feeds", "import", target, "--config", other).out == f"{count} feeds added, 0 there already, 0 skipped\n"
    )
    assert (
        call("feeds", "import", "-", "--config", other, stdin=exported.raw).out
        == f"0 feeds added, {count} there already, 0 skipped\n"
    )
    assert call("feeds", "export", "--config", other).raw == exported.raw


def test_feeds_discover(filled: Path) -> None:
    called = call("feeds", "discover", "http://www.harbour-courier.example/", "--config", filled)
    assert called.status == 0
    assert called.out.startswith("http")
    itself = call("feeds", "discover", DW_FEED, "--config", filled, "--json").record
    assert itself == {"url": DW_FEED, "kind": "feed", "title": "", "type": "the address itself"}
    missing = call("feeds", "discover", "http://nobody.example/", "--config", filled)
    assert (missing.status, missing.out) == (1, "")
    without = call("feeds", "discover", LONG, "--config", filled)
    assert (without.status, without.err) == (1, f"aggregator: {LONG}: advertises no feed\n")
    wall = "http://www.journal-des-quais.example/economie/le-budget-du-port-en-detail-204530.html"
    (usual,) = call("feeds", "discover", wall, "--config", filled, "--json").records
    assert usual == {
        "url": "http://www.journal-des-quais.example/rss.xml",
        "kind": "feed",
        "title": "",
        "type": "a usual place",
    }


def test_feeds_test(filled: Path) -> None:
    called = call("feeds", "test", DW_FEED, "--config", filled, "--json")
    assert called.status == 0
    record = called.record
    assert (record["ok"], record["format"], record["error"]) == (True, "rdf", None)
    assert record["entries"] > 0
    page = call("feeds", "test", LONG, "--config", filled)
    assert page.status == 1
    assert re.search(r"^ok +no$", page.out, re.MULTILINE)
    missing = call("feeds", "test", "http://nobody.example/", "--config", filled, "--json")
    assert missing.status == 1
    assert set(missing.record) == {"url", "ok", "error"}


# --- the corpus -------------------------------------------------------------------------------------------------------


def test_export_writes_records_of_every_article(filled: Path) -> None:
    records = call("export", "--config", filled).records
    assert len(records) > 10
    for record in records:
        assert_article(record)
        assert record["text"].startswith(f" date {record['date']} ")
    assert call("articles", "list", "--json", "--config", filled).records == records


def test_export_chooses(filled: Path, tmp_path: Path) -> None:
    every = call("export", "--config", filled)
    assert call("export", "--format", "jsonl", "--dedup", "none", "--text", "seed", "--config", filled) == every
    bodies = call("export", "--text", "body", "--config", filled).records
    assert all(one["text"].endswith(one["body"]) for one in bodies)
    of_feed = call("export", "--feed", DW_FEED, "--config", filled).records
    assert 0 < len(of_feed) < len(every.records)
    assert all(one["key"] == SEED_KEY or "dw.com" in one["url"] for one in of_feed)
    assert call("export", "--since", "2999-01-01", "--config", filled).raw == b""
    first = every.records[0]["first_seen"]
    assert ids(call("export", "--since", first, "--config", filled)) == ids(every)
    clusters = [one["near_duplicate_of"] or one["id"] for one in every.records]
    left = call("export", "--dedup", "cluster", "--config", filled).records
    assert sorted(one["near_duplicate_of"] or one["id"] for one in left) == sorted(set(clusters))
    assert len(left) < len(clusters)
    longest = call("export", "--dedup", "longest", "--config", filled).records
    assert len(longest) == len(left)
    assert sum(len(one["body"]) for one in longest) >= sum(len(one["body"]) for one in left)
    assert zstd.decompress(call("export", "--format", "jsonl.zst", "--config", filled).raw) == every.raw


def test_export_shows_its_progress_where_it_disturbs_nothing(filled: Path) -> None:
    called = call("export", "--config", filled, terminal="err")
    assert called.raw == call("export", "--config", filled).raw
    assert re.search(r"\d+ articles, \d+/s", called.err)
    assert call("export", "--config", filled, terminal="both").err == ""


def test_export_to_a_file_says_so_on_stderr(filled: Path, tmp_path: Path) -> None:
    target = tmp_path / "new" / "corpus.jsonl"
    called = call("export", "--out", target, "--config", filled)
    assert called.raw == b""
    assert re.fullmatch(rf"aggregator: \d+ articles written to {target}\n", called.err)
    assert target.read_bytes() == call("export", "--config", filled).raw


def test_export_of_texts_gives_the_seeds_bytes(filled: Path, tmp_path: Path) -> None:
    article = call("articles", "show", SHORT, "--json", "--config", filled).record
    call("export", "--format", "txt", "--out", tmp_path / "texts", "--config", filled)
    (file,) = (tmp_path / "texts").glob(f"*_{article['id']}.txt")
    assert file.read_bytes() == SEED.read_bytes()
    assert SEED.read_bytes() in call("export", "--format", "txt", "--config", filled).raw


def test_export_as_parquet_and_warc(filled: Path, tmp_path: Path) -> None:
    table, archive = tmp_path / "corpus.parquet", tmp_path / "pages.warc.gz"
    assert call("export", "--format", "parquet", "--out", table, "--config", filled).status == 0
    assert table.read_bytes()[:4] == b"PAR1"
    assert call("export", "--format", "warc", "--out", archive, "--config", filled).status == 0
    assert archive.read_bytes()[:2] == b"\x1f\x8b"


def test_export_of_a_folder_is_a_dataset_that_can_be_followed(filled: Path, tmp_path: Path) -> None:
    folder = tmp_path / "corpus"
    called = call("export", folder, "--format", "jsonl", "--format", "txt", "--config", filled)
    assert called.status == 0
    every = call("export", "--config", filled)
    assert b"".join(path.read_bytes() for path in sorted((folder / "jsonl").iterdir())) == every.raw
    assert call("check", *sorted((folder / "txt").rglob("*.txt")), "--config", filled).status == 0
    manifest = json.loads((folder / "manifest.json").read_bytes())
    assert set(manifest["articles"]) == {*ids(every)}
    again = call("export", folder, "--config", filled)
    assert (again.status, "--replace" in again.err) == (3, True)
    assert call("export", folder, "--replace", "--language", "de", "--config", filled).status == 0
    left = json.loads((folder / "manifest.json").read_bytes())
    diff = call("export", "--diff", folder / "manifest.json", "--config", filled).out.splitlines()
    assert {line.split("\t")[1] for line in diff} == {*ids(every)} - set(left["articles"])
    changes = call("export", "--since-cursor", "0", "--config", filled).records
    assert [one["change_seq"] for one in changes] == list(range(1, manifest["cursor"] + 1))
    assert {one["id"] for one in changes if one["article"]} >= {*ids(every)}
    assert call("export", "--since-cursor", manifest["cursor"], "--config", filled).raw == b""
    assert call("export", "--since-cursor", manifest["cursor"] + 1, "--config", filled).status == 2


def test_outputs_follow_a_run(newcomer: Path, tmp_path: Path) -> None:
    copy = "import sys; open(sys.argv[1], 'a').write(sys.stdin.read())"
    program = [sys.executable, "-c", copy, str(tmp_path / "copy")]
    outputs = (
        '[[outputs]]\ntype = "jsonl"\npath = "changes"\n'
        f'[[outputs]]\ntype = "command"\ncommand = {json.dumps(program)}\n'
        '[[outputs]]\ntype = "command"\nname = "broken"\ncommand = ["/nonexistent"]\n'
    )
    newcomer.write_text(newcomer.read_text(encoding="utf-8") + outputs, encoding="utf-8")
    called = call("run-once", "--config", newcomer)
    assert called.status == 0
    assert "broken" in called.err
    (finding,) = [one for one in call("health", "--json", "--config", newcomer).records if one["kind"] == "output"]
    assert "broken: /nonexistent" in finding["detail"]
    assert "broken: /nonexistent" in call("health", "--config", newcomer).out
    assert call("health", "--config", newcomer).status == 1
    (file,) = (newcomer.parent / "changes").iterdir()
    expected = call("export", "--since-cursor", "0", "--config", newcomer)
    assert [json.loads(line)["change_seq"] for line in file.read_bytes().splitlines()] == [
        one["change_seq"] for one in expected.records
    ]
    assert (tmp_path / "copy").read_bytes() == file.read_bytes()
    assert call("run-once", "--config", newcomer).status == 0
    assert (tmp_path / "copy").read_bytes() == file.read_bytes()


def test_texts_of_two_exports_are_never_mixed(filled: Path, tmp_path: Path) -> None:
    texts = tmp_path / "texts"
    assert call("export", "--format", "txt", "--out", texts, "--config", filled).status == 0
    refused = call("export", "--format", "txt", "--out", texts, "--language", "de", "--config", filled)
    assert (refused.status, "--replace" in refused.err) == (3, True)
    german = ("export", "--format", "txt", "--out", texts, "--language", "de", "--replace")
    assert call(*german, "--config", filled).status == 0
    assert len(list(texts.iterdir())) == len(call("export", "--language", "de", "--config", filled).records)


def test_articles_list(filled: Path) -> None:
    lines = call("articles", "list", "--config", filled).out.splitlines()
    assert all(re.fullmatch(r"[0-9a-f]{16}\t\d{4}-\d\d-\d\d\t[^\t]+\thttps?://\S+", line) for line in lines)
    limited = call("articles", "list", "--limit", "2", "--config", filled).out.splitlines()
    assert limited == lines[:2]
    assert call("articles", "list", "--since", "2999-01-01T00:00:00Z", "--config", filled).out == ""
    doubted = call("articles", "list", "--quality", "--json", "--config", filled).records
    assert all(record["quality"] for record in doubted)
    shown = call("articles", "list", "--limit", "1", "--config", filled, terminal="out").out
    assert "title" in shown
    assert lines[0].split("\t")[0] in shown


def test_articles_show_by_every_name(filled: Path) -> None:
    record = call("articles", "show", LONG, "--json", "--config", filled).record
    assert_article(record)
    assert record["key"] == SEED_KEY
    for name in (record["id"], SHORT, f"{LONG}?maca=en-rss-en-all-1573-rdf", *record["urls"]):
        assert call("articles", "show", name, "--json", "--config", filled).record == record
    text = call("articles", "show", record["id"], "--config", filled).out
    assert record["text"] in text
    assert f"key      {SEED_KEY}\n" in text
    body = call("articles", "show", record["id"], "--text", "body", "--config", filled).out
    assert record["body"] in body
    assert record["text"] not in body


def test_articles_show_of_an_address_without_its_scheme(filled: Path) -> None:
    refused = call("articles", "show", "a.example/x", "--config", filled)
    assert (refused.status, "an address begins with https://" in refused.err) == (1, True)
    assert "begins" not in call("articles", "show", "https://a.example/x", "--config", filled).err


def test_articles_show_says_what_it_resembles(filled: Path) -> None:
    near = next(one for one in call("export", "--config", filled).records if one["near_duplicate_of"])
    assert f"like     {near['near_duplicate_of']}\n" in call("articles", "show", near["id"], "--config", filled).out


def test_articles_show_revisions(filled: Path) -> None:
    out = call("articles", "show", SHORT, "--revisions", "--config", filled).out
    assert out == "one revision: the text never changed\n"


def test_articles_search(filled: Path) -> None:
    found = call("articles", "search", "Kherson pullout", "--json", "--config", filled).records
    assert found[0]["key"] == SEED_KEY
    assert call("articles", "search", "Kherson", "--limit", "1", "--config", filled).out.startswith(found[0]["id"])
    assert call("articles", "search", "xyzzyplugh", "--config", filled).out == ""


# --- what changes the store -------------------------------------------------------------------------------------------


def test_reextract_finds_nothing_to_change_right_after_a_run(own: Path) -> None:
    called = call("reextract", "--dry-run", "--config", own)
    assert (called.status, called.out) == (0, "0 articles would change, 0 pages gave nothing this time\n")


def test_reextract_takes_up_a_new_rule(own: Path) -> None:
    rules = own.parent / "publishers"
    rules.mkdir()
    (rules / "harbour.toml").write_text(
        'hosts = ["harbour-courier.example"]\n[extract]\nstrip = ["p"]\n', encoding="utf-8"
    )
    would = call("reextract", "--dry-run", "--json", "--config", own)
    assert would.status == 0
    assert {frozenset(row) for row in would.records} == {frozenset({"id", "url", "fields", "similarity", "error"})}
    done = call("reextract", "--config", own)
    assert done.status == 0
    assert f"{len(would.records)} article" in done.out
    assert call("reextract", "--dry-run", "--json", "--config", own).raw == b""


def test_forget_erases_an_article_everywhere(own: Path) -> None:
    article = call("articles", "show", SHORT, "--json", "--config", own).record
    files = own.parent / "articles"
    assert list(files.rglob(f"*_{article['id']}.txt"))
    called = call("forget", SHORT, "--json", "--config", own)
    assert (called.status, called.record["articles"]) == (0, [article["id"]])
    assert call("articles", "show", LONG, "--config", own).status == 1
    assert not list(files.rglob(f"*_{article['id']}.txt"))
    assert not list((own.parent / "raw").rglob(article["raw"]))
    stored = [path for path in own.parent.rglob("*") if path.is_file() and path.suffix != ".json"]
    sentence = article["body"].splitlines()[0].encode()
    assert not [path for path in stored if sentence in path.read_bytes()]
    assert call("forget", SHORT, "--config", own).status == 1
    call("run-once", "--all", "--config", own)
    assert call("articles", "show", LONG, "--config", own).status == 1


def test_forget_erases_a_host(own: Path) -> None:
    before = call("export", "--config", own).records
    called = call("forget", "harbour-courier.example", "--config", own)
    left = call("export", "--config", own).records
    assert called.status == 0
    assert re.fullmatch(r"\d+ articles and \d+ raw pages erased\n", called.out)
    assert len(left) < len(before)
    assert not [one for one in left if "harbour-courier" in one["url"]]
    assert {one["id"] for one in left} == {one["id"] for one in before if "harbour-courier" not in one["url"]}


@pytest.mark.parametrize("name", ["http://[", "no host", "dw.com/en", ""])
def test_forget_refuses_what_is_no_article_and_no_host(own: Path, name: str) -> None:
    assert call("forget", name, "--config", own).status == 2


# --- without a store --------------------------------------------------------------------------------------------------


def test_identify(tmp_path: Path) -> None:
    urls = [SHORT, f"{LONG}?maca=x", "", "nonsense", "http://[", "\x1b[31m"]
    rows = call("identify", "--json", *urls, folder=tmp_path).records
    assert [row["url"] for row in rows] == urls
    assert [set(row) for row in rows] == [{"url", "key", "rule"}] * len(urls)
    assert [row["key"] for row in rows] == [SEED_KEY, SEED_KEY, None, None, None, None]
    piped = call("identify", "-", stdin=f"{SHORT}\r\nhttp://a\xff\n".encode("latin-1"), folder=tmp_path)
    assert piped.out.splitlines()[0] == f"{SEED_KEY}\tdw\t{SHORT}"
    assert piped.out.count("\n") == 2


def test_extract_and_parse_fetch_an_address(filled: Path) -> None:
    assert call("extract", LONG, "--config", filled).raw == SEED.read_bytes()
    record = call("extract", SHORT, "--json", "--config", filled).record
    assert (record["key"], record["url"]) == (SEED_KEY, LONG)  # where the short link led
    feed = call("parse", DW_FEED, "--json", "--config", filled).record
    assert (feed["file"], feed["format"], feed["error"]) == (DW_FEED, "rdf", None)
    assert all(UTC_TIME.fullmatch(entry["date"]) for entry in feed["entries"])


def test_extract_tells_what_resiliparse_gives_and_prints_no_empty_document(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("<title>The bridge</title><body><aside><p>It is closed.</p></aside></body>")
    called = ("extract", tmp_path / "page.html", "--date", "2026-11-23")
    record = call(*called, "--json", folder=tmp_path).record
    assert (record["text"], record["body"]) == (" date 2026-11-23 ", "It is closed.")
    assert call(*called, "--text", "body", "--json", folder=tmp_path).record["text"].endswith("bridge\n\nIt is closed.")
    assert call(*called, folder=tmp_path).raw == b" date 2026-11-23 The bridge\n\nIt is closed.\n"


def test_check(tmp_path: Path) -> None:
    wrong, absent = tmp_path / "wrong.txt", tmp_path / "absent.txt"
    wrong.write_bytes(b"no envelope\r\n")
    assert call("check", SEED).out == f"{SEED}: ok\n"
    called = call("check", SEED, wrong)
    assert called.status == 1
    assert re.search(r"wrong\.txt:1:\d+: ", called.out)
    mixed = call("check", absent, wrong, SEED)
    assert mixed.status == 2
    assert mixed.err == f"aggregator: {absent}: No such file or directory\n"
    assert f"{SEED}: ok" in mixed.out


# --- watching and upkeep ----------------------------------------------------------------------------------------------


def test_config_commands(filled: Path, tmp_path: Path) -> None:
    assert re.fullmatch(rf"{filled}: ok, \d+ feeds\n", call("config", "check", "--config", filled).out)
    assert "[storage]" in call("config", "show", "--config", filled).out
    assert "[storage]" in call("config", "show", folder=tmp_path).out
    assert json.loads(call("config", "schema").out)["title"] == "aggregator.toml"


def test_the_environment_overrides_single_keys(filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGGREGATOR_HTTP__TIMEOUT", "7s")
    assert 'timeout = "7s"' in call("config", "show", "--config", filled).out
    assert json.loads(call("config", "show", "--json", "--config", filled).out)["http"]["timeout"] == "7s"


def test_db_upgrade_makes_a_store_and_then_has_nothing_to_do(tmp_path: Path) -> None:
    config = tmp_path / "aggregator.toml"
    config.write_text("", encoding="utf-8")
    assert call("db", "upgrade", "--config", config).out.startswith("a new store, schema ")
    assert call("db", "upgrade", "--config", config).out.endswith(", nothing to do\n")


def test_db_stats(filled: Path) -> None:
    record = call("db", "stats", "--json", "--config", filled).record
    assert record["articles"] == len(call("export", "--config", filled).records)
    assert re.search(rf"^articles +{record['articles']}$", call("db", "stats", "--config", filled).out, re.MULTILINE)


def test_db_backup_is_a_store(own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "backup.db"
    assert call("db", "backup", target, "--config", own).status == 0
    before = call("export", "--config", own)
    assert call("db", "backup", own.parent / "aggregator.db", "--config", own).status == 2
    monkeypatch.setenv("AGGREGATOR_STORAGE__URL", f"sqlite:///{target}")
    assert call("export", "--config", own) == before


def test_db_copy_moves_everything(own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"sqlite:///{tmp_path / 'copy.db'}"
    before = call("export", "--config", own)
    called = call("db", "copy", url, "--config", own)
    assert called.status == 0
    assert re.search(r"^articles +\d+$", called.out, re.MULTILINE)
    assert call("db", "copy", url, "--config", own).status == 3  # not empty any more
    monkeypatch.setenv("AGGREGATOR_STORAGE__URL", url)
    assert call("export", "--config", own) == before
    assert call("articles", "search", "Kherson", "--config", own).out


def test_selftest_scores_every_scenario() -> None:
    called = call("selftest")
    *lines, score = called.out.splitlines()
    assert [line for line in lines if not line.startswith("ok ")] == []
    assert len(lines) > 40
    assert score == f"{len(lines)} of {len(lines)} passed"
    assert (called.status, called.err) == (0, "")


def test_demo_for_programs() -> None:
    called = call("demo", "--json")
    first, second = called.records
    assert called.status == 0
    assert first["articles"]["new"] > second["articles"]["new"]
    assert "First run" in called.err


def test_demo_names_the_folder_it_keeps_without_detours(tmp_path: Path) -> None:
    (tmp_path / "checkout").mkdir()
    called = call("demo", "--keep", "../trial", folder=tmp_path / "checkout")
    assert (called.status, f"\nKept in {tmp_path.resolve() / 'trial'}: " in called.out) == (0, True), called.out[-400:]


def test_demo_takes_no_folder_that_has_files(tmp_path: Path) -> None:
    (tmp_path / "aggregator.toml").write_text("mine")
    called = call("demo", "--keep", tmp_path)
    assert (called.status, called.err) == (2, f"aggregator: {tmp_path}: is not empty; name a new folder\n")
    assert (tmp_path / "aggregator.toml").read_text() == "mine"


def test_feeds_add_says_how_to_allow_an_address_of_your_own_network(tmp_path: Path) -> None:
    call("config", "init", "--path", tmp_path / "own.toml")
    called = call("feeds", "add", "http://127.0.0.3:9/", "--config", tmp_path / "own.toml")
    refusal = 'http://127.0.0.3:9/: forbidden_address: 127.0.0.3: 127.0.0.3 is not public; "127.0.0.3" in [http]'
    assert (called.status, called.err) == (2, f"aggregator: {refusal} allow_private_networks allows it\n")
    settings = (tmp_path / "own.toml").read_text()
    (tmp_path / "own.toml").write_text(settings.replace("networks = []", 'networks = ["127.0.0.3"]'))
    assert "added all the same" in call("feeds", "add", "http://127.0.0.3:9/", "--config", tmp_path / "own.toml").err
