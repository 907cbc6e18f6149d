"""What `run-once` says: failures by name, the next due time, and why a feed was not polled."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from aggregator.cli.summary import failure_lines, next_due_line, reasons
from aggregator.models.feeds import Feed, FeedState, FeedStatus
from aggregator.models.fetching import Cause
from tests.support.citizen import Site, item, rss
from tests.support.command import call
from tests.support.feeds import feed_of
from tests.support.stores import START

LATER = START + timedelta(hours=1)


def feed(name: str = "A", **state: object) -> Feed:
    known = replace(FeedState(due_at=LATER), **state)  # type: ignore[arg-type]
    return feed_of(f"https://{name}.example/f", known, name=name)


def test_five_failures_are_named_and_the_others_counted() -> None:
    failed = [feed(f"f{n}", failures=1.0, polled_at=LATER, cause=Cause.TIMEOUT) for n in range(7)]
    before = feed("old", failures=3.0, polled_at=START - timedelta(days=1))
    lines = list(failure_lines([*failed, before], [("https://a.example/1", "timeout", "")], START))
    assert lines[0] == "feed failed: f0: timeout"
    assert lines[5:] == ["and 2 feeds more; see `aggregator health`", "page failed: https://a.example/1: timeout"]


def test_the_next_feed_is_told() -> None:
    assert next_due_line([], START) == ""
    assert next_due_line([feed()], START) == f"next      a feed is due at {LATER:%Y-%m-%d %H:%M:%SZ}"
    assert next_due_line([feed()], LATER) == "next      a feed is due now"


def test_each_reason_not_to_poll() -> None:
    wanted = {
        "it is gone (410)": feed(status=FeedStatus.GONE),
        "its server asks to wait": feed(not_before=LATER),
        "it failed and is tried again": feed(failures=1.0),
        "it is not due before": feed(),
        "its host is held": feed(due_at=START),
    }
    for reason, one in wanted.items():
        (line,) = reasons([one], ["A"], START)
        assert line.startswith(f"not polled: A: {reason}")
    assert not list(reasons([feed(polled_at=LATER)], ["A"], START))
    assert not list(reasons([feed()], ["B"], START))


def test_a_run_names_what_failed_and_is_quiet_when_asked(tmp_path: Path) -> None:
    with Site(rss(item("/a/1"))) as site:
        path = tmp_path / "aggregator.toml"
        path.write_text(
            "[http]\nallow_private_networks = ['127.0.0.0/8']\nper_host_interval = '1ms'\n[web]\nlisten = ''\n"
            f"[[feeds]]\nurl = '{site.url()}'\nname = 'S'\n"
        )
        first = call("run-once", "-v", "--config", path)
        assert "next      a feed is due at" in first.out
        assert "rules changed" not in first.err, "a new store has no keys of other rules"
        again = call("run-once", "--feed", "S", "--config", path).out
        assert "not polled: S: it is not due before" in again
        quiet = call("run-once", "-q", "--config", path)
        assert (quiet.status, quiet.out, quiet.err) == (0, "", "")
