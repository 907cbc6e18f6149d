"""The commands health, gaps, plan, why and serve. They report on the store; `serve` can also make a feed due.

`aggregator why URL`: the function `why` reads the facts about an address, `explain` yields the lines that it prints.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import click

from aggregator.cli.articles import open_store_of
from aggregator.cli.framework import cli, load, number, print_json, print_table, printable, spell_time
from aggregator.cli.progress import steps
from aggregator.cli.signals import catch_signals

if TYPE_CHECKING:
    from aggregator.config.settings import Config
    from aggregator.models.ids import Identity
    from aggregator.monitoring.installation import Problem
    from aggregator.monitoring.overview import Diagnosis
    from aggregator.ports.readings import Trace
    from aggregator.schedule.plan import FeedPlan, Plan
    from aggregator.store import SqlStore


# --- health and gaps --------------------------------------------------------------------------------------------------


@cli.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, for each finding.")
@click.pass_context
def health(ctx: click.Context, as_json: bool) -> None:
    """Show feeds and parts of the installation that need attention: cause, since when, remedy.

    Exit status 1: a feed or a part is broken.
    """
    from aggregator.monitoring.health import Severity
    from aggregator.monitoring.installation import is_of_network, network_problem
    from aggregator.monitoring.overview import finding_record, unwell

    config = load(ctx, with_feeds=False)
    with open_store_of(config) as store:
        found = unwell(store, store.now())
        problems, count = [*_problems(config, store)], store.counts().feeds
        network = network_problem((one.feed for one in found), store.hosts_answered)
    if network is not None:
        problems.append(network)
        alone = (
            replace(one, findings=tuple(finding for finding in one.findings if not is_of_network(finding, network)))
            for one in found
        )
        found = tuple(one for one in alone if one.findings)
    unwell_feeds = sorted(found, key=lambda one: not one.is_broken)
    if as_json:
        for problem in problems:
            print_json(finding_record(None, problem))
        for one in unwell_feeds:
            for finding in one.findings:
                print_json(finding_record(one.feed, finding))
    else:
        for problem in problems:
            since = f" since {spell_time(problem.since)}" if problem.since is not None else ""
            print(printable(f"{problem.kind}: {problem.detail}{since}\n  {problem.remedy}"))
        print_health(count, unwell_feeds, [one.kind for one in problems if one.severity is Severity.BROKEN])
    is_broken = any(problem.severity is Severity.BROKEN for problem in problems)
    if is_broken or any(one.is_broken for one in unwell_feeds):
        sys.stdout.flush()
        ctx.exit(1)


def _problems(config: Config, store: SqlStore) -> Iterator[Problem]:
    """Yield the problems of the installation, apart from those of its network."""
    from aggregator.config.sources import lists_of
    from aggregator.config.wiring import lack_of_room, load_rules
    from aggregator.durable_files import known_folder
    from aggregator.engine.followed_lists import failing_lists
    from aggregator.monitoring.daemon_record import read_records
    from aggregator.monitoring.installation import Problem, daemon_problems, publishing_problem
    from aggregator.monitoring.overview import failing_outputs
    from aggregator.sinks.seed_files import SeedFiles

    crowded, folder = lack_of_room(config), config.storage.articles_dir
    if crowded is not None:
        yield Problem(kind="disk", detail=crowded)
    for fault in load_rules(config).faults:
        yield Problem(kind="rule", detail=fault)
    for failing in failing_outputs(store, (output.label for output in config.outputs)):
        yield Problem(kind="output", detail=failing)
    for failing, since in failing_lists(store, lists_of(config)):
        yield Problem(kind="list", detail=failing, since=since)
    yield from daemon_problems(read_records(store), store.now())
    if folder is not None:
        known, position = known_folder(folder), store.position()
        written = 0 if known is None else store.delivered(SeedFiles.name, known)
        waiting = publishing_problem(str(folder), written, position.seq + store.counts().unpublished)
        if waiting is not None:
            yield waiting


def print_health(feeds: int, unwell: list[Diagnosis], broken_parts: list[str]) -> None:
    """Print the findings, feed by feed, then a line with the numbers of feeds that are broken or need attention.

    `feeds` is the number of all feeds. The last line also names `broken_parts`, the broken parts of the installation.
    """
    from aggregator.monitoring.overview import title_of
    from aggregator.redaction import mask_password

    for one in unwell:
        print(printable("  ".join(dict.fromkeys((title_of(one.feed), mask_password(one.feed.url))))))
        for finding in one.findings:
            cause = f" ({finding.cause.value})" if finding.cause is not None else ""
            since = f" since {spell_time(finding.since)}" if finding.since is not None else ""
            detail = f": {finding.detail}" if finding.detail else ""
            print(printable(f"  {finding.severity.value}: {finding.kind.value}{cause}{since}{detail}"))
            print(printable(f"    {finding.remedy}"))
    broken = sum(one.is_broken for one in unwell)
    others = f"; also broken: {', '.join(dict.fromkeys(broken_parts))}" if broken_parts else ""
    print(f"{number(feeds, 'feed')}: {broken} broken, {len(unwell) - broken} need attention{others}")


@cli.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.pass_context
def gaps(ctx: click.Context, as_json: bool) -> None:
    """Show times in which a feed may have lost entries.

    In such a time between two polls the feed may have published more entries than it lists at once. The column `filled`
    tells when the gap was filled from another source.
    """
    with open_store_of(load(ctx)) as store:
        found = store.gaps()
    if as_json:
        for gap in found:
            facts = asdict(gap).items()
            print_json({name: at.isoformat() if isinstance(at, datetime) else at for name, at in facts})
    else:
        rows = (
            [gap.feed, *("-" if at is None else spell_time(at) for at in (gap.since, gap.until, gap.filled_at))]
            for gap in found
        )
        print_table(["feed", "from", "to", "filled"], rows)


# --- plan -------------------------------------------------------------------------------------------------------------


@cli.command("plan")
@click.option("--budget", type=click.FloatRange(min=0, min_open=True), metavar="POLLS_PER_FEED_AND_DAY")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.pass_context
def plan_command(ctx: click.Context, budget: float | None, as_json: bool) -> None:
    """Compare poll budgets: the requests and bytes a day, and the delay until a new entry is found.

    The first table has a line for the polls of now, and a line for --budget. Without --budget it has a line each for
    half the configured budget, this budget, and twice this budget. The second table has a line for each feed: now, and
    under --budget or the configured budget. Of more than 5,000 feeds it has a random sample.
    """
    from aggregator.config.wiring import poll_policy
    from aggregator.schedule.plan import measured, planned

    config = load(ctx, with_feeds=False)
    policy = poll_policy(config)
    asked = budget or policy.budget
    budgets = (asked,) if budget is not None else (asked / 2, asked, asked * 2)
    with steps(1 + len(budgets), "plans") as step:
        with open_store_of(config) as store:
            now, (count, known) = store.now(), store.poll_histories()
        plans = [measured(known, now, of=count)]
        for one in budgets:
            step()
            plans.append(planned(known, budget=one, policy=policy, now=now, of=count, listed=one == asked))
    if as_json:
        for plan in plans:
            for row in _plan_records(plan, count):
                print_json(row)
        return
    print_plans(plans, next(one for one in plans if one.budget == asked), sampled=len(known), of=count)


def print_plans(plans: list[Plan], chosen: Plan, *, sampled: int, of: int) -> None:
    """Print a table of the plans, and a table that compares each feed's present polls with those of the plan `chosen`.

    `of` is the number of all feeds, `sampled` the number of feeds in the second table.
    """
    if sampled < of:
        print(f"A sample of {sampled} feeds, drawn at random, stands for {of}; the sums are those of all.")
    columns = ["budget", "requests/day", "MB/day", "delay p50", "delay p95"]
    print_table(
        columns,
        (
            [
                "now" if one.budget is None else f"{one.budget:g}",
                f"{one.requests:.0f}",
                f"{one.wire_bytes / 1e6:.2f}",
                _short(one.delay_p50),
                _short(one.delay_p95),
            ]
            for one in plans
        ),
    )
    print()
    names = ["entries", "requests", "then", "p50", "then", "p95", "then", "feed"]
    print_table(
        names,
        (
            [
                f"{now.entries:.2f}",
                f"{now.requests:.1f}",
                f"{then.requests:.1f}",
                _short(now.delay_p50),
                _short(then.delay_p50),
                _short(now.delay_p95),
                _short(then.delay_p95),
                now.name,
            ]
            for now, then in zip(plans[0].feeds, chosen.feeds, strict=True)
        ),
    )


def _plan_records(plan: Plan, count: int) -> Iterator[dict[str, object]]:
    yield {"budget": plan.budget, "feed": None, "feeds": count, **_costs(plan)}
    for feed in plan.feeds:
        named = {"budget": plan.budget, "feed": feed.name, "feed_id": feed.feed_id}
        yield {**named, "entries_per_day": round(feed.entries, 3), **_costs(feed)}


def _costs(plan: Plan | FeedPlan) -> dict[str, object]:
    return {
        "requests_per_day": round(plan.requests, 3),
        "bytes_per_day": round(plan.wire_bytes),
        "delay_p50": _seconds(plan.delay_p50),
        "delay_p95": _seconds(plan.delay_p95),
    }


def _seconds(span: timedelta | None) -> float | None:
    return None if span is None else round(span.total_seconds(), 1)


def _short(span: timedelta | None) -> str:
    return "-" if span is None else f"{span.total_seconds() / 60:.1f} min"


# --- why --------------------------------------------------------------------------------------------------------------


@cli.command()
@click.argument("url")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.pass_context
def why(ctx: click.Context, url: str, as_json: bool) -> None:
    """Show everything that is stored and was decided about an address, and by which rule.

    Printed in this order: its key; the feed entries that led to it (sightings); its page with state and failures; its
    article, even if merged or forgotten; the evidence that two keys are one article; each decision with rule and time.
    """
    from aggregator.config.wiring import load_rules
    from aggregator.identity.identify import identify
    from aggregator.redaction import mask_password
    from aggregator.urls import clean

    config = load(ctx)
    identity = identify(url, load_rules(config).publishers)
    spellings = tuple(dict.fromkeys([url, clean(url) or url]))
    with open_store_of(config) as store:
        trace = store.trace(spellings, () if identity.key is None else (identity.key,))
    if as_json:
        print_json(json.loads(mask_password(json.dumps({**asdict(identity), **asdict(trace)}, default=_plain))))
    else:
        for name, line in explain(identity, trace):
            print(printable(mask_password(f"{name:<11}{line}")))


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def explain(identity: Identity, trace: Trace) -> Iterator[tuple[str, str]]:
    """Yield what `aggregator why` prints, as pairs of a name and a line.

    The names are, in this order: url, key, sightings, page, article, evidence, decisions. A name may have several
    lines; all but the first have the name "". If nothing is stored about the address, a line after the key says so.
    """
    from aggregator.urls import is_http

    yield "url", identity.url
    yield "key", f"{identity.key or 'none: it cannot mean an article'} (rule {identity.rule})"
    if not any((trace.entries, trace.pages, trace.articles, trace.decisions)):
        yield "", "Nothing is stored about this address: no feed announced it, no page led to it."
        if not is_http(identity.url):
            yield "", "An address begins with https:// or http://."
        return
    for name, lines in (
        ("sightings", _sighting_lines(trace)),
        ("page", _page_lines(trace)),
        ("article", _article_lines(trace)),
        ("evidence", _evidence_lines(trace)),
        ("decisions", _decision_lines(trace)),
    ):
        for index, line in enumerate(lines):
            yield name if index == 0 else "", line


def _sighting_lines(trace: Trace) -> Iterator[str]:
    for entry in trace.entries:
        published = f", published {spell_time(entry.published_at)}" if entry.published_at is not None else ""
        seen = spell_time(entry.first_seen)
        yield f"{seen} in {entry.feed}: {entry.title!r} {entry.link or entry.entry_id}{published}"


def _page_lines(trace: Trace) -> Iterator[str]:
    for page in trace.pages:
        tries = f"{page.attempts} failed tries" if page.attempts else "no failed try"
        cause = f", {page.cause.value}: {page.detail}" if page.cause is not None else ""
        due = f", due {spell_time(page.due_at)}" if page.state == "due" else ""
        fetched = f", fetched {spell_time(page.fetched_at)}" if page.fetched_at is not None else ""
        target = f" -> {page.target}" if page.target != page.url else ""
        yield f"{page.state}: {page.url}{target} ({page.key}), {tries}{due}{fetched}{cause}"


def _article_lines(trace: Trace) -> Iterator[str]:
    for one in trace.articles:
        merged = f", merged into {one.merged_into}" if one.merged_into is not None else ""
        merged += ", withdrawn: a wall" if one.is_withdrawn else ", skipped by a filter" if one.is_skipped else ""
        like = f", nearly the same as {one.near_duplicate_of}" if one.near_duplicate_of is not None else ""
        gone = f", forgotten {spell_time(one.forgotten_at)}" if one.forgotten_at is not None else ""
        yield f"{one.id} {one.url} ({one.key}), revision {one.revision}{merged}{like}{gone}"


def _evidence_lines(trace: Trace) -> Iterator[str]:
    for edge in trace.evidence:
        yield f"{edge.key} = {edge.other}: {edge.kind}, says {edge.witness}, {spell_time(edge.seen_at)}"


def _decision_lines(trace: Trace) -> Iterator[str]:
    for one in trace.decisions:
        at = spell_time(one.at) if one.at is not None else ""
        article = f", article {one.article_id}" if one.article_id is not None else ""
        detail = f": {one.detail}" if one.detail else ""
        if (one.verdict, one.rule) == ("known", "lesson"):
            yield f"{at} known{detail}{article}"
            continue
        yield f"{at} {one.verdict} by {one.rule}{article} {one.url}{detail}"


# --- serve ------------------------------------------------------------------------------------------------------------


@cli.command(is_service=True)
@click.pass_context
def serve(ctx: click.Context) -> None:
    """Serve status page and API alone, over an existing store, until a signal comes.

    If the store lies on a disk that is mounted read-only, "Poll now" is refused.
    """
    from aggregator.service import serve_alone
    from aggregator.store.db.dialects import SqliteDialect, dialect_of

    config = load(ctx)
    stop = threading.Event()
    catch_signals(stop.set)
    dialect = dialect_of(config.storage.url)
    readonly = isinstance(dialect, SqliteDialect) and dialect.is_on_readonly_disk()
    with open_store_of(config, readonly=readonly) as store:
        serve_alone(config, store, stop)
