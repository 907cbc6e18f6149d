"""The daemon: one process that runs visits and extraction, publishes, reloads its configuration, and stops in order."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from types import FrameType

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler

from aggregator import __version__
from aggregator.app import App, check_room, reload_app
from aggregator.config.settings import Config
from aggregator.config.watching import FileWatch
from aggregator.config.wiring import contact_note
from aggregator.engine.followers import Followers
from aggregator.engine.poll_budget import PollBudget
from aggregator.engine.visit_runner import Engine
from aggregator.errors import AggregatorError, StorageError
from aggregator.http.fetch import HttpFetcher
from aggregator.models.feeds import Feed
from aggregator.monitoring.metrics import EngineView, MeteredFetcher, Metrics
from aggregator.monitoring.systemd import notify, watchdog_interval
from aggregator.ports.store_records import PollRecord, PollRecorded
from aggregator.redaction import mask
from aggregator.service.activity import ActivityLog, say_changes
from aggregator.service.page import PageProcess, page_settings
from aggregator.service.status import DaemonStatus
from aggregator.subscriptions import subscriptions_of

logger = logging.getLogger("aggregator.service")  # its lines are shown at the default level

_REKEY_SHARE = timedelta(seconds=10)
_TAKE_OVER_EVERY = 30  # ticks
_SWEEP_EVERY = 86_400.0  # seconds between two looks at every file
_LAST_PUBLISH = 2.0  # seconds at the stop
_STUCK_AFTER = 300.0  # seconds in which visits are under way and none ends


@dataclass(frozen=True, slots=True, kw_only=True)
class Timings:
    """How often the daemon does each of its tasks."""

    tick: timedelta = timedelta(seconds=1)
    publish: timedelta = timedelta(seconds=5)
    housekeeping: timedelta = timedelta(minutes=10)
    rekey: timedelta = timedelta(seconds=30)
    budget: timedelta = timedelta(hours=1)
    say: timedelta = timedelta(minutes=1)
    status: timedelta = timedelta(seconds=3)
    lists: timedelta = timedelta(seconds=10)


class Service:
    """The daemon of `aggregator run` and of `aggregator worker`.

    `load` reads the configuration file again. `serves` False: the daemon serves no status page, even if `[web] listen`
    is set.
    """

    def __init__(
        self,
        app: App,
        engine: Engine,
        load: Callable[[], Config],
        environ: Mapping[str, str],
        *,
        serves: bool = True,
        timings: Timings = Timings(),
    ) -> None:
        self.app = app
        self._engine = engine
        self._serves = serves
        self._timings = timings
        self._load = load
        self._environ = environ
        self._ended = threading.Event()
        self._reload_wanted = threading.Event()
        self._files = FileWatch(app.config)
        self._stop_by = 0.0
        self._publishing, self._applying = threading.Lock(), threading.Lock()
        self._pause_reason = self._config_fault = ""
        self._latest = app.clock.now()
        self._extraction = threading.Thread(target=self._extract, name="extraction", daemon=True)
        self._followers = Followers(app.store, app.clock)
        self._ticked_at = time.monotonic()
        self._ticks = self._signals = 0
        self._swept_at = -_SWEEP_EVERY
        self._rekey_from = 0.0
        self._poll_budget = PollBudget(app.store)
        self._adjusted_at = time.monotonic()
        self._metrics = Metrics()
        self._metrics.watch_engine(self._view)
        self._activity = ActivityLog()
        self._published = 0
        self._status = DaemonStatus(app.store, self._metrics)
        self._page = PageProcess(page_settings(app.config, self._status.name))
        self._watchdog = watchdog_interval(environ, os.getpid())
        self._scheduler = BackgroundScheduler(
            executors={"default": ThreadPoolExecutor(4)},
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
            timezone="UTC",
        )

    # --- life --------------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Work until SIGTERM or SIGINT; then finish or give back the work under way, publish, and return.

        SIGHUP reloads the configuration. A second SIGTERM or SIGINT ends the process at once.
        """
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_stop)
        signal.signal(signal.SIGHUP, lambda number, frame: self._reload_wanted.set())
        if self._serves:
            self._page.start(self.app.config.web)
        try:
            self._observe()
            self._work()
        finally:
            self._page.stop()
        logger.info("stopped")

    def _work(self) -> None:
        for job, every in (
            (self._tick, self._timings.tick),
            (self._publish, self._timings.publish),
            (self._keep_house, self._timings.housekeeping),
            (self._renew_keys, self._timings.rekey),
            (self._adjust_budget, self._timings.budget),
            (self._say_minute, self._timings.say),
            (self._follow_lists, self._timings.lists),
            (self._write_status, self._timings.status),
        ):
            self._scheduler.add_job(job, "interval", seconds=every.total_seconds())
        self._status.begin()
        self._write_status()
        self._extraction.start()
        self._followers.follow(self.app.outputs)
        self._scheduler.start()
        self._tell(READY=1, STATUS="polling")
        self._say_start()
        self._ended.wait()
        self._stop()

    def _say_start(self) -> None:
        config = self.app.config
        logger.info(
            "started",
            extra={
                "version": __version__,
                "store": mask(config.storage.url),
                "feeds": len(subscriptions_of(self.app.store, config)),
                "page": self._page.address or "off",
            },
        )
        note = contact_note(config)
        if note is not None:
            logger.warning(note)

    def _observe(self) -> None:
        """From now on, report each request and poll to the metrics, the poll budget and the activity log."""
        context = self.app.visits.context
        fetcher = MeteredFetcher(context.fetcher, self._metrics)
        self.app.visits.context = replace(context, fetcher=fetcher, on_poll=self._on_poll)

    def _on_poll(self, feed: Feed, record: PollRecord, recorded: PollRecorded) -> None:
        self._metrics.observe_poll(feed, record, recorded)
        self._poll_budget.count_poll(feed)
        self._activity.note_poll(feed, record)

    def _view(self) -> EngineView:
        visits = self.app.visits
        return EngineView(
            totals=visits.totals,
            visits_running=visits.running,
            workers=visits.workers,
            extractions_in_hand=visits.line.in_hand,
            extraction_workers=self.app.pool.workers,
        )

    def _write_status(self) -> None:
        self._status.write(
            self.app.visits,
            ticked_at=self._ticked_at,
            paused=self._pause_reason,
            page_fault=self._page.complaint,
            config_fault=self._config_fault,
        )

    def _stop(self) -> None:
        """End all work within about ten seconds and publish a last time.

        The status page and the outputs end slowly: they are told to end first.
        """
        self._tell(STOPPING=1, STATUS="stopping")
        self._scheduler.shutdown(wait=False)
        self._page.leave()
        self._followers.leave()
        self._engine.stop()
        self._extraction.join(timeout=1)
        self._stop_by = time.monotonic() + _LAST_PUBLISH
        self._publish()
        self._followers.stop()
        self._status.end()

    def _is_over(self) -> bool:
        """Return whether the daemon stops and its time to publish is over: `_publish` then ends after its batch."""
        return self._ended.is_set() and time.monotonic() > self._stop_by

    def _on_stop(self, number: int, frame: FrameType | None) -> None:
        self._signals += 1
        if self._signals > 1:
            os._exit(128 + number)
        self.app.request_stop()
        self._ended.set()

    # --- jobs --------------------------------------------------------------------------------------------------------

    def _tick(self) -> None:
        if self._ended.is_set():
            return
        if self._files.is_changed():
            self._reload_wanted.set()
        if self._reload_wanted.is_set():
            self._reload_wanted.clear()
            self._reload()
        if self._serves:
            self._page.follow(self.app.config.web)
        try:
            self._look_after()
            self._check()
            self._engine.fill()
            self._resume()
        except StorageError as problem:
            self._pause(problem)
        self._ticked_at = time.monotonic()
        self._metrics.observe_tick(self.app.clock.now())
        if self._watchdog is not None and self._is_moving():
            self._tell(WATCHDOG=1)

    def _look_after(self) -> None:
        """Call `App.take_over` at every 30th tick, and whenever the clock went back."""
        now = self.app.clock.now()
        if self._ticks % _TAKE_OVER_EVERY == 0 or now < self._latest:
            self.app.take_over()
        self._ticks += 1
        self._latest = now

    def _check(self) -> None:
        """Raise an error if no new visit may begin.

        Raises:
            StorageError: the disk is nearly full, or a visit since the last tick could not record its results.
        """
        error = self.app.visits.take_error()
        if error is not None:
            raise StorageError(str(error)) from error
        check_room(self.app.config)

    def _resume(self) -> None:
        """Log that polling resumes, if it was paused."""
        if self._pause_reason:
            self._pause_reason = ""
            logger.warning("polling resumes")
            self._tell(STATUS="polling")
            self._write_status()

    def _pause(self, problem: StorageError) -> None:
        """Let the engine start no visits until a later tick succeeds. The reason is logged when the pause begins."""
        begins, self._pause_reason = not self._pause_reason, str(problem)
        self._engine.rest()
        if begins:
            logger.warning("polling pauses", extra={"reason": str(problem)})
            self._tell(STATUS=f"paused: {problem}")
            self._write_status()

    def _is_moving(self) -> bool:
        """Return whether the daemon makes progress. If it does not, it sends no WATCHDOG, so that systemd restarts it.

        No progress means: visits are under way and none ended in five minutes, or the extraction thread has died.
        """
        visits = self.app.visits
        visiting = visits.running == 0 or self.app.clock.monotonic() - visits.last_moved_at < _STUCK_AFTER
        return visiting and self._extraction.is_alive()

    def _publish(self) -> None:
        with self._publishing:  # when the daemon stops, the present publishing ends first
            try:
                self._published += self.app.publish(stopping=self._is_over).delivered
            except (StorageError, OSError) as error:
                logger.warning("not published; tried again in a few seconds", extra={"reason": str(error)})

    def _say_minute(self) -> None:
        self._activity.say_minute(self.app.visits.totals, self._published)

    def _follow_lists(self) -> None:
        """Fetch those `[[lists]]` (feed lists kept elsewhere) that are due, and apply what changed in them."""
        try:
            if self.app.read_lists():
                with self._applying:  # the configuration may be read again while a list is being read
                    say_changes("list read", self.app.sync_feeds())
        except AggregatorError as error:
            logger.warning("lists not read; tried again in a few seconds", extra={"reason": str(error)})

    def _keep_house(self) -> None:
        try:
            now = time.monotonic()
            sweep = now - self._swept_at >= _SWEEP_EVERY
            self.app.keep_house(sweep=sweep)
            self._swept_at = now if sweep else self._swept_at
        except (StorageError, OSError) as error:
            logger.warning("housekeeping failed", extra={"reason": str(error)})

    def _renew_keys(self) -> None:
        """Recompute keys of stored articles and pages for a short time; not in the first lease time after a reload."""
        if time.monotonic() < self._rekey_from:
            return
        try:
            self.app.renew_keys(_REKEY_SHARE)
        except StorageError as error:
            logger.warning("keys not computed again; tried again soon", extra={"reason": str(error)})

    def _adjust_budget(self) -> None:
        """Adjust the poll threshold, so that the polls of feeds without a fixed interval come closer to the budget."""
        now = time.monotonic()
        elapsed, self._adjusted_at = timedelta(seconds=now - self._adjusted_at), now
        try:
            feeds = subscriptions_of(self.app.store, self.app.config)
            share = sum(feed.enabled and feed.interval is None for feed in feeds) * self._engine.share  # of a fleet
            adjusted = self._poll_budget.adjust(self.app.visits.context.polling.policy, feeds=share, elapsed=elapsed)
        except StorageError as error:
            logger.warning("poll threshold not adjusted", extra={"reason": str(error)})
            return
        with self._applying:  # a reload meanwhile has made another context: only the threshold goes into it
            context = self.app.visits.context
            policy = replace(context.polling.policy, threshold=adjusted.threshold)
            self.app.visits.context = replace(context, polling=replace(context.polling, policy=policy))

    def _extract(self) -> None:
        paused = False
        while not self._ended.is_set():
            try:
                self.app.visits.line.step(self._timings.tick.total_seconds())
                paused = False
            except (StorageError, OSError) as error:
                level = logging.DEBUG if paused else logging.WARNING
                logger.log(level, "extraction pauses", extra={"reason": str(error)})
                paused = True
                self._ended.wait(self._timings.tick.total_seconds())

    # --- configuration -----------------------------------------------------------------------------------------------

    def _reload(self) -> None:
        """Read the configuration file and the publisher rules again. If one has an error, the present settings stay."""
        self._tell(RELOADING=1, MONOTONIC_USEC=time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000)
        self._files.note_read(self.app.config)
        try:
            self._apply(self._load())
            self._config_fault = ""
        except StorageError as error:
            self._reload_wanted.set()  # with the next tick
            if self._config_fault != str(error):
                logger.warning("configuration waits for the store; tried again", extra={"reason": str(error)})
            self._config_fault = str(error)
        except AggregatorError as error:
            self._config_fault = str(error)
            logger.error("configuration refused; the running settings stay", extra={"reason": str(error)})
        self._tell(READY=1)

    def _apply(self, config: Config) -> None:
        before = self.app.fetcher
        with self._applying:
            self.app, changes = reload_app(self.app, config)
            self._observe()
        self._files.note_read(config)
        if before is not self.app.fetcher:
            self._close_later(before)
        if not changes:
            logger.info("configuration read again; nothing changed", extra={"file": str(config.path)})
            return
        self._rekey_from = time.monotonic() + self.app.visits.context.policy.lease.total_seconds()
        self._followers.follow(self.app.outputs)
        logger.info("configuration reloaded", extra={"file": str(config.path)})
        say_changes("changed", changes)

    def _close_later(self, fetcher: HttpFetcher) -> None:
        """Close the fetcher that a reload replaced, after the visits that may still use it have ended."""
        at = self.app.clock.now() + self.app.visits.context.policy.lease
        self._scheduler.add_job(fetcher.close, "date", run_date=at)

    def _tell(self, **messages: str | int) -> None:
        notify(self._environ, **messages)
