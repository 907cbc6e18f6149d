"""The newsroom is a real server: asked as a proxy and by Host header, with conditional requests."""

from __future__ import annotations

import gzip
import http.client
import tomllib
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from resiliparse.extract.html2text import extract_plain_text

from aggregator.demo import Newsroom, demo_config
from aggregator.demo.content import LAST_STATE, read_publications
from aggregator.demo.pages import place_of, render_newsroom

SHORT_LINK = "http://p.dw.com/p/4JNNH"
LONG_LINK = "http://www.dw.com/en/ukraine-russia-says-kherson-city-pullout-completed/a-63723431"
NEWS = "http://www.harbour-courier.example/feeds/news.xml"
WIRE = "http://wire.meridian-press.example/atom.xml"
NOTES = "http://blog.lighthouse-notes.example/atom.xml"
BARRIER = "http://www.harbour-courier.example/2022/11/08/tide-barrier-vote"


class Answer:
    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()


def ask(
    newsroom: Newsroom,
    target: str,
    headers: Mapping[str, str] | None = None,
    method: str = "GET",
) -> Answer:
    connection = http.client.HTTPConnection("127.0.0.1", newsroom.port, timeout=5)
    try:
        connection.request(method, target, headers={"Accept-Encoding": "identity", **(headers or {})})
        return Answer(connection.getresponse())
    finally:
        connection.close()


@pytest.fixture(scope="module")
def open_newsroom() -> Iterator[Newsroom]:
    with Newsroom() as newsroom:
        yield newsroom


def all_entries() -> list[tuple[str, str]]:
    return [
        (feed.url, entry.link)
        for publication in read_publications()
        for feed in publication.feeds
        for entry in feed.entries
    ]


# --- the table --------------------------------------------------------------------------------------------------------


def test_has_about_twenty_articles_with_texts_of_article_length() -> None:
    lengths = [len(a.text.split()) for p in read_publications() for a in p.articles if a.status == 200 and a.text]
    assert len(lengths) >= 20
    assert sorted(lengths)[1] >= 150  # all but the page behind robots.txt
    assert max(lengths) <= 400


def test_names_are_unique_and_every_entry_names_an_article() -> None:
    names = [a.name for p in read_publications() for a in p.articles]
    assert len(names) == len(set(names))
    assert {e.article for p in read_publications() for f in p.feeds for e in f.entries} <= set(names)


def test_the_seed_is_announced_in_three_feeds_under_three_addresses() -> None:
    links = {link: feed for feed, link in all_entries()}
    announcements = {links[SHORT_LINK], links[LONG_LINK], links[LONG_LINK + "?maca=en-rss-en-all-1573-rdf"]}
    assert len(announcements) == 3


def test_every_host_of_the_table_has_a_robots_file_and_every_address_a_host() -> None:
    replies = render_newsroom(read_publications(), LAST_STATE)
    assert {host for host, _path in replies} == {host for host, path in replies if path == "/robots.txt"}


@pytest.mark.parametrize("state", [1, 2])
def test_all_feeds_but_the_broken_ones_are_well_formed(state: int) -> None:
    replies = render_newsroom(read_publications(), state)
    for publication in read_publications():
        for feed in publication.feeds:
            if not feed.broken:
                root = ElementTree.fromstring(replies[place_of(feed.url)].body)
                assert root.tag.lower().rsplit("}")[-1] in {"rss", "feed", "rdf"}


# --- the server -------------------------------------------------------------------------------------------------------


def test_answers_as_a_proxy(open_newsroom: Newsroom) -> None:
    answer = ask(open_newsroom, SHORT_LINK)
    assert (answer.status, answer.headers["Location"], answer.body) == (301, LONG_LINK, b"")


def test_answers_by_host_header(open_newsroom: Newsroom) -> None:
    answer = ask(open_newsroom, "/p/4JNNH", {"Host": "p.dw.com"})
    assert (answer.status, answer.headers["Location"]) == (301, LONG_LINK)


def test_an_address_instead_of_a_name_falls_back_to_the_host_header(open_newsroom: Newsroom) -> None:
    answer = ask(open_newsroom, "http://127.0.0.1:80/p/4JNNH", {"Host": "p.dw.com:80"})
    assert answer.headers["Location"] == LONG_LINK


def test_a_name_it_does_not_know_is_a_bad_gateway(open_newsroom: Newsroom) -> None:
    assert ask(open_newsroom, "http://nobody.example/").status == 502


def test_keeps_the_connection(open_newsroom: Newsroom) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", open_newsroom.port, timeout=5)
    connection.request("GET", NEWS)
    assert connection.getresponse().read()
    first = connection.sock
    connection.request("GET", WIRE)
    assert connection.getresponse().read()
    assert connection.sock is first
    connection.close()


@pytest.mark.parametrize(
    ("target", "status"),
    [
        (LONG_LINK + "?maca=en-rss-en-all-1573-rdf", 200),
        ("http://www.dw.com/robots.txt", 200),
        ("http://www.dw.com/nothing-here", 404),
        ("http://www.harbour-courier.example/2022/11/06/regatta-results", 404),
        ("http://www.lakeside-radio.example/podcast.xml", 500),
        ("http://valley-gazette.example/rss", 301),
        ("http://click.valley-gazette.example/r/20417", 302),
    ],
)
def test_status(open_newsroom: Newsroom, target: str, status: int) -> None:
    assert ask(open_newsroom, target).status == status


def test_redirects_lead_to_something(open_newsroom: Newsroom) -> None:
    for target in (SHORT_LINK, "http://valley-gazette.example/rss", "http://click.valley-gazette.example/r/20417"):
        assert ask(open_newsroom, ask(open_newsroom, target).headers["Location"]).status == 200


def test_the_seed_s_page_renders_to_the_seed(open_newsroom: Newsroom) -> None:
    html = ask(open_newsroom, LONG_LINK).body.decode()
    text = extract_plain_text(
        html,
        preserve_formatting=True,
        main_content=True,
        list_bullets=True,
        alt_texts=True,
        links=False,
        form_fields=False,
    )
    seed = (Path(__file__).parents[3] / "seeds" / "000_140eb00cdc832ed0.txt").read_bytes()
    assert f" date 2022-11-11 {text}\n".encode() == seed


def test_a_broken_feed_is_a_page_that_advertises_the_new_one(open_newsroom: Newsroom) -> None:
    answer = ask(open_newsroom, "http://www.lakeside-radio.example/rss.xml")
    assert answer.headers["Content-Type"].startswith("text/html")
    assert b'href="http://www.lakeside-radio.example/feed/news"' in answer.body
    assert ask(open_newsroom, "http://www.lakeside-radio.example/feed/news").status == 200


def test_head_has_no_body(open_newsroom: Newsroom) -> None:
    answer = ask(open_newsroom, NEWS, method="HEAD")
    assert answer.body == b""
    assert int(answer.headers["Content-Length"]) > 1000


def test_sends_gzip_to_those_who_read_it(open_newsroom: Newsroom) -> None:
    zipped, plain = ask(open_newsroom, NEWS, {"Accept-Encoding": "gzip"}), ask(open_newsroom, NEWS)
    assert zipped.headers["Content-Encoding"] == "gzip"
    assert "Content-Encoding" not in plain.headers
    assert gzip.decompress(zipped.body) == plain.body


def test_pages_are_in_the_encoding_that_the_publisher_really_uses(open_newsroom: Newsroom) -> None:
    german = ask(open_newsroom, "http://www.bergwelt-anzeiger.example/wissen/messstangen-am-gletscher-id48240.html")
    assert german.headers["Content-Type"] == "text/html; charset=iso-8859-1"
    assert "„Wir haben früher" in german.body.decode("cp1252")
    russian = ask(open_newsroom, "http://www.rechnoy-vestnik.example/news/2022/11/08/parom.html")
    assert "Паром «Ласточка»" in russian.body.decode("cp1251")


# --- conditional requests ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("feed", [NEWS, WIRE, NOTES, BARRIER, LONG_LINK])
def test_an_etag_sent_back_verbatim_is_a_304(open_newsroom: Newsroom, feed: str) -> None:
    etag = ask(open_newsroom, feed).headers["ETag"]
    answer = ask(open_newsroom, feed, {"If-None-Match": etag})
    assert (answer.status, answer.body, answer.headers["ETag"]) == (304, b"", etag)
    assert ask(open_newsroom, feed, {"If-None-Match": etag + "x"}).status == 200


def test_validators_of_every_kind_occur(open_newsroom: Newsroom) -> None:
    assert ask(open_newsroom, NEWS).headers["ETag"].startswith('"')
    assert ask(open_newsroom, WIRE).headers["ETag"].startswith('W/"')
    assert ask(open_newsroom, NOTES).headers["ETag"].endswith(":0")
    assert "ETag" not in ask(open_newsroom, "http://www.journal-des-quais.example/rss.xml").headers
    assert "Last-Modified" not in ask(open_newsroom, "http://www.rechnoy-vestnik.example/rss.php").headers


@pytest.mark.parametrize("feed", ["http://www.journal-des-quais.example/rss.xml", NEWS, NOTES])
def test_a_date_sent_back_verbatim_is_a_304(open_newsroom: Newsroom, feed: str) -> None:
    date = ask(open_newsroom, feed).headers["Last-Modified"]
    assert ask(open_newsroom, feed, {"If-Modified-Since": date}).status == 304
    assert ask(open_newsroom, feed, {"If-Modified-Since": "Thu, 01 Jan 1970 00:00:00 GMT"}).status == 200


def test_an_etag_that_differs_outweighs_the_date(open_newsroom: Newsroom) -> None:
    date = ask(open_newsroom, NEWS).headers["Last-Modified"]
    assert ask(open_newsroom, NEWS, {"If-None-Match": '"old"', "If-Modified-Since": date}).status == 200


def test_errors_have_no_validators(open_newsroom: Newsroom) -> None:
    answer = ask(open_newsroom, "http://www.harbour-courier.example/2022/11/06/regatta-results")
    assert "ETag" not in answer.headers


# --- the second state -------------------------------------------------------------------------------------------------


def test_advance_changes_an_article_and_adds_entries() -> None:
    with Newsroom() as newsroom:
        before = {url: ask(newsroom, url) for url in (NEWS, WIRE, NOTES, BARRIER, LONG_LINK)}
        newsroom.advance()
        newsroom.advance()
        after = {url: ask(newsroom, url, {"If-None-Match": answer.headers["ETag"]}) for url, answer in before.items()}
    assert {url: answer.status for url, answer in after.items()} == {
        NEWS: 200,
        WIRE: 200,
        NOTES: 200,
        BARRIER: 200,
        LONG_LINK: 304,
    }
    assert b"Council to vote on tide barrier tonight" in before[BARRIER].body
    assert b"Council approves tide barrier by a single vote" in after[BARRIER].body
    assert (before[NEWS].body.count(b"<item>"), after[NEWS].body.count(b"<item>")) == (5, 6)
    assert (before[WIRE].body.count(b"<entry>"), after[WIRE].body.count(b"<entry>")) == (3, 4)
    assert b"Twelve kinds of fog" in after[NOTES].body


# --- the log and the life of the server -------------------------------------------------------------------------------


def test_logs_every_request_with_its_headers() -> None:
    with Newsroom() as newsroom:
        ask(newsroom, SHORT_LINK, {"User-Agent": "test"})
        ask(newsroom, "/robots.txt?x=1", {"Host": "P.dw.com"})
        ask(newsroom, "http://nobody.example/")
        logged = [(request.method, request.url, request.status) for request in newsroom.requests]
        agent = newsroom.requests[0].headers["user-agent"]
    assert logged == [
        ("GET", SHORT_LINK, 301),
        ("GET", "http://p.dw.com/robots.txt?x=1", 200),
        ("GET", "http://nobody.example/", 502),
    ]
    assert agent == "test"


def test_closes_although_a_client_stays_connected() -> None:
    connection = http.client.HTTPConnection("127.0.0.1", 0, timeout=5)
    with Newsroom() as newsroom:
        connection.port = newsroom.port
        connection.request("GET", NEWS)
        assert connection.getresponse().read()
    assert connection.sock.recv(1) == b""
    connection.close()


def test_has_no_address_while_closed() -> None:
    with pytest.raises(RuntimeError, match="closed"):
        Newsroom().proxy_url  # noqa: B018


# --- the configuration ------------------------------------------------------------------------------------------------


def test_configuration_names_the_proxy_the_folder_and_the_feeds(tmp_path: Path, open_newsroom: Newsroom) -> None:
    table = tomllib.loads(demo_config(tmp_path, open_newsroom))
    assert table["http"]["proxy"] == f"http://127.0.0.1:{open_newsroom.port}"
    assert table["http"]["proxy_resolves"] is True
    assert table["storage"]["url"] == f"sqlite:///{tmp_path}/aggregator.db"
    urls = {feed["url"] for feed in table["feeds"]}
    assert {"http://rss.dw.com/rdf/rss-en-all", "http://valley-gazette.example/rss"} <= urls
    assert "http://www.valley-gazette.example/feed/" not in urls
    assert all(urlsplit(url).scheme == "http" for url in urls)
    assert [feed["name"] for feed in table["feeds"] if not feed.get("full_text", True)] == ["Lighthouse Notes"]
