"""Makes the records and components of other modules from settings. Each function imports only the modules it needs."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from aggregator import DISTRIBUTION, __version__
from aggregator.redaction import mask

if TYPE_CHECKING:
    from aggregator.config.settings import Config, OutputSettings
    from aggregator.errors import RuleError
    from aggregator.extraction.feed_rules import ArticleRules, FeedRules
    from aggregator.extraction.page_rules import PageRules
    from aggregator.extraction.site_config import SiteConfigs
    from aggregator.filters.decide import Filters
    from aggregator.http.fetch import FetchLimits
    from aggregator.identity.publisher_rules import Publishers
    from aggregator.ports.protocols import Clock, Poster, Sink
    from aggregator.schedule.due_times import PollPolicy
    from aggregator.sinks.outputs.follow import Output


def user_agent(config: Config) -> str:
    """Return the User-Agent header: `[http] user_agent`, or the version and the contact address (RFC 9110, 10.1.5)."""
    return config.http.user_agent or f"aggregator/{__version__} (+{config.http.contact or DISTRIBUTION})"


def contact_note(config: Config) -> str | None:
    """Return a warning if the configuration has neither contact address nor User-Agent; None: it has one."""
    if config.http.contact or config.http.user_agent:
        return None
    return "[http] contact: is empty; write an address or page of yours, so that a publisher can reach you"


def fetch_limits(config: Config) -> FetchLimits:
    """Return the limits and settings that hold for every request: times, sizes, proxy, allowed networks."""
    from aggregator.http.fetch import FetchLimits

    http = config.http
    return FetchLimits(
        timeout=http.timeout,
        total_timeout=http.total_timeout,
        max_feed_bytes=http.max_feed_size,
        max_page_bytes=http.max_page_size,
        user_agent=user_agent(config),
        allow_private_networks=http.allow_private_networks,
        proxy=http.proxy,
        proxy_resolves=http.proxy_resolves,
        pool_hosts=max(config.polling.workers * 2, 64),
    )


def poll_policy(config: Config) -> PollPolicy:
    """Return the settings from which the time of each poll is computed."""
    from aggregator.schedule.due_times import PollPolicy, threshold_for

    polling = config.polling
    return PollPolicy(
        min_interval=polling.min_interval,
        max_interval=polling.max_interval,
        budget=polling.budget,
        threshold=threshold_for(polling.budget),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The rules that a process uses: publisher rules, site-config files, and what a feed's configuration sets
    for its articles.

    `publishers` are the shipped rules and the operator's; an operator's rule replaces a shipped one of the same name.
    `feeds` has rules by the feed's configured address. `faults` has a line for each file that is ignored for an error.
    """

    publishers: Publishers
    site_configs: SiteConfigs
    digest: str  # a hash of the operator's rule files
    faults: tuple[str, ...] = ()  # why files were refused
    feeds: Mapping[str, FeedRules] = field(default_factory=dict)

    def of_article(self, host: str, feed: str) -> ArticleRules:
        """Return the rules for an article whose page is at `host` (name:port) and was first announced by `feed`.

        `feed` is the feed's configured address. The feed's rules override those for the host's pages.
        """
        from aggregator.extraction.feed_rules import FeedRules, article_rules

        return article_rules(self.feeds.get(feed, FeedRules()), self.of_pages(host))

    def name_of(self, host: str) -> str:
        """Return the name of the rules for pages at `host`: the publisher's name, or "site-config"."""
        from aggregator.identity.publisher_rules import publisher_of

        publisher = publisher_of(self.publishers, host)
        return publisher.name if publisher is not None and self.of_pages(host) is publisher else "site-config"

    def of_pages(self, host: str) -> PageRules | None:
        """Return the rules for pages at `host` (name:port): the publisher's, else the site-config file's, else None."""
        from aggregator.extraction.page_rules import rules_in_force
        from aggregator.identity.publisher_rules import publisher_of

        return rules_in_force(publisher_of(self.publishers, host), self.site_configs.of(host.rpartition(":")[0]))


def load_rules(config: Config, *, strict: bool = False) -> Rules:
    """Return the shipped rules together with the operator's, which are read from the files of the configuration.

    A file with an error has no effect and is named in `faults`.

    Raises:
        RuleError: `strict` is True, and a file of `publishers_dir` has an error.
    """
    from aggregator.config.watching import rules_digest
    from aggregator.extraction.site_config import SiteConfigs, load_site_configs
    from aggregator.identity.publisher_rules import SHIPPED, load_publishers, shipped_publishers

    settings, faults = config.extraction, list[str]()
    own, digest = settings.publishers_dir, rules_digest(config)
    publishers = shipped_publishers(settings.provisional_rules)
    if own is not None and own.is_dir():

        def note(fault: RuleError) -> None:
            if strict:
                raise fault
            faults.append(str(fault))

        publishers = load_publishers(SHIPPED, own, settings.provisional_rules, on_fault=note)
    site_configs = SiteConfigs()
    if settings.site_config_dir is not None:
        try:
            site_configs = load_site_configs(settings.site_config_dir)
        except OSError as error:
            faults.append(f"{error.filename or settings.site_config_dir}: cannot be read ({error.strerror})")
    return Rules(
        publishers=publishers,
        site_configs=site_configs,
        digest=digest,
        faults=tuple(faults),
        feeds=feed_rules_of(config),
    )


def feed_rules_of(config: Config) -> dict[str, FeedRules]:
    """Return the rules that `[[feeds]]` tables have for their articles (`content`, `strip`, ...), by feed address."""
    from aggregator.config.settings import ArticleSettings
    from aggregator.extraction.feed_rules import FeedRules

    names = frozenset(ArticleSettings.model_fields)
    rules = {
        feed.url: FeedRules(**{name: getattr(feed, name) for name in names})
        for feed in config.feeds
        if not names.isdisjoint(feed.model_fields_set)
    }
    return {url: rule for url, rule in rules.items() if rule != FeedRules()}


def changed_settings(old: Config, new: Config) -> tuple[str, ...]:
    """Return a line for each changed key outside `[[feeds]]` and `[hosts]`, such as `http.timeout: 20s -> 30s`.

    For a section that is a list of tables, the line is only its name.
    """
    apart = {"feeds", "hosts"}  # their changes are named by feed and host
    before, after = old.model_dump(mode="json", exclude=apart), new.model_dump(mode="json", exclude=apart)
    lines = []
    for section, settings in after.items():
        if isinstance(settings, dict):
            keys = dict.fromkeys((*before[section], *settings))
            changed = (key for key in keys if before[section].get(key) != settings.get(key))
            lines += [
                f"{section}.{key}: {_shown(before[section].get(key))} -> {_shown(settings.get(key))}" for key in changed
            ]
        elif before[section] != settings:
            lines.append(section)
    return tuple(lines)


def _shown(value: object) -> object:
    return '""' if value == "" else value


def changed_feed_rules(old: Rules, new: Rules) -> tuple[str, ...]:
    """Return a line for each feed whose rules for articles (`Rules.feeds`) changed."""
    urls = dict.fromkeys((*old.feeds, *new.feeds))
    return tuple(f"articles of {mask(url)}" for url in urls if old.feeds.get(url) != new.feeds.get(url))


def selector_faults_of(config: Config, rules: Rules) -> tuple[str, ...]:
    """Return a line for each invalid selector of all rules: the name of the rule or feed, and the error."""
    from aggregator.extraction.page_rules import selector_faults

    named: list[tuple[str, PageRules]] = list(rules.publishers.by_name.items())
    named += rules.site_configs.by_host.items()
    named += ((f"{config.path}: feed {mask(url)}", rule) for url, rule in rules.feeds.items())
    return tuple(f"{name}: {fault}" for name, rule in named for fault in selector_faults(rule))


def filters_of(config: Config) -> Filters:
    """Return the `keep` and `skip` rules of `[filter]` and of each feed."""
    from aggregator.config.filter_rules import rule_set
    from aggregator.filters.decide import Filters

    everywhere = rule_set(config.filter.keep, config.filter.skip, f"{config.path.name}: filter.")
    written = [feed for feed in config.feeds if feed.keep or feed.skip]
    by_feed = {feed.url: rule_set(feed.keep, feed.skip, f"feed {mask(feed.url)}: ") for feed in written}
    of_feeds = {url: rules for url, rules in by_feed.items() if rules is not None}
    if everywhere is None and not of_feeds:
        return Filters()
    digest = hashlib.blake2b(repr((everywhere, sorted(of_feeds.items()))).encode(), digest_size=16).hexdigest()
    return Filters(everywhere=everywhere, of_feeds=of_feeds, digest=digest)


def sinks_of(config: Config) -> tuple[Sink, ...]:
    """Return the sink for `[storage] articles_dir`, or no sink if that is "". `[[outputs]]` are in `outputs_of`."""
    from aggregator.sinks.seed_files import SeedFiles

    folder = config.storage.articles_dir
    return () if folder is None else (SeedFiles(folder),)


def outputs_of(config: Config, clock: Clock, poster: Poster, environ: Mapping[str, str]) -> tuple[Output, ...]:
    """Return the outputs of `[[outputs]]`. `poster` sends the requests of webhooks.

    Raises:
        ConfigError: a secret is missing.
    """
    return tuple(_output(output, config, clock, poster, environ) for output in config.outputs)


def _output(output: OutputSettings, config: Config, clock: Clock, poster: Poster, environ: Mapping[str, str]) -> Output:
    if output.type == "webhook":
        from aggregator.config.secrets import read_secret
        from aggregator.sinks.outputs.webhook import WebhookOutput

        secret = read_secret(output.secret, config.path.absolute().parent, environ, f"{config.path}: outputs.secret")
        return WebhookOutput(output.label, output.url, secret.encode(), output.text, poster)
    if output.type == "command":
        from aggregator.sinks.outputs.command import CommandOutput

        return CommandOutput(output.label, output.command, output.text, output.timeout)
    assert output.path is not None  # the model has checked it
    if output.type == "files":
        from aggregator.sinks.outputs.files import FilesOutput

        return FilesOutput(output.label, output.path, output.text)
    from aggregator.sinks.outputs.lines import JsonlOutput

    return JsonlOutput(output.label, output.path, output.text, clock.now)


def lack_of_room(config: Config) -> str | None:
    """Return a message if less than `[storage] min_free` is free on the disk of raw responses, so that polling pauses.

    None: there is room.
    """
    folder = raw_folder(config)
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if free >= config.storage.min_free:
        return None
    return f"{folder}: only {free // 2**20} MiB free, below [storage] min_free; polling pauses until there is room"


def raw_folder(config: Config) -> Path:
    """Return the folder of raw responses.

    It is `raw_dir`. If that is "", it is a folder that has each response only until it is extracted.
    """
    if config.storage.raw_dir is not None:
        return config.storage.raw_dir
    if config.storage.sqlite_path is not None:
        return config.storage.sqlite_path.with_name(f"{config.storage.sqlite_path.name}.spool")
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path("~/.cache").expanduser())
    name = hashlib.blake2b(config.storage.url.encode(), digest_size=8).hexdigest()
    return Path(cache) / "aggregator" / "spool" / name
