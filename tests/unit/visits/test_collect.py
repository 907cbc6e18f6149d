"""Pages: what is text, what a worker makes of it, what is to be recorded."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from aggregator.extraction.feed_rules import ArticleRules
from aggregator.extraction.pipeline import (
    ExtractJob,
    extraction_job,
    next_page_of,
    run_job,
    run_jobs,
    run_stored,
    with_bodies,
)
from aggregator.extraction.records import article_record
from aggregator.extraction.site_config import SiteConfig
from aggregator.identity.publisher_rules import shipped_publishers
from aggregator.identity.walls import Resemblance
from aggregator.models.articles import DateSource
from aggregator.models.feeds import Entry
from aggregator.models.fetching import Cause, Fetched, FetchRequest, FetchResult, Hop, Validators
from aggregator.models.ids import ArticleId, EvidenceKind, Key, PageId
from aggregator.models.pages import FetchedPage, Page, PageFailed, PagePart, RawResponse
from aggregator.ports.store_records import ArticleRecord, Collected, NextPage
from aggregator.visits.collect import PageLimits, fetch_page, page_failure_of
from tests.support.answers import fetched
from tests.support.articles import no_rules

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
URL = "https://www.example.org/news/long-article-1"
PARAGRAPH = "The council met on Tuesday evening and decided, after four hours of debate, to rebuild the old bridge. "
HTML = (
    '<html lang="en"><head><title>Bridge | Example</title><meta property="og:title" content="Council rebuilds bridge">'
    '<meta property="article:published_time" content="2026-11-22T23:30:00-05:00"></head><body><article>'
    f"<h1>Council rebuilds bridge</h1><p>{PARAGRAPH * 3}</p><p>{PARAGRAPH * 4}</p></article></body></html>"
).encode()
CONSENT = (
    b"<html><head><title>Before you continue</title></head><body><h1>Before you continue</h1><p>We value your privacy. "
    b"We and our partners store cookies and need your consent. Accept all or reject all cookies.</p>"
    b"<button>Accept all</button></body></html>"
)


def raw(final_url: str = URL) -> RawResponse:
    return RawResponse(
        content_hash="00",
        url=URL,
        final_url=final_url,
        status=200,
        headers={"content-type": "text/html"},
        fetched_at=NOW,
    )


def entry(**facts: object) -> Entry:
    blank = Entry(id="g", entry_id="g", link=URL, title="Feed title", published_at=datetime(2026, 11, 20, tzinfo=UTC))
    return replace(blank, **facts)  # type: ignore[arg-type]


def page(raw_: RawResponse | None, one: Entry | None = None, url: str = URL, hops: tuple[Hop, ...] = ()) -> FetchedPage:
    return FetchedPage(
        id=PageId(1),
        url=url,
        key=Key("https://example.org/news/long-article-1"),
        token=1,
        raw=raw_,
        failed=None,
        hops=hops,
        article_id=None,
        entry=one,
        feed_name="News",
        feed_url="https://www.example.org/feed",
        attempts=1,
        visits=1,
        first_seen=NOW,
    )


def collected(one: FetchedPage, body: bytes | None) -> Collected | PageFailed:
    return run_job(with_bodies(extraction_job(one, no_rules, shipped_publishers()), [] if body is None else [body]))


def answer(body: bytes = HTML, content_type: str = "text/html; charset=utf-8") -> Fetched:
    return fetched(URL, body, content_type)


def test_a_page_is_asked_for_where_it_is_due_and_only_there() -> None:
    asked: list[FetchRequest] = []

    class Fetcher:
        def fetch(self, request: FetchRequest) -> FetchResult:
            asked.append(request)
            return answer()

    waiting = Page(
        id=PageId(1),
        url=URL,
        key=Key("k"),
        host="cdn.example.net:443",
        target="https://cdn.example.net/1",
        hops=(Hop(url=URL, status=302, target="https://cdn.example.net/1"),),
        attempts=0,
        due_at=NOW,
        validators=Validators(etag='"e"'),
        article_id=None,
        fetched_at=None,
    )
    fetch_page(waiting, Fetcher(), PageLimits(max_bytes=10, deadline=timedelta(seconds=1)), lambda _: False)
    (request,) = asked
    assert (request.url, request.hops, request.validators) == (waiting.target, waiting.hops, waiting.validators)
    assert not request.follow_hosts


@pytest.mark.parametrize(
    ("body", "content_type", "cause"),
    [
        (HTML, "text/html; charset=utf-8", None),
        (HTML, "", None),
        (HTML, "application/xhtml+xml", None),
        ("<p>x</p>".encode("utf-16"), "text/html", None),
        ("<p>x</p>".encode("utf-16-be"), "text/html; charset=UTF-16BE", None),
        ("<p>x</p>".encode("utf-16-le"), "text/html; charset=utf-16", None),
        (b"{ braces } in a text [1]", "text/plain", None),
        (b'<?xml version="1.0"?>\n<!-- made -->\n<rss version="2.0"><channel/></rss>', "text/xml", Cause.NOT_TEXT),
        (b"\xef\xbb\xbf<feed xmlns='http://www.w3.org/2005/Atom'/>", "text/html", Cause.NOT_TEXT),
        (b"<p>How a feed begins: &lt;rss></p>", "text/html", None),
        (b"[1] a note, and so on [2]", "text/plain", None),
        (b'{"html": "<p>x</p>"}\n', "text/html", Cause.NOT_TEXT),
        (b'\xef\xbb\xbf [ {"text": "x"} ]', "text/html", Cause.NOT_TEXT),
        (b"\x00\x01\x02\x03", "text/html; charset=utf-16", Cause.NOT_TEXT),
        (HTML, "application/pdf", Cause.NOT_TEXT),
        (HTML, "video/mp4", Cause.NOT_TEXT),
        (b"%PDF-1.7 ...", "text/html", Cause.NOT_TEXT),
        (b"<html>\x00\x01", "text/html", Cause.NOT_TEXT),
        (b" \n ", "text/html", Cause.EMPTY),
    ],
)
def test_header_and_content_must_both_say_text(body: bytes, content_type: str, cause: Cause | None) -> None:
    failed = page_failure_of(answer(body, content_type))
    assert (failed.cause if failed else None) is cause


def test_a_page_becomes_an_article_with_its_own_day() -> None:
    one = page(raw(), entry())
    made = collected(one, HTML)
    assert isinstance(made, Collected)
    assert made.content.title == "Council rebuilds bridge"
    assert (made.content.date, made.content.date_source) == ("2026-11-22", DateSource.PAGE)
    assert made.content.source == "page"
    assert made.fingerprint is not None
    record = article_record(one, made, shipped_publishers())
    assert record.url == URL
    assert [identity.url for identity in record.urls] == [URL]
    assert record.pointers == ()


@pytest.mark.parametrize(
    ("raw_date", "at", "published", "day"),
    [
        ("Fri, 11 Nov 2022 23:30:00 -0500", "2022-11-12T04:30:00+00:00", "2022-11-11T23:30:00-05:00", "2022-11-11"),
        ("2022-11-12T00:30:00+09:00", "2022-11-11T15:30:00+00:00", "2022-11-12T00:30:00+09:00", "2022-11-12"),
        ("2022-11-11", "2022-11-11T00:00:00+00:00", "2022-11-11", "2022-11-11"),
        ("11.11.2022 10:30 MEZ", "2022-11-11T09:30:00+00:00", "2022-11-11T09:30:00+00:00", "2022-11-11"),
        ("", "2022-11-11T09:30:00+00:00", "2022-11-11T09:30:00+00:00", "2022-11-11"),
    ],
)
def test_a_day_that_only_the_feed_tells_is_the_publishers_own(raw_date: str, at: str, published: str, day: str) -> None:
    said = entry(published_at=datetime.fromisoformat(at), published_raw=raw_date)
    made = collected(page(raw(), said), HTML.replace(b"2026-11-22T23:30:00-05:00", b""))
    assert isinstance(made, Collected)
    assert (made.content.published, made.content.date, made.content.date_source) == (published, day, DateSource.FEED)


def test_the_feeds_content_stands_in_for_a_page_that_is_no_article() -> None:
    made = collected(page(raw(), entry(content=f"<p>{PARAGRAPH * 5}</p>")), CONSENT)
    assert isinstance(made, Collected)
    assert made.content.source == "feed"
    assert made.quality == ("page_low_quality",)
    assert "rebuild the old bridge" in made.content.text


@pytest.mark.parametrize(
    ("body", "quality"), [(CONSENT, ("consent_wall", "too_short")), (b"<html><body></body></html>", None)]
)
def test_a_teaser_does_not_stand_in_and_a_long_summary_does(body: bytes, quality: tuple[str, ...] | None) -> None:
    teaser = collected(page(raw(), entry(summary=f"<p>{PARAGRAPH}</p>")), body)
    if quality is None:
        assert isinstance(teaser, PageFailed)
    else:
        assert isinstance(teaser, Collected)
        assert (teaser.content.source, teaser.quality) == ("page", quality)
    long = collected(page(raw(), entry(summary=f"<p>{PARAGRAPH * 6}</p>")), body)
    assert isinstance(long, Collected)
    assert long.content.source == "feed"
    assert len(long.quality) == 1


def test_a_page_that_is_no_article_and_an_empty_entry_fail() -> None:
    check = b"<html><head><title>Just a moment...</title></head><body><p>Verify that you are human.</p>"
    made = collected(
        page(raw(), entry()), check + b"<script src='/cdn-cgi/challenge-platform/x'></script></body></html>"
    )
    assert isinstance(made, PageFailed)
    assert made.cause is Cause.LOW_QUALITY


def test_a_page_that_looks_like_a_wall_is_stored_with_its_doubts() -> None:
    made = collected(page(raw(), entry()), CONSENT)
    assert isinstance(made, Collected)
    assert made.quality == ("consent_wall", "too_short")


def test_without_bytes_the_entry_is_all_there_is() -> None:
    one = page(None, entry(content=f"<p>{PARAGRAPH * 5}</p>"))
    made = collected(one, None)
    assert isinstance(made, Collected)
    assert made.content.source == "feed"
    assert made.content.title == "Feed title"
    assert made.content.text.startswith("Feed title\n\n")


def test_a_redirect_within_the_site_is_evidence_one_from_elsewhere_a_pointer() -> None:
    other = "https://www.example.org/2026/bridge-rebuilt"
    hops = (Hop(url="https://short.example.com/x", status=301, target=URL), Hop(url=URL, status=301, target=other))
    one = page(raw(other), entry(), url="https://short.example.com/x", hops=hops)
    made = collected(one, HTML)
    assert isinstance(made, Collected)
    record = article_record(one, made, shipped_publishers())
    assert [identity.url for identity in record.urls] == [URL, other]
    assert [identity.url for identity in record.pointers] == ["https://short.example.com/x"]
    assert [decision.verdict for decision in record.decisions] == ["kept", "refused"]


@pytest.mark.parametrize("end", ["https://www.example.org/", "https://www.example.org/news/"])
def test_a_redirect_to_no_address_of_an_article_is_no_article(end: str) -> None:
    failed = collected(page(raw(end), entry()), HTML)
    assert isinstance(failed, PageFailed)
    assert failed.cause is Cause.LOW_QUALITY
    assert end in failed.detail


def test_the_feeds_content_stands_in_for_a_page_that_led_to_the_home_page() -> None:
    one = page(raw("https://www.example.org/"), entry(content=f"<p>{PARAGRAPH * 5}</p>"))
    made = collected(one, HTML)
    assert isinstance(made, Collected)
    assert (made.content.source, made.quality) == ("feed", ("page_low_quality",))
    record = article_record(one, made, shipped_publishers())
    assert (record.identity.url, record.identity.key) == (URL, one.key)


def test_an_entry_without_text_stands_in_for_no_page() -> None:
    failed = collected(page(raw("https://www.example.org/"), entry(content="<svg></svg>")), HTML)
    assert isinstance(failed, PageFailed)
    assert failed.cause is Cause.LOW_QUALITY


def test_an_article_that_came_from_a_home_page_keeps_the_key_of_its_entry() -> None:
    one = page(raw(), entry())
    made = collected(one, HTML)
    assert isinstance(made, Collected)
    record = article_record(replace(one, raw=raw("https://www.example.org/")), made, shipped_publishers())
    assert (record.identity.key, record.identity.rule) == (one.key, "feed entry")


def test_a_feed_of_another_site_lends_its_page_nothing() -> None:
    job = with_bodies(extraction_job(page(raw(), entry()), no_rules, shipped_publishers()), [HTML])
    lending = replace(job.page, feed_authors=("Ann Writer",))
    lent, own = (run_job(replace(job, page=lending, is_foreign=foreign)) for foreign in (False, True))
    assert isinstance(lent, Collected)
    assert isinstance(own, Collected)
    assert (lent.content.authors, own.content.authors) == (("Ann Writer",), ())


def test_the_pages_canonical_address_is_shown_without_tracking_where_it_means_the_same() -> None:
    canonical = HTML.replace(b"</head>", f'<link rel="canonical" href="{URL}?utm_source=x#top"></head>'.encode())
    one = page(raw(f"{URL}?utm_medium=rss"), entry())
    made = collected(one, canonical)
    assert isinstance(made, Collected)
    record = article_record(one, made, shipped_publishers())
    assert record.url == f"{URL}#top"
    plain = collected(one, HTML)
    assert isinstance(plain, Collected)
    assert article_record(one, plain, shipped_publishers()).url == URL


def test_an_article_known_already_keeps_its_id_out_of_the_record() -> None:
    one = replace(page(raw(), entry()), article_id=ArticleId("0" * 16))
    made = collected(one, HTML)
    assert isinstance(made, Collected)
    assert article_record(one, made, shipped_publishers()).identity.key == one.key


# --- articles on several pages ----------------------------------------------------------------------------------------


def on_pages(*bodies: bytes, one: FetchedPage | None = None, failed: PageFailed | None = None) -> ExtractJob:
    """Return the job of an article on several pages, the last of which may have failed."""
    parts = [
        PagePart(number=n, url=f"{URL}?page={n}", raw=replace(raw(f"{URL}?page={n}"), content_hash=str(n)))
        for n in range(2, len(bodies) + 1)
    ]
    if failed is not None:
        parts.append(PagePart(number=len(bodies) + 1, url=f"{URL}?page={len(bodies) + 1}", failed=failed))
    whole = replace(one or page(raw()), parts=tuple(parts))
    rules = ArticleRules(pages=SiteConfig(next_page=("a.next",)))
    return with_bodies(extraction_job(whole, lambda host, feed: rules, shipped_publishers()), bodies)


def with_link(body: bytes, number: int) -> bytes:
    return body.replace(b"</article>", b"<a class='next' href='?page=%d'>Next</a></article>" % number)


SECOND = HTML.replace(PARAGRAPH.encode() * 4, b"What the second page has to say. " * 9)


def test_an_article_that_goes_on_is_not_extracted_yet() -> None:
    assert next_page_of(on_pages(with_link(HTML, 2))) == NextPage(number=2, url=f"{URL}?page=2")
    assert next_page_of(on_pages(with_link(HTML, 2), with_link(SECOND, 3))) == NextPage(number=3, url=f"{URL}?page=3")
    assert next_page_of(on_pages(HTML)) is None
    gone = PageFailed(cause=Cause.GONE)
    assert next_page_of(on_pages(with_link(HTML, 2), failed=gone)) is None


def test_a_worker_reads_the_bytes_of_its_jobs() -> None:
    kept = {"first": with_link(HTML, 2), "alone": HTML}
    jobs = [replace(on_pages(b""), raw=(content_hash,)) for content_hash in ("first", "alone", "gone")]
    following, article, failed = run_jobs(jobs, kept.get)
    assert isinstance(following, NextPage)
    assert isinstance(article, Collected)
    assert isinstance(failed, PageFailed)
    assert failed.cause is Cause.RAW_MISSING
    assert run_stored(jobs[1], kept.get) == article
    assert isinstance(run_stored(jobs[0], kept.get), Collected), "its next page is not fetched here"
    assert run_stored(jobs[2], kept.get) == failed


def test_parts_are_joined() -> None:
    done = run_job(on_pages(with_link(HTML, 2), SECOND))
    assert isinstance(done, Collected)
    assert (done.parts, done.quality) == (1, ())
    assert "council met" in done.content.body
    assert "What the second page has to say." in done.content.body
    record = article_record(replace(page(raw()), parts=on_pages_parts()), done, shipped_publishers())
    assert isinstance(record, ArticleRecord)
    assert [one.url for one in record.urls] == [URL, f"{URL}?page=2"]
    assert [(edge.kind, edge.other) for edge in record.edges][-1] == (
        EvidenceKind.PART,
        "https://example.org/news/long-article-1?page=2",
    )


def on_pages_parts() -> tuple[PagePart, ...]:
    return (PagePart(number=2, url=f"{URL}?page=2", raw=raw(f"{URL}?page=2")),)


@pytest.mark.parametrize("second", [CONSENT, b"<html></html>"])
def test_a_part_that_is_nothing_to_read_ends_the_article_and_it_says_so(second: bytes) -> None:
    done = run_job(on_pages(with_link(HTML, 2), second))
    assert isinstance(done, Collected)
    assert (done.parts, done.quality) == (0, ("truncated",))


def test_a_first_page_that_is_no_article_has_no_parts() -> None:
    assert isinstance(run_job(on_pages(b"%PDF-1.7 <a class='next' href='?page=2'>", SECOND)), PageFailed)


def test_a_missing_part_is_said_once() -> None:
    gone = PageFailed(cause=Cause.GONE)
    long = HTML.replace(
        b"</head>", b'<script type="application/ld+json">{"@type":"NewsArticle","wordCount":900}</script></head>'
    )
    done = run_job(on_pages(with_link(long, 2), failed=gone))
    assert isinstance(done, Collected)
    assert done.quality == ("truncated",)


def test_the_feeds_content_is_weighed_against_all_parts() -> None:
    whole = f"<p>{PARAGRAPH * 7}</p><p>{'What the second page has to say. ' * 9}</p>"
    more = whole + "".join(f"<p>{PARAGRAPH.replace('Tuesday', f'day {n}') * 4}</p>" for n in range(9))
    for content, source in ((whole, "page"), (more, "feed")):
        done = run_job(on_pages(with_link(HTML, 2), SECOND, one=page(raw(), entry(content=content))))
        assert isinstance(done, Collected)
        assert (done.content.source, done.quality) == (source, ())


@pytest.mark.parametrize(
    ("announced", "says"),
    [
        ("Council rebuilds bridge", Resemblance.SAYS),
        ("Old bridge to be rebuilt", Resemblance.ECHOES),
        ("Festival opens", Resemblance.NOTHING),
    ],
)
def test_how_much_of_the_title_in_the_feed_a_page_says(announced: str, says: Resemblance) -> None:
    one = page(raw(), entry(title=announced))
    made = collected(one, HTML)
    assert isinstance(made, Collected)
    assert made.says_title is says
    assert article_record(one, made, shipped_publishers()).says_title is says


def test_a_page_without_a_title_does_not_say_the_one_that_it_gets_from_the_feed() -> None:
    body = f"<html><body><article><p>{PARAGRAPH * 3}</p><p>{PARAGRAPH * 4}</p></article></body></html>".encode()
    made = collected(page(raw(), entry(title="Festival opens")), body)
    assert isinstance(made, Collected)
    assert (made.content.title, made.says_title) == ("Festival opens", Resemblance.NOTHING)


@pytest.mark.parametrize(
    ("head", "says"),
    [
        ("<title>Festival opens - The Show</title>", Resemblance.ECHOES),
        ('<title>The Show</title><meta content="Festival opens" name="twitter:title">', Resemblance.ECHOES),
        ('<title>The Show</title><meta name="title"><meta name="theme" content="Festival opens">', Resemblance.NOTHING),
    ],
)
def test_a_page_may_state_its_title_in_its_head_alone(head: str, says: Resemblance) -> None:
    """The headline of many podcasts is the name of the show."""
    body = f"<html><head>{head}</head><body><article><h1>The Show</h1><p>{PARAGRAPH * 4}</p></article></body></html>"
    made = collected(page(raw(), entry(title="Festival opens")), body.encode())
    assert isinstance(made, Collected)
    assert made.says_title is (Resemblance.SAYS if made.content.title == "Festival opens" else says)


def test_the_feeds_own_content_says_its_title() -> None:
    made = collected(page(None, entry(title="Festival opens", content=f"<p>{PARAGRAPH * 5}</p>")), b"")
    assert isinstance(made, Collected)
    assert made.says_title is Resemblance.SAYS
