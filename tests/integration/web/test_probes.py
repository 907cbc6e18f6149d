"""Probes and metrics of the web server."""

from __future__ import annotations

from tests.support.website import Broken, Open, Site


def test_probes_say_yes(site: Site) -> None:
    assert site.get("/healthz").text == "ok\n"
    assert site.get("/readyz").text == "ready\n"


def test_a_process_that_does_not_tick_is_alive_and_not_ready(site: Site) -> None:
    site.ready = False
    site.get("/healthz")
    assert site.get("/readyz", 503).text == "not ready\n"
    assert "Not ready." in site.get("/").text


def test_without_a_store_nothing_is_ready_and_every_page_says_so(open_site: Open) -> None:
    site = open_site(over=Broken())
    site.get("/readyz", 503)
    assert "disk I/O error" in site.get("/", 503).text
    answer = site.get("/api/v1/feeds", 503)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json() == {
        "type": "about:blank",
        "title": "Service Unavailable",
        "status": 503,
        "detail": "the store cannot be read: disk I/O error",
    }


def test_beside_a_busy_daemon_pages_and_probes_are_answered(open_site: Open) -> None:
    site = open_site(is_busy=lambda: True)
    assert site.get("/healthz").text == "ok\n"
    etag = site.get("/articles").headers["etag"]
    site.get("/articles", 304, headers={"If-None-Match": etag})
    site.get("/articles/0000000000000000", 404)


def test_prometheus_reads_its_own_format(site: Site) -> None:
    answer = site.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    assert "aggregator_store_up 1.0" in answer.text
