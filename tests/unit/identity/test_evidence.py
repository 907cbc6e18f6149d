"""Which keys are one article: the partition is a function of the set of edges, and nobody can abuse it."""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.identity.evidence import (
    MAX_ALIASES,
    Edge,
    Judgement,
    KeyFacts,
    Refusal,
    edges_of_entry,
    edges_of_page,
    edges_of_wordpress,
    judge,
    refusal_alone,
)
from aggregator.identity.publisher_rules import shipped_publishers
from aggregator.identity.sites import site_of_url
from aggregator.identity.wordpress import Blog, blog_of_page, parse_wordpress_shortlink, post_of_key
from aggregator.models.feeds import Entry
from aggregator.models.fetching import Hop
from aggregator.models.ids import EvidenceKind, Key
from aggregator.models.pages import DeclaredUrls

PUBLISHERS = shipped_publishers()
REDIRECT, PART, FEED_LINK, CANONICAL, DECLARED, BARE, SAME_TEXT, LESSON, SAME_ENTRY = EvidenceKind
weak = pytest.mark.parametrize("kind", [BARE, SAME_ENTRY])


def partition(facts: Mapping[Key, KeyFacts], edges: Collection[Edge]) -> tuple[frozenset[Key], ...]:
    return judge(facts, edges).groups


def key(name: str, site: str = "example.org") -> Key:
    return Key(f"https://{site}/story-{name}-2026")


def edge(one: str, other: str, kind: EvidenceKind = CANONICAL, *, witness: str = "example.org") -> Edge:
    return Edge(
        key=key(one), other=key(other), kind=kind, site="example.org", other_site="example.org", witness=witness
    )


def text(number: int, *, sample: frozenset[int] = frozenset(), title: bytes | None = None) -> KeyFacts:
    return KeyFacts(text_hash=bytes([number]), sample=sample, title_hash=title)


def reasons(judgement: Judgement) -> list[Refusal]:
    return [reason for _, reason in judgement.refused]


# --- the law ----------------------------------------------------------------------------------------------------------

NAMES = st.sampled_from("abcdefghij")
EDGES = st.lists(
    st.builds(
        lambda one, other, kind, witness, other_site: replace(
            edge(one, other, kind, witness=witness), other_site=other_site
        ),
        NAMES,
        NAMES,
        st.sampled_from(EvidenceKind),
        st.sampled_from(["example.org", "example.org", "evil.example"]),
        st.sampled_from(["example.org"] * 4 + ["other.example"]),
    ),
    max_size=25,
)
FACTS = st.dictionaries(NAMES.map(key), st.builds(text, st.integers(0, 3)), max_size=8)


@given(FACTS, EDGES, st.randoms(use_true_random=False))
def test_the_partition_is_a_function_of_the_set(
    facts: dict[Key, KeyFacts], edges: list[Edge], source: random.Random
) -> None:
    shuffled = edges + edges[:5]
    source.shuffle(shuffled)
    assert judge(facts, shuffled) == judge(facts, edges)


@given(FACTS, EDGES)
def test_every_key_is_in_one_group_and_guards_hold(facts: dict[Key, KeyFacts], edges: list[Edge]) -> None:
    groups = partition(facts, edges)
    keys = [each for group in groups for each in group]
    assert sorted(keys) == sorted({*facts, *(e.key for e in edges), *(e.other for e in edges)})
    for group in groups:
        assert len(group) <= MAX_ALIASES
        assert len({facts[each].text_hash for each in group if each in facts}) <= 1


@given(FACTS, EDGES)
def test_a_component_can_be_judged_alone(facts: dict[Key, KeyFacts], edges: list[Edge]) -> None:
    whole = judge(facts, edges)
    for start in {e.key for e in edges}:
        reached, component, before = {start}, set[Edge](), -1
        while before != len(component):
            before = len(component)
            component |= {e for e in edges if e.key in reached or e.other in reached}
            reached |= {end for e in component if refusal_alone(e) is None for end in (e.key, e.other)}
        alone = judge({k: f for k, f in facts.items() if k in reached}, component)
        group = next(g for g in alone.groups if start in g)
        assert group in whole.groups


@given(FACTS, EDGES)
def test_refused_edges_join_nothing_by_themselves(facts: dict[Key, KeyFacts], edges: list[Edge]) -> None:
    judgement = judge(facts, edges)
    counted = set(edges) - {refused for refused, _ in judgement.refused}
    assert judge(facts, counted).groups == tuple(
        sorted(
            (g for g in judgement.groups if g & {*facts, *(end for e in counted for end in (e.key, e.other))}), key=min
        )
    )


# --- guards -----------------------------------------------------------------------------------------------------------


def test_equal_ends_are_joined_across_kinds() -> None:
    assert partition({}, [edge("a", "b", REDIRECT), edge("b", "c", CANONICAL), edge("c", "d", DECLARED)]) == (
        frozenset({key("a"), key("b"), key("c"), key("d")}),
    )


def test_taking_an_edge_away_splits() -> None:
    assert len(partition({}, [edge("a", "b"), edge("b", "c")])) == 1
    assert partition({key("c"): KeyFacts()}, [edge("a", "b")]) == (
        frozenset({key("a"), key("b")}),
        frozenset({key("c")}),
    )


@weak
def test_weak_evidence_joins_equal_texts(kind: EvidenceKind) -> None:
    a, b, target = key("a"), key("b"), key("t")
    named = [edge("a", "t", kind), edge("b", "t", kind)]
    assert partition({a: text(1), b: text(1), target: text(1)}, named) == (frozenset({a, b, target}),)
    assert partition({a: text(1), target: text(1)}, named) == (frozenset({a, target}), frozenset({b}))
    assert judge({a: text(1), b: text(1)}, named) == Judgement(
        groups=(frozenset({a, b}), frozenset({target})), refused=()
    )


def test_a_bare_canonical_joins_texts_that_are_nearly_the_same() -> None:
    one, like, half = (text(n, sample=frozenset(range(size))) for n, size in ((1, 20), (2, 16), (3, 12)))
    named = [edge("a", "t", BARE)]
    assert len(partition({key("a"): one, key("t"): like}, named)) == 1
    assert len(partition({key("a"): one, key("t"): half}, named)) == 2
    assert len(partition({key("a"): one, key("t"): like}, [edge("a", "t", SAME_ENTRY)])) == 2
    assert len(partition({key("a"): one}, named)) == 2
    many = [edge("a", f"m{n}", REDIRECT) for n in range(MAX_ALIASES - 1)]
    assert len(partition({key("a"): one, key("t"): like}, [*many, *named])) == 2


def test_any_number_of_addresses_may_be_one_article_by_a_lesson() -> None:
    learnt = [edge(name, "t", LESSON) for name in "abcde"]
    assert len(partition({key("t"): text(1)}, learnt)) == 1
    assert len(partition({key("t"): text(1)}, [replace(one, kind=DECLARED) for one in learnt])) == 6


@weak
def test_weak_evidence_makes_no_unseen_address_known_and_joins_no_other_text(kind: EvidenceKind) -> None:
    a, b, target = key("a"), key("b"), key("t")
    named = [edge("a", "t", kind), edge("b", "t", kind)]
    judgement = judge({a: text(1), b: text(2), target: text(3)}, named)
    assert judgement.groups == (frozenset({a}), frozenset({b}), frozenset({target}))
    assert reasons(judgement) == [Refusal.UNPROVEN, Refusal.UNPROVEN]
    assert len(judge({a: text(1)}, named).groups) == 3


@weak
def test_weak_evidence_obeys_the_other_guards(kind: EvidenceKind) -> None:
    many = [edge("a", f"m{n}", REDIRECT) for n in range(MAX_ALIASES - 1)]
    named = edge("b", "a", kind)
    assert reasons(judge({key("a"): text(1), key("b"): text(1)}, [*many, named])) == [Refusal.UNPROVEN]


def test_another_site_is_syndication_and_not_identity() -> None:
    foreign = replace(edge("a", "b"), other=key("b", "other.example"), other_site="other.example")
    judgement = judge({}, [foreign])
    assert len(judgement.groups) == 2
    assert judgement.refused == ((foreign, Refusal.OTHER_SITE),)


def test_a_feed_speaks_for_its_own_site_only() -> None:
    assert reasons(judge({}, [edge("a", "b", FEED_LINK, witness="evil.example")])) == [Refusal.FOREIGN_FEED]
    assert reasons(judge({}, [edge("a", "b", FEED_LINK)])) == []


@pytest.mark.parametrize(
    "target",
    [
        "https://example.org/",
        "https://example.org/news",
        "https://example.org/?t=1789633752",
        "https://example.org/a-2026",
    ],
)
def test_home_pages_sections_and_folders_are_never_joined(target: str) -> None:
    page = Edge(
        key=Key("https://example.org/a-2026/story-one"),
        other=Key(target),
        kind=REDIRECT,
        site="example.org",
        other_site="example.org",
        witness="example.org",
    )
    assert reasons(judge({}, [page])) == [Refusal.LISTING]


def test_a_folder_that_is_a_number_is_an_article() -> None:
    page = replace(
        edge("a", "b"), key=Key("https://example.org/n/300145150/a"), other=Key("https://example.org/n/300145150")
    )
    assert reasons(judge({}, [page])) == []


def test_a_target_of_three_different_articles_is_nobodys() -> None:
    edges = [edge("a", "t"), edge("b", "t"), edge("c", "t")]
    assert reasons(judge({}, edges)) == [Refusal.SHARED_TARGET] * 3
    assert len(partition({}, edges[:2])) == 1
    same = {key(name): text(1) for name in "abc"}
    assert len(partition(same, edges)) == 1
    assert len(partition({key(name): KeyFacts(title_hash=b"t") for name in "abc"}, edges)) == 1


def test_redirects_to_one_target_count_as_different_only_if_known_to_be() -> None:
    edges = [edge(name, "t", REDIRECT) for name in "abc"]
    assert len(partition({}, edges)) == 1
    titles = {key(name): KeyFacts(title_hash=name.encode()) for name in "abc"}
    assert reasons(judge(titles, edges)) == [Refusal.SHARED_TARGET] * 3


def test_articles_with_different_texts_are_not_joined_even_through_a_third() -> None:
    facts = {key("a"): text(1), key("c"): text(2)}
    assert reasons(judge(facts, [edge("a", "c")])) == [Refusal.OTHER_TEXT]
    judgement = judge(facts, [edge("a", "b"), edge("b", "c")])
    assert judgement.groups == (frozenset({key("a"), key("b")}), frozenset({key("c")}))
    assert reasons(judgement) == [Refusal.OTHER_TEXT]


def test_the_stronger_evidence_wins() -> None:
    facts = {key("a"): text(1), key("c"): text(2)}
    judgement = judge(facts, [edge("a", "b", DECLARED), edge("b", "c", REDIRECT)])
    assert judgement.groups == (frozenset({key("a")}), frozenset({key("b"), key("c")}))


@pytest.mark.parametrize(
    ("one", "other", "is_joined"),
    [
        (text(1, sample=frozenset(range(10))), text(2, sample=frozenset(range(5, 30))), True),
        (text(1, sample=frozenset(range(10))), text(2, sample=frozenset(range(6, 30))), False),
        (text(1, sample=frozenset({1})), text(2, sample=frozenset({1})), False),
        (text(1, title=b"t"), text(2, title=b"t"), True),
        (text(1, title=b"t"), text(2, title=b"u"), False),
        (text(1), text(1), True),
    ],
)
def test_texts_are_compared_by_their_samples_and_short_ones_by_title(
    one: KeyFacts, other: KeyFacts, is_joined: bool
) -> None:
    assert (len(partition({key("a"): one, key("b"): other}, [edge("a", "b")])) == 1) is is_joined


def test_no_article_owns_more_than_its_share_of_keys() -> None:
    edges = [edge(f"n{i:02}", f"n{i + 1:02}", REDIRECT) for i in range(MAX_ALIASES)]
    judgement = judge({}, edges)
    assert reasons(judgement) == [Refusal.TOO_MANY]
    assert sorted(map(len, judgement.groups)) == [1, MAX_ALIASES]


# --- entries ----------------------------------------------------------------------------------------------------------


def entry(**fields: object) -> Entry:
    return Entry(**{"id": "", "entry_id": "x", "link": None} | fields)  # type: ignore[arg-type]


def test_an_entrys_addresses_are_one_article() -> None:
    edges = edges_of_entry(
        entry(
            link="https://example.org/storm-hits-coast?x=1",
            id="https://example.org/node/123456",
            is_permalink=True,
            original_link="https://example.org/storm-hits-coast",
        ),
        "https://feeds.example.org/all.xml",
        PUBLISHERS,
    )
    assert [e.other for e in edges] == ["https://example.org/storm-hits-coast", "https://example.org/node/123456"]
    assert {(e.kind, e.witness) for e in edges} == {(FEED_LINK, "example.org")}
    assert len(partition({}, edges)) == 1


def test_a_guid_that_is_no_permalink_says_nothing() -> None:
    assert (
        edges_of_entry(entry(link="https://example.org/a-1", id="https://example.org/b-1"), "https://e.org", PUBLISHERS)
        == ()
    )
    assert edges_of_entry(entry(id="tag:x", is_permalink=True), "https://example.org", PUBLISHERS) == ()
    assert (
        edges_of_entry(
            entry(link="https://example.org/a#1", id="https://example.org/a", is_permalink=True),
            "https://example.org",
            PUBLISHERS,
        )
        == ()
    )


def test_a_publishers_content_id_is_its_key_in_its_own_feed_only() -> None:
    item = entry(link="https://www.dw.com/en/some-new-form/xyz-1", content_id="63723431")
    (found,) = edges_of_entry(item, "https://www.dw.com/feed.xml", PUBLISHERS)
    assert (found.other, found.site, found.other_site) == ("dw:63723431", "dw.com", "dw.com")
    assert len(partition({}, [found])) == 1
    assert edges_of_entry(item, "https://evil.example/feed.xml", PUBLISHERS) == ()
    assert edges_of_entry(replace(item, content_id="x"), "https://www.dw.com/feed.xml", PUBLISHERS) == ()
    assert edges_of_entry(item, "https://www.chron.com/feed.xml", PUBLISHERS) == ()
    assert edges_of_entry(item, "https://www.golem.de/feed.xml", PUBLISHERS) == ()
    assert edges_of_entry(entry(content_id="63723431"), "https://evil.example/feed.xml", PUBLISHERS) == ()


def test_a_hostile_feed_cannot_touch_a_publishers_articles() -> None:
    hostile = entry(
        link="https://www.dw.com/en/one/a-63723431", id="https://www.dw.com/en/two/a-63723432", is_permalink=True
    )
    own = entry(link="https://evil.example/mine-2026", id="https://www.dw.com/en/two/a-63723432", is_permalink=True)
    edges = [
        *edges_of_entry(hostile, "https://evil.example/f", PUBLISHERS),
        *edges_of_entry(own, "https://evil.example/f", PUBLISHERS),
    ]
    judgement = judge({}, edges)
    assert set(reasons(judgement)) == {Refusal.FOREIGN_FEED, Refusal.OTHER_SITE}
    assert all(len(group) == 1 for group in judgement.groups)


# --- pages ------------------------------------------------------------------------------------------------------------


def page_edges(url: str, hops: tuple[Hop, ...] = (), **declared: str) -> list[tuple[EvidenceKind, str, str]]:
    return [(e.kind, e.key, e.other) for e in edges_of_page(url, hops, DeclaredUrls(**declared), PUBLISHERS)]


def test_redirects_are_edges_hop_by_hop() -> None:
    hops = (
        Hop(url="http://example.org/old-2026", status=301, target="https://example.org/new-2026"),
        Hop(url="https://example.org/new-2026", status=302, target="https://example.org/final-2026?x=1"),
    )
    assert page_edges("https://example.org/final-2026?x=1", hops) == [
        (REDIRECT, "https://example.org/old-2026", "https://example.org/new-2026"),
        (REDIRECT, "https://example.org/new-2026", "https://example.org/final-2026?x=1"),
    ]


def test_a_canonical_counts_for_more_with_og_url() -> None:
    page, other = "https://example.org/a-2026?x=1", "https://example.org/a-2026"
    assert page_edges(page, canonical=other) == [(BARE, page, other)]
    assert page_edges(page, canonical=other, og_url="https://example.org/b-2026") == [(BARE, page, other)]
    assert page_edges(page, json_ld=other) == []
    assert page_edges(page, canonical=other, og_url="http://www.example.org/a-2026/") == [(CANONICAL, page, other)]
    assert page_edges(other, canonical=other, og_url=other) == []


def test_amphtml_and_shortlink_are_declared() -> None:
    assert page_edges(
        "https://example.org/a-2026",
        amphtml="https://example.org/pages/amp-77777",
        shortlink="https://example.org/?p=5",
    ) == [
        (DECLARED, "https://example.org/a-2026", "https://example.org/pages/amp-77777"),
        (DECLARED, "https://example.org/a-2026", "https://example.org/?p=5"),
    ]


def test_no_usable_address_gives_no_edge() -> None:
    assert page_edges("about:blank", canonical="https://example.org/a", og_url="https://example.org/a") == []
    hop = Hop(url="https://example.org/a-2026", status=301, target="ftp://example.org/b")
    assert page_edges("https://example.org/a-2026", (hop,), amphtml="mailto:x", shortlink="javascript:1") == []


# --- WordPress --------------------------------------------------------------------------------------------------------


def test_a_declared_short_link_joins_page_link_and_post_number() -> None:
    edges = edges_of_page(
        "https://blog.example.org/a-storm/", (), DeclaredUrls(shortlink="https://wp.me/p2-1c"), PUBLISHERS
    )
    assert partition({}, edges) == (
        frozenset({"https://blog.example.org/a-storm", "https://wp.me/p2-1c", "https://blog.example.org/?p=74"}),
    )


def test_a_short_link_that_two_sites_claim_is_nobodys() -> None:
    edges = [
        found
        for host in ("example.org", "evil.example")
        for found in edges_of_page(
            f"https://{host}/a-storm", (), DeclaredUrls(shortlink="https://wp.me/p2-1c"), PUBLISHERS
        )
    ]
    judgement = judge({}, edges)
    assert frozenset({Key("https://wp.me/p2-1c")}) in judgement.groups
    assert reasons(judgement) == [Refusal.OTHER_SITE] * 2


def test_a_listing_claims_no_short_link() -> None:
    edges = edges_of_page("https://example.org/", (), DeclaredUrls(shortlink="https://wp.me/p2-1c"), PUBLISHERS)
    assert set(reasons(judge({}, edges))) == {Refusal.LISTING}


def test_a_short_link_is_resolved_once_the_blog_is_known() -> None:
    declared = DeclaredUrls(shortlink="https://wp.me/p2-1c")
    blog = Blog(number=2, host="blog.example.org", site="example.org")
    assert blog_of_page("https://www.blog.example.org/x", declared, PUBLISHERS) == blog
    assert blog_of_page("https://blog.example.org/x", DeclaredUrls(), PUBLISHERS) is None
    assert blog_of_page("nowhere", declared, PUBLISHERS) is None
    assert blog_of_page("http://127.0.0.1:81/x", declared, PUBLISHERS) == Blog(
        number=2, host="127.0.0.1:81", site="127.0.0.1:81"
    )
    (found,) = edges_of_wordpress(Key("https://wp.me/p2-1d"), blog)
    assert (found.key, found.other) == ("https://blog.example.org/?p=75", "https://wp.me/p2-1d")
    assert refusal_alone(found) is None
    assert edges_of_wordpress(Key("https://wp.me/p3-1d"), blog) == ()
    assert edges_of_wordpress(Key("https://example.org/"), blog) == ()
    assert post_of_key(found.key) == ("blog.example.org", 75)
    assert post_of_key(found.other) is None


@pytest.mark.parametrize("url", ["", "https://example.org/p2-1c", "https://wp.me/2Y4rw", "https://wp.me/p2-1c/x"])
def test_what_is_no_wordpress_short_link(url: str) -> None:
    assert parse_wordpress_shortlink(url) is None


def test_the_site_of_an_address() -> None:
    assert site_of_url("https://p.dw.com/p/4JNNH", PUBLISHERS) == "dw.com"
    assert site_of_url("http://www.dw-world.de/x", PUBLISHERS) == "dw.com"
    assert site_of_url("https://www.seattlepi.com/x", PUBLISHERS) == "seattlepi.com"
    assert site_of_url("https://a.example.co.uk:8080/x", PUBLISHERS) == "example.co.uk"
    assert site_of_url("http://127.0.0.1:8080/x", PUBLISHERS) == "127.0.0.1:8080"
    assert site_of_url("http://[::1]/x", PUBLISHERS) == "[::1]"
    assert site_of_url("http://localhost:80/x", PUBLISHERS) == "localhost"
    hop = Hop(
        url="https://m.chron.com/a/A-14848253.php", status=301, target="https://www.chron.com/b/article/B-14848254.php"
    )
    (found,) = edges_of_page("https://www.chron.com/b/article/B-14848254.php", (hop,), DeclaredUrls(), PUBLISHERS)
    assert (found.site, found.other_site) == ("chron.com", "chron.com")


def test_equal_texts_join_until_the_texts_differ() -> None:
    a, b, learned = key("a"), key("b"), [edge("a", "b", SAME_TEXT)]
    one = text(1, sample=frozenset(range(20)))
    longer, other = text(2, sample=frozenset(range(30))), text(3, sample=frozenset(range(40, 60)))
    assert partition({a: one, b: one}, learned) == (frozenset({a, b}),)
    assert partition({a: one, b: longer}, learned) == (frozenset({a, b}),)
    assert partition({a: one, b: other}, learned) == (frozenset({a}), frozenset({b}))


def test_a_page_may_declare_further_addresses() -> None:
    declared = DeclaredUrls(others=("https://example.org/?p=74", "https://m.example.org/x", "https://ex.example/1"))
    found = edges_of_page("https://example.org/storm-hits-coast", (), declared, PUBLISHERS)
    assert [(edge.other, edge.kind, refusal_alone(edge)) for edge in found] == [
        ("https://example.org/?p=74", DECLARED, None),
        ("https://example.org/x", DECLARED, None),
        ("https://ex.example/1", DECLARED, Refusal.OTHER_SITE),
    ]


@pytest.mark.parametrize(
    ("guid", "link", "is_one"),
    [
        ("https://example.org/?p=74", "https://example.org/storm-hits-coast", True),
        ("https://example.org/?p=74", "https://www.other.example/storm-hits-coast", False),
        ("https://example.org/?t=74", "https://example.org/storm-hits-coast", False),
        ("https://medium.com/p/0123456789ab", "https://medium.com/@ann/storm-0123456789ab?source=rss", True),
        ("https://medium.com/p/0123456789ab", "https://medium.com/@ann/storm-ba9876543210?source=rss", False),
    ],
)
def test_a_guid_that_is_the_posts_number_is_one_of_its_addresses(guid: str, link: str, is_one: bool) -> None:
    found = edges_of_entry(entry(link=link, id=guid), "https://example.org/feed", PUBLISHERS)
    assert len(found) == is_one
