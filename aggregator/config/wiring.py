"""Settings into the records and parts of the modules; each function imports only what it fills."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from aggregator import __version__

if TYPE_CHECKING:
    from aggregator.config.settings import Config, OutputSettings
    from aggregator.extraction.page_rules import PageRules
    from aggregator.http.fetch import FetchLimits
    from aggregator.identity.publisher_rules import Publishers
    from aggregator.ports.protocols import Clock, Poster, Sink
    from aggregator.schedule.due_times import PollPolicy
    from aggregator.sinks.outputs.follow import Output

PROJECT_PAGE = "https://aggregator.example"  # who to turn to where the operator names no contact


def user_agent(config: Config) -> str:
    """Return the User-Agent header: version and somebody to turn to (RFC 9110, 10.1.5)."""
    return config.http.user_agent or f"aggregator/{__version__} (+{config.http.contact or PROJECT_PAGE})"


def fetch_limits(config: Config) -> FetchLimits:
    """Return what bounds every request."""
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
    """Return how often feeds are asked."""
    from aggregator.schedule.due_times import PollPolicy, threshold_for

    polling = config.polling
    return PollPolicy(
        min_interval=polling.min_interval,
        max_interval=polling.max_interval,
        budget=polling.budget,
        threshold=threshold_for(polling.budget),
    )


def publishers_of(config: Config) -> Publishers:
    """Return the shipped rules with the operator's over them.

    Raises:
        RuleError: one of the operator's is refused.
    """
    from aggregator.identity.publisher_rules import SHIPPED, load_publishers, shipped_publishers

    own = config.extraction.publishers_dir
    if own is None or not own.is_dir():
        return shipped_publishers(config.extraction.provisional_rules)
    return load_publishers(SHIPPED, own, config.extraction.provisional_rules)


def page_rules_of(config: Config, publishers: Publishers) -> Callable[[str], PageRules | None]:
    """Return what tells, by host (name:port), which rules hold for its pages: the publisher's, else a site-config's."""
    from aggregator.extraction.page_rules import rules_in_force
    from aggregator.extraction.site_config import SiteConfigs, load_site_configs
    from aggregator.identity.publisher_rules import publisher_of

    folder = config.extraction.site_config_dir
    site_configs = load_site_configs(folder) if folder is not None else SiteConfigs()

    def rules_of(host: str) -> PageRules | None:
        return rules_in_force(publisher_of(publishers, host), site_configs.of(host.rpartition(":")[0]))

    return rules_of


def sinks_of(config: Config) -> tuple[Sink, ...]:
    """Return the places where articles are written."""
    from aggregator.sinks.seed_files import SeedFiles

    folder = config.storage.articles_dir
    return () if folder is None else (SeedFiles(folder),)


def outputs_of(config: Config, clock: Clock, poster: Poster, environ: Mapping[str, str]) -> tuple[Output, ...]:
    """Return the outputs that follow the corpus.

    Raises:
        ConfigError: a secret is not there.
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
    from aggregator.sinks.outputs.lines import JsonlOutput

    assert output.path is not None  # the model has checked it
    return JsonlOutput(output.label, output.path, output.text, clock.now)


def lack_of_room(config: Config) -> str | None:
    """Return why polling pauses: less than `[storage] min_free` is left on the disk; None: there is room."""
    folder = raw_folder(config)
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if free >= config.storage.min_free:
        return None
    return f"{folder}: only {free // 2**20} MiB free, below [storage] min_free; polling pauses until there is room"


def raw_folder(config: Config, environ: Mapping[str, str] | None = None) -> Path:
    """Return where responses lie: `raw_dir`, or a spool that is emptied after extraction."""
    if config.storage.raw_dir is not None:
        return config.storage.raw_dir
    if config.storage.sqlite_path is not None:
        return config.storage.sqlite_path.with_name(f"{config.storage.sqlite_path.name}.spool")
    environ = os.environ if environ is None else environ
    cache = environ.get("XDG_CACHE_HOME") or str(Path("~/.cache").expanduser())
    name = hashlib.blake2b(config.storage.url.encode(), digest_size=8).hexdigest()
    return Path(cache) / "aggregator" / "spool" / name
