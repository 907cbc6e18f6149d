import json
import time
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.http.robots import (
    MAX_AGE,
    MAX_BYTES,
    MAX_CRAWL_DELAY,
    UNREACHABLE_AGE,
    RobotsRule,
    crawl_delay,
    max_age,
    parse_robots,
    refusal,
    robots_of,
    robots_url,
    sitemaps,
)
from aggregator.models.fetching import Cause, Fetched, FetchFailed, NotModified, Redirected, Validators
from tests.support import answers

AGENT = "aggregator/0.1 (+https://example.org/)"
SITE = "https://a.example"


def is_allowed(rule: RobotsRule, url: str, agent: str) -> bool:
    return refusal(rule, url, agent) is None


def allowed(text: str, path: str, agent: str = AGENT) -> bool:
    return is_allowed(parse_robots(text.encode()), SITE + path, agent)


@pytest.mark.parametrize(
    ("text", "path", "expected"),
    [
        ("", "/x", True),
        ("User-agent: *\nDisallow: /", "/x", False),
        ("User-agent: *\nDisallow:", "/x", True),
        ("User-agent: *\nDisallow: /a\nAllow: /a/b", "/a/b/c", True),
        ("User-agent: *\nDisallow: /a\nAllow: /a/b", "/a/c", False),
        ("User-agent: *\nAllow: /page\nDisallow: /*.htm", "/page.htm", False),
        ("User-agent: *\nDisallow: /*.php$", "/x.php", False),
        ("User-agent: *\nDisallow: /*.php$", "/x.php?a", True),
        ("User-agent: *\nDisallow: /\nUser-agent: Aggregator\nDisallow: /private", "/x", True),
        ("User-agent: *\nAllow: /\nUser-agent: Aggregator\nDisallow: /private", "/private/x", False),
        ("User-agent: other\nUser-agent: aggregator\nDisallow: /x", "/x", False),
        ("User-agent: other\nDisallow: /x\n\nUser-agent: *\nDisallow: /y", "/x", True),
        ("User-agent: other\nSitemap: https://a.example/s\nUser-agent: *\nDisallow: /y", "/y", False),
        ("User-agent: *\n# a comment\n\nUser-agent: other\nDisallow: /y # why", "/y", False),
        ("User-agent: *\nDisallow: /caf%C3%A9", "/caf\u00e9", False),
        ("user-agent:*\ndisallow:/x", "/x", False),
        ("\ufeffUser-agent: *\nDisallow: /x", "/x", False),
        ("User-agent: *\r\nDisallow: /x\r\n", "/x", False),
        ("<!doctype html><title>Not found</title>", "/x", True),
        ("User-agent: *\nDisallow: /", "/robots.txt", True),
        ("User-agent: *\nDisallow: /" + "x" * 5000, "/x", True),
    ],
)
def test_rules(text: str, path: str, expected: bool) -> None:
    assert allowed(text, path) is expected


def test_sitemaps_are_named_by_anyone_s_file() -> None:
    text = b"""User-agent: x
Disallow: /
Sitemap: https://b.example/1.xml
 sitemap :/news.xml # the latest
Site-map: https://b.example/1.xml
# Sitemap: https://b.example/commented.xml
Sitemap: ftp://b.example/2
Sitemap:
"""
    rule = parse_robots(text)
    assert sitemaps(rule, "https://a.example/x") == ("https://b.example/1.xml", "https://a.example/news.xml")
    assert sitemaps(RobotsRule(kind="absent"), "https://a.example/x") == ()


def test_the_agent_is_known_by_its_product_token() -> None:
    text = "User-agent: aggregator\nDisallow: /x"
    assert not allowed(text, "/x", "aggregator")
    assert not allowed(text, "/x", "Aggregator/2.0")
    assert allowed(text, "/x", "other/1.0 (like aggregator)")
    assert not allowed("User-agent: *\nDisallow: /x", "/x", "/")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("User-agent: *\nCrawl-delay: 10", timedelta(seconds=10)),
        ("User-agent: *\nCrawl-delay: 0.5", timedelta(seconds=0.5)),
        ("User-agent: *\nCrawl-delay: 1e300", timedelta(days=1)),
        ("User-agent: *\nCrawl-delay: soon", None),
        ("User-agent: *\nCrawl-delay: -1", None),
        ("User-agent: *\nCrawl-delay: inf", None),
        ("User-agent: other\nCrawl-delay: 10", None),
    ],
)
def test_crawl_delay(text: str, expected: timedelta | None) -> None:
    assert crawl_delay(parse_robots(text.encode()), AGENT) == expected


def fetched(body: bytes) -> Fetched:
    return answers.fetched(SITE, body)


def failed(cause: Cause) -> FetchFailed:
    return FetchFailed(url=SITE, final_url=SITE, cause=cause, detail="")


@pytest.mark.parametrize(
    "cause",
    [
        Cause.NOT_FOUND,
        Cause.GONE,
        Cause.FORBIDDEN,
        Cause.UNAUTHORIZED,
        Cause.CLIENT_ERROR,
        Cause.TOO_MANY_REDIRECTS,
        Cause.REDIRECT_LOOP,
        Cause.EMPTY,
    ],
)
def test_without_robots_txt_all_is_allowed(cause: Cause) -> None:
    rule = robots_of(failed(cause))
    assert rule == RobotsRule(kind="absent")
    assert is_allowed(rule, SITE + "/x", AGENT)
    assert crawl_delay(rule, AGENT) is None
    assert max_age(rule) == MAX_AGE


@pytest.mark.parametrize(
    "cause",
    [
        Cause.SERVER_ERROR,
        Cause.UNAVAILABLE,
        Cause.RATE_LIMITED,
        Cause.TIMEOUT,
        Cause.DNS,
        Cause.CONNECT,
        Cause.TLS,
        Cause.TRUNCATED,
        Cause.FORBIDDEN_ADDRESS,
    ],
)
def test_without_an_answer_nothing_is_allowed_for_a_while(cause: Cause) -> None:
    rule = robots_of(failed(cause))
    answer = refusal(rule, SITE + "/x", AGENT)
    assert answer is not None
    assert answer.cause is Cause.ROBOTS_UNREACHABLE
    assert crawl_delay(rule, AGENT) is None
    assert max_age(rule) == UNREACHABLE_AGE


def test_a_stop_lasts_a_day_at_most() -> None:
    start = datetime(2026, 11, 23, 10, tzinfo=UTC)
    rule = robots_of(failed(Cause.SERVER_ERROR), None, start)
    for hours in range(1, 24):
        rule = robots_of(failed(Cause.TIMEOUT), RobotsRule.from_text(rule.to_text()), start + timedelta(hours=hours))
        assert rule == RobotsRule(kind="unreachable", unanswered_since=start)
    for hours in (24, 25, 100):
        rule = robots_of(failed(Cause.TIMEOUT), RobotsRule.from_text(rule.to_text()), start + timedelta(hours=hours))
        assert rule == RobotsRule(kind="absent", unanswered_since=start)
        assert is_allowed(rule, SITE + "/x", AGENT)
        assert max_age(rule) == UNREACHABLE_AGE
    rule = robots_of(fetched(b"User-agent: *\nDisallow: /"), rule, start + timedelta(hours=101))
    assert not is_allowed(rule, SITE + "/x", AGENT)
    assert robots_of(failed(Cause.DNS), rule, start + timedelta(days=9)).kind == "unreachable"


@pytest.mark.parametrize("since", ["soon", "2026-11-23T10:00:00", 5])
def test_a_stored_time_that_is_none_is_forgotten(since: object) -> None:
    assert RobotsRule.from_text(json.dumps(["unreachable", "", since])) == RobotsRule(kind="unreachable")


def test_answers_that_say_nothing_are_no_answers() -> None:
    moved = Redirected(url=SITE, target=SITE, hops=(), elapsed=timedelta(0))
    same = NotModified(
        url=SITE, final_url=SITE, headers={}, validators=Validators(), hops=(), fresh_for=None, elapsed=timedelta(0)
    )
    assert robots_of(moved).kind == robots_of(same).kind == "unreachable"


def test_a_refusal_names_the_file() -> None:
    rule = robots_of(fetched(b"User-agent: *\nDisallow: /x"))
    answer = refusal(rule, SITE + "/x", AGENT)
    assert answer is not None
    assert answer.cause is Cause.ROBOTS
    assert "https://a.example/robots.txt" in answer.detail
    assert refusal(rule, SITE + "/y", AGENT) is None
    assert refusal(rule, "no address", AGENT) is None


@given(st.text(), st.sampled_from(["rules", "absent", "unreachable"]))
def test_a_rule_survives_the_store(body: str, kind: str) -> None:
    rule = RobotsRule(kind=kind, body=body if kind == "rules" else "")  # type: ignore[arg-type]
    assert "\n" not in rule.to_text()
    assert RobotsRule.from_text(rule.to_text()) == rule


@given(st.text())
def test_any_stored_text_is_a_rule(text: str) -> None:
    assert RobotsRule.from_text(text).kind in ("rules", "absent", "unreachable")


@given(st.binary(max_size=400), st.text(max_size=50))
def test_any_bytes_are_rules(body: bytes, path: str) -> None:
    rule = parse_robots(body)
    refused, pause = refusal(rule, SITE + "/" + path, AGENT), crawl_delay(rule, AGENT)
    assert refused is None or refused.cause is Cause.ROBOTS
    assert pause is None or timedelta(0) <= pause <= MAX_CRAWL_DELAY


@given(
    st.lists(
        st.sampled_from(["User-agent: *", "User-agent: aggregator", "User-agent: x", "Disallow: /a", "Allow: /a/b"]),
        max_size=12,
    )
)
def test_leaving_out_foreign_groups_changes_nothing(lines: list[str]) -> None:
    from protego import Protego

    whole = Protego.parse("\n".join(lines))
    rule = parse_robots("\n".join(lines).encode())
    for path in ("/a", "/a/b", "/c"):
        assert is_allowed(rule, SITE + path, AGENT) == whole.can_fetch(SITE + path, "aggregator")


def test_only_the_first_500_kibibytes_count() -> None:
    body = b"User-agent: *\nDisallow: /x\n" + b"# padding\n" * 60_000 + b"Disallow: /y\n"
    assert len(body) > MAX_BYTES
    rule = parse_robots(body)
    assert not is_allowed(rule, SITE + "/x", AGENT)
    assert is_allowed(rule, SITE + "/y", AGENT)


def test_thousands_of_agents_and_rules_take_no_time() -> None:
    agents = b"".join(b"User-agent: agent%d\n" % number for number in range(10_000))
    rules = b"".join(b"Disallow: /%d*a*b*c*d*e$\n" % number for number in range(10_000))
    started = time.process_time()
    assert is_allowed(parse_robots(agents + rules), SITE + "/" + "a" * 2000, AGENT)
    assert not is_allowed(parse_robots(agents + b"User-agent: *\n" + rules), SITE + "/1abcde", AGENT)
    assert time.process_time() - started < 5


def test_robots_txt_lies_at_the_root() -> None:
    assert robots_url("http://a.example:8080/x/y?z#f") == "http://a.example:8080/robots.txt"
