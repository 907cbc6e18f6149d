"""The list of articles, search, and the page of an article as evidence."""

from __future__ import annotations

import re
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

from lxml import etree

from aggregator.identity.evidence import Edge
from aggregator.models.ids import EvidenceKind, Key
from aggregator.store import SqlStore
from aggregator.web.pages.differences import differences
from tests.support.stores import START, URL, StandingClock, collect, identity, newest, poll, sighting, subscribe, words
from tests.support.website import A, Open, Site, fill, revise


def test_articles_are_listed_page_by_page_and_searched(site: Site, store: SqlStore) -> None:
    fill(store, 60)
    first = site.get("/articles").text
    (on,) = etree.HTML(first).xpath("//a[@rel='next']/@href")
    second = site.get(on).text
    assert (first.count("<li>"), second.count("<li>")) == (50, 10)
    assert 'rel="first" href="/articles"' in second
    assert 'rel="next"' not in second
    found = newest(store)[0]
    word = found.content.body.split()[0]
    page = site.get("/articles", params={"q": word}).text
    assert f'href="/articles/{found.id}"' in page
    assert f'value="{word}"' in page
    assert f"<mark>{word}</mark>" in page
    assert "1 article, best match first" in page


def test_all_that_was_asked_for_stands_in_the_address_of_the_next_page(site: Site, store: SqlStore) -> None:
    fill(store, 51, body=words("storm"), quality=("too_short",))
    asked = {
        "q": words("storm").split()[0],
        "feed": A,
        "day": f"{START:%Y-%m-%d}",
        "language": "en",
        "quality": "doubtful",
    }
    page = etree.HTML(site.get("/articles", params={**asked, "tag": ""}).text)
    (on,) = page.xpath("//a[@rel='next']/@href")
    given = parse_qs(urlsplit(on).query)
    assert {name: given[name] for name in asked} == {name: [value] for name, value in asked.items()}
    second = etree.HTML(site.get(on).text)
    assert len(second.xpath("//main//li")) == 1
    assert second.xpath("//select/option[@selected]/@value") == ["doubtful"]
    for wrong in ("day=today", "after=x", "quality=bad"):
        site.get(f"/articles?{wrong}", 404 if wrong.startswith("quality") else 422)


def test_an_article_s_page_shows_text_provenance_revisions_and_duplicates(
    site: Site, store: SqlStore, clock: StandingClock
) -> None:
    body = words("text")
    fill(store, 1, title="First", body=body)
    clock.pass_(timedelta(hours=1))
    poll(store, store.feeds()[0], sighting(9, url="https://other.example/en/story/b"))
    collect(store, title="Second", body=body)
    revise(store, clock, "Quite another text.")
    second, first = newest(store)
    page = site.get(f"/articles/{first.id}").text
    assert "Quite another text." in page
    assert first.key in page
    assert "Revision 2" in page
    assert '<div class="added" dir="auto"><ins>Quite another text.</ins></div>' in page
    assert f'repeated by <a href="/articles/{second.id}" lang="en">' in page
    assert "announced by test" in page
    assert "nearly the same text as the earlier" in site.get(f"/articles/{second.id}").text
    site.get("/articles/0123456789abcdef", 404)
    site.get("/articles/no%00where", 404)


def test_the_address_of_a_merged_article_leads_to_the_one_that_it_is_part_of(site: Site, store: SqlStore) -> None:
    (feed,) = subscribe(store, A)
    short, long = "https://s.example/en/story/x", URL.format(1)
    poll(store, feed, sighting(1), sighting("x", url=short))
    collect(store, title="One", body=words("same"))
    store.number_changes()
    edge = Edge(
        key=identity(short).key or Key(""),
        other=identity(long).key or Key(""),
        kind=EvidenceKind.FEED_LINK,
        site="example.org",
        other_site="example.org",
        witness="example.org",
    )
    poll(store, feed, sighting(1, content_hash="2", edges=(edge,)))
    store.number_changes()
    (survivor,) = newest(store)
    merged = next(one.id for one in store.trace([short, long], []).articles if one.merged_into)
    assert site.get(f"/articles/{merged}", 302).headers["location"] == f"/articles/{survivor.id}"
    page = site.get(f"/articles/{survivor.id}").text
    assert merged in page
    assert "one entry of a feed of example.org names both" in page
    assert site.get(f"/api/v1/articles/{merged}").json()["id"] == survivor.id
    kinds = [(one["kind"], one["article"] is None) for one in site.get("/api/v1/articles").json()["changes"]]
    assert ("merged", True) in kinds


def test_a_title_that_turns_the_line_around_does_not(site: Site, store: SqlStore) -> None:
    fill(
        store,
        1,
        title="Invoice \u202egnp.exe\u2067 paid",
        body="\u0645\u0631\u062d\u0628\u0627.\n\nSecond \u202dparagraph.",
    )
    (article,) = newest(store)
    for path in ("/articles", f"/articles/{article.id}", "/feed.atom"):
        page = site.get(path).text
        assert "Invoice gnp.exe paid" in page, path
    page = site.get(f"/articles/{article.id}").text
    tree = etree.HTML(page)
    assert tree.xpath("//article/h1/@dir") == ["auto"]
    assert tree.xpath("//article/p[not(@class)]/@dir") == ["auto", "auto"]
    assert tree.xpath("//article/@lang") == tree.xpath("//pre/@lang") == ["en"]
    assert "Second \u202dparagraph." in tree.xpath("string(//pre)")  # the text as it is stored
    assert etree.HTML(site.get("/articles").text).xpath("//li/a/bdi/text()") == ["Invoice gnp.exe paid"]


def test_the_text_is_downloaded_in_each_layout(site: Site, store: SqlStore) -> None:
    (article,) = fill(store, 1, title="Storm")
    for layout, name in (("seed", "txt"), ("body", "txt"), ("markdown", "md")):
        answer = site.get(f"/articles/{article.id}/text?layout={layout}")
        assert answer.headers["content-disposition"] == f'attachment; filename="{article.id}.{name}"'
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"
        assert answer.text.endswith("\n")
    assert "Storm" in site.get(f"/articles/{article.id}/text").text
    site.get("/articles/0000000000000000/text", 404)


def test_the_raw_page_stands_in_a_frame_that_may_do_nothing(open_site: Open, store: SqlStore) -> None:
    (article,) = fill(store, 1)
    pages = {article.raw: '<meta charset="iso-8859-1"><script>pwn()</script><p title="x">caf\u00e9'.encode("latin-1")}
    site = open_site(raw=pages.get)
    assert '<iframe class="raw" sandbox src=' in site.get(f"/articles/{article.id}").text
    answer = site.get(f"/articles/{article.id}/raw")
    assert "sandbox" in answer.headers["content-security-policy"].split("; ")
    assert answer.headers["x-frame-options"] == "SAMEORIGIN"
    assert "&lt;script&gt;pwn()&lt;/script&gt;" in answer.text
    assert "<script" not in answer.text
    assert "caf\u00e9" in answer.text
    pages.clear()
    site.get(f"/articles/{article.id}/raw", 404)


def test_near_duplicates_stand_side_by_side_with_their_score(site: Site, store: SqlStore, clock: StandingClock) -> None:
    fill(store, 1, body=words("text"))
    clock.pass_(timedelta(hours=1))
    poll(store, store.feeds()[0], sighting(9, url="https://other.example/en/story/b"))
    collect(store, body=words("text").replace(words("text").split()[3], "changed"))
    second, first = newest(store)
    assert second.near_duplicate_of == first.id
    page = site.get(f"/articles/{second.id}").text
    assert re.search(r"\d\d % shared", page)
    beside = site.get(f"/articles/{second.id}/beside/{first.id}").text
    assert "<del>changed</del>" in beside
    assert re.search(r"\d\d % of the passages of both are shared", beside)
    site.get(f"/articles/{second.id}/beside/0000000000000000", 404)


def test_texts_that_are_too_short_have_no_score(site: Site, store: SqlStore) -> None:
    one, other = fill(store, 2, body="A few words.")
    assert "too short for a score" in site.get(f"/articles/{one.id}/beside/{other.id}").text


def test_doubts_are_explained(site: Site, store: SqlStore) -> None:
    (article,) = fill(store, 1, quality=("listing",))
    assert "The page lists other articles" in site.get(f"/articles/{article.id}").text


def test_a_text_too_long_to_compare_says_so(store: SqlStore, clock: StandingClock) -> None:
    fill(store, 1)
    revise(store, clock, "\n".join(str(n) for n in range(3001)))
    (article,) = newest(store)
    (difference,) = differences(store.revisions(article.id))
    assert [line.kind for line in difference.lines] == ["place"]
