"""Filters: what title, address or category tell costs no request; rules may come and go over what is stored."""

from __future__ import annotations

import pytest

from aggregator.app import App, reload_app
from aggregator.config.loading import load_config
from tests.support.citizen import HTML, Site, World, answering, html_page, item, one_by_one, rss, story
from tests.support.command import call

SPORT = {"title": "sport", "name": "no sport"}


def category(name: str) -> str:
    return f"<category>{name}</category>"


def applied(world: World, *options: str) -> list[str]:
    """Run `aggregator filter` and return its lines."""
    called = call("filter", "--config", str(world.write()), *options)
    assert called.status == 0, called.err
    return called.out.splitlines()


def why(world: World, url: str) -> str:
    called = call("why", "--config", str(world.write()), url)
    assert called.status == 0
    return called.out


def files(world: World) -> list[str]:
    """Return what stands in the output files."""
    return [file.read_text(encoding="utf-8") for file in sorted(world.folder.glob("data/articles/**/*.txt"))]


@pytest.mark.parametrize(
    "rule",
    [
        SPORT,
        {"title": "re:(?i)^sport\\b"},
        {"url": "/a/1"},
        {"author": "Ann Other"},
        {"category": "games"},
        {"age": ">30d"},
        {"feed": "The feed", "title": "sport"},
    ],
    ids=str,
)
@pytest.mark.parametrize("place", ["everywhere", "of the feed"])
def test_what_the_entry_tells_costs_no_request(world: World, rule: dict[str, str], place: str) -> None:
    skipped = item(
        "/a/1",
        title="Sport: a game",
        date="Mon, 05 Jan 2015 10:00:00 GMT",
        more=f"{category('Games')}<author>ann@example.org (Ann Other)</author>",
    )
    with Site(rss(skipped, item("/a/2", title="The council", more=category("politics")))) as site:
        if place == "everywhere":
            world.filter = {"skip": [rule]}
        world.follow(site.url(), name="The feed", skip=None if place == "everywhere" else [rule])
        world.runs(3)
        assert site.pages == ["/a/2"]
        assert world.titles() == ["About /a/2"]
        told = why(world, site.url("/a/1"))
        assert "skipped by " in told
        assert rule.get("name", "") in told
        assert ("aggregator.toml: filter.skip[0]" if place == "everywhere" else "skip[0]") in told


def test_only_what_a_keep_rule_fits_is_asked_for(world: World) -> None:
    world.filter = {"keep": [{"title": "council"}, {"title": "bridge"}]}
    entries = item("/a/1", title="Council meets"), item("/a/2", title="A bridge"), item("/a/3", title="Weather")
    with Site(rss(*entries)) as site:
        world.follow(site.url())
        world.runs(2)
        assert sorted(site.pages) == ["/a/1", "/a/2"]
        assert "no rule of keep fits" in why(world, site.url("/a/3"))
        assert 'kept by title = "council"' in why(world, site.url("/a/1"))


def test_text_language_and_words_are_looked_at_after_extraction(world: World) -> None:
    world.filter = {"skip": [{"text": "bakery", "title": "bread"}, {"words": "<40"}, {"language": "de"}]}
    german = "<p>" + "Der Rat der Stadt hat gestern über die Brücke und ihre vielen Schäden gesprochen. " * 8 + "</p>"
    bread = "<p>" + "The new bakery of the village sells warm bread on each morning of the week. " * 8 + "</p>"
    bodies = {
        "/a/1": bread,
        "/a/2": "<p>" + "Only a few words here. " * 4 + "</p>",
        "/a/3": german,
        "/a/4": story("/a/4"),
    }
    pages = {path: html_page(f"Page {path}", body) for path, body in bodies.items()}
    pages["/a/3"] = pages["/a/3"].replace(b'lang="en"', b'lang="de"')
    paths = {path: answering(page, HTML) for path, page in pages.items()}
    entries = (item(path, title=f"bread {path}", text="Something else.") for path in bodies)
    with Site(rss(*entries), paths=paths) as site:
        world.follow(site.url())
        world.runs(2)
        assert sorted(site.pages) == sorted(bodies)
        assert [article.url for article in world.articles] == [site.url("/a/4")]
        assert len(files(world)) == 1
        assert 'skipped by words = "<40"' in why(world, site.url("/a/2"))
        world.filter = {}
        world.run()
        assert len(world.articles) == 4
        assert len(files(world)) == 4
        assert sorted(site.pages) == sorted(bodies)  # what comes back is not asked for again


def test_a_new_rule_withdraws_what_is_stored_and_its_end_brings_it_back(world: World) -> None:
    with Site(rss(item("/a/1", title="Sport today"), item("/a/2", title="The council"))) as site:
        world.follow(site.url())
        world.run()
        assert len(world.articles) == len(files(world)) == 2
        world.filter = {"skip": [SPORT]}
        planned = applied(world, "--dry-run")
        assert planned[-1] == "1 article and 0 entries would go; 0 articles and 0 entries would come back"
        assert "goes" in planned[0]
        assert "no sport (aggregator.toml: filter.skip[0])" in planned[0]
        assert len(files(world)) == 2
        assert applied(world)[-1] == "1 article and 0 entries went; 0 articles and 0 entries came back"
        assert [("About /a/2" in text) for text in files(world)] == [True]
        assert "skipped by a filter" in why(world, site.url("/a/1"))
        world.run()
        assert world.titles() == ["About /a/2"]
        assert site.pages == ["/a/1", "/a/2"]
        world.filter = {}
        assert applied(world)[-1] == "0 articles and 0 entries went; 1 article and 0 entries came back"
        assert len(files(world)) == 2
        world.run()
        assert world.titles() == ["About /a/1", "About /a/2"]
        assert site.pages == ["/a/1", "/a/2"]


def test_an_entry_that_was_skipped_is_fetched_once_its_rule_is_gone(world: World) -> None:
    feeds = answering(rss(item("/a/1", title="Sport today"))), answering(rss(item("/a/2", title="The council")))
    with Site(one_by_one(*feeds)) as site:
        world.filter = {"skip": [SPORT]}
        world.follow(site.url())
        world.runs(2)
        assert site.pages == ["/a/2"]
        world.filter = {}
        world.run()  # the entry has left the feed by now
        assert site.pages == ["/a/2", "/a/1"]
        assert world.titles() == ["About /a/1", "About /a/2"]


def test_changed_rules_hold_without_a_restart(world: World) -> None:
    with Site(one_by_one(*(answering(rss(item(f"/a/{n}", title=f"Sport {n}"))) for n in range(3)))) as site:
        world.follow(site.url())

        def work(app: App) -> tuple[str, ...]:
            app.run_once(force=True)
            world.filter = {"skip": [SPORT]}
            strict, changes = reload_app(app, load_config(world.write(), {}))
            strict.run_once(force=True)
            world.filter = {}
            reload_app(strict, load_config(world.write(), {}))[0].run_once(force=True)
            return changes

        (changed,) = world.use(work)
        assert changed.startswith("filter.skip: [] -> ")
        assert site.pages == ["/a/0", "/a/1", "/a/2"]
        assert len(site.asked()) == 3


def test_an_address_that_one_feed_skips_and_another_keeps_is_kept(world: World) -> None:
    with Site(rss(item("/a/1", title="Sport today"))) as one, Site(rss(item(one.url("/a/1"), title="A game"))) as other:
        world.follow(one.url(), skip=[SPORT])
        world.run()
        assert one.pages == []
        world.follow(other.url())
        world.run()
        assert one.pages == ["/a/1"]
        assert len(world.articles) == 1


def test_the_text_of_a_feed_is_filtered_without_any_page(world: World) -> None:
    world.filter = {"skip": [{"text": "ferry"}]}
    long = "The harbour council met in the old school to speak about the bridge and its many repairs. " * 6
    entries = item("/a/1", text=f"The ferry. {long}"), item("/a/2", text=f"The school. {long}")
    with Site(rss(*entries)) as site:
        world.follow(site.url(), full_text=False)
        world.run()
        assert [article.url for article in world.articles] == [site.url("/a/2")]
        world.filter = {}
        world.run()
        assert len(world.articles) == 2
        assert site.pages == []


def test_a_title_that_changes_is_decided_again(world: World) -> None:
    feeds = [answering(rss(item("/a/1", title=title))) for title in ("Council", "Sport", "Council again")]
    with Site(one_by_one(*feeds)) as site:
        world.filter = {"skip": [SPORT]}
        world.follow(site.url())
        counts = []
        for _ in feeds:
            world.run()
            counts.append(len(world.articles))
        assert counts == [1, 0, 1]
