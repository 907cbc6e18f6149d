"""wp.me short links: joined with their posts once a page has said where the blog lives, whatever came first."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from aggregator.identity.wordpress import Blog
from aggregator.models.ids import ArticleId, Identity, Key
from aggregator.store import SqlStore
from tests.support.databases import ReusedStore
from tests.support.stores import (
    article_record,
    fetch_due,
    fetched_pages,
    poll,
    record_article,
    sighting,
    subscribe,
    words,
)

FEED = "http://feeds.example.org/a"
HOST = "blog.example.org"
LINK = "https://wp.me/p2-1d"  # post 75 of blog 2
BLOG = Blog(number=2, host=HOST, site="example.org")
OTHER = Blog(number=2, host="other.example.net", site="example.net")


def announce_link(store: SqlStore) -> None:
    """A feed names the short link; it is not asked for."""
    poll(store, store.feeds()[0], sighting("link", url=LINK, key=LINK))


def collect_post(store: SqlStore) -> None:
    """The post itself comes, under the address that WordPress gives it."""
    url = f"https://{HOST}/?p=75"
    poll(store, store.feeds()[0], sighting("post", url=url, key=url))
    _collect(store, {url: None})


def learn(store: SqlStore, blog: Blog = BLOG) -> None:
    """Another page of the blog comes, and declares its own short link."""
    url = f"https://{blog.host}/2026/a-page-of-the-blog"
    poll(store, store.feeds()[0], sighting(blog.host, url=url, key=url))
    _collect(store, {url: blog})


def _collect(store: SqlStore, wanted: dict[str, Blog | None]) -> None:
    fetch_due(store)
    for page in fetched_pages(store):
        if page.url in wanted:
            record = replace(article_record(page, body=words(page.url[8:12])), blog=wanted[page.url])
            assert record_article(store, page, record) is not None


def meaning(store: SqlStore, key: str) -> ArticleId | None:
    article = store.article("nowhere", [Key(key)])
    return None if article is None else article.id


@pytest.mark.parametrize("order", list(itertools.permutations((announce_link, collect_post, learn))))
def test_a_link_means_its_post_whatever_came_first(reused: ReusedStore, order: tuple[object, ...]) -> None:
    store = reused.empty()
    subscribe(store, FEED)
    for step in order:
        step(store)  # type: ignore[operator] # one of the three
    assert meaning(store, LINK) == meaning(store, f"https://{HOST}/?p=75") is not None
    found = store.article(LINK)
    assert found is not None
    assert found.id == meaning(store, LINK)


@pytest.mark.parametrize("first", [True, False])
def test_a_blog_that_two_hosts_claim_is_nobodys(reused: ReusedStore, first: bool) -> None:
    store = reused.empty()
    subscribe(store, FEED)
    announce_link(store)
    collect_post(store)
    learn(store, BLOG if first else OTHER)
    learn(store, OTHER if first else BLOG)
    post = meaning(store, f"https://{HOST}/?p=75")
    assert post is not None
    assert meaning(store, LINK) is None
    learn(store, replace(BLOG, host="third.example.org"))
    assert meaning(store, LINK) is None
    assert meaning(store, f"https://{HOST}/?p=75") == post


def test_links_of_other_blogs_and_posts_stay_apart(reused: ReusedStore) -> None:
    store = reused.empty()
    subscribe(store, FEED)
    for n, link in enumerate(("https://wp.me/p3-1d", "https://wp.me/p2-1e", "https://wp.me/about")):
        poll(store, store.feeds()[0], sighting(f"link {n}", url=link, key=link))
    learn(store)
    collect_post(store)
    for link in ("https://wp.me/p3-1d", "https://wp.me/p2-1e", "https://wp.me/about"):
        assert meaning(store, link) is None


def test_a_link_that_a_page_was_reached_by_is_heeded(reused: ReusedStore) -> None:
    store = reused.empty()
    subscribe(store, FEED)
    learn(store)
    collect_post(store)
    url = "https://short.example.org/x"
    poll(store, store.feeds()[0], sighting("short", url=url, key=url))
    fetch_due(store)
    (page,) = fetched_pages(store)
    pointer = Identity(url=LINK, key=Key(LINK), rule="generic")
    assert record_article(store, page, article_record(page, pointers=(pointer,))) is not None
    assert meaning(store, LINK) == meaning(store, f"https://{HOST}/?p=75")
