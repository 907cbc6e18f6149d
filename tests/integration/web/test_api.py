"""The API: the corpus by cursor, records, search, reports, its description."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from aggregator.sinks.records import article_record as record_of
from aggregator.store import SqlStore
from aggregator.web.api.schemas import Article as ArticleSchema
from tests.support.stores import START, StandingClock, claim, collect, newest, poll, poll_record, sighting, subscribe
from tests.support.website import A, B, Open, Site, break_feed, fill, revise


def test_the_corpus_is_followed_by_cursor(site: Site, store: SqlStore, clock: StandingClock) -> None:
    fill(store, 3)
    first = site.get("/api/v1/articles?limit=2").json()
    assert [one["kind"] for one in first["changes"]] == ["new", "new"]
    assert first["more"] is True
    second = site.get(f"/api/v1/articles?after={first['cursor']}").json()
    assert (len(second["changes"]), second["more"]) == (1, False)
    assert site.get(f"/api/v1/articles?after={second['cursor']}").json() == {
        "changes": [],
        "cursor": second["cursor"],
        "epoch": store.position().epoch,
        "more": False,
    }
    revise(store, clock, "Another text.")
    (change,) = site.get(f"/api/v1/articles?after={second['cursor']}").json()["changes"]
    assert (change["kind"], change["article"]["revision"]) == ("updated", 2)


def test_a_cursor_of_another_store_leads_back_to_the_beginning(site: Site, store: SqlStore) -> None:
    fill(store, 2)
    given = site.get("/api/v1/articles").json()
    site.get(f"/api/v1/articles?after={given['cursor']}&epoch={given['epoch']}")
    for query in (f"after={given['cursor']}&epoch=0123", f"after={given['cursor'] + 1}&epoch={given['epoch']}"):
        refused = site.get(f"/api/v1/articles?{query}", 409).json()["detail"]
        assert f"start again with after=0 and epoch={given['epoch']}" in refused


def test_the_follower_in_the_reference_keeps_a_copy(site: Site, store: SqlStore) -> None:
    fill(store, 3)
    page = (Path(__file__).parents[3] / "docs" / "reference" / "web.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"^```python\n(.*?)^copy, place = ", page, re.DOTALL | re.MULTILINE)
    names: dict[str, Any] = {}
    exec(code, names)
    names["API"], follow = f"{site.address}/api/v1/articles", names["follow"]
    copy: dict[str, Any] = {}
    place = follow(copy, {"after": 0})
    assert sorted(copy) == sorted(one.id for one in store.articles())
    (gone,), _ = store.forget([next(iter(store.articles())).key], [])
    store.number_changes()
    place = follow(copy, place)
    assert (len(copy), gone in copy) == (2, False)
    assert (follow(copy, {**place, "epoch": "0" * 32}), copy) == ({"after": 0}, {})


def test_an_article_of_the_api_is_the_record_of_the_export(site: Site, store: SqlStore) -> None:
    (article,) = fill(store, 1)
    given = site.get(f"/api/v1/articles/{article.id}").json()
    expected = record_of(article)
    assert set(ArticleSchema.model_fields) == set(expected) == set(given)
    assert given | {"first_seen": None} == expected | {"first_seen": None}
    body = site.get(f"/api/v1/articles/{article.id}?text=body").json()
    assert body["text"] == record_of(article, "body")["text"]
    site.get("/api/v1/articles/0123456789abcdef", 404)


def test_revisions_are_given_oldest_first(site: Site, store: SqlStore, clock: StandingClock) -> None:
    (article,) = fill(store, 1)
    revise(store, clock, "Another text.")
    found = site.get(f"/api/v1/articles/{article.id}/revisions").json()
    assert [one["number"] for one in found] == [1, 2]
    assert found[1]["body"] == "Another text."


def test_search_gives_the_place(site: Site, store: SqlStore) -> None:
    (article,) = fill(store, 1, body="A storm hit the coast <b> on Monday.")
    page = site.get("/api/v1/search?q=storm").json()
    assert (page["count"], page["next"]) == (1, None)
    (found,) = page["found"]
    assert found["id"] == article.id
    assert found["snippet"] == "A <mark>storm</mark> hit the coast &lt;b&gt; on Monday."
    assert site.get("/api/v1/search").json()["found"][0]["snippet"] == ""


@pytest.mark.parametrize("path", ["/articles", "/feed.atom", "/api/v1/search"])
def test_one_letter_begins_too_many_words(site: Site, store: SqlStore, path: str) -> None:
    fill(store, 1, body="A storm hit the coast on Monday.")
    assert "two letters or digits" in site.get(f"{path}?q=coast+s*", 422).text
    site.get(f"{path}?q=coast+st*")


def test_search_goes_on_to_the_end(site: Site, store: SqlStore) -> None:
    fill(store, 5, body="storm")
    seen, after = [], ""
    while after is not None:
        page = site.get("/api/v1/search", params={"q": "storm", "limit": 2, "after": after}).json()
        seen += [one["id"] for one in page["found"]]
        after = page["next"]
    assert sorted(seen) == sorted(one.id for one in newest(store))


def test_feeds_and_their_polls(site: Site, store: SqlStore) -> None:
    subscribe(store, A, B)
    break_feed(store)
    good, bad = site.get("/api/v1/feeds").json()
    assert (good["url"], good["status"], bad["status"], bad["cause"]) == (A, "new", "failing", "not_found")
    detail = site.get(f"/api/v1/feeds/{bad['id']}").json()
    assert [one["outcome"] for one in detail["polls"]] == ["failed"]
    assert detail["findings"][0]["severity"] == "broken"
    site.get("/api/v1/feeds/99", 404)


def test_health_status_and_gaps(site: Site, store: SqlStore) -> None:
    (feed, _) = subscribe(store, A, B)
    held = claim(store, feed.host)
    gap = (START - timedelta(hours=3), START)
    assert store.record_poll(held, replace(poll_record(feed, sighting(1), at=START), gap=gap))
    store.release(held)
    break_feed(store)
    health = site.get("/api/v1/health").json()
    assert (health["feeds"], health["broken"]) == (2, 1)
    assert health["findings"][0]["remedy"]
    (found,) = site.get("/api/v1/gaps").json()
    assert found["feed"] == A
    assert found["until"].startswith("2026-03-01T12:00:00")
    status = site.get("/api/v1/status").json()
    assert (status["feeds"], status["feeds_broken"], status["polls"], status["polls_failed"]) == (2, 1, 2, 1)


@pytest.mark.parametrize(
    "query", ["after=-1", "after=x", "after=9999999999999999999999", "limit=0", "limit=1001", "text=xml", "wait=61s"]
)
def test_what_cannot_be_asked_is_refused_without_repeating_it(site: Site, query: str) -> None:
    (error,) = site.get(f"/api/v1/articles?{query}", 422).json()["errors"]
    assert set(error) == {"where", "problem"}
    assert error["where"] == f"query.{query.partition('=')[0]}"


@pytest.mark.parametrize("path", ["articles?sinse=2026-01-01", "search?q=a&lang=de", "feeds?page=2", "status?x"])
def test_an_unknown_parameter_is_refused(site: Site, path: str) -> None:
    refused = site.get(f"/api/v1/{path}", 422).json()
    assert "unknown parameter" in refused["detail"]
    assert refused["status"] == 422


def test_a_follower_narrows_what_it_follows(site: Site, store: SqlStore, clock: StandingClock) -> None:
    subscribe(store, A, B)
    fill(store, 3)
    clock.pass_(timedelta(hours=1))
    poll(store, store.feeds()[1], sighting("b", url="https://b.example/story/b"))
    collect(store)
    store.number_changes()
    last = store.position().seq

    def follow(**parameters: Any) -> list[str]:
        answer = site.get("/api/v1/articles", params=parameters).json()
        assert (answer["cursor"], answer["more"]) == (last, False)
        return [change["article"]["url"] for change in answer["changes"]]

    assert len(follow()) == 4
    assert follow(feed=B) == follow(since=(START + timedelta(minutes=1)).isoformat()) == ["https://b.example/story/b"]
    assert follow(url="https://b.example/story/b") == ["https://b.example/story/b"]
    assert follow(url="https://nowhere.example/") == follow(url="https://b.example/story/b", after=last) == []
    assert follow(since="2030-01-01") == follow(feed="nobody's") == []
    first = site.get("/api/v1/articles", params={"feed": A, "limit": 2}).json()
    assert (len(first["changes"]), first["more"]) == (2, True)


def test_long_texts_come_in_several_answers(site: Site, store: SqlStore) -> None:
    fill(store, 3, body="word " * 100_000)
    after, sizes = 0, []
    while True:
        answer = site.get(f"/api/v1/articles?after={after}")
        sizes.append(len(answer.json()["changes"]))
        after = answer.json()["cursor"]
        if not answer.json()["more"]:
            break
    assert len(sizes) == store.position().seq >= 3
    assert set(sizes) == {1}


def test_a_waiting_request_is_answered_by_the_next_change(site: Site, store: SqlStore, clock: StandingClock) -> None:
    fill(store, 1)
    after = store.position().seq
    site.get(f"/api/v1/articles?after={after}&epoch=0123&wait=60s", 409)
    assert site.get(f"/api/v1/articles?after={after}&wait=1s").json()["changes"] == []
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(site.get, f"/api/v1/articles?after={after}&wait=60s")
        revise(store, clock, "Another text.")
        (change,) = waiting.result(timeout=50).json()["changes"]
    assert change["kind"] == "updated"
    assert site.get("/api/v1/articles?after=0&wait=60s").json()["changes"]  # there is something already


def test_what_has_not_changed_is_not_sent_again_and_what_is_sent_is_compressed(site: Site, store: SqlStore) -> None:
    fill(store, 3)
    for path in ("/api/v1/articles", "/api/v1/feeds", "/articles", "/feed.atom"):
        plain = site.get(path, headers={"Accept-Encoding": "identity"})
        packed = site.get(path, headers={"Accept-Encoding": "gzip"})
        assert (packed.headers.get("content-encoding") == "gzip") == (len(plain.content) >= 1000), path
        assert plain.content == packed.content
        tag = packed.headers["etag"]
        assert tag == plain.headers["etag"]
        again = site.get(path, 304, headers={"If-None-Match": f'"other", {tag}'})
        assert (again.content, again.headers["etag"]) == (b"", tag)
        assert again.headers["content-security-policy"]
        site.get(path, headers={"If-None-Match": 'W/"other"'})


def test_long_lists_come_in_parts(site: Site, store: SqlStore) -> None:
    subscribe(store, *(f"http://{n}.example/feed" for n in range(5)))
    path, seen = "/api/v1/feeds?limit=2", []
    while path:
        answer = site.get(path)
        seen += [one["url"] for one in answer.json()]
        path = answer.links.get("next", {}).get("url", "")
    assert seen == [f"http://{n}.example/feed" for n in range(5)]


def test_why_tells_what_was_seen_and_decided(site: Site, store: SqlStore) -> None:
    (article,) = fill(store, 1)
    found = site.get("/api/v1/why", params={"url": article.url}).json()
    assert [one["id"] for one in found["articles"]] == [article.id]
    assert found["entries"][0]["feed"] == A
    assert found["pages"][0]["state"] == "done"
    nothing = site.get("/api/v1/why", params={"url": "https://nowhere.example/a"}).json()
    assert not any(nothing[part] for part in ("entries", "pages", "articles", "evidence", "decisions"))


def test_the_raw_page_is_a_download(open_site: Open, store: SqlStore) -> None:
    (article,) = fill(store, 1)
    page = b"<script>alert(1)</script>"
    site = open_site(raw={article.raw: page}.get)
    answer = site.get(f"/api/v1/articles/{article.id}/raw")
    assert answer.content == page
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"].startswith("attachment")
    assert answer.headers["content-security-policy"].startswith("sandbox")
    open_site().get(f"/api/v1/articles/{article.id}/raw", 404)
    open_site(raw={}.get).get(f"/api/v1/articles/{article.id}/raw", 404)


def test_every_route_names_its_statuses(site: Site) -> None:
    for operations in site.get("/api/openapi.json").json()["paths"].values():
        for operation in operations.values():
            assert {"401", "421", "422", "503"} <= set(operation["responses"])
            refused = operation["responses"]["422"]["content"]["application/problem+json"]["schema"]
            assert set(refused["required"]) == {"title", "status", "detail"}


def test_the_description_is_a_page_and_a_document(site: Site) -> None:
    described = site.get("/api/openapi.json").json()
    assert set(described["paths"]) == {
        "/api/v1/articles",
        "/api/v1/articles/{article_id}",
        "/api/v1/articles/{article_id}/raw",
        "/api/v1/articles/{article_id}/revisions",
        "/api/v1/why",
        "/api/v1/search",
        "/api/v1/feeds",
        "/api/v1/feeds/{feed_id}",
        "/api/v1/feeds/{feed_id}/refresh",
        "/api/v1/health",
        "/api/v1/gaps",
        "/api/v1/status",
    }
    methods = {method for operations in described["paths"].values() for method in operations}
    assert methods == {"get", "post"}
    page = site.get("/api/docs").text
    assert all(path in page for path in described["paths"])
    assert "but for <code>refresh</code>." in page


def test_the_description_says_who_may_ask_and_has_examples(open_site: Open) -> None:
    described = open_site().get("/api/openapi.json").json()
    assert set(described["components"]["securitySchemes"]) == {"token", "password"}
    assert described["security"] == [{}]
    assert described["components"]["schemas"]["Feed"]["examples"][0]["name"] == "Example News"
    headers = {"Authorization": "Bearer s3cret"}
    guarded = open_site("s3cret").get("/api/openapi.json", headers=headers).json()
    assert guarded["security"] == [{"token": []}, {"password": []}]


def test_revisions_come_in_parts(site: Site, store: SqlStore, clock: StandingClock) -> None:
    (article,) = fill(store, 1)
    revise(store, clock, "Another text.")
    answer = site.get(f"/api/v1/articles/{article.id}/revisions?limit=1")
    assert [one["number"] for one in answer.json()] == [1]
    following = answer.links["next"]["url"]
    assert [one["body"] for one in site.get(following).json()] == ["Another text."]
    assert "next" not in site.get(following).links
