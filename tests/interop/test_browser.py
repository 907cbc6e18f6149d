"""The page in a real Chromium: with and without JavaScript, against hostile texts, for everybody, on small screens."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from aggregator.models.feeds import FeedStatus
from aggregator.models.fetching import Cause
from aggregator.monitoring.metrics import Metrics
from aggregator.store import SqlStore, open_store
from aggregator.web import create_app, listen, refresher, serve
from tests.support.stores import (
    START,
    StandingClock,
    claim,
    collect,
    poll,
    poll_record,
    sighting,
    subscribe,
    words,
)

pytestmark = pytest.mark.interop(short=True)

FEED = "http://a.example/feed"
PAYLOADS = (
    "<script>pwn()</script>",
    "<img src=x onerror=pwn()>",
    "<svg onload=pwn()>",
    '"><script>pwn()</script>',
    "'><img src=x onerror=pwn()>",
    "</title><script>pwn()</script>",
    "</textarea><svg/onload=pwn()>",
    "</pre><script>pwn()</script>",
    "<iframe srcdoc='<script>parent.pwn()</script>'></iframe>",
    "<body onpageshow=pwn()>",
    "<details open ontoggle=pwn()>",
    "<input autofocus onfocus=pwn()>",
    "<a href='javascript:pwn()'>x</a>",
    "<math><mtext></form><form><mglyph><style></math><img src onerror=pwn()>",
    "<template><script>pwn()</script></template>",
    "{{ constructor.constructor('pwn()')() }}",
    "<meta http-equiv=refresh content='0;url=javascript:pwn()'>",
    "<object data='javascript:pwn()'></object>",
    "&lt;script&gt;pwn()&lt;/script&gt;",
    "<mark>\u202e<video><source onerror=pwn()></video>",
)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:  # Any: a browser of Playwright
    from playwright.sync_api import sync_playwright

    path = shutil.which("chromium")
    if path is None:
        pytest.fail("there is no `chromium`: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@dataclass(frozen=True)
class Page:
    """A running page over a store; `paths` are all kinds of pages."""

    store: SqlStore
    address: str
    paths: tuple[str, ...]


@pytest.fixture
def page(sqlite_template: Path, tmp_path: Path, clock: StandingClock) -> Iterator[Page]:
    """An article and its near duplicate whose texts are hostile, and a feed that fails."""
    file = tmp_path / "store.db"
    file.write_bytes(sqlite_template.read_bytes())
    store = open_store(f"sqlite:///{file}", clock)
    subscribe(store, FEED)
    (feed,) = store.feeds()
    body = "\n\n".join((words("text"), *PAYLOADS))
    for number, title in enumerate((f"Storm {PAYLOADS[0]}", "Storm again " + " ".join(PAYLOADS))):
        poll(store, feed, sighting(number, updated_at=START))
        collect(store, title=title, body=body, quality=(PAYLOADS[1],))
        clock.pass_(timedelta(hours=1))
    store.number_changes()
    record = poll_record(feed, at=store.now())
    state = replace(record.state, status=FeedStatus.FAILING, cause=Cause.NOT_FOUND, failing_since=START)
    outcome = replace(record.outcome, outcome="failed", cause=Cause.NOT_FOUND, status=404, detail=PAYLOADS[2])
    held = claim(store, feed.host)
    assert store.record_poll(
        held,
        replace(
            record, state=replace(state, detail=PAYLOADS[2], due_at=store.now() + timedelta(hours=1)), outcome=outcome
        ),
    )
    store.release(held)
    articles = [f"/articles/{article.id}" for article in store.latest(2)]
    app = create_app(store, ready=lambda: True, metrics=Metrics().render, refresh=refresher(store), token=None)
    with serve(app, listen("127.0.0.1", 0)) as server:
        paths = ("/", "/feeds", f"/feeds/{feed.id}", "/articles", "/articles?q=storm", *articles, "/api/docs", "/none")
        yield Page(store, server.url.rstrip("/"), paths)
    store.close()


@pytest.mark.parametrize("scripts", [True, False])
def test_find_an_article_read_it_follow_its_duplicate_poll_a_feed(chromium: Any, page: Page, scripts: bool) -> None:
    context = chromium.new_context(java_script_enabled=scripts)
    tab = context.new_page()
    tab.goto(page.address)
    tab.get_by_role("searchbox", name="Search articles").fill("again")
    tab.keyboard.press("Enter")
    assert tab.locator("mark").first.inner_text() == "again"
    tab.locator("ul.articles a").first.click()
    assert words("text").split()[0] in tab.locator("article").inner_text()
    tab.locator("main ul a[href^='/articles/']").first.click()
    assert "again" not in tab.locator("h1").inner_text()
    tab.locator("main a[href^='/feeds/']").first.click()
    due = page.store.feeds()[0].state.due_at
    assert due > page.store.now()
    tab.get_by_role("button", name="Poll now").click()
    assert tab.url.endswith(f"/feeds/{page.store.feeds()[0].id}")
    assert page.store.feeds()[0].state.due_at == page.store.now()
    context.close()


def test_hostile_texts_are_only_texts_without_the_policy_too(chromium: Any, page: Page) -> None:
    context = chromium.new_context(bypass_csp=True)
    tab = context.new_page()
    called: list[str] = []
    tab.expose_function("pwn", lambda: called.append(tab.url))
    tab.on("dialog", lambda dialog: called.append(dialog.message))
    asked: set[str] = set()
    tab.on("request", lambda request: asked.add(request.url))
    for path in (*page.paths, "/articles?q=" + PAYLOADS[3], "/articles?feed=" + PAYLOADS[4]):
        tab.goto(page.address + path)
        assert tab.locator("script, img, svg:not(.chart), iframe, object, video, math, template").count() == 0, path
        for link in tab.locator("main a").all():
            assert not (link.get_attribute("href") or "").startswith("javascript:"), path
    assert called == []
    assert all(url.startswith(page.address) for url in asked), "nothing is loaded from elsewhere"
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_everybody_can_read_it(chromium: Any, page: Page, scheme: str, width: int) -> None:
    axe = (files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")
    context = chromium.new_context(color_scheme=scheme, viewport={"width": width, "height": 800}, bypass_csp=True)
    tab = context.new_page()
    for path in page.paths:
        tab.goto(page.address + path)
        tab.evaluate(axe)
        result = tab.evaluate("axe.run()")
        assert {"color-contrast", "html-has-lang"} & {one["id"] for one in result["passes"]}, "axe looked at nothing"
        serious = [
            (one["id"], [node["html"] for node in one["nodes"]][:3])
            for one in result["violations"]
            if one["impact"] in ("serious", "critical")
        ]
        assert serious == [], path
    context.close()


def test_nothing_scrolls_sideways_on_the_smallest_screen(chromium: Any, page: Page) -> None:
    context = chromium.new_context(viewport={"width": 320, "height": 800})
    tab = context.new_page()
    for path in page.paths:
        tab.goto(page.address + path)
        assert tab.evaluate("document.scrollingElement.scrollWidth") <= 320, path
    context.close()
