"""One normal form for all addresses of an article: each step by itself, and the laws of the whole."""

from __future__ import annotations

import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from aggregator.identity.keys import KeyRules, Tables, decode_base62, fold_host, fold_path, make_key, site_of
from aggregator.identity.publisher_rules import shipped_publishers
from aggregator.urls import MAX_URL_LENGTH

RULES = shipped_publishers(provisional=True).key_rules

HOSTS = st.sampled_from(
    [
        "example.org", "www.example.org", "m.amp.example.org", "amp.co.uk", "www.google.com", "news.google.com",
        "www.dw.com", "youtube.com", "x.blogspot.de", "a-org.cdn.ampproject.org", "l.facebook.com", "1.2.3.4",
        "[::1]", "de.m.wikipedia.org", "href.li", "consent.google.com", "wp.me", "www.haus.de", "a.bund.de"
    ]
)  # fmt: skip
PIECES = st.sampled_from(
    [
        "/", "//", "/amp", "/amp/", "/AMP/1", ".amp", "_amp.html", ".html", "/index.html", "/m/", "/-/", "/..", "/.",
        "a", "A-1", "%C3%A9", "e%CC%81", "é", "%FC", "%41", "%2F", "%2f", "%25", "%", "%2541", " ", "+",
        ";jsessionid=1", "&utm_x=1", "\u0307", "F", "?", "utm_source=x", "amp=1", "amp;a=b", "&", "&amp;", "=",
        "url=", "u=", "q=http://b.example/", "https%3A%2F%2Fc.example%2Fd", "id=5", "x", "X=y?fbclid=1",
        "_escaped_fragment_=k", "#", "#!", "!", "s/", "c/s/d.example/e", "url", "l.php", "p/4JNNH",
        "/en/x/a-63723431", "/watch", "v=aB3dEfGhIjK", "story-amp.html", "x-amp/y/", "amp_z/", "\ud800", "ﬁ",
        "/node/12345", "-", ".", "/index.amp", "~amp.html", ".shtml", "/platform"
    ]
)  # fmt: skip
URLS = st.builds(
    lambda scheme, host, port, pieces: f"{scheme}://{host}{port}{''.join(pieces)}",
    st.sampled_from(["http", "https", "HTTPS"]),
    HOSTS,
    st.sampled_from(["", ":80", ":443", ":8080"]),
    st.lists(PIECES, max_size=10).map(
        lambda pieces: pieces if not pieces or pieces[0][:1] in "/?#" else ["/", *pieces]
    ),
)


@given(URLS)
@example("https://www.google.com/url?url=" * 7)
@example("https://example.org/x/.amp")
@example("https://example.org/%2F\u0307")
def test_a_generic_key_is_its_own_key(url: str) -> None:
    key, _ = make_key(url, RULES)
    if key is not None and key.startswith("https://"):
        assert make_key(key, RULES)[0] == key
        assert key.isascii()


@given(st.one_of(st.text(), URLS))
def test_every_string_has_a_key_or_a_reason(text: str) -> None:
    key, rule = make_key(text, RULES)
    assert (key is None) == (rule == "no-url")


@given(
    st.lists(st.from_regex(r"[a-zA-Z0-9-]{1,8}", fullmatch=True), max_size=4).map("/".join),
    st.dictionaries(st.sampled_from("bcdkxy"), st.from_regex(r"[0-9]{1,5}", fullmatch=True), max_size=3),
)
def test_scheme_order_and_tracking_never_matter(path: str, params: dict[str, str]) -> None:
    items = [f"{name}={value}" for name, value in params.items()]
    plain = f"https://example.org/{path}?{'&'.join(items)}"
    other = f"http://www.example.org:80/{path}?{'&'.join(['utm_source=x', *reversed(items), 'fbclid=y'])}#top"
    assert make_key(plain, RULES) == make_key(other, RULES)


SAME = [
    # scheme, www, port, slash, case of the host
    ("https://www.example.org/a", "http://example.org:80/a/"),
    ("https://EXAMPLE.org/a", "https://example.org:443/a"),
    ("https://example.org", "http://www.example.org/?"),
    # folding of paths
    ("https://example.org/a//b", "https://example.org/a/./x/../b"),
    ("https://example.org/a/index.html", "https://example.org/a"),
    ("https://example.org/a/index.php?b=1", "https://example.org/a?b=1"),
    ("https://example.org/a.html", "https://example.org/a.amp"),
    ("https://example.org/a.shtml", "https://example.org/a/amp"),
    ("https://example.org/a.htm", "https://example.org/a~amp.html"),
    ("https://example.org/a/", "https://example.org/a/index.amp"),
    ("https://example.org/platform/amp/a/b", "https://example.org/a/b"),
    ("https://example.org/%7Ea/%C3%A9", "https://example.org/~a/e\u0301"),
    ("https://example.org/%fc", "https://example.org/%C3%BC"),
    ("https://example.org/a;jsessionid=12", "https://example.org/a"),
    ("https://example.org/a&utm_source=x", "https://example.org/a"),
    ("https://example.org/articles/-/31788", "https://example.org/articles/amp/31788"),
    # telephones
    ("https://m.example.org/a", "https://mobile.example.org/a"),
    ("https://de.m.wikipedia.org/wiki/X", "https://de.wikipedia.org/wiki/X"),
    ("https://example.org/m/news/a-1", "https://example.org/news/a-1"),
    ("https://blog.blogspot.de/2020/01/a.html?m=1", "http://blog.blogspot.com/2020/01/a.html"),
    # layouts of common software
    ("https://example.org/index.php/2020/01/a-post", "https://example.org/2020/01/a-post"),
    ("https://example.org/2020/storm-kills-two-people/print/", "https://example.org/2020/storm-kills-two-people"),
    ("https://example.org/t/a-topic/12345/print", "https://example.org/t/a-topic/12345"),
    ("https://example.org/node/12/printable/print", "https://example.org/node/12"),
    ("https://example.org/a?tx_news=5&cHash=0af&no_cache=1", "https://example.org/a?tx_news=5"),
    ("https://example.org/12-a?tmpl=component&print=1", "https://example.org/12-a"),
    ("https://example.org/wiki/A?mobileaction=toggle_view_mobile", "https://example.org/wiki/A"),
    ("https://example.org/2020/01/a.html?spref=tw", "https://example.org/2020/01/a.html"),
    # AMP
    ("https://example.org/a/amp", "https://example.org/a"),
    ("https://example.org/a/amp/", "https://example.org/a"),
    ("https://example.org/a/amp/1", "https://example.org/a"),
    ("https://example.org/a/amp.html", "https://example.org/a/"),
    ("https://example.org/a.amp", "https://example.org/a"),
    ("https://example.org/a.amp.html", "https://example.org/a.html"),
    ("https://example.org/a_amp.html", "https://example.org/a.html"),
    ("https://example.org/a.html/amp", "https://example.org/a.html"),
    ("https://example.org/a.1!amp", "https://example.org/a.1"),
    ("https://example.org/amp/x/a", "https://example.org/x/a"),
    ("https://example.org/x/AMP/a", "https://example.org/x/a"),
    ("https://example.org/amphtml/x/a", "https://example.org/x/a"),
    ("https://example.org/news-amp/1/a", "https://example.org/news/1/a"),
    ("https://example.org/x/amp_article/1", "https://example.org/x/article/1"),
    ("https://example.org/x/story-amp.shtml", "https://example.org/x/story.shtml"),
    ("https://example.org/a?amp", "https://example.org/a"),
    ("https://example.org/a?_amp=true&b=1", "https://example.org/a?b=1"),
    ("https://example.org/a?outputType=amp", "https://example.org/a"),
    ("https://amp.example.org/a", "https://example.org/a"),
    ("https://example-org.cdn.ampproject.org/c/s/example.org/a/amp?usqp=x", "https://example.org/a"),
    ("https://www.google.de/amp/s/amp.example.org/a", "https://example.org/a"),
    ("https://www.google.com/amp/example.org/a?b=1", "http://example.org/a?b=1"),
    # queries
    ("https://example.org/a?b=1&a=2", "https://example.org/a?a=2&b=1"),
    ("https://example.org/a?utm_source=x&fbclid=y&WT.mc_id=z", "https://example.org/a"),
    ("https://example.org/a?id=1&amp;utm_source=x", "https://example.org/a?id=1"),
    ("https://example.org/a?id=1?utm_source=x?fbclid=y", "https://example.org/a?id=1"),
    ("https://example.org/a?q=a+b", "https://example.org/a?q=a%20b"),
    ("https://example.org/a?b=", "https://example.org/a?b"),
    ("https://example.org/a?mod=rss_world", "https://example.org/a?partner=rss"),
    # fragments
    ("https://example.org/a#comments", "https://example.org/a#:~:text=x"),
    ("https://example.org/?_escaped_fragment_=1/a", "https://example.org/#!1/a"),
    # redirectors
    ("https://www.google.com/url?rct=j&url=https%3A%2F%2Fexample.org%2Fa%3Fb%3D1&ct=ga", "https://example.org/a?b=1"),
    ("https://l.facebook.com/l.php?u=http%3A%2F%2Fexample.org%2Fa&h=x", "https://example.org/a"),
    ("https://out.reddit.com/t3_x?url=https%3A%2F%2Fexample.org%2Fa", "https://example.org/a"),
    ("https://href.li/?https://example.org/a", "https://example.org/a"),
    ("https://news.google.com/rss/articles/CBMiFWh0dHBzOi8vZXhhbXBsZS5vcmcvYQ?oc=5", "https://example.org/a"),
    ("https://consent.google.com/ml?continue=https://www.google.com/url?q%3Dhttps://example.org/a", "https://example.org/a"),
    # publishers
    ("https://www.dw.com/en/a/a-63723431", "https://p.dw.com/p/4JNNH"),
    ("https://x.com/A/status/12345", "https://mobile.twitter.com/b/status/12345?s=20"),
]  # fmt: skip

DIFFERENT = [
    ("https://example.org/services/print", "https://example.org/services"),
    ("https://example.org/index.php/a", "https://example.org/b"),
    ("https://example.org/A", "https://example.org/a"),
    ("https://example.org/a?b=1", "https://example.org/a?b=2"),
    ("https://example.org/a?b=1", "https://example.org/a"),
    ("https://example.org/-.html", "https://example.org/.html"),
    ("https://example.org/a.php", "https://example.org/a"),
    ("https://example.org/a?b=1&b=2", "https://example.org/a?b=2&b=1"),
    ("https://example.org/a%2Fb", "https://example.org/a/b"),
    ("https://example.org/#!1/a", "https://example.org/#!2/b"),
    ("https://example.org/#/a", "https://example.org/#/b"),
    ("https://example.org:8080/a", "https://example.org/a"),
    ("https://example.org/amp", "https://example.org/"),
    ("https://example.org/guitar-amp", "https://example.org/guitar"),
    ("https://example.org/m/1", "https://example.org/1"),
    ("https://example.org/2020/01/01/a", "https://example.org/2020/01/02/a"),
    ("https://example.org/a-1", "https://example.org/a-2"),
    ("https://m.de/a", "https://de/a"),
    ("https://amp.co.uk/a", "https://m.co.uk/a"),
    ("https://wien.example.org/stories/1", "https://graz.example.org/stories/1"),
    ("https://google.evil.example/url?url=https://example.org/a", "https://example.org/a"),
    ("https://www.google.com/search?q=https://example.org/a", "https://example.org/a"),
    ("https://example.org/a?ref=main", "https://example.org/a"),
    ("https://example.org/?t=1789633752", "https://example.org/?t=1789630000"),
    ("https://p.dw.com/p/4JNNH", "https://p.dw.com/p/4jnnh"),
    ("https://www.dw.com/overlay/media/en/a/16854333/16863843", "https://www.dw.com/en/a/a-16863843"),
    ("https://www.dw.com/en/a/a-63723431?x=1", "https://www.dw.com/en/a/b/a-63723431"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_same_article(one: str, other: str) -> None:
    assert make_key(one, RULES)[0] == make_key(other, RULES)[0]


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_different_articles(one: str, other: str) -> None:
    assert make_key(one, RULES)[0] != make_key(other, RULES)[0]


@pytest.mark.parametrize(
    ("url", "key", "rule"),
    [
        ("http://WWW.example.org:80/a/?z&b=2&utm_id=1#x", "https://example.org/a?b=2&z", "generic"),
        ("https://www.dw.com/en/x/a-63723431", "dw:63723431", "dw"),
        ("https://www.google.com/url?q=https://p.dw.com/p/4JNNH", "dw:63723431", "google>dw"),
        ("https://www.haus.de/node/33656", "drupal-numbers:haus.de:33656", "drupal-numbers"),
        ("https://www.dw.com/en/top-stories/s-9097", "https://dw.com/en/top-stories/s-9097", "dw"),
        ("http://[::1]:8080/a", "https://[::1]:8080/a", "generic"),
        ("mailto:a@example.org", None, "no-url"),
        ("https://example.org/" + "a" * MAX_URL_LENGTH, None, "no-url"),
    ],
)
def test_key_and_rule(url: str, key: str | None, rule: str) -> None:
    assert make_key(url, RULES) == (key, rule)


def test_five_redirectors_are_followed_and_six_are_left_alone() -> None:
    def wrapped(times: int) -> str:
        url = "https://example.org/a"
        for _ in range(times):
            url = "https://href.li/?" + url.replace("%", "%25").replace("?", "%3F")
        return url

    assert make_key(wrapped(5), RULES)[0] == "https://example.org/a"
    assert (make_key(wrapped(6), RULES)[0] or "").startswith("https://href.li/")


def test_long_paths_and_values_never_reach_a_publishers_pattern() -> None:
    path = f"https://www.dw.com/en/{'x' * 1100}/a-63723431"
    assert make_key(path, RULES)[1] == "dw"
    assert (make_key(path, RULES)[0] or "").startswith("https://dw.com/")
    video = f"https://www.youtube.com/watch?v={'x' * 1100}"
    assert (make_key(video, RULES)[0] or "").startswith("https://youtube.com/")


def test_hostile_addresses_cost_little() -> None:
    begun = time.process_time()
    for unit in (
        ".amp",
        "/amp",
        "/index.html",
        ".html",
        "/m",
        "&utm_a=1",
        "?utm_a=1",
        "%41",
        "é",
        "/..",
        "-1",
        "a-",
        ";sid=1",
    ):
        for host in ("example.org/", "www.heise.de/", "www.cbc.ca/", "www.google.com/url?url=", "example.org/?a=b"):
            make_key(f"https://{host}" + unit * (16_000 // len(unit)), RULES)
            make_key(f"https://{host}" + unit * (1000 // len(unit)), RULES)
    assert time.process_time() - begun < 5


def test_without_rules_nothing_is_dropped_but_the_form_is_normal() -> None:
    assert make_key("http://www.example.org/a/?utm_source=x", KeyRules()) == (
        "https://www.example.org/a?utm_source=x",
        "generic",
    )


def test_aliases_that_go_in_circles_end() -> None:
    assert fold_host("a.org", Tables(host_aliases={"a.org": "b.org", "b.org": "a.org"})) in ("a.org", "b.org")


def test_a_rule_can_cover_all_names_under_a_host() -> None:
    assert getattr(site_of("www.bsi.bund.de", RULES).rule, "name", None) == "bund"
    assert site_of("bundx.de", RULES).rule is None


@pytest.mark.parametrize("path", ["", "/", "//", "/.", "/..", "/-/"])
def test_an_empty_path_is_the_root(path: str) -> None:
    assert fold_path(path) == "/"


@pytest.mark.parametrize(
    ("code", "number", "decoding"),
    [
        ("4JNNH", 63723431, "base62_upper"),
        ("4Qrqm", 65508876, "base62_upper"),
        ("1c", 74, "base62_lower"),
        ("fF", 255, "hex"),
    ],
)
def test_codes_are_numbers(code: str, number: int, decoding: str) -> None:
    assert decode_base62(code, decoding) == number  # type: ignore[arg-type]


@pytest.mark.parametrize("code", ["", "a-b", "ü", "0" * 65])
def test_what_is_no_code(code: str) -> None:
    with pytest.raises(ValueError, match="no number"):
        decode_base62(code)
