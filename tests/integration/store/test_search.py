"""Search on SQLite and PostgreSQL: the same words are found by both, page by page, with every filter."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from aggregator.models.feeds import Subscription
from aggregator.models.ids import NO_PAGE
from aggregator.ports.readings import ArticleSearch
from aggregator.store import SqlStore, open_store, upgrade
from aggregator.store.articles.search import REINDEXED
from aggregator.store.db.schema import HEAD
from aggregator.store.lifecycle.opening import open_database
from aggregator.text.search_words import Piece
from tests.support.stores import (
    START,
    StandingClock,
    article_record,
    fetch_due,
    fetched_pages,
    poll,
    record_article,
    sighting,
    subscribe,
    words,
)

A, B = "http://a.example/feed", "http://b.example/feed"
BODIES = {
    "Storm over the North Sea": "A storm hit the coast at night. " * 5,
    "Quiet day": "Nothing but a café and a north wind by the sea, and once a storm.",
    "Elections": "Votes are counted, though the king's choir room is empty.",
    "山谷小火车重新开行": "隧道修好以后，iPhone手机也有信号。古镇石桥通过验收，牧民赶着羊群。",
    "山あいの鉄道": "グランドピアノの運賃は三百円。",
    "รถไฟสายเล็ก": "ผ่านอุโมงค์และจักรยาน",
    "Kredite": "Unter\u00adnehmen und Donau\u200bdampf\u200bschiff, Straße, naïve Ansätze.",
    "שָׁלוֹם": "مُدَرِّس في المدرسة",
}


def write(store: SqlStore, texts: Mapping[str, str], **options: Any) -> None:
    feed = next(feed for feed in subscribe(store, A, B) if feed.url == A)
    poll(store, feed, *(sighting(number, updated_at=START) for number in range(len(texts))))
    fetch_due(store)
    waiting = sorted(fetched_pages(store), key=lambda page: page.url)
    for page, (title, body) in zip(waiting, texts.items(), strict=True):
        assert record_article(store, page, article_record(page, title=title, body=body, **options))
    store.number_changes()


def titles(store: SqlStore, query: str, **options: Any) -> set[str]:
    found = store.search(ArticleSearch(query=query, **options))
    assert found.count == (len(found.found) if query else None)
    return {one.article.content.title for one in found.found}


def marked(pieces: Sequence[Piece]) -> list[str]:
    return [piece for piece, matches in pieces if matches]


FOUND: dict[str, set[str]] = {
    "storm": {"Storm over the North Sea", "Quiet day"},
    "STORM coast": {"Storm over the North Sea"},
    '"north sea"': {"Storm over the North Sea"},
    '"sea a"': set(),  # the end of a title and the beginning of the text
    "cafe": {"Quiet day"},
    "kin": set(),
    "kin*": {"Elections"},
    "king's": {"Elections"},
    "隧道": {"山谷小火车重新开行"},
    "火车": {"山谷小火车重新开行"},
    "桥": {"山谷小火车重新开行"},
    "群": {"山谷小火车重新开行"},
    "iphone": {"山谷小火车重新开行"},
    "iPhone手机": {"山谷小火车重新开行"},
    "手机 iphone": {"山谷小火车重新开行"},
    "道桥": set(),
    "ピアノ": {"山あいの鉄道"},
    "ﾋﾟｱﾉ": {"山あいの鉄道"},
    "อุโมงค์": {"รถไฟสายเล็ก"},
    "unternehmen": {"Kredite"},
    "Unter\u00adnehmen": {"Kredite"},
    "Donaudampfschiff": {"Kredite"},
    "strasse naive": {"Kredite"},
    "שלום": {"שָׁלוֹם"},
    "مدرس": {"שָׁלוֹם"},
    "": set(BODIES),
    '"': set(),
    "AND OR NOT NEAR( ^ : + - '": set(),
    "title:storm": set(),
    "x" * 500: set(),
    "a\0b \ud800".encode("utf-8", "replace").decode(): set(),
}


def test_words_are_found_in_every_script(store: SqlStore) -> None:
    write(store, BODIES)
    assert {query: titles(store, query) for query in FOUND} == FOUND


def test_a_match_in_the_title_comes_first_and_places_are_marked(store: SqlStore) -> None:
    write(store, BODIES)
    first, second = store.search(ArticleSearch(query="storm")).found
    assert (marked(first.title), marked(second.title)) == (["Storm"], [])
    assert marked(second.snippet) == ["storm"]
    (chinese,) = store.search(ArticleSearch(query="手机")).found
    assert marked(chinese.snippet) == ["手机"]


def test_pages_lead_to_the_end_in_each_order(store: SqlStore, clock: StandingClock) -> None:
    write(store, {f"Storm {number}": "storm " * (number % 3 + 1) for number in range(7)})
    for order in ("best", "first_seen", "recorded"):
        for query in ("storm", ""):
            wanted = ArticleSearch(query=query, limit=3, order=order)  # type: ignore[arg-type]  # of the tuple
            seen: list[str] = []
            sizes: list[int] = []
            while True:
                page = store.search(wanted)
                seen += [one.article.content.title for one in page.found]
                sizes.append(len(page.found))
                assert page.count == (7 if query else None)
                if not page.next:
                    break
                wanted = replace(wanted, after=page.next)
            assert (len(set(seen)), sizes) == (7, [3, 3, 1])


def test_a_query_that_many_articles_match_gives_the_newest_first_on_every_page(store: SqlStore) -> None:
    write(store, {f"Storm {number}": "storm " * (number % 3 + 1) for number in range(7)})
    wanted = ArticleSearch(query="storm", limit=3, most_weighed=6)
    newest = [one.article.id for one in store.search(replace(wanted, limit=7, order="first_seen")).found]
    first = store.search(wanted)
    assert (first.count, first.is_weighed) == (7, False)
    second = store.search(replace(wanted, after=first.next, most_weighed=7))
    assert not second.is_weighed, "fewer match by now; the order of the first page stays"
    assert [one.article.id for one in (*first.found, *second.found)] == newest[:6]
    weighed = store.search(replace(wanted, most_weighed=7))
    assert (weighed.count, weighed.is_weighed) == (7, True)


def test_what_is_not_marked_is_found_alike(store: SqlStore) -> None:
    write(store, BODIES)
    wanted = ArticleSearch(query="storm", order="recorded")
    plain, page = store.search(replace(wanted, marked=False)), store.search(wanted)
    assert [one.article for one in plain.found] == [one.article for one in page.found]
    assert (plain.count, page.count) == (None, 2)
    assert [(one.title, one.snippet) for one in plain.found] == [
        (((one.article.content.title, False),), ()) for one in page.found
    ]


@pytest.mark.parametrize("after", ["x", "1.5_x", "_", "1.5_-3", "1.5_" + "9" * 30, "20260301T120000.000000_x"])
def test_a_place_that_no_page_gave_is_refused(store: SqlStore, after: str) -> None:
    write(store, {"Storm": "storm"})
    with pytest.raises(ValueError, match=r"."):
        store.search(ArticleSearch(query="storm", after=after))


def test_filters_narrow_what_is_found(store: SqlStore, clock: StandingClock) -> None:
    body = words("storm")
    write(store, {"One": body}, quality=("too_short",))
    clock.pass_(timedelta(days=1))
    poll(store, next(feed for feed in store.feeds() if feed.url == B), sighting("b", url="https://b.example/story/b"))
    fetch_due(store)
    (page,) = fetched_pages(store)
    record = article_record(page, title="Two", body=body)
    assert record_article(store, page, replace(record, content=replace(record.content, language="de-AT")))
    query = body.split()[0]
    for asked in (query, ""):
        for options, expected in (
            ({}, {"One", "Two"}),
            ({"feed": A}, {"One"}),
            ({"feed": B}, {"Two"}),
            ({"feed": "http://nowhere.example/"}, set()),
            ({"day": START.replace(hour=0, minute=0)}, {"One"}),
            ({"day": START.replace(hour=0, minute=0) + timedelta(days=1)}, {"Two"}),
            ({"doubtful": True}, {"One"}),
            ({"doubtful": False}, {"Two"}),
            ({"once": True}, {"One"}),
            ({"language": "de"}, {"Two"}),
            ({"language": "de-AT"}, {"Two"}),
            ({"language": "en"}, {"One"}),
            ({"language": "de-CH"}, set()),
            ({"language": "DE_at"}, {"Two"}),
            ({"language": "e"}, set()),
            ({"language": "fr"}, set()),
            ({"tag": "none"}, set()),
        ):
            page_ = store.search(ArticleSearch(query=asked, **options))
            assert {one.article.content.title for one in page_.found} == expected, (asked, options)


def test_a_corrected_language_is_looked_for(store: SqlStore) -> None:
    write(store, {"One": "storm"})
    (page,) = store.stored_pages(NO_PAGE, 10)
    record = article_record(page, title="One", body="storm")
    assert store.record_reextracted(page, replace(record, content=replace(record.content, language="no")))
    assert (titles(store, "", language="no"), titles(store, "", language="en")) == ({"One"}, set())


def test_a_feed_s_tag_filters(store: SqlStore) -> None:
    write(store, {"One": "storm"})
    tagged = [Subscription(url=A, tags=("news", 'the "north"')), Subscription(url=B, tags=("sport",))]
    store.sync_feeds(tagged, "tagged", store.now())
    assert titles(store, "storm", tag="news") == titles(store, "storm", tag='the "north"') == {"One"}
    assert (
        titles(store, "storm", tag="new") == titles(store, "storm", tag="sport") == titles(store, "", tag="%") == set()
    )


def test_feeds_with_very_many_entries_filter_as_others_do(store: SqlStore) -> None:
    write(store, {"One": "storm"})
    (feed, *_) = store.feeds()
    poll(store, feed, *(sighting(number) for number in range(10, 2011)))
    for query in ("storm", ""):
        assert titles(store, query, feed=feed.url) == {"One"}
        assert titles(store, query, feed=B) == set()


def test_only_the_current_text_is_found(store: SqlStore, clock: StandingClock) -> None:
    write(store, {"Storm": "隧道 storm"})
    (feed, *_) = store.feeds()
    clock.pass_(timedelta(hours=7))
    poll(store, feed, sighting(0, content_hash="2", updated_at=store.now()))
    fetch_due(store)
    for page in fetched_pages(store):
        assert record_article(store, page, article_record(page, title="Calm", body="All is well."))
    assert titles(store, "storm") == titles(store, "隧道") == set()
    assert titles(store, "calm") == {"Calm"}
    store.forget([next(iter(store.articles())).key], [])
    assert titles(store, "calm") == set()


def test_a_text_of_nothing_but_different_words_can_be_stored(store: SqlStore) -> None:
    many = " ".join(f"word{number:07}" + "x" * 50 for number in range(30_000))
    write(store, {"Long": f"beginning {many}", "Same": "same " * 20_000})
    assert titles(store, "beginning") == {"Long"}
    assert titles(store, "same") == {"Same"}


# --- stores of earlier versions ---------------------------------------------------------------------------------------


def as_version_4(file: Path) -> None:
    """Bring a store back to the schema before: an index by FTS5's own words."""
    with closing(sqlite3.connect(file)) as conn:
        conn.execute("DROP TABLE article_search")
        conn.execute(
            "CREATE VIRTUAL TABLE article_search USING fts5 (title, body, content='article_texts', content_rowid='n', "
            "tokenize='unicode61 remove_diacritics 2')"
        )
        conn.execute("DROP INDEX ix_articles_recorded_at_n")
        conn.execute("UPDATE alembic_version SET version_num = '0004'")
        conn.commit()


LATER = (  # what schemas after 0004 added
    "DROP TABLE lessons",
    "DROP TABLE variants",
    "DROP INDEX ix_pages_family",
    "ALTER TABLE pages DROP COLUMN family",
    "ALTER TABLE pages DROP COLUMN has_variants",
    "DROP INDEX ix_articles_language_first_seen_n",
    "DROP INDEX ix_articles_language_recorded_at_n",
    "ALTER TABLE articles DROP COLUMN language",
)


def test_an_older_store_is_indexed_again(tmp_path: Path, clock: StandingClock) -> None:
    file = tmp_path / "a.db"
    store = open_store(f"sqlite:///{file}", clock)
    write(store, BODIES)
    store.close()
    as_version_4(file)
    with closing(sqlite3.connect(file)) as conn:
        for statement in LATER:
            conn.execute(statement)
    upgrade(f"sqlite:///{file}", clock)
    store = open_store(f"sqlite:///{file}", clock, readonly=True)
    assert titles(store, "隧道") == {"山谷小火车重新开行"}
    assert titles(store, "隧道", language="en") == {"山谷小火车重新开行"}
    store.close()


def test_an_index_that_was_left_half_made_is_finished(tmp_path: Path, clock: StandingClock) -> None:
    url = f"sqlite:///{tmp_path / 'a.db'}"
    store = open_store(url, clock)
    write(store, BODIES)
    numbers = len(BODIES)
    store.close()
    as_version_4(tmp_path / "a.db")
    with closing(sqlite3.connect(tmp_path / "a.db")) as conn:
        conn.execute("DROP TABLE article_search")
        conn.execute("CREATE VIRTUAL TABLE article_search USING fts5 (title, body, content='', tokenize='ascii')")
        conn.execute("CREATE INDEX ix_articles_recorded_at_n ON articles (recorded_at, n)")
        conn.execute("UPDATE alembic_version SET version_num = ?", (HEAD,))
        conn.execute("INSERT INTO properties VALUES (?, '0')", (REINDEXED,))
        conn.commit()
    database = open_database(url, clock, create=False, readonly=True, use_clock=True)  # leaves it as it is
    database.close()
    assert database.process_lock is None
    store = open_store(url, clock, readonly=True)
    assert titles(store, "storm") == set()
    store.close()
    with closing(sqlite3.connect(tmp_path / "a.db")) as conn:
        assert conn.execute("SELECT value FROM properties WHERE name = ?", (REINDEXED,)).fetchone() == ("0",)
    store = open_store(url, clock)
    assert titles(store, "storm") == {"Storm over the North Sea", "Quiet day"}
    assert store.read_fact(REINDEXED) is None
    assert numbers > 2
    store.close()
