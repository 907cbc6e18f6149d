"""The configuration's keys: pydantic models of the sections, defaults and checks (see `values`). Reads no file."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import fields
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    StrictBool,
    StrictInt,
    StrictStr,
    ValidationInfo,
    field_validator,
    model_validator,
)

from aggregator.config.filter_rules import FilterRule, FilterSettings
from aggregator.config.request_settings import HostSettings, RequestSettings
from aggregator.config.sources import ListSettings, SelectSettings, check_source
from aggregator.config.values import (
    BaseUrl,
    Budget,
    Delay,
    FeedUrl,
    Header,
    HostName,
    Interval,
    Language,
    Listen,
    Name,
    Network,
    OptionalPath,
    Pause,
    Proxy,
    Reference,
    Retention,
    Section,
    Size,
    StoreUrl,
    Texts,
    Timeout,
    TitleParts,
    is_loopback,
    is_plain_url,
    listen_address,
    spelled_default,
    split_http,
)
from aggregator.models.feeds import Subscription
from aggregator.models.sources import Kind
from aggregator.text.units import format_duration


class StorageSettings(Section):
    """`[storage]`: the paths of all data, and how long data is kept."""

    url: StoreUrl = "sqlite:///data/aggregator.db"
    """The store: sqlite:/// and a path relative to this file (four: absolute), or any postgresql:// URI of libpq."""
    articles_dir: OptionalPath = spelled_default("data/articles")
    """Folder of the seed-format files; "" writes none."""
    raw_dir: OptionalPath = spelled_default("data/raw")
    """Folder of the raw pages; "" keeps none after extraction."""
    retention: Retention = spelled_default("0")
    """Texts older than this are deleted, their keys stay; "0" keeps all."""
    raw_retention: Retention = spelled_default("0")
    """Raw pages older than this are deleted; "0" keeps all."""
    min_free: Size = spelled_default("1GiB")
    """Polling pauses while the disk has less room than this; "0" never pauses."""

    @property
    def sqlite_path(self) -> Path | None:
        """The path of the SQLite store's file; None: the store is in PostgreSQL."""
        return Path(self.url.removeprefix("sqlite:///")) if self.url.startswith("sqlite:///") else None


class HttpSettings(Section):
    """`[http]`: how requests are made."""

    user_agent: Header = ""
    """The whole User-Agent header; "": it names version and contact."""
    contact: Header = ""
    """A mail address or page where publishers reach you; "": the project's page."""
    timeout: Timeout = spelled_default("20s")
    """The longest wait for a connection, and between two bytes."""
    total_timeout: Timeout = spelled_default("60s")
    """The longest time of one request, redirects included."""
    max_feed_size: Annotated[Size, Field(gt=0)] = spelled_default("16MiB")
    """The largest feed that is read, after decompression."""
    max_page_size: Annotated[Size, Field(gt=0)] = spelled_default("8MiB")
    """The largest page that is read, after decompression."""
    per_host_interval: Pause = spelled_default("1s")
    """The pause between two requests to one host."""
    per_host_connections: Annotated[StrictInt, Field(ge=1, le=2)] = 1
    """Has no effect: a host always gets one request at a time."""
    respect_robots: StrictBool = True
    """Obey robots.txt for pages."""
    allow_private_networks: tuple[Network, ...] = ()
    """Networks (CIDRs) that are allowed although they are loopback, private or link-local."""
    proxy: Proxy = ""
    """The HTTP proxy; "": no proxy. Environment proxies and .netrc are ignored."""
    proxy_resolves: StrictBool = False
    """true: the proxy resolves names, so our check of addresses cannot work."""


class PollingSettings(Section):
    """`[polling]`: when feeds are polled, and how many hosts are visited at a time."""

    min_interval: Interval = spelled_default("5m")
    """No feed is polled more often."""
    max_interval: Interval = spelled_default("24h")
    """A feed that answers is polled at least this often, unless its server or its own interval says otherwise."""
    workers: Annotated[StrictInt, Field(ge=1, le=1000)] = 32
    """Hosts that are visited at once."""
    budget: Budget = spelled_default("24")
    """Polls per feed and day, in the mean. The schedule gives more of them to feeds where they save more delay."""
    max_pages_per_visit: Annotated[StrictInt, Field(ge=1)] = 200
    """Pages of one host in one visit, and in one whole run-once; the rest waits."""
    revisit: tuple[Delay, ...] = spelled_default(("6h", "24h", "72h"))
    """How long after its first fetch a page is fetched again; []: never."""
    fill_gaps: StrictBool = False
    """Ask paged feeds and news sitemaps for the entries that a gap lost."""

    @field_validator("max_interval")
    @classmethod
    def _is_not_below_min(cls, value: timedelta, info: ValidationInfo) -> timedelta:
        lowest = info.data.get("min_interval")
        if lowest is not None and value < lowest:
            raise ValueError(f'is below min_interval; write at least "{format_duration(lowest)}"')
        return value

    @field_validator("revisit")
    @classmethod
    def _ascends(cls, value: tuple[timedelta, ...]) -> tuple[timedelta, ...]:
        if list(value) != sorted(set(value)):
            ordered = ", ".join(f'"{format_duration(span)}"' for span in sorted(set(value)))
            raise ValueError(f"does not ascend; write [{ordered}]")
        return value


class ExtractionSettings(Section):
    """`[extraction]`: how articles are extracted from pages."""

    workers: Annotated[StrictInt, Field(ge=0, le=256)] = 0
    """How many processes extract; 0: one for each core."""
    timeout: Timeout = spelled_default("20s")
    """The longest time for one page."""
    mode: Literal["standard", "thorough"] = "standard"
    """"thorough" is another name of "standard"."""
    publishers_dir: OptionalPath = spelled_default("publishers")
    """Folder of your publisher rules, which replace shipped rules of the same name. The folder may be missing."""
    provisional_rules: StrictBool = False
    """Use shipped rules that fewer than three real pairs prove."""
    site_config_dir: OptionalPath = spelled_default("")
    """Folder of FiveFilters site-config files; "": no folder."""


class IdentitySettings(Section):
    """`[identity]`: when two addresses are one article."""

    learn: StrictBool = True
    """Use lessons, which sites taught about their addresses. false keeps the lessons and fetches every page."""


class WebSettings(Section):
    """`[web]`: the status page and the API."""

    listen: Listen = "127.0.0.1:8642"
    """host:port, or "unix:/path"; "": off. An address that other machines can reach needs token_file."""
    token_file: OptionalPath = spelled_default("")
    """A file whose content callers must send as bearer token; "": no token."""
    base_url: BaseUrl = ""
    """Name and path behind a proxy, as "https://corpus.example.org/agg"; "": as in the request."""

    @field_validator("token_file")
    @classmethod
    def _guards_open_address(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        listen = info.data.get("listen")
        address = listen_address(listen) if listen else None
        if isinstance(address, tuple) and value is None and not is_loopback(address[0]):
            raise ValueError(
                f'is missing, and listen "{listen}" can be reached by others; write the name of a token file'
            )
        return value

    @property
    def address(self) -> tuple[str, int] | Path | None:
        """Host and port to listen on, or the path of a Unix socket; None: the page and the API are off."""
        return listen_address(self.listen) if self.listen else None


class _SubscriptionSettings(Section):
    """The keys of `[[feeds]]` about the feed itself: address, name, interval, tags, kind, filters and others."""

    url: FeedUrl
    """Address of the feed, http or https."""
    name: Name = ""
    """The name of the feed in listings; "": the feed's own title."""
    interval: Interval | None = None
    """A fixed interval between polls, instead of the adaptive one."""
    tags: tuple[Name, ...] = ()
    """Words of yours, kept with every article."""
    full_text: StrictBool = True
    """false keeps the content of the entries and fetches no pages."""
    enabled: StrictBool = True
    """false pauses the feed; its stored articles stay."""
    keep: tuple[FilterRule, ...] = ()
    """Keep only those entries of this feed that fit one of these rules; []: keep all."""
    skip: tuple[FilterRule, ...] = ()
    """Skip the entries of this feed that fit one of these rules."""
    kind: Kind = "feed"
    """The kind of `url`: a feed, a sitemap or an index of sitemaps, an HTML page with links; command: see `command`."""
    select: SelectSettings = SelectSettings()
    """html: CSS selectors of its entries; sitemap: which of its addresses are entries."""
    command: tuple[StrictStr, ...] = ()
    """command: the program that prints the feed, and its arguments; no shell reads them. Links start from `url`."""

    @model_validator(mode="after")
    def _has_its_source(self) -> Self:
        if not self.model_fields_set.isdisjoint(("kind", "select", "command")):
            check_source(self.kind, self.select, self.command)
        return self


class ArticleSettings(Section):
    """Keys for the articles of one feed. Selectors have the form of those in publisher rules, and override them."""

    title_strip: TitleParts = ()
    """Texts that are removed from the beginning or end of titles, and patterns after "re:"."""
    language: Language = ""
    """The language of its articles, as in "de" or "pt-BR"; "": page, feed and text decide."""
    content: Texts = ()
    """Selectors of the element with the article. The first selector that finds an element is used."""
    strip: Texts = ()
    """Selectors of elements that are not part of the article. All selectors are used."""
    author: Texts = ()
    """Selectors of the author's name."""
    date: Texts = ()
    """Selectors of the date of publication."""


class FeedSettings(RequestSettings, ArticleSettings, _SubscriptionSettings):
    """`[[feeds]]`: one feed."""

    model_config = ConfigDict(validate_default=False)  # they are valid; to look costs half of the time for many feeds


class OutputSettings(Section):
    """`[[outputs]]`: a place to which all changes of articles are delivered, such as a file or a webhook."""

    type: Literal["files", "jsonl", "webhook", "command"]
    """files: one file for each article; jsonl: files of lines; webhook: requests to an address; command: a program."""
    name: Name = ""
    """The name of the output in listings, and of its cursor; "": made of type and target."""
    path: OptionalPath = spelled_default("")
    """files, jsonl: the folder of the files."""
    url: StrictStr = ""
    """webhook: the address, http or https."""
    secret: Reference = ""
    """webhook: the key of the signature, as "env:NAME" or "file:path"."""
    command: tuple[StrictStr, ...] = ()
    """command: the program and its arguments; no shell reads them."""
    timeout: Timeout = spelled_default("60s")
    """command: how long one batch may take."""
    text: Literal["seed", "body", "markdown"] = "seed"
    """Layout of `text` in the records, and of the files."""

    @model_validator(mode="after")
    def _has_its_target(self) -> Self:
        if self.type in ("files", "jsonl") and self.path is None:
            raise ValueError('has no path; write path = "folder"')
        if self.type == "webhook":
            split_http(self.url, "https://example.com/hook")
        if self.type == "command" and not self.command:
            raise ValueError('has no command; write command = ["/usr/local/bin/program"]')
        return self

    @property
    def label(self) -> str:
        """The output's `name`, or else its type and target, such as `webhook https://example.com/hook`."""
        target = {"files": self.path, "jsonl": self.path, "webhook": self.url, "command": " ".join(self.command)}
        return self.name or f"{self.type} {target[self.type]}"


_SUBSCRIPTION_KEYS: Final = tuple(field.name for field in fields(Subscription))
TABLE_LISTS: Final = frozenset({"feeds", "lists", "outputs"})  # sections that may stand many times: [[feeds]]
NAMED_TABLES: Final = frozenset({"hosts"})  # sections that hold tables: [hosts."NAME"]
SECTIONS: Final[Mapping[str, type[BaseModel]]] = {
    "storage": StorageSettings,
    "http": HttpSettings,
    "polling": PollingSettings,
    "extraction": ExtractionSettings,
    "identity": IdentitySettings,
    "web": WebSettings,
    "filter": FilterSettings,
    "hosts": HostSettings,
    "lists": ListSettings,
    "outputs": OutputSettings,
    "feeds": FeedSettings,
}


class Config(Section):
    """The whole configuration after all checks. Relative paths are resolved, and environment variables are applied."""

    storage: StorageSettings = Field(default_factory=StorageSettings)
    http: HttpSettings = Field(default_factory=HttpSettings)
    polling: PollingSettings = Field(default_factory=PollingSettings)
    extraction: ExtractionSettings = Field(default_factory=ExtractionSettings)
    identity: IdentitySettings = Field(default_factory=IdentitySettings)
    web: WebSettings = Field(default_factory=WebSettings)
    filter: FilterSettings = Field(default_factory=FilterSettings)
    hosts: dict[HostName, HostSettings] = Field(default_factory=dict)
    lists: tuple[ListSettings, ...] = ()
    outputs: tuple[OutputSettings, ...] = ()
    feeds: tuple[FeedSettings, ...] = ()

    _path: Path = PrivateAttr(default=Path("aggregator.toml"))
    _lists_feeds: bool = PrivateAttr(default=True)

    @property
    def path(self) -> Path:
        """The path of the main configuration file. `feeds.toml` may be in the same folder."""
        return self._path

    @property
    def lists_feeds(self) -> bool:
        """Whether one of the files has the key `feeds`, even as an empty list (`feeds = []` pauses all feeds)."""
        return self._lists_feeds

    @property
    def config_hash(self) -> str:
        """A hash of all settings that differ from their defaults. If it is the same as before, nothing changed."""
        return hashlib.sha256(self.model_dump_json(exclude_defaults=True).encode()).hexdigest()

    def subscriptions(self) -> tuple[Subscription, ...]:
        """Return the feeds in the order of the files. A feed that is listed twice is returned once."""
        listed = (Subscription(**{name: getattr(feed, name) for name in _SUBSCRIPTION_KEYS}) for feed in self.feeds)
        first: dict[str, Subscription] = {}
        for feed in listed:
            first.setdefault(same_address(feed.url), feed)
        return tuple(first.values())


def same_address(url: str) -> str:
    """Return a feed's address in the form by which the configuration recognises a feed that is listed twice.

    The host is in lower case; a default port and the fragment are removed; an empty path is "/". A host name in its
    IDNA form and the same name in its own script give different results, so they are two feeds.

    >>> same_address("HTTP://Example.com:80/Feed#top") == same_address("http://example.com/Feed")
    True
    """
    if is_plain_url(url):
        return url
    parts = urlsplit(url.strip())
    host = parts.netloc.rpartition("@")[2].lower()
    host = host.removesuffix({"http": ":80", "https": ":443"}.get(parts.scheme, ""))
    user = parts.netloc[: parts.netloc.rfind("@") + 1]
    return parts._replace(netloc=user + host, path=parts.path or "/", fragment="").geturl()
