"""Counts, charts and the card of a dataset."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from xml.etree import ElementTree

from aggregator.models.ids import FeedId
from aggregator.models.pages import PageFacts, Rights
from aggregator.ports.readings import Gap, Position
from aggregator.sinks.dataset.card import write_card
from aggregator.sinks.dataset.manifest import Manifest
from aggregator.sinks.dataset.plots import bar_chart
from aggregator.sinks.dataset.statistics import Statistics
from tests.support.articles import NOW, article, content


def counted(count: int) -> Statistics:
    statistics = Statistics()
    for number in range(count):
        statistics.add(
            article(
                feed=f"Feed {number % 30} | <b>",
                first_seen=NOW + timedelta(days=number),
                content=content(
                    body="word " * number,
                    language="" if number == 0 else "de-AT",
                    facts=PageFacts(rights=Rights(noai=True)) if number % 2 == 0 else PageFacts(is_free=False),
                ),
                quality=("too_short",) if number < 2 else (),
            ),
            number,
        )
    return statistics


def card(folder: Path, statistics: Statistics, gaps: tuple[Gap, ...] = ()) -> str:
    manifest = Manifest(
        state=Position(epoch="e1", seq=7, recorded=7),
        formats=("parquet", "txt", "md", "warc", "jsonl"),
        text="seed",
        filters={"language": "de"},
        config_hash="c",
        statistics=statistics,
        files=(),
        hashes={},
    )
    write_card(folder, manifest, gaps)
    return (folder / "README.md").read_text(encoding="utf-8")


def gap(filled: bool) -> Gap:
    return Gap(
        feed_id=FeedId(1),
        feed="A | B",
        since=NOW,
        until=NOW + timedelta(hours=2),
        filled_at=NOW if filled else None,
    )


def test_the_card_says_what_is_there(tmp_path: Path) -> None:
    text = card(tmp_path, counted(60), (gap(False), *[gap(True)] * 20))
    assert 'language: ["de"]' in text
    assert "data_files: parquet/*.parquet" in text
    assert "| `too_short` | 2 |" in text
    assert "| A \\| B | 2026-11-23 12:00 | 2026-11-23 14:00 | no |" in text
    assert "and 1 more." in text
    assert "Feed 0 \\| &lt;b>" in text
    assert "10 others" in text
    assert "--since-cursor 7" in text
    assert "| 2026-12-31 | 1 |" in text
    assert "| forbid use by AI | 30 |" in text
    for path in (tmp_path / "plots").iterdir():
        ElementTree.parse(path)


def test_the_card_of_nothing(tmp_path: Path) -> None:
    text = card(tmp_path, Statistics())
    assert "first seen never: there are none" in text
    assert "None is known" in text
    assert "No article has a reason" in text


def test_a_chart_shows_labels_as_text() -> None:
    chart = bar_chart("a < b", [("<script>", 3), ("none", 0), ("x" * 40, 1)])
    root = ElementTree.fromstring(chart)
    texts = [node.text or "" for node in root.iter("{http://www.w3.org/2000/svg}text")]
    assert texts == ["a < b", "<script>", "3", "none", "0", "x" * 13 + "…" + "x" * 12, "1"]
    widths = [int(node.attrib["width"]) for node in root.iter("{http://www.w3.org/2000/svg}rect")]
    assert widths[0] > widths[2] > widths[1] == 0


def test_addresses_as_labels_are_told_apart() -> None:
    chart = bar_chart("Feeds", [(f"https://www.example.org/a/long/way/feed-{number}.xml", 1) for number in range(2)])
    assert "example.org/a…y/feed-0.xml" in chart
    assert "example.org/a…y/feed-1.xml" in chart


def test_a_long_time_is_shown_by_month(tmp_path: Path) -> None:
    statistics = Statistics()
    for number in range(0, 500, 5):
        statistics.add(article(first_seen=NOW + timedelta(days=number)), 1)
    text = card(tmp_path, statistics)
    assert "Articles by month first seen" in text
    assert "| 2026-12 | 6 |" in text
    root = ElementTree.parse(tmp_path / "plots" / "time.svg").getroot()
    assert len(list(root.iter("{http://www.w3.org/2000/svg}rect"))) == 18
