"""The types of configuration values: how each is written, read, checked and shown. Reads no file.

An invalid value raises ValueError inside pydantic; the message names the error and the remedy.
"""

from __future__ import annotations

import ipaddress
import json
import re
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import SplitResult, urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StrictStr,
    ValidationInfo,
    WithJsonSchema,
)

from aggregator.redaction import mask
from aggregator.text.units import format_duration, format_size, parse_duration, parse_size
from aggregator.urls import split


class Section(BaseModel):
    """The base class of all sections. Unknown keys are errors, values cannot be changed, and defaults are checked."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, use_attribute_docstrings=True)


def quote(value: object) -> str:
    """Return `value` on one line, in TOML syntax."""
    return json.dumps(value, ensure_ascii=False, default=str)


# --- checks and readers -----------------------------------------------------------------------------------------------


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


def split_http(value: str, example: str = "https://example.com/feed.xml") -> SplitResult:
    """Return the parts of an http(s) address.

    Raises:
        ValueError: `value` is no http(s) address; the message names the error and proposes an address like `example`.
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


_PLAIN_URL: Final = re.compile(r"https?://[a-z0-9-]+(?:\.[a-z0-9-]+)+/[!-\"$-~]*(?<!\?)", re.ASCII)


def is_plain_url(value: str) -> bool:
    """Return whether an http(s) address has the usual form: plain ASCII, a path, no user, port or fragment.

    The host must be in small letters. An address of another form may be valid, too; `split_http` checks it. This check
    is faster: splitting each address took a quarter of the time to load 100,000 feeds.

    >>> is_plain_url("https://example.com/feed?a=1"), is_plain_url("https://Example.com:443/feed")
    (True, False)
    """
    return _PLAIN_URL.fullmatch(value) is not None


def _check_feed_url(value: str) -> str:
    if not is_plain_url(value):
        split_http(value)
    return value


def _check_proxy(value: str) -> str:
    if value:
        parts = split_http(value, "http://proxy.example.com:3128")
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
        raise ValueError('is no reference; secrets are kept elsewhere: write "env:NAME" or "file:path"')
    return value


_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")  # the name of a header or cookie (RFC 9110, 5.6.2)
_OF_THE_WIRE: Final = frozenset({"host", "connection", "content-length", "transfer-encoding", "accept-encoding", "te"})
_SECRET_NAME: Final = re.compile(r"auth|cookie|key|token|secret|passw|session|credential|signature", re.IGNORECASE)


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


def _check_host(value: str) -> str:
    """Return the host `value` of `[hosts."NAME"]` in lower case and IDNA, with a port if `value` has one."""
    parts = split(f"http://{value}/")
    if parts is None or parts.userinfo is not None or parts.path != "/" or parts.query is not None:
        raise ValueError('is no host; write it as in [hosts."intranet.example"] or [hosts."intranet.example:8443"]')
    return f"{parts.host}:{parts.port}" if re.search(r":[0-9]+$", value) else parts.host


def _listed(value: object) -> object:
    """Return a single text as a tuple with this text; other values stay unchanged."""
    return (value,) if isinstance(value, str) else value


def _check_texts(value: tuple[str, ...]) -> tuple[str, ...]:
    if not all(text.strip() for text in value):
        raise ValueError("has an empty text in it; remove that")
    return value


def _check_title_parts(value: tuple[str, ...]) -> tuple[str, ...]:
    from aggregator.identity.patterns import compile_search

    for text in _check_texts(value):
        if text.startswith("re:"):
            try:
                compile_search(text.removeprefix("re:"))
            except ValueError as error:
                raise ValueError(f"has a pattern, {quote(text)}, that {error}; correct it") from error
    return value


def _check_language(value: str) -> str:
    if not value:
        return ""
    from aggregator.text.languages import language_tag  # late: it reads a detector

    tag = language_tag(value)
    if not tag:
        raise ValueError('is no language tag; write one such as "de" or "pt-BR"')
    return tag


def _check_name(value: str) -> str:
    if not value.isprintable():
        raise ValueError("has a control character in it; remove it")
    return value.strip()


def _folder(info: ValidationInfo) -> Path:
    """Return the folder that relative paths start from: that of the configuration file, else the current folder."""
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


_UNIX: Final = "unix:"


def split_listen(value: str) -> tuple[str, int]:
    """Return host and port of `127.0.0.1:8642` or `[::1]:8642`. Port 0 means any free port.

    Raises:
        ValueError: `value` has another form; the message is the remedy.
    """
    host, colon, port = value.rpartition(":")
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    is_plain = bool(re.fullmatch(r"[\w.-]+", bare, re.ASCII)) or (bare != host and ":" in bare)
    if not colon or not is_plain or not re.fullmatch(r"[0-9]{1,5}", port) or int(port) > 65535:
        raise ValueError('is not host:port; write "127.0.0.1:8642", "[::1]:8642", or "" for off')
    return bare, int(port)


def listen_address(value: str) -> tuple[str, int] | Path:
    """Return the host and port of `HOST:PORT`, or the path of `unix:/path` (a Unix socket).

    Raises:
        ValueError: `value` has another form; the message is the remedy.
    """
    if not value.startswith(_UNIX):
        return split_listen(value)
    path = Path(value.removeprefix(_UNIX))
    if not path.is_absolute():
        raise ValueError('names no absolute path; write "unix:/run/aggregator/page.sock"')
    return path


def _check_listen(value: str) -> str:
    if value:
        listen_address(value)
    return value


def _check_base_url(value: str) -> str:
    if not value:
        return value
    parts = split_http(value)
    if parts.query or parts.fragment or "@" in parts.netloc:
        raise ValueError('is more than name and path; write "https://corpus.example.org/agg"')
    return value.rstrip("/")


def is_loopback(host: str) -> bool:
    """Return whether `host` is a loopback address or `localhost`, so that only this machine can reach it."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


# --- types ------------------------------------------------------------------------------------------------------------

_DURATION_PATTERN: Final = r"^(0|[0-9]+(\.[0-9]+)?(ms|s|m|h|d))$"
_SIZE_PATTERN: Final = r"^(0|[0-9]+(\.[0-9]+)?([kMGT]?B|[KMGT]iB))$"
_SPELL_PATH: Final = PlainSerializer(lambda path: "" if path is None else str(path), when_used="json")

_Duration = Annotated[
    timedelta,
    PlainSerializer(format_duration, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": _DURATION_PATTERN, "examples": ["20s", "5m", "7d"]}),
]
Pause = Annotated[_Duration, BeforeValidator(partial(parse_duration, unit="s"))]
Timeout = Annotated[Pause, AfterValidator(_positive)]
Interval = Annotated[_Duration, BeforeValidator(partial(parse_duration, unit="m")), AfterValidator(_positive)]
Delay = Annotated[_Duration, BeforeValidator(partial(parse_duration, unit="h")), AfterValidator(_positive)]
Retention = Annotated[_Duration, BeforeValidator(partial(parse_duration, unit="d"))]
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


StoreUrl = Annotated[StrictStr, AfterValidator(_resolve_store)]
FeedUrl = Annotated[StrictStr, AfterValidator(_check_feed_url)]
Proxy = Annotated[StrictStr, AfterValidator(_check_proxy)]
Listen = Annotated[StrictStr, AfterValidator(_check_listen)]
BaseUrl = Annotated[StrictStr, AfterValidator(_check_base_url)]
Header = Annotated[StrictStr, AfterValidator(_check_header)]
Headers = Annotated[dict[StrictStr, StrictStr], AfterValidator(_check_headers)]
Cookies = Annotated[dict[StrictStr, StrictStr], AfterValidator(_check_cookies)]
Reference = Annotated[StrictStr, AfterValidator(_check_reference)]  # of a secret: "env:NAME" or "file:path"
Name = Annotated[StrictStr, AfterValidator(_check_name)]
Texts = Annotated[
    tuple[StrictStr, ...],
    BeforeValidator(_listed),
    AfterValidator(_check_texts),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
]
TitleParts = Annotated[Texts, AfterValidator(_check_title_parts)]
Language = Annotated[StrictStr, AfterValidator(_check_language)]
HostName = Annotated[StrictStr, AfterValidator(_check_host)]


NO_ENTRIES: Final[Any] = Field(default_factory=dict, json_schema_extra={"default": {}})  # the default of a table


def spelled_default(spelled: object) -> Any:
    """Return a pydantic field whose default is written as in the file ("20s"). Validation converts it."""
    return Field(default=spelled)
