"""The page in a real Chromium: with and without JavaScript, against hostile texts, for everybody, on small screens."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from aggregator.models.feeds import FeedStatus
from aggregator.models.fetching import Cause
from aggregator.models.pages import LeadImage
from aggregator.monitoring.daemon_record import DaemonRecord, write_record
from aggregator.ports.store_records import ArticleRecord
from aggregator.store import SqlStore, open_store
from aggregator.web.application import create_app
from aggregator.web.listening import listen
from aggregator.web.server import RunningServer
from tests.support.citizen import RSS, Site, item, rss
from tests.support.daemon import wait_for
from tests.support.stores import (
    START,
    StandingClock,
    article_record,
    claim,
    fetch_due,
    fetched_pages,
    newest,
    poll,
    poll_record,
    record_article,
    sighting,
    subscribe,
    words,
)
from tests.support.website import state_over

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
        fetch_due(store)
        (fetched,) = fetched_pages(store)
        assert record_article(
            store, fetched, hostile(article_record(fetched, title=title, body=body, quality=("listing",)))
        )
        clock.pass_(timedelta(hours=1))
    poll(store, feed, sighting(0, content_hash="2", updated_at=store.now()))
    fetch_due(store)
    for fetched in fetched_pages(store):
        record = article_record(fetched, title=f"Storm {PAYLOADS[5]}", body=body.replace("text1", "changed"))
        assert record_article(store, fetched, hostile(record))
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
    second, first = (article.id for article in newest(store))
    articles = [f"/articles/{first}", f"/articles/{second}", f"/articles/{second}/beside/{first}"]
    record_of_daemon = DaemonRecord(
        at=store.now(), started_at=START, ticked_at=store.now(), paused=PAYLOADS[3], visiting=1, hosts=(PAYLOADS[4],)
    )
    write_record(store, "this", record_of_daemon)
    state = state_over(store, raw=lambda content_hash: f"<p>As it was fetched</p>{''.join(PAYLOADS)}".encode())
    with RunningServer(create_app(state), listen("127.0.0.1", 0)) as server:
        lists = ("/", "/feeds", "/feeds?finding=failing&cause=not_found", "/articles", "/articles?q=storm")
        paths = (*lists, f"/feeds/{feed.id}", *articles, f"/articles/{first}/raw", "/api/docs", "/none")
        yield Page(store, server.url.rstrip("/"), paths)
    store.close()


def hostile(record: ArticleRecord) -> ArticleRecord:
    """Return an article whose author, markdown, tags and picture are hostile, too."""
    picture = LeadImage(url="javascript:pwn()", caption=PAYLOADS[0], alt=PAYLOADS[1], credit=PAYLOADS[2])
    content = replace(
        record.content,
        authors=PAYLOADS[:3],
        markdown="\n\n".join(
            ("# Heading", words("text"), *PAYLOADS, "[x](javascript:pwn\\(\\)) ![](https://elsewhere.example/p.gif)")
        ),
        tags=(PAYLOADS[6],),
        lead_image=picture,
        site=PAYLOADS[7],
    )
    return replace(record, content=content)


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
    tab.get_by_role("link", name="side by side").click()
    assert tab.locator("table.beside tbody tr").count() > 3
    tab.locator("table.beside th a").last.click()
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
        foreign = "script, img, svg:not(.chart), iframe:not([sandbox='']), object, video, math, template"
        assert tab.locator(foreign).count() == 0, path
        for shut in tab.locator("details").all():
            shut.evaluate("one => one.open = true")
        tab.wait_for_timeout(200)  # for frames
        for link in tab.locator("main a").all():
            assert not (link.get_attribute("href") or "").startswith("javascript:"), path
    assert called == []
    assert all(url.startswith(page.address) for url in asked), "nothing is loaded from elsewhere"
    context.close()


def test_the_raw_page_is_shown_in_its_frame(chromium: Any, page: Page) -> None:
    tab = chromium.new_page()
    tab.goto(page.address + page.paths[-5])
    tab.get_by_text("in a frame without scripts").click()
    inner = tab.frame_locator("iframe.raw").frame_locator("iframe")
    assert "As it was fetched" in inner.locator("body").inner_text()
    tab.close()


@pytest.mark.parametrize("scripts", [True, False])
def test_a_feed_is_polled_and_its_article_arrives(chromium: Any, tmp_path: Path, scripts: bool) -> None:
    """The daemon, its page in a process of its own, and a publisher who publishes meanwhile."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    published = [item("/a/first")]
    with Site(feed=lambda peer: peer.answer(body=rss(*published), headers=(RSS,))) as site:
        config = tmp_path / "aggregator.toml"
        config.write_text(
            f'[storage]\nmin_free = "0"\n[http]\nallow_private_networks = ["127.0.0.0/8"]\nper_host_interval = "1ms"\n'
            f'[web]\nlisten = "127.0.0.1:{port}"\n[[feeds]]\nurl = "{site.url()}"\ninterval = "24h"\n'
        )
        command = [sys.executable, "-m", "aggregator", "run", "--config", str(config)]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as daemon:
            try:
                context = chromium.new_context(java_script_enabled=scripts)
                tab = context.new_page()
                wait_for(lambda: answers(port), "the page")
                wait_for_text(tab, f"http://127.0.0.1:{port}/articles", "About /a/first")
                published.append(item("/a/second"))
                tab.goto(f"http://127.0.0.1:{port}/feeds")
                tab.locator("tbody a").first.click()
                tab.get_by_role("button", name="Poll now").click()
                wait_for_text(tab, f"http://127.0.0.1:{port}/articles", "About /a/second")
                tab.get_by_text("About /a/second").click()
                assert "were counted twice" in tab.locator("article").inner_text()
                context.close()
            finally:
                daemon.terminate()


def answers(port: int) -> bool:
    """Return whether somebody listens."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except OSError:
        return False
    return True


def wait_for_text(tab: Any, address: str, text: str) -> None:
    """Reload a page, as a reader would, until it shows a text."""
    deadline = time.monotonic() + 60
    while True:
        tab.goto(address)
        if text in tab.locator("main").inner_text():
            return
        assert time.monotonic() < deadline, f"never came: {text}"
        tab.wait_for_timeout(200)


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
