"""Makes the components of a process from its settings: clock, store, fetcher, workers, sinks."""

from __future__ import annotations

import logging
import os
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from itertools import islice, takewhile
from random import Random

from aggregator.clock import SystemClock
from aggregator.config.request_keys import request_rules
from aggregator.config.secrets import read_secret
from aggregator.config.settings import Config
from aggregator.config.sources import changed_sources, commands_of, longest_command, source_rules
from aggregator.config.wiring import (
    Rules,
    changed_feed_rules,
    changed_settings,
    fetch_limits,
    filters_of,
    lack_of_room,
    load_rules,
    outputs_of,
    poll_policy,
    raw_folder,
    sinks_of,
    user_agent,
)
from aggregator.engine.extraction import ExtractionLine, ExtractionSettings
from aggregator.engine.feed_readers import AnswerReader, longest_parse
from aggregator.engine.followers import deliver_all
from aggregator.engine.local import LocalEngine, RunReport
from aggregator.engine.memory import collect_seldom, share_heaps
from aggregator.engine.poll_budget import restore_threshold
from aggregator.engine.pool import WorkerPool
from aggregator.engine.visit_runner import VisitRunner
from aggregator.errors import ConfigError, StorageError
from aggregator.http.fetch import HttpFetcher
from aggregator.http.request_keys import changed_rules
from aggregator.identity.identify import identify, key_version
from aggregator.models.feeds import Feed
from aggregator.ports.protocols import Clock, Sink
from aggregator.programs import CommandFetcher
from aggregator.rawstore import FileRawStore
from aggregator.redaction import mask_password
from aggregator.schedule.due_times import forced_due
from aggregator.sinks.outputs.follow import Output
from aggregator.sinks.publish import Published, publish
from aggregator.store import SqlStore, open_store
from aggregator.subscriptions import feed_changes, read_lists, sync_feeds
from aggregator.visits.collect import PageLimits
from aggregator.visits.context import VisitContext, VisitPolicy
from aggregator.visits.poll import PollSettings
from aggregator.web.listening import read_token

logger = logging.getLogger(__name__)

_LEASE_MARGIN = timedelta(seconds=30)
_SWEEP_AGE = timedelta(days=1)
_SWEEP_BATCH = 500
_PUBLISH_WAIT = timedelta(seconds=60)
_REKEY_SHARE = timedelta(seconds=5)  # the progress of a run


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """The components of one process, made from one configuration. `reload_app` makes a new App for a newer one."""

    config: Config
    clock: SystemClock
    store: SqlStore
    raw_store: FileRawStore
    rules: Rules
    fetcher: HttpFetcher
    pool: WorkerPool
    visits: VisitRunner
    sinks: tuple[Sink, ...]
    outputs: tuple[Output, ...]
    ending: threading.Event  # ends the programs that print feeds
    secrets: Mapping[str, str] = field(repr=False)  # secrets of page and outputs, by the part that has them

    def request_stop(self) -> None:
        """Ask all work to end after the current requests and pages. Programs that print feeds are killed at once.

        A signal handler may call this.
        """
        self.visits.request_stop()
        self.ending.set()
        self.clock.wake()

    def publish(self, wait: timedelta = timedelta(0), stopping: Callable[[], bool] = lambda: False) -> Published:
        """Number the new changes and write them to the sinks (the files of `articles_dir`).

        `wait` is the longest wait for another process that publishes. If `stopping` returns True, end between two
        batches.
        """
        return publish(self.store, self.sinks, wait=wait, stopping=stopping)

    def take_over(self) -> None:
        """End the claims of dead processes. If the clock was set back, move due times back by the same span."""
        self.store.free_dead_leases()
        step = self.store.shift_due_times()
        if step is not None:
            logger.warning("the clock went back; due times went with it", extra={"by": str(step)})

    def read_lists(self) -> bool:
        """Read the followed lists (`[[lists]]`) that are due; return whether the feeds of one of them changed.

        If so, the caller calls `sync_feeds`.
        """
        return read_lists(self.store, self.config, self.fetcher)

    def sync_feeds(self) -> tuple[str, ...]:
        """Make the feeds in the store those of configuration and followed lists; return the changes, as lines."""
        return tuple(feed_changes(sync_feeds(self.store, self.config)))

    def renew_keys(self, share: timedelta) -> bool:
        """Recompute stored keys by the present rules, for about the time `share`; return True if all work is done.

        The work includes two checks that are made once for each store: `search_walls` and `ask_refused_again`.
        """
        version, ends_at = key_version(self.rules.publishers), self.clock.monotonic() + share.total_seconds()
        while not self.visits.stopping:
            if (
                self.store.rekey(version, partial(identify, publishers=self.rules.publishers))
                and self.store.search_walls()
                and self.store.ask_refused_again(self.raw_store)
            ):
                return True
            if self.clock.monotonic() >= ends_at:
                logger.info("rules changed; keys are computed again", extra={"version": version})
                break
        return False

    def keep_house(self, *, sweep: bool) -> None:
        """Delete texts older than `[storage] retention`, and raw responses older than `raw_retention` (0: never).

        With `sweep`, also delete files over a day old: raw responses that are no longer needed, unfinished files of
        killed processes, and the sinks' files without an article (not while another process publishes).
        """
        now, storage = self.store.now(), self.config.storage
        gone: list[str] = []
        if storage.retention:
            gone += self.store.expire(now - storage.retention)[1]
        if storage.raw_retention:
            gone += self.store.expire_raw(now - storage.raw_retention)
        for content_hash in gone:
            self.raw_store.delete(content_hash)
        if sweep:
            self._sweep(now)

    def _sweep(self, now: datetime) -> None:
        stored = takewhile(lambda _: not self.visits.stopping, self.raw_store.names())
        old = (name for name, touched_at in stored if now - touched_at > _SWEEP_AGE)
        keeps_raw = self.config.storage.raw_dir is not None
        needed = self.store.referenced_raw if keeps_raw else self.store.awaited_raw
        while names := list(islice(old, _SWEEP_BATCH)):
            for content_hash in set(names) - needed(names):
                self.raw_store.delete(content_hash)
        self.raw_store.sweep(now - _SWEEP_AGE)
        with self.store.publishing(timedelta(0)) as held:
            if held:
                for sink in self.sinks:
                    sink.sweep(self.store.is_published, now, lambda: self.visits.stopping)

    def run_once(
        self,
        *,
        feeds: Sequence[str] = (),
        force: bool = False,
        on_progress: Callable[[Counter[str]], None] | None = None,
    ) -> tuple[RunReport, Published]:
        """Poll the due feeds, fetch and extract the pages that they announce, publish, and deliver to the outputs.

        `feeds` are the names or URLs of the feeds to poll; (): all. With `force`, feeds that are not due are polled,
        too, unless Retry-After or a 410 forbids that. `on_progress` gets the counts of the run so far.

        Raises:
            ConfigError: an item of `feeds` is no enabled feed.
            StorageError: the store failed, or the disk is too full.
        """
        check_room(self.config)
        self.take_over()
        if self.read_lists():
            self.sync_feeds()
        self.renew_keys(_REKEY_SHARE)
        now = self.store.now()
        chosen = _choose(self.store.feeds(), feeds) if feeds or force else ()
        if force:
            self.store.make_due([feed.id for feed in chosen if forced_due(feed.state, now)], now)
        scope = self.store.scope_due(now, [feed.id for feed in chosen] if feeds else None)
        scope.is_forced = force
        report = LocalEngine(self.visits).run_once(scope, on_progress)
        published = self.publish(_PUBLISH_WAIT)
        for name, problem in deliver_all(self.store, self.clock, self.outputs, _PUBLISH_WAIT).items():
            logger.warning("output is behind", extra={"output": name, "reason": problem})
        return report, published


@contextmanager
def open_app(config: Config, *, clock: SystemClock | None = None, pool: WorkerPool | None = None) -> Iterator[App]:
    """Open the store, make all other components, and update the stored feed list. Close everything after the block.

    `pool` are the caller's worker processes, which stay open; None: new ones are made. A rule file with an error has no
    effect, and the error is logged.

    Raises:
        StorageError: the store cannot be used.
        ConfigError: a secret is missing.
    """
    share_heaps()
    collect_seldom()
    clock, ending = clock or SystemClock(), threading.Event()
    rules = load_rules(config)
    for fault in rules.faults:
        logger.error("rule refused; it does not hold", extra={"reason": fault})
    with ExitStack() as stack:
        store = stack.enter_context(closing(open_store(config.storage.url, clock)))
        sync_feeds(store, config)
        store.use_filters(filters_of(config))
        raw_store = FileRawStore(raw_folder(config))
        fetcher = HttpFetcher(fetch_limits(config), clock, rules=request_rules(config, os.environ))
        own_pool = WorkerPool(config.extraction.workers or os.cpu_count() or 1, config.extraction.timeout)
        for close in (fetcher.close, own_pool.close, ending.set):  # the last one first
            stack.callback(close)
        workers = pool or own_pool
        context = _visit_context(config, clock, store, raw_store, rules, fetcher, workers, ending)
        visits = VisitRunner(
            context,
            ExtractionLine(context, workers, _extraction_settings(config)),
            workers=config.polling.workers,
            max_pages=config.polling.max_pages_per_visit,
        )
        yield App(
            config=config,
            clock=clock,
            store=store,
            raw_store=raw_store,
            rules=rules,
            fetcher=fetcher,
            pool=workers,
            visits=visits,
            sinks=sinks_of(config),
            outputs=outputs_of(config, clock, fetcher, os.environ),
            ending=ending,
            secrets=_secrets(config),
        )


def reload_app(app: App, config: Config) -> tuple[App, tuple[str, ...]]:
    """Apply a newer configuration to a running process; return the new App and the changes, as lines.

    Visits that are running continue, and no feed is polled twice because of the reload. If a rule file has an error,
    the earlier rules stay in force, and the error is logged.

    Raises:
        ConfigError: a changed setting needs a restart, a secret is missing, or the file lists no feed any more.
    """
    if config.storage.url != app.config.storage.url or config.storage.raw_dir != app.config.storage.raw_dir:
        raise ConfigError(f"{config.path}: storage: url and raw_dir cannot change while running; restart for that")
    if app.config.feeds and not (config.feeds or config.lists_feeds or config.lists):
        raise ConfigError(f"{config.path}: feeds: there are none any more; write `feeds = []` to pause them all")
    rules = load_rules(config)
    for fault in rules.faults:
        logger.error("rule refused; the rules in force stay", extra={"reason": fault})
    rules = replace(app.rules, feeds=rules.feeds) if rules.faults else rules
    report = sync_feeds(app.store, config)
    app.store.use_filters(filters_of(config))
    keys, fetcher, secrets = request_rules(config, os.environ), app.fetcher, _secrets(config)
    if config.http != app.config.http or keys != fetcher.rules:
        fetcher = HttpFetcher(fetch_limits(config), app.clock, rules=keys)
    context = _visit_context(config, app.clock, app.store, app.raw_store, rules, fetcher, app.pool, app.ending)
    app.pool.timeout = config.extraction.timeout
    app.visits.reconfigure(
        context, _extraction_settings(config), config.polling.workers, config.polling.max_pages_per_visit
    )
    changes = (
        *changed_settings(app.config, config),
        *changed_rules(app.fetcher.rules, keys),
        *changed_feed_rules(app.rules, rules),
        *feed_changes(report),
        *changed_sources(app.config, config),
        *(("publisher rules",) if rules.digest != app.rules.digest else ()),
        *(f"secret of {name}" for name, secret in secrets.items() if secret != app.secrets.get(name, secret)),
    )
    newer = replace(
        app,
        config=config,
        rules=rules,
        fetcher=fetcher,
        sinks=sinks_of(config),
        outputs=outputs_of(config, app.clock, fetcher, os.environ),
        secrets=secrets,
    )
    return newer, changes


def _secrets(config: Config) -> dict[str, str]:
    """Return the secrets of outputs and web page, which no publisher may get, by `output NAME` or `[web] token_file`.

    Raises:
        ConfigError: a secret is missing.
    """
    folder = config.path.absolute().parent
    of_outputs = {
        f"output {output.label}": read_secret(output.secret, folder, os.environ, f"{config.path}: outputs.secret")
        for output in config.outputs
    }
    return {**of_outputs, "[web] token_file": read_token(config.web.token_file) or ""}


def _visit_context(
    config: Config,
    clock: Clock,
    store: SqlStore,
    raw_store: FileRawStore,
    rules: Rules,
    fetcher: HttpFetcher,
    pool: WorkerPool,
    ending: threading.Event,
) -> VisitContext:
    sources, http = source_rules(config), config.http
    longest = max(http.total_timeout, longest_parse(config.extraction.timeout), longest_command(config))
    return VisitContext(
        store=store,
        fetcher=CommandFetcher(fetcher, commands_of(config), clock, ending),
        raw_store=raw_store,
        clock=clock,
        publishers=rules.publishers,
        rules_of=rules.of_article,
        read=AnswerReader(pool, rules.publishers, sources, rules.feeds),
        policy=VisitPolicy(
            lease=longest + _LEASE_MARGIN,
            per_host_interval=http.per_host_interval,
            waiting=http.total_timeout,
            respect_robots=http.respect_robots,
            user_agent=user_agent(config),
            revisit=config.polling.revisit,
        ),
        polling=PollSettings(
            policy=restore_threshold(store, poll_policy(config)),
            max_bytes=config.http.max_feed_size,
            deadline=config.http.total_timeout,
            fill_gaps=config.polling.fill_gaps,
            learns=config.identity.learn,
        ),
        pages=PageLimits(max_bytes=config.http.max_page_size, deadline=config.http.total_timeout),
        rules=sources,
        random=Random(),  # noqa: S311 - spreads polls, guards nothing
        recent=deque(maxlen=20),
        requests=fetcher.rules,
    )


def _extraction_settings(config: Config) -> ExtractionSettings:
    return ExtractionSettings(
        timeout=config.extraction.timeout,
        keep_raw=config.storage.raw_dir is not None,
        revisit=config.polling.revisit,
    )


def check_room(config: Config) -> None:
    """Raise an error if the disk is nearly full.

    Raises:
        StorageError: less than `[storage] min_free` is left.
    """
    problem = lack_of_room(config)
    if problem is not None:
        raise StorageError(problem)


def _choose(feeds: Sequence[Feed], wanted: Sequence[str]) -> tuple[Feed, ...]:
    """Return the feeds whose name or address is in `wanted`; all feeds if `wanted` is empty.

    Raises:
        ConfigError: an item of `wanted` fits no feed.
    """
    if not wanted:
        return tuple(feeds)
    chosen = []
    for name in wanted:
        fitting = [feed for feed in feeds if name in (feed.name, feed.url)]
        if not fitting:
            known = ", ".join(repr(feed.name or mask_password(feed.url)) for feed in feeds[:10])
            raise ConfigError(f"--feed {name}: no enabled feed has this name or URL; there are {known or 'none'}")
        chosen += fitting
    return tuple(dict.fromkeys(chosen))
