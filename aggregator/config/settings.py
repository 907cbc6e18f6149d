"""The configuration's keys: pydantic models of the sections, their types, defaults and checks. Reads no file.

A value that cannot be used raises ValueError inside pydantic; its message says what is wrong and what to write.
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
import re
from collections.abc import Mapping
from dataclasses import fields
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self
from urllib.parse import SplitResult, urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    PrivateAttr,
    StrictBool,
    StrictInt,
    StrictStr,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from aggregator.models.feeds import Subscription
from aggregator.redaction import mask
from aggregator.text.units import format_duration, format_size, parse_duration, parse_size

# --- texts in messages ------------------------------------------------------------------------------------------------


def quote(value: object) -> str:
    """Return `value` on one line, as TOML would have it."""
    return json.dumps(value, ensure_ascii=False, default=str)


# --- types of values --------------------------------------------------------------------------------------------------


def _positive(span: timedelta) -> timedelta:
    if not span:
        raise ValueError('is zero; write at least "1ms"')
    return span


def _read_budget(value: object) -> float:
    if isinstance(value, bool) or not re.fullmatch(r"[0-9]{1,6}(?:\.[0-9]{1,6})?", str(value)):
        raise ValueError('is not a number; write polls per feed and day, as in "24"')
    if not 0 < float(str(value)) <= 1440:
        raise ValueError('is out of range; write polls per feed and day from "0.1" to "1440"')
    return float(str(value))


def _read_network(value: object) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    if isinstance(value, ipaddress.IPv4Network | ipaddress.IPv6Network):
        return value
    try:
        return ipaddress.ip_network(value if isinstance(value, str) else "")
    except ValueError:
        pass
    try:
        meant = str(ipaddress.ip_network(value if isinstance(value, str) else "", strict=False))
    except ValueError:
        raise ValueError('is not a network; write a CIDR such as "10.0.0.0/8"') from None
    raise ValueError(f'has bits set behind its prefix; write "{meant}"')


def _split_http(value: str, example: str = "https://example.com/feed.xml") -> SplitResult:
    """Return the parts of an http(s) address.

    Raises:
        ValueError: it is none; the message is the remedy.
    """
    if re.search(r"[\s\x00-\x1f\x7f]", value):
        raise ValueError('has a blank or control character in it; write it as "%20" or remove it')
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError as error:
        raise ValueError(f'is not an address ({error}); write one such as "{example}"') from None
    if parts.scheme in ("http", "https") and parts.hostname and port != 0:
        return parts
    rest = value.partition("://")[2] or value.removeprefix("feed:").lstrip("/")
    scheme = urlsplit(example).scheme
    is_host = parts.scheme not in ("http", "https") and re.match(r"(?:localhost|[\w.-]+\.\w{2,})(?:[:/?#]|$)", rest)
    raise ValueError(f"is not an http or https address; write {quote(f'{scheme}://{rest}' if is_host else example)}")


def _check_feed_url(value: str) -> str:
    _split_http(value)
    return value


def _check_proxy(value: str) -> str:
    if value:
        parts = _split_http(value, "http://proxy.example.com:3128")
        if parts.path not in ("", "/") or parts.query or parts.fragment:
            raise ValueError(
                'has more than scheme, user, host and port; write it as in "http://proxy.example.com:3128"'
            )
    return value


def _check_header(value: str) -> str:
    if not (value.isascii() and value.isprintable()):
        raise ValueError("has a character that no HTTP header may carry; write plain ASCII")
    return value


def _check_reference(value: str) -> str:
    if value and not re.fullmatch(r"(?:env:[A-Za-z_][A-Za-z0-9_]*|file:.+)", value):
        raise ValueError('is no reference; secrets stand elsewhere: write "env:NAME" or "file:path"')
    return value


_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")  # the name of a header or cookie (RFC 9110, 5.6.2)
_OF_THE_WIRE: Final = frozenset({"host", "connection", "content-length", "transfer-encoding", "accept-encoding", "te"})
_SECRET_NAME: Final = re.compile(r"auth|cookie|key|token|secret|passw", re.IGNORECASE)


def _check_headers(value: dict[str, str]) -> dict[str, str]:
    for name, text in value.items():
        if not _TOKEN.fullmatch(name) or name.lower() in _OF_THE_WIRE:
            raise ValueError(f"has {quote(name)}, which is no header of yours to set; remove it")
        _check_header(text)
        if _SECRET_NAME.search(name):
            _check_reference(text)
    return value


def _check_cookies(value: dict[str, str]) -> dict[str, str]:
    for name, text in value.items():
        if not _TOKEN.fullmatch(name):
            raise ValueError(f"has {quote(name)}, which is no name of a cookie; remove it")
        _check_reference(text)
    return value


def _check_name(value: str) -> str:
    if not value.isprintable():
        raise ValueError("has a control character in it; remove it")
    return value.strip()


def _folder(info: ValidationInfo) -> Path:
    """Return the folder that relative paths start from: that of the configuration file."""
    return info.context["folder"] if info.context else Path.cwd()


def _resolve_path(value: object, info: ValidationInfo) -> Path | None:
    if value is None or isinstance(value, Path):
        return value
    if not isinstance(value, str) or "\0" in value:
        raise ValueError('is not a path; write a text such as "data/articles", or "" for none')
    if not value:
        return None
    try:
        path = _folder(info) / Path(value).expanduser()
        return path.resolve() if ".." in path.parts else path
    except RuntimeError:
        raise ValueError("names a home folder that does not exist; write the whole path") from None


def _resolve_store(value: str, info: ValidationInfo) -> str:
    if re.match(r"postgres(?:ql)?://", value):
        return value
    scheme, _, rest = value.partition("://")
    if scheme != "sqlite":
        write = "postgresql://" + rest if scheme.startswith("postgres") and rest else "sqlite:///data/aggregator.db"
        raise ValueError(f"names no store that we know (SQLite, PostgreSQL); write {quote(mask(write))}")
    if not rest.startswith("/") or rest[1:] in ("", ":memory:") or "?" in rest or "\0" in rest:
        raise ValueError(
            'names no file; write "sqlite:///data/aggregator.db" (three slashes: beside this file, four: /)'
        )
    path = _folder(info) / rest[1:]
    return f"sqlite:///{path.resolve() if '..' in path.parts else path}"


def _split_listen(value: str) -> tuple[str, int]:
    """Return host and port of `127.0.0.1:8642` or `[::1]:8642`; port 0 is any free one."""
    host, colon, port = value.rpartition(":")
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    is_plain = bool(re.fullmatch(r"[\w.-]+", bare, re.ASCII)) or (bare != host and ":" in bare)
    if not colon or not is_plain or not re.fullmatch(r"[0-9]{1,5}", port) or int(port) > 65535:
        raise ValueError('is not host:port; write "127.0.0.1:8642", "[::1]:8642", or "" for off')
    return bare, int(port)


def _check_listen(value: str) -> str:
    if value:
        _split_listen(value)
    return value


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


_DURATION_PATTERN: Final = r"^(0|[0-9]+(\.[0-9]+)?(ms|s|m|h|d))$"
_SIZE_PATTERN: Final = r"^(0|[0-9]+(\.[0-9]+)?([kMGT]?B|[KMGT]iB))$"
_DURATION_SCHEMA: Final = WithJsonSchema(
    {"type": "string", "pattern": _DURATION_PATTERN, "examples": ["20s", "5m", "7d"]}
)
_SPELL_DURATION: Final = PlainSerializer(format_duration, when_used="json")
_SPELL_PATH: Final = PlainSerializer(lambda path: "" if path is None else str(path), when_used="json")

Timeout = Annotated[
    timedelta,
    BeforeValidator(partial(parse_duration, unit="s")),
    AfterValidator(_positive),
    _SPELL_DURATION,
    _DURATION_SCHEMA,
]
Pause = Annotated[timedelta, BeforeValidator(partial(parse_duration, unit="s")), _SPELL_DURATION, _DURATION_SCHEMA]
Interval = Annotated[
    timedelta,
    BeforeValidator(partial(parse_duration, unit="m")),
    AfterValidator(_positive),
    _SPELL_DURATION,
    _DURATION_SCHEMA,
]
Delay = Annotated[
    timedelta,
    BeforeValidator(partial(parse_duration, unit="h")),
    AfterValidator(_positive),
    _SPELL_DURATION,
    _DURATION_SCHEMA,
]
Retention = Annotated[timedelta, BeforeValidator(partial(parse_duration, unit="d")), _SPELL_DURATION, _DURATION_SCHEMA]
Size = Annotated[
    int,
    BeforeValidator(parse_size),
    PlainSerializer(format_size, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": _SIZE_PATTERN, "examples": ["8MiB"]}),
]
Budget = Annotated[
    float,
    BeforeValidator(_read_budget),
    PlainSerializer(lambda budget: f"{budget:g}", when_used="json"),
    WithJsonSchema({"type": ["string", "number"], "examples": ["24"]}),
]
Network = Annotated[
    ipaddress.IPv4Network | ipaddress.IPv6Network,
    BeforeValidator(_read_network),
    PlainSerializer(str, when_used="json"),
    WithJsonSchema({"type": "string", "examples": ["10.0.0.0/8"]}),
]
OptionalPath = Annotated[Path | None, BeforeValidator(_resolve_path), _SPELL_PATH, WithJsonSchema({"type": "string"})]


def _default(spelled: object) -> Any:
    """Return the default of a field as the operator would spell it; validation turns it into the field's type."""
    return Field(default=spelled)


# --- the sections -----------------------------------------------------------------------------------------------------


class _Section(BaseModel):
    """What all sections share: unknown keys are refused, nothing changes after loading, defaults are checked too."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, use_attribute_docstrings=True)


class StorageSettings(_Section):
    """`[storage]`: where things are kept, and for how long."""

    url: Annotated[StrictStr, AfterValidator(_resolve_store)] = "sqlite:///data/aggregator.db"
    """The store: sqlite:/// and a path relative to this file (four: absolute), or any postgresql:// URI of libpq."""
    articles_dir: OptionalPath = _default("data/articles")
    """Folder of the seed-format files; "" writes none."""
    raw_dir: OptionalPath = _default("data/raw")
    """Folder of the raw pages; "" keeps none after extraction."""
    retention: Retention = _default("0")
    """Texts older than this are deleted, their keys stay; "0" keeps all."""
    raw_retention: Retention = _default("0")
    """Raw pages older than this are deleted; "0" keeps all."""
    min_free: Size = _default("1GiB")
    """Polling pauses while the disk has less room than this; "0" never pauses."""

    @property
    def sqlite_path(self) -> Path | None:
        """The file of a SQLite store; None: the store is PostgreSQL."""
        return Path(self.url.removeprefix("sqlite:///")) if self.url.startswith("sqlite:///") else None


class HttpSettings(_Section):
    """`[http]`: how we ask."""

    user_agent: Annotated[StrictStr, AfterValidator(_check_header)] = ""
    """The whole User-Agent header; "" names version and contact."""
    contact: Annotated[StrictStr, AfterValidator(_check_header)] = ""
    """An address or page of yours for publishers to turn to; "" is the project's page."""
    timeout: Timeout = _default("20s")
    """To connect, and between two bytes."""
    total_timeout: Timeout = _default("60s")
    """For one request, redirects included."""
    max_feed_size: Annotated[Size, Field(gt=0)] = _default("16MiB")
    """The largest feed that is read, after decompression."""
    max_page_size: Annotated[Size, Field(gt=0)] = _default("8MiB")
    """The largest page that is read, after decompression."""
    per_host_interval: Pause = _default("1s")
    """The pause between two requests to one host."""
    per_host_connections: Annotated[StrictInt, Field(ge=1, le=2)] = 1
    """Connections to one host at a time."""
    respect_robots: StrictBool = True
    """Obey robots.txt for pages."""
    allow_private_networks: tuple[Network, ...] = ()
    """Networks (CIDRs) that may be asked although they are loopback, private or link-local."""
    proxy: Annotated[StrictStr, AfterValidator(_check_proxy)] = ""
    """The HTTP proxy; "" is none. Environment proxies and .netrc are ignored."""
    proxy_resolves: StrictBool = False
    """The proxy resolves names; our check of addresses cannot hold then."""


class PollingSettings(_Section):
    """`[polling]`: when we ask."""

    min_interval: Interval = _default("5m")
    """No feed is polled more often."""
    max_interval: Interval = _default("24h")
    """A feed that answers is polled at least this often, unless its server or its own interval says otherwise."""
    workers: Annotated[StrictInt, Field(ge=1, le=1000)] = 32
    """Hosts that are visited at once."""
    budget: Budget = _default("24")
    """Polls per feed and day, in the mean; the schedule spends them where they buy most."""
    max_pages_per_visit: Annotated[StrictInt, Field(ge=1)] = 200
    """Pages of one host in one visit, and in one whole run-once; the rest waits."""
    revisit: tuple[Delay, ...] = _default(("6h", "24h", "72h"))
    """How long after its first fetch a page is fetched again; [] is never."""
    fill_gaps: StrictBool = False
    """Ask paged feeds and news sitemaps for what a gap lost."""

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


class ExtractionSettings(_Section):
    """`[extraction]`: how pages become texts."""

    workers: Annotated[StrictInt, Field(ge=0, le=256)] = 0
    """Processes; 0 is one for each core."""
    timeout: Timeout = _default("20s")
    """For one page; then it is given up."""
    mode: Literal["standard", "thorough"] = "standard"
    """"thorough" takes twice the time and finds a little more."""
    publishers_dir: OptionalPath = _default("publishers")
    """Your publisher rules, which win over the shipped ones; the folder may be missing."""
    provisional_rules: StrictBool = False
    """Use shipped rules that fewer than three real pairs prove."""
    site_config_dir: OptionalPath = _default("")
    """Folder of FiveFilters site-config files; "" is none."""


class WebSettings(_Section):
    """`[web]`: the status page and the API."""

    listen: Annotated[StrictStr, AfterValidator(_check_listen)] = "127.0.0.1:8642"
    """host:port; "" is off. An address that others can reach needs token_file."""
    token_file: OptionalPath = _default("")
    """A file whose content callers must send as bearer token; "" is none."""

    @field_validator("token_file")
    @classmethod
    def _guards_open_address(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        listen = info.data.get("listen")
        if listen and value is None and not _is_loopback(_split_listen(listen)[0]):
            raise ValueError(
                f'is missing, and listen "{listen}" can be reached by others; write the name of a token file'
            )
        return value

    @property
    def address(self) -> tuple[str, int] | None:
        """Host and port to listen on; None: off."""
        return _split_listen(self.listen) if self.listen else None


class FeedSettings(_Section):
    """`[[feeds]]`: one subscription."""

    url: Annotated[StrictStr, AfterValidator(_check_feed_url)]
    """Address of the feed, http or https."""
    name: Annotated[StrictStr, AfterValidator(_check_name)] = ""
    """What listings call it; "" is the feed's own title."""
    interval: Interval | None = None
    """Poll this often, instead of adaptively."""
    tags: tuple[Annotated[StrictStr, AfterValidator(_check_name)], ...] = ()
    """Words of yours, kept with every article."""
    full_text: StrictBool = True
    """false keeps what the feed carries and fetches no pages."""
    enabled: StrictBool = True
    """false pauses the feed and keeps what it has."""
    headers: Annotated[dict[StrictStr, StrictStr], AfterValidator(_check_headers)] = {}
    """Headers of its requests; one that holds a secret as "env:NAME" or "file:path"."""
    user_agent: Annotated[StrictStr, AfterValidator(_check_header)] = ""
    """The User-Agent header of its requests; "" is that of [http]."""
    username: Annotated[StrictStr, AfterValidator(_check_name)] = ""
    """Name for HTTP Basic authentication."""
    password: Annotated[StrictStr, AfterValidator(_check_reference)] = ""
    """Password for HTTP Basic authentication, as "env:NAME" or "file:path"."""
    bearer: Annotated[StrictStr, AfterValidator(_check_reference)] = ""
    """Bearer token, as "env:NAME" or "file:path"."""
    cookies: Annotated[dict[StrictStr, StrictStr], AfterValidator(_check_cookies)] = {}
    """Cookies of its requests, each as "env:NAME" or "file:path"."""
    timeout: Timeout | None = None
    """To connect, and between two bytes; absent: that of [http]."""
    proxy: Annotated[StrictStr, AfterValidator(_check_proxy)] | None = None
    """The HTTP proxy of its requests; "" is none, absent: that of [http]."""
    insecure_tls: StrictBool = False
    """true accepts any certificate of this feed's own server."""

    @model_validator(mode="after")
    def _has_one_credential(self) -> Self:
        if self.bearer and (self.username or self.password):
            raise ValueError("has a bearer token and a password; a request carries one of them: remove the other")
        return self


class OutputSettings(_Section):
    """`[[outputs]]`: a follower of the corpus, with a cursor of its own."""

    type: Literal["jsonl", "webhook", "command"]
    """jsonl appends to files, webhook posts to an address, command runs a program."""
    name: Annotated[StrictStr, AfterValidator(_check_name)] = ""
    """What listings call it and under which its cursor is kept; "" makes one of type and target."""
    path: OptionalPath = _default("")
    """jsonl: the folder of the files."""
    url: StrictStr = ""
    """webhook: the address, http or https."""
    secret: Annotated[StrictStr, AfterValidator(_check_reference)] = ""
    """webhook: the key of the signature, as "env:NAME" or "file:path"."""
    command: tuple[StrictStr, ...] = ()
    """command: the program and its arguments; no shell reads them."""
    timeout: Timeout = _default("60s")
    """command: how long one batch may take."""
    text: Literal["seed", "body", "markdown"] = "seed"
    """Layout of `text` in the records."""

    @model_validator(mode="after")
    def _has_its_target(self) -> Self:
        if self.type == "jsonl" and self.path is None:
            raise ValueError('has no path; write path = "folder"')
        if self.type == "webhook":
            _split_http(self.url, "https://example.com/hook")
        if self.type == "command" and not self.command:
            raise ValueError('has no command; write command = ["/usr/local/bin/program"]')
        return self

    @property
    def label(self) -> str:
        """The name, or one made of type and target."""
        target = {"jsonl": str(self.path), "webhook": self.url, "command": " ".join(self.command)}
        return self.name or f"{self.type} {target[self.type]}"


TABLE_LISTS: Final = frozenset({"feeds", "outputs"})  # sections that may stand many times: [[feeds]]
SECTIONS: Final[Mapping[str, type[BaseModel]]] = {
    "storage": StorageSettings,
    "http": HttpSettings,
    "polling": PollingSettings,
    "extraction": ExtractionSettings,
    "web": WebSettings,
    "outputs": OutputSettings,
    "feeds": FeedSettings,
}


class Config(_Section):
    """The whole configuration, checked: relative paths resolved, overrides of the environment applied."""

    storage: StorageSettings = Field(default_factory=StorageSettings)
    http: HttpSettings = Field(default_factory=HttpSettings)
    polling: PollingSettings = Field(default_factory=PollingSettings)
    extraction: ExtractionSettings = Field(default_factory=ExtractionSettings)
    web: WebSettings = Field(default_factory=WebSettings)
    outputs: tuple[OutputSettings, ...] = ()
    feeds: tuple[FeedSettings, ...] = ()

    _path: Path = PrivateAttr(default=Path("aggregator.toml"))
    _lists_feeds: bool = PrivateAttr(default=True)

    @property
    def path(self) -> Path:
        """The file this was read from; `feeds.toml` may stand beside it."""
        return self._path

    @property
    def lists_feeds(self) -> bool:
        """Whether `feeds` stands in the files, were it an empty list; an emptied file pauses no feed."""
        return self._lists_feeds

    @property
    def config_hash(self) -> str:
        """A hash of the effective settings: equal hashes mean nothing changed."""
        settings = json.dumps(self.model_dump(mode="json"), sort_keys=True)
        return hashlib.sha256(settings.encode()).hexdigest()

    def subscriptions(self) -> tuple[Subscription, ...]:
        """Return the feeds in the order of the files; one that is listed twice alike comes once."""
        listed = (
            Subscription(**{field.name: getattr(feed, field.name) for field in fields(Subscription)})
            for feed in self.feeds
        )
        first: dict[str, Subscription] = {}
        for feed in listed:
            first.setdefault(same_address(feed.url), feed)
        return tuple(first.values())


def same_address(url: str) -> str:
    """Return what two spellings of one feed address share: case of scheme and host, default port, fragment.

    >>> same_address("HTTP://Example.com:80/Feed#top") == same_address("http://example.com/Feed")
    True
    """
    parts = urlsplit(url.strip())
    host = parts.netloc.rpartition("@")[2].lower()
    host = host.removesuffix({"http": ":80", "https": ":443"}.get(parts.scheme, ""))
    user = parts.netloc[: parts.netloc.rfind("@") + 1]
    return parts._replace(netloc=user + host, path=parts.path or "/", fragment="").geturl()
