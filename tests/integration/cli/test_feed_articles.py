"""What a feed's table says of its articles: stored so, shown by `feeds test --page`, tried by `config check`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from aggregator.app import open_app, reload_app
from aggregator.config.loading import load_config
from tests.support.citizen import HTML, Site, World, answering, item, rss
from tests.support.command import Called, call
from tests.support.pool import PoolHere

PAGE = b"""<html lang="en"><head><title>Ferry late | The Harbour</title></head><body>
<h1>Ferry late</h1><div class="who">Ada Byron</div><div class="when">2023-11-05</div>
<div class="story"><p>The ferry was late again, said the captain, and everybody on the quay had to wait for it.</p>
<p class="share">Share this with everybody whom you know, and with all the others too.</p>
<p>In the evening the boat came, and the people went home over the bridge and along the river.</p></div>
<div class="other"><p>Another text that stands below, of other things, which one might take for the article.</p></div>
</body></html>"""
RULES = {
    "title_strip": "The Harbour",
    "language": "lb",
    "content": "div.story",
    "strip": ["p.share", "//none"],
    "author": ".who",
    "date": ".when",
}


@pytest.fixture
def site() -> Iterator[Site]:
    older = item("/a/1", title="Older", date="Sun, 05 Nov 2023 08:00:00 GMT")
    newer = item("/a/2", title="Ferry late | The Harbour", date="Mon, 06 Nov 2023 08:00:00 GMT")
    with Site(rss(older, newer)) as made:
        made.paths["/a/2"] = answering(PAGE, HTML)
        yield made


def shown_page(world: World, site: Site, *options: str) -> Called:
    return call("feeds", "test", site.url(), "--page", *options, "--config", world.write())


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.mark.parametrize("min_free", ["1MiB", "1000TiB"])
def test_a_page_is_tried_whatever_room_the_store_needs(world: World, site: Site, min_free: str) -> None:
    world.storage["min_free"] = min_free
    called = shown_page(world, site)
    assert (called.status, "Ferry late" in called.out) == (0, True), called.err


def test_the_table_of_a_feed_says_what_its_articles_are(world: World, site: Site) -> None:
    world.follow(site.url(), **RULES)
    world.run()
    stored = {article.url: article.content for article in world.articles}[site.url("/a/2")]
    assert (stored.title, stored.language, stored.authors, stored.published) == (
        "Ferry late", "lb", ("Ada Byron",), "2023-11-05",
    )  # fmt: skip
    assert stored.body.startswith("The ferry was late")
    assert stored.body.endswith("along the river.")
    assert "Share" not in stored.body


def test_the_newest_entry_is_shown_with_the_rules_that_acted(world: World, site: Site) -> None:
    world.follow(site.url(), **RULES)
    said = shown_page(world, site, "--json")
    page = said.record["page"]
    assert (said.status, page["title"], page["language"], page["authors"]) == (0, "Ferry late", "lb", ["Ada Byron"])
    assert page["body"].endswith("along the river.")
    assert page["rules"][-6:] == [
        "content: div.story (feed)", "strip: p.share (feed)", "author: .who (feed)", "date: .when (feed)",
        "title_strip: The Harbour (feed)", "language: lb (feed)",
    ]  # fmt: skip
    assert any(rule.startswith("announced: ") for rule in page["rules"])
    assert (len(site.asked()), site.pages) == (1, ["/a/2"])
    shown = shown_page(world, site).out
    for line in ("newest entry", "title       Ferry late", "content: div.story (feed)", "The ferry was late again"):
        assert line in shown
    assert "Share" not in shown
    assert not (world.folder / "data" / "aggregator.db").exists()


def test_a_feed_without_a_table_and_rules_of_others(world: World, site: Site) -> None:
    rules = world.folder / "publishers"
    rules.mkdir()
    (rules / "harbour.toml").write_text('hosts = ["127.0.0.1"]\n[extract]\ncontent = "div.story"\n', encoding="utf-8")
    configs = world.folder / "configs"
    configs.mkdir()
    world.extraction["publishers_dir"] = str(rules)
    page = shown_page(world, site, "--json").record["page"]
    assert page["rules"][-1] == "content: div.story (harbour)"
    assert page["title"].startswith("Ferry late")
    world.extraction |= {"publishers_dir": "", "site_config_dir": str(configs)}
    (configs / "127.0.0.1.txt").write_text("body: //div[@class='story']\n", encoding="utf-8")
    page = shown_page(world, site, "--json").record["page"]
    assert page["rules"][-1] == "content: //div[@class='story'] (site-config)"
    world.extraction["site_config_dir"] = ""
    assert "content:" not in str(shown_page(world, site, "--json").record["page"]["rules"])


def test_a_feed_that_is_kept_as_it_is(world: World, site: Site) -> None:
    world.follow(site.url(), full_text=False, enabled=False, title_strip=["The Harbour"])
    site.feed = answering(rss(item("/a/2", title="Ferry late | The Harbour", text="The ferry was late. " * 20)))
    page = shown_page(world, site, "--json").record["page"]
    assert (page["source"], page["title"], page["rules"][-1]) == (
        "feed",
        "Ferry late",
        "title_strip: The Harbour (feed)",
    )
    assert "Ferry late\n\nThe ferry" in page["text"]
    assert site.pages == []


@pytest.mark.parametrize(
    ("feed", "robots", "status", "error"),
    [
        (rss(), b"", 200, "the feed has no entries"),
        (rss("<item><title>Ferry late</title></item>"), b"", 200, "neither a link nor a text"),
        (rss(item("/a/2")), b"User-agent: *\nDisallow: /a/\n", 200, "robots: http"),
        (rss(item("/a/2")), b"", 404, "not_found: 404"),
        (rss(item("/a/2")), None, 200, "its host asks for a pause"),
    ],
)
def test_why_nothing_would_be_stored(
    world: World, site: Site, feed: bytes, robots: bytes | None, status: int, error: str
) -> None:
    site.feed = answering(feed)
    site.paths["/robots.txt"] = lambda peer: peer.answer(503 if robots is None else 200, robots or b"")
    site.paths["/a/2"] = lambda peer: peer.answer(status, PAGE, (HTML,))
    said = shown_page(world, site, "--json")
    assert said.status == 1
    assert error in said.record["page"]["error"]
    assert error in shown_page(world, site).out


def test_each_selector_is_tried(world: World, site: Site) -> None:
    world.follow(site.url(), content=["div.story", "div["], strip="//p[", name="Harbour")
    said = call("config", "check", "--config", world.write())
    assert said.status == 2
    assert f"{world.write()}: feed {site.url()}: content: 'div[' is not CSS; write a selector such as" in said.err
    assert f"feed {site.url()}: strip: '//p[' is not XPath; write a selector such as" in said.err


def test_changed_rules_hold_after_a_reload_and_for_what_is_stored(world: World, site: Site) -> None:
    world.follow(site.url())
    world.polling["revisit"] = []
    with open_app(load_config(world.write(), {}), pool=PoolHere()) as app:  # type: ignore[arg-type]
        world.feeds[0] |= {"content": "div.story", "strip": "p.share", "title_strip": "re: *\\| *The Harbour$"}
        app, changes = reload_app(app, load_config(world.write(), {}))
        assert changes == (f"articles of {site.url()}",)
        app.run_once()
        stored = {article.url: article.content for article in app.store.articles()}[site.url("/a/2")]
        assert stored.body.startswith("The ferry was late")
        assert "Share" not in stored.body
    world.feeds[0] |= {"strip": "none", "language": "lb"}
    assert call("reextract", "--config", world.write()).status == 0
    again = next(one for one in call("export", "--config", world.config).records if one["url"] == site.url("/a/2"))
    assert "Share" in again["body"]
    assert again["language"] == "lb"


def test_a_filter_that_skips_it_is_named(world: World, site: Site) -> None:
    world.follow(site.url(), skip=[{"title": "ferry", "name": "no boats"}])
    page = shown_page(world, site, "--json").record["page"]
    assert page["error"].startswith("skipped: ")
    assert "no boats" in page["error"]
    assert site.pages == []


def test_a_page_with_links_is_tried_by_its_table(world: World, site: Site) -> None:
    links = "".join(f'<article><h2><a href="/a/{n}">Story {n} of the harbour</a></h2></article>' for n in (1, 2, 3))
    site.paths["/news"] = answering(f"<html><body><main>{links}</main></body></html>".encode(), HTML)
    world.follow(site.url("/news"), kind="html", select={"entry": "article", "link": "h2 a"}, title_strip="About")
    said = call("feeds", "test", site.url("/news"), "--json", "--config", world.write()).record
    assert (said["ok"], said["entries"]) == (True, 3)
    assert "page" not in said
    assert site.pages == []
    page = call("feeds", "test", site.url("/news"), "--page", "--json", "--config", world.write()).record["page"]
    assert page["title"] == "a/1"
    assert site.pages == ["/a/1"]
    world.feeds[0]["select"] = {"entry": "section", "link": "h2 a"}
    said = call("feeds", "test", site.url("/news"), "--config", world.write())
    assert said.status == 1


def test_a_program_is_tried_by_its_table(world: World, site: Site) -> None:
    world.follow(site.url("/x"), kind="command", command=["/bin/echo", rss(item("/a/2")).decode()], full_text=False)
    said = call("feeds", "test", site.url("/x"), "--page", "--json", "--config", world.write()).record
    assert (said["ok"], said["entries"], said["page"]["source"]) == (True, 1, "feed")
    world.feeds[0]["command"] = ["/bin/false"]
    said = call("feeds", "test", site.url("/x"), "--json", "--config", world.write()).record
    assert not said["ok"]
    assert said["error"]
