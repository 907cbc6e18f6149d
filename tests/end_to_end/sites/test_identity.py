"""One article, however its feed names it: broken guids, other rules, forgotten texts, feeds that claim too much."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from itertools import count

import pytest

from aggregator.app import App
from aggregator.models.articles import Article
from aggregator.monitoring.overview import unwell
from aggregator.selftest.server import Script
from tests.support.citizen import HTML, Site, World, answering, html_page, item, one_by_one, rss, story

TEXT = "<content:encoded><![CDATA[" + story("of the feed", 8) + "]]></content:encoded>"
NUMBERS = range(4)


def changing(make: Callable[[int], bytes]) -> Script:
    """Return a feed that is another document at each poll."""
    polls = count()
    return lambda peer: peer.answer(body=make(next(polls)), headers=("Content-Type: application/rss+xml",))


def guid(template: str) -> Callable[[int], bytes]:
    """Four entries whose guids are made of the number of the entry and of the poll."""
    return lambda poll: rss(*(item(f"/a/{n}", guid=template.format(n=n, poll=poll)) for n in NUMBERS))


# --- guids ------------------------------------------------------------------------------------------------------------

GUIDS: dict[str, Callable[[int], bytes]] = {
    "missing": lambda poll: rss(*(item(f"/a/{n}", guid=None) for n in NUMBERS)),
    "empty": lambda poll: rss(*(item(f"/a/{n}", guid=None, more="<guid></guid>") for n in NUMBERS)),
    "blank": guid(" "),
    "changing": guid("{n} at {poll}"),
    "one for all": guid("always the same"),
    "one for all, changing": guid("the same at {poll}"),
    "two for four": lambda poll: rss(*(item(f"/a/{n}", guid=f"g{n % 2}") for n in NUMBERS)),
    "home page and time": guid("http://127.0.0.1/?t={poll}{n}"),
    "link#1, link#2": guid("/a/{n}#{poll}"),
    "moved to the next link": lambda poll: rss(*(item(f"/a/{n}", guid=f"g{(n + poll) % 4}") for n in NUMBERS)),
    "gone at every other poll": lambda poll: guid("g{n}" if poll % 2 else " ")(poll),
    "broken at every other poll": lambda poll: guid("g{n}" if poll % 2 else "the same")(poll),
    "order and guids change": lambda poll: rss(
        *(item(f"/a/{n}", guid=f"{n}.{poll}") for n in sorted(NUMBERS, reverse=bool(poll % 2)))
    ),
}


@pytest.mark.parametrize("name", GUIDS)
def test_whatever_the_guids_are_nothing_is_stored_twice_or_lost(world: World, name: str) -> None:
    with Site(changing(GUIDS[name])) as site:
        world.follow(site.url())
        first, *later = [world.run() for _ in range(4)]
        assert first.articles_new == 4
        assert [(report.articles_new, report.articles_updated) for report in later] == [(0, 0)] * 3
        assert world.titles() == [f"About /a/{n}" for n in NUMBERS]
        assert sorted(site.pages) == [f"/a/{n}" for n in NUMBERS]


@pytest.mark.parametrize("name", sorted(set(GUIDS) - {"moved to the next link"}))
def test_entries_under_other_guids_are_the_entries_that_were_there(world: World, name: str) -> None:
    with Site(changing(GUIDS[name])) as site:
        world.follow(site.url())
        reports = [world.run() for _ in range(4)]
        assert [report.entries_new for report in reports[1:]] == [0, 0, 0]
        assert world.use(lambda app: app.store.counts().entries) <= 4


@pytest.mark.parametrize(
    ("name", "kinds"), [("one for all", ["entry_ids"]), ("two for four", ["entry_ids"]), ("missing", [])]
)
def test_guids_that_do_not_hold_are_shown(world: World, name: str, kinds: list[str]) -> None:
    with Site(changing(GUIDS[name])) as site:
        world.follow(site.url())
        world.runs(2)
        diagnoses = world.use(lambda app: unwell(app.store, app.store.now()))
        found = [finding.kind.value for one in diagnoses for finding in one.findings]
        assert found == kinds


def test_guids_that_changed_are_in_the_decision_log_once(world: World) -> None:
    with Site(changing(GUIDS["changing"])) as site:
        world.follow(site.url())
        world.runs(4)
        made = world.use(lambda app: app.store.decisions([site.url("/a/1")], []))
        assert [one.rule for one in made if one.verdict == "known"] == ["another entry id"]


@pytest.mark.parametrize("link", ["/", None])
def test_texts_without_an_address_of_their_own_are_stored_once_under_any_guid(world: World, link: str | None) -> None:
    """The home page as link, and a guid that is the home page and the time: what is there is the feed's own text."""

    def make(poll: int) -> bytes:
        return rss(
            *(item(link, guid=f"http://x.example/?t={poll}{n}", title=f"T{n}", more=TEXT, text=str(n)) for n in (1, 2))
        )

    with Site(changing(make)) as site:
        world.follow(site.url())
        assert [world.run().articles_new for _ in range(4)] == [2, 0, 0, 0]
        assert world.titles() == ["T1", "T2"]


def test_another_rule_for_ids_stores_nothing_again(world: World) -> None:
    """All entries get other ids when the parser stops to trust the feed's, and again when it trusts them."""

    def entries(*broken: str) -> bytes:
        own = [item(None, guid=f"g{n}", title=f"T{n}", more=TEXT, text=str(n)) for n in (1, 2)]
        return rss(*own, *(item(f"/a/{n}", guid=f"g{n}") for n in (3, 4)), *broken)

    collision = item("/a/5", guid="g3")
    with Site(one_by_one(*map(answering, (entries(), entries(collision), entries(), entries(collision))))) as site:
        world.follow(site.url())
        assert [world.run().articles_new for _ in range(4)] == [4, 1, 0, 0]
        assert world.titles() == ["About /a/3", "About /a/4", "About /a/5", "T1", "T2"]


# --- claims -----------------------------------------------------------------------------------------------------------


def claiming(url: str, more: str = "") -> bytes:
    lie = "<content:encoded><![CDATA[" + story("the lie", 8) + "]]></content:encoded>"
    return rss(item(url, guid=url, title="Mine now", text="Mine now.", more=lie + more))


def redirecting(url: str) -> Script:
    return lambda peer: peer.redirect(url)


def canonical(url: str) -> str:
    return (
        f'<link rel="canonical" href="{url}"><meta property="og:url" content="{url}"><link rel="amphtml" href="{url}">'
    )


def stable(article: Article) -> tuple[object, ...]:
    return (article.id, article.key, article.url, article.content.title, article.content.text, article.revision)


@pytest.mark.parametrize("order", ["publisher first", "hostile first"])
@pytest.mark.parametrize("full_text", [True, False])
def test_a_feed_with_a_publishers_link_and_its_own_text_changes_nothing(
    world: World, order: str, full_text: bool
) -> None:
    with Site(rss(item("/a/1"))) as site, Site(host="127.0.0.2") as hostile:
        hostile.feed = answering(claiming(site.url("/a/1")))
        feeds = [(site, True), (hostile, full_text)]
        for one, own in feeds if order == "publisher first" else reversed(feeds):
            world.follow(one.url(), full_text=own)
            world.run()
        world.run(force=True)
        (article,) = [one for one in world.articles if one.url.startswith(site.url("/"))]
        assert article.content.title == "About /a/1"
        assert "the lie" not in article.content.text


CLAIMS: dict[str, Callable[[Site, str], None]] = {
    "canonical on its own page": lambda hostile, url: hostile.paths.update(
        {"/a/evil": answering(html_page("Mine now", story("the lie"), canonical(url)), HTML)}
    ),
    "redirect to it": lambda hostile, url: hostile.paths.update({"/a/evil": redirecting(url)}),
    "origLink in its feed": lambda hostile, url: setattr(
        hostile,
        "feed",
        answering(
            claiming(
                "/a/evil", f'<fb:origLink xmlns:fb="http://rssnamespace.org/feedburner/ext/1.0">{url}</fb:origLink>'
            )
        ),
    ),
    "guid in its feed": lambda hostile, url: setattr(
        hostile, "feed", answering(rss(item("/a/evil", guid=None, more=f"<guid>{url}</guid>")))
    ),
}


@pytest.mark.parametrize("name", CLAIMS)
@pytest.mark.parametrize("order", ["publisher first", "hostile first"])
def test_a_page_that_claims_a_publishers_address_changes_nothing(world: World, name: str, order: str) -> None:
    with Site(rss(item("/a/1"))) as site, Site(rss(item("/a/evil")), host="127.0.0.2") as hostile:
        CLAIMS[name](hostile, site.url("/a/1"))
        for one in (site, hostile) if order == "publisher first" else (hostile, site):
            world.follow(one.url())
            world.run()
        world.run(force=True)
        (article,) = [one for one in world.articles if one.content.title == "About /a/1"]
        assert article.url == site.url("/a/1")
        assert "the lie" not in article.content.text
        assert article.revision == 1
        assert not any(url.startswith(hostile.url("/")) for url in article.urls) or name == "redirect to it"


def test_a_canonical_alone_joins_equal_texts_and_no_others(world: World) -> None:
    names = '<link rel="canonical" href="{}">'
    with Site(rss(*(item(f"/a/{n}") for n in ("story", "print-view", "other")))) as site:
        head = names.format(site.url("/a/story"))
        for path, text in (("story", "same"), ("print-view", "same"), ("other", "another")):
            site.paths[f"/a/{path}"] = answering(html_page(f"The {text} story", story(text), head), HTML)
        world.follow(site.url())
        report = world.run()
        assert (report.articles_new, report.articles_duplicate) == (2, 1)
        assert world.titles() == ["The another story", "The same story"]
        assert world.run(force=True).articles_new == 0


def test_a_refused_claim_is_in_the_decision_log(world: World) -> None:
    with Site(rss(item("/a/1"))) as site, Site(rss(item("/a/evil")), host="127.0.0.2") as hostile:
        CLAIMS["canonical on its own page"](hostile, site.url("/a/1"))
        world.follow(site.url(), hostile.url())
        world.run()
        made = world.use(lambda app: app.store.decisions([hostile.url("/a/evil")], []))
        made += world.use(lambda app: app.store.decisions([site.url("/a/1")], []))
        refused = {one.rule for one in made if one.verdict == "refused"}
        assert any("other_site" in rule for rule in refused)


def test_translations_are_different_articles(world: World) -> None:
    with Site(rss(*(item(f"/a/{tongue}/9") for tongue in ("en", "de", "fr")))) as site:
        for tongue in ("en", "de", "fr"):
            others = "".join(
                f'<link rel="alternate" hreflang="{one}" href="/a/{one}/9">' for one in ("en", "de", "fr", "x-default")
            )
            site.paths[f"/a/{tongue}/9"] = answering(html_page(f"Title {tongue}", story(tongue), others), HTML)
        world.follow(site.url())
        world.run()
        assert world.titles() == ["Title de", "Title en", "Title fr"]


# --- texts that are gone ----------------------------------------------------------------------------------------------


def expire(app: App) -> int:
    return len(app.store.expire(app.store.now() + timedelta(days=1))[0])


def forget(app: App) -> int:
    return len(app.store.forget([article.key for article in app.store.articles()], [])[0])


@pytest.mark.parametrize("prune", [expire, forget])
def test_polling_again_after_all_text_is_gone_stores_nothing(world: World, prune: Callable[[App], int]) -> None:
    def make(poll: int) -> bytes:
        entries = [item(f"/a/{n}?utm_source=p{poll}", guid=f"{n}.{poll}", text=f"Poll {poll}.") for n in NUMBERS]
        return rss(*entries, item(None, guid=f"own {poll}", title="Own text", more=TEXT))

    with Site(changing(make)) as site:
        world.follow(site.url())
        assert world.run().articles_new == 5
        asked = len(site.pages)
        assert world.use(prune) == 5
        later = [world.run() for _ in range(3)]
        assert [(report.articles_new, report.articles_updated) for report in later] == [(0, 0)] * 3
        assert world.articles == []
        assert len(site.pages) == asked


# --- other rules ------------------------------------------------------------------------------------------------------

RULE = """
hosts = ["{host}"]
proven_by = 3
same = [["http://{host}/a/1-one", "http://{host}/a/1-two"]]
different = [["http://{host}/a/1-one", "http://{host}/a/2-one"]]
[[id]]
path = '^/a/(?P<id>[0-9]+)-[a-z]+$'
"""


def test_an_edited_rule_makes_two_articles_one_and_without_it_they_are_two_again(world: World) -> None:
    same = answering(html_page("One story", story("one")), HTML)
    paths = {f"/a/{slug}": same for slug in ("1-one", "1-two")}
    with Site(rss(*(item(path) for path in paths), item("/a/2-one")), paths) as site:
        world.follow(site.url())
        world.run()
        two = {article.id for article in world.articles}
        assert len(two) == 3
        rule = world.folder / "publishers" / "local.toml"
        rule.parent.mkdir()
        rule.write_text(RULE.format(host="127.0.0.1"), encoding="utf-8")
        assert world.run().articles_new == 0
        assert len(world.articles) == 2
        (joined,) = [article for article in world.articles if article.content.title == "One story"]
        assert {url.removeprefix(site.url("/")) for url in joined.urls} == {"a/1-one", "a/1-two"}
        changes = world.use(lambda app: app.store.changes_after(0, 100))
        assert [change.kind for change in changes] == ["new", "new", "new", "merged"]
        rule.unlink()
        assert world.run().articles_new == 0
        assert {article.id for article in world.articles} == two
        asked = list(site.pages)
        world.runs(2)
        assert site.pages == asked


def test_other_rules_change_nothing_that_they_do_not_speak_of(world: World) -> None:
    own = (item(None, guid=f"own {n}", title=f"T{n}", more=TEXT, text=str(n)) for n in (1, 2))
    with Site(rss(*own, item("/a/1?b=2"), item("/a/2?b=3"))) as site:
        world.follow(site.url())
        world.run()
        before = [(article.id, article.key, article.urls) for article in world.articles]
        assert len(before) == 4
        rule = world.folder / "publishers" / "elsewhere.toml"
        rule.parent.mkdir()
        rule.write_text(RULE.format(host="elsewhere.example"), encoding="utf-8")
        world.run()
        assert [(article.id, article.key, article.urls) for article in world.articles] == before
        kinds = world.use(lambda app: [change.kind for change in app.store.changes_after(0, 100)])
        assert kinds == ["new"] * 4


# --- a link that changes at every poll --------------------------------------------------------------------------------


def stamped(poll: int, more: str = "") -> bytes:
    return rss(*(item(f"/a/{n}?from=rss{poll}{n}{more}", guid=f"g{n}", title=f"About /a/{n}") for n in NUMBERS))


def test_another_value_in_the_link_of_a_known_entry_costs_no_request(world: World) -> None:
    with Site(changing(stamped)) as site:
        world.follow(site.url())
        assert [world.run().articles_new for _ in range(4)] == [4, 0, 0, 0]
        assert len(site.pages) == 4
        assert not world.use(lambda app: app.store.decisions([site.url("/a/1?from=rss21")], []))


def test_another_value_and_other_words_are_fetched(world: World) -> None:
    def make(poll: int) -> bytes:
        return rss(item(f"/a/1?from={poll}", guid="g", title="The weather", text=f"Of day {poll}."))

    with Site(changing(make)) as site:
        world.follow(site.url())
        world.runs(2)
        assert site.pages == ["/a/1?from=0", "/a/1?from=1"]


@pytest.mark.parametrize("name", ["id", "date", "page"])
def test_another_value_that_names_an_article_is_fetched(world: World, name: str) -> None:
    def make(poll: int) -> bytes:
        return rss(item(f"/a/1?{name}={poll}", guid="g", title="The weather"))

    with Site(changing(make)) as site:
        world.follow(site.url())
        world.runs(2)
        assert site.pages == [f"/a/1?{name}=0", f"/a/1?{name}=1"]


def test_another_value_is_tried_where_the_page_failed(world: World) -> None:
    with Site(changing(stamped)) as site:
        site.paths["/a/1?from=rss01"] = answering(status=410)
        world.follow(site.url())
        world.runs(3)
        assert world.titles() == [f"About /a/{n}" for n in NUMBERS]
        assert len(site.pages) == 5


# --- one text at two addresses ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", ["/a/1?maca=en-rss", "/a/1"])
def test_one_text_under_an_unknown_parameter_is_one_article(world: World, first: str) -> None:
    links = ["/a/1?maca=en-rss", "/a/1"]
    with Site(rss(item(first, title="About /a/1"))) as site:
        world.follow(site.url())
        world.run()
        site.feed = answering(rss(*(item(link, title="About /a/1") for link in links)))
        world.runs(2)
        assert world.titles() == ["About /a/1"]
        (article,) = world.articles
        assert sorted(article.urls) == sorted(site.url(link) for link in links)
