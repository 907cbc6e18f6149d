"""The configuration: what is read, what is refused, and in which words."""

from __future__ import annotations

import contextlib
import json
import re
import tomllib
from collections.abc import Iterator
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aggregator.config.loading import config_schema, default_config, find_config, load_config, show
from aggregator.config.request_settings import HostSettings
from aggregator.config.settings import (
    NAMED_TABLES,
    SECTIONS,
    TABLE_LISTS,
    Config,
    FeedSettings,
    HttpSettings,
    StorageSettings,
    same_address,
)
from aggregator.config.sources import commands_of, lists_of, longest_command, source_rules
from aggregator.errors import ConfigError
from aggregator.models.feeds import Subscription
from aggregator.models.sources import Select, SourceRule
from aggregator.redaction import mask
from aggregator.text.units import format_duration, format_size, parse_duration, parse_size

ROOT = Path(__file__).parents[3]
SAMPLE = ROOT / "config/aggregator.toml"
REFERENCE = ROOT / "docs/reference/configuration.md"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "aggregator.toml"


def load(path: Path, text: str, **environ: str) -> Config:
    path.write_text(text, encoding="utf-8")
    return load_config(path, environ)


def refusal(path: Path, text: str, **environ: str) -> str:
    """Return the message, with the folder of the file left out; it is one line."""
    with pytest.raises(ConfigError) as caught:
        load(path, text, **environ)
    message = str(caught.value).replace(f"{path.parent}/", "")
    assert "\n" not in message
    return message


@contextlib.contextmanager
def one_line_refusal(path: Path) -> Iterator[None]:
    """Let a refusal pass that is one line and names the file."""
    try:
        yield
    except ConfigError as error:
        if str(path) not in str(error) or len(str(error).splitlines()) != 1:
            raise AssertionError(repr(str(error))) from error
        raise


def feeds(*urls: str) -> str:
    return "".join(f'[[feeds]]\nurl = "{url}"\n' for url in urls)


# --- what is read -----------------------------------------------------------------------------------------------------


def test_empty_file_is_a_configuration(path: Path) -> None:
    config = load(path, "")
    assert config.subscriptions() == ()
    assert config.path == path
    assert config.http.total_timeout == timedelta(seconds=60)
    assert config.polling.revisit == (timedelta(hours=6), timedelta(hours=24), timedelta(hours=72))
    assert config.storage.min_free == 2**30
    assert config.polling.budget == 24.0
    assert config.web.address == ("127.0.0.1", 8642)
    assert config.web.token_file is None


def test_sample_holds_every_key_with_its_default() -> None:
    config = load_config(SAMPLE, {})
    assert config.model_dump(exclude={"feeds"}) == default_config({}, SAMPLE.parent).model_dump(exclude={"feeds"})
    shown = SAMPLE.read_text()
    sample = tomllib.loads(shown)
    for block in re.findall(r"(?m)^# \[.*\n(?:# .*\n)*", shown):
        sample |= tomllib.loads(re.sub("(?m)^# ", "", block))
    for section, model in SECTIONS.items():
        keys = sample[section]
        if section in TABLE_LISTS | NAMED_TABLES:
            keys = (keys if section in TABLE_LISTS else list(keys.values()))[0]
        missing = set(model.model_fields) - {*keys}
        assert {*keys} <= set(model.model_fields)
        assert not missing or section in ("feeds", "hosts")
        assert [key for key in missing if f"\n# {key} = " not in shown] == []
    assert [feed.name for feed in config.subscriptions()] == ["DW English"]


def test_reference_names_every_key() -> None:
    reference = REFERENCE.read_text()
    for section, model in SECTIONS.items():
        title = f"[[{section}]]" if section in TABLE_LISTS else f"[{section}"
        part = reference.split(f"## `{title}", 1)[1].split("\n## ", 1)[0]
        keys = set(model.model_fields) - (set(HostSettings.model_fields) if section == "feeds" else set())
        for key in keys:
            assert f"| `{key}` |" in part, f"{section}.{key}"


def test_paths_start_from_the_file(path: Path) -> None:
    config = load(path, '[storage]\nurl = "sqlite:///d/a.db"\narticles_dir = ""\nraw_dir = "/raw"\n')
    assert config.storage.url == f"sqlite:///{path.parent}/d/a.db"
    assert config.storage.sqlite_path == path.parent / "d/a.db"
    assert config.storage.articles_dir is None
    assert config.storage.raw_dir == Path("/raw")
    assert config.extraction.publishers_dir == path.parent / "publishers"


@pytest.mark.parametrize(
    "url", ["postgresql://me@db/x", "postgres:///x?host=/run/pg", "postgresql://a,b/x?sslmode=require"]
)
def test_postgresql_url_stays(path: Path, url: str) -> None:
    storage = load(path, f'[storage]\nurl = "{url}"').storage
    assert storage.url == url
    assert storage.sqlite_path is None


def test_absolute_sqlite_url(path: Path) -> None:
    assert load(path, '[storage]\nurl = "sqlite:////var/x.db"').storage.sqlite_path == Path("/var/x.db")


def test_feeds_of_both_files_in_order(path: Path) -> None:
    (path.parent / "feeds.toml").write_text(
        '[[feeds]]\nurl = "https://b.example/f"\nname = " B "\ninterval = "10m"\ntags = ["x"]\n'
        "full_text = false\nenabled = false\n"
    )
    config = load(path, feeds("https://a.example/f"))
    assert config.subscriptions() == (
        Subscription(url="https://a.example/f"),
        Subscription(
            url="https://b.example/f",
            name="B",
            interval=timedelta(minutes=10),
            tags=("x",),
            full_text=False,
            enabled=False,
        ),
    )


def test_same_feed_twice_alike_is_one(path: Path) -> None:
    config = load(path, feeds("https://a.example/f", "HTTPS://A.example:443/f#x"))
    assert [feed.url for feed in config.subscriptions()] == ["https://a.example/f"]


def test_byte_order_mark_and_windows_lines(path: Path) -> None:
    path.write_bytes(b"\xef\xbb\xbf[polling]\r\nworkers = 3\r\n")
    assert load_config(path, {}).polling.workers == 3


@pytest.mark.parametrize(
    ("listen", "address"),
    [
        ("", None),
        ("localhost:80", ("localhost", 80)),
        ("[::1]:0", ("::1", 0)),
        ("127.0.0.2:65535", ("127.0.0.2", 65535)),
        ("unix:/run/page.sock", Path("/run/page.sock")),
    ],
)
def test_listen(path: Path, listen: str, address: tuple[str, int] | Path | None) -> None:
    assert load(path, f'[web]\nlisten = "{listen}"').web.address == address


def test_open_address_with_token(path: Path) -> None:
    (path.parent / "token").write_text("abc\n")
    web = load(path, '[web]\nlisten = "0.0.0.0:80"\ntoken_file = "token"').web
    assert web.token_file == path.parent / "token"


def test_networks_proxy_and_site_configs(path: Path) -> None:
    (path.parent / "site").mkdir()
    config = load(
        path,
        '[http]\nallow_private_networks = ["10.0.0.0/8", "::1"]\nproxy = "http://u:p@proxy.example:3128/"\n'
        '[extraction]\nsite_config_dir = "site"\n',
    )
    assert config.http.allow_private_networks == (ip_network("10.0.0.0/8"), ip_network("::1/128"))
    assert config.extraction.site_config_dir == path.parent / "site"


def test_settings_may_be_built_from_values() -> None:
    network = ip_network("10.0.0.0/8")
    assert HttpSettings(allow_private_networks=(network,), timeout=timedelta(seconds=3)).allow_private_networks == (
        network,
    )
    assert StorageSettings(raw_dir=None, articles_dir=Path("/a")).raw_dir is None


# --- the environment --------------------------------------------------------------------------------------------------


def test_environment_overrides_every_type(path: Path) -> None:
    config = load(
        path,
        "[polling]\nworkers = 2\n",
        AGGREGATOR_STORAGE__RAW_DIR="",
        AGGREGATOR_HTTP__USER_AGENT="5",
        AGGREGATOR_HTTP__RESPECT_ROBOTS="false",
        AGGREGATOR_HTTP__ALLOW_PRIVATE_NETWORKS='["127.0.0.0/8"]',
        AGGREGATOR_POLLING__WORKERS="9",
        AGGREGATOR_POLLING__REVISIT="1h, 2h",
        AGGREGATOR_POLLING__BUDGET="12",
        AGGREGATOR_TEST_PG_URL="not ours",
        AGGREGATOR_CONFIG="not asked",
    )
    assert config.storage.raw_dir is None
    assert config.http.user_agent == "5"
    assert config.http.respect_robots is False
    assert config.http.allow_private_networks == (ip_network("127.0.0.0/8"),)
    assert config.polling.workers == 9
    assert config.polling.revisit == (timedelta(hours=1), timedelta(hours=2))
    assert config.polling.budget == 12


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("AGGREGATOR_HTTP__TIMEOUT", "5", 'AGGREGATOR_HTTP__TIMEOUT: "5" has no unit; write "5s"'),
        ("AGGREGATOR_HTP__TIMEOUT", "5s", "did you mean AGGREGATOR_HTTP__TIMEOUT?"),
        ("AGGREGATOR_FEEDS__URL", "x", "AGGREGATOR_FEEDS__URL: no such setting in the environment"),
        ("AGGREGATOR_POLLING__FILL_GAPS", "yes", '"yes" is neither true nor false'),
        ("AGGREGATOR_POLLING__REVISIT", '["5h", "7"]', 'AGGREGATOR_POLLING__REVISIT[1]: "7" has no unit; write "7h"'),
        ("AGGREGATOR_WEB__TOKEN_FILE", "nowhere", "AGGREGATOR_WEB__TOKEN_FILE: "),
        ("AGGREGATOR_EXTRACTION__SITE_CONFIG_DIR", "nowhere", "AGGREGATOR_EXTRACTION__SITE_CONFIG_DIR: "),
    ],
)
def test_wrong_override(path: Path, name: str, value: str, message: str) -> None:
    said = refusal(path, "", **{name: value})
    assert message in said
    assert said.startswith(name)


def test_an_override_with_one_underscore_is_told(path: Path) -> None:
    assert refusal(path, "", AGGREGATOR_HTTP_TOTAL_TIMEOUT="3s").endswith("write AGGREGATOR_HTTP__TOTAL_TIMEOUT")


def test_paths_have_no_way_back_in_them(path: Path) -> None:
    storage = load(path, '[storage]\nurl = "sqlite:///../data/a.db"\nraw_dir = "../data/raw"\n').storage
    assert storage.raw_dir == path.parent.parent / "data/raw"
    assert storage.sqlite_path == path.parent.parent / "data/a.db"


def test_override_of_a_section_that_is_no_table(path: Path) -> None:
    assert "http: 5 is not a table" in refusal(path, "http = 5", AGGREGATOR_HTTP__TIMEOUT="5s")


# --- which file -------------------------------------------------------------------------------------------------------


def test_search_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    home = tmp_path / "home/.config/aggregator/aggregator.toml"
    home.parent.mkdir(parents=True)
    home.write_text("")
    environ = {"HOME": str(tmp_path / "home")}
    assert find_config(environ) == home
    here = tmp_path / "config/aggregator.toml"
    here.parent.mkdir()
    here.write_text("[polling]\nworkers = 7")
    assert find_config(environ) == Path("config/aggregator.toml")
    assert load_config(None, environ).polling.workers == 7
    assert load_config(None, environ).storage.sqlite_path == here.parent / "data/aggregator.db"
    assert find_config({**environ, "AGGREGATOR_CONFIG": "x.toml"}) == Path("x.toml")


def test_nothing_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        ConfigError, match=r"no configuration found \(looked for config/aggregator.toml, /etc/.*--config"
    ):
        load_config(None, {})


def test_default_config(tmp_path: Path) -> None:
    config = default_config({"AGGREGATOR_POLLING__WORKERS": "3"}, tmp_path)
    assert config.polling.workers == 3
    assert config.storage.articles_dir == tmp_path / "data/articles"


def test_paths_without_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert Config().storage.raw_dir == tmp_path / "data/raw"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: path.mkdir(), "is a folder; name the file"),
        (lambda path: None, "no such file"),
        (lambda path: path.write_bytes(b"\n# \xff\n"), "line 2: is not UTF-8"),
        (lambda path: path.symlink_to(path), "cannot be read"),
        (lambda path: path.write_text("x = " + "[" * 9_000), "nested too deeply"),
    ],
)
def test_unreadable(path: Path, make: object, message: str) -> None:
    make(path)  # type: ignore[operator]
    with pytest.raises(ConfigError, match=message):
        load_config(path, {})


def test_impossible_name() -> None:
    with pytest.raises(ConfigError, match="is not a file name"):
        load_config(Path("a\0b"), {})


# ruff: noqa: E501  (one row of a table is one line)
# --- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[storage]\nulr = "x"', 'storage.ulr: no such key; did you mean "url"?'),
        ("[storge]", "storge: no such section; did you mean [storage]?"),
        ('[polling]\ntimeout = "5s"', "polling.timeout: no such key in this section; it belongs to [http] or [extraction]"),
        ('[http]\ntimeout = "5"', 'http.timeout: "5" has no unit; write "5s"'),
        ("[http]\ntimeout = 5", 'http.timeout: 5 has no unit; write "5s"'),
        ("[http]\ntimeout = true", "http.timeout: true is not a duration; write a number and one of ms, s, m, h, d"),
        ('[http]\ntimeout = "0"', 'http.timeout: "0" is zero; write at least "1ms"'),
        ('[http]\ntimeout = "5 M"', 'http.timeout: "5 M" is not a duration; write a number and one of ms, s, m, h, d, as in "5m"'),
        ('[http]\ntimeout = "5min"', 'has an unknown unit; write "5m"'),
        ('[http]\ntimeout = "5weeks"', 'has an unknown unit; write "5s"'),
        ('[http]\ntimeout = "99999999d"', 'is longer than a hundred years; write at most "36500d"'),
        ('[http]\nmax_feed_size = "16mb"', 'http.max_feed_size: "16mb" has an unknown unit; write "16MB"'),
        ('[http]\nmax_feed_size = "0"', "is too small; write more than 0"),
        ('[http]\ncontact = "ü"', "no HTTP header may carry"),
        ('[http]\nuser_agent = "a\\nb"', "no HTTP header may carry"),
        ('[http]\nrespect_robots = "yes"', "is neither true nor false"),
        ('[http]\nproxy = "localhost:3128"', 'write "http://localhost:3128"'),
        ('[http]\nproxy = "socks5://h:1"', 'write "http://proxy.example.com:3128"'),
        ('[http]\nproxy = "http://u:secret@h:1/x"', '"http://u:***@h:1/x" has more than scheme, user, host and port'),
        ('[http]\nallow_private_networks = ["10.0.0.1/8"]', 'allow_private_networks[0]: "10.0.0.1/8" has bits set behind its prefix; write "10.0.0.0/8"'),
        ('[http]\nallow_private_networks = ["x"]', "is not a network"),
        ("[http]\nallow_private_networks = [5]", "is not a network"),
        ('[polling]\nrevisit = "5h"', "polling.revisit: \"5h\" is not a list"),
        ('[polling]\nrevisit = ["5h", "3h"]', 'does not ascend; write ["3h", "5h"]'),
        ('[polling]\nmin_interval = "48h"', 'polling.max_interval: "24h" is below min_interval; write at least "2d"'),
        ('[polling]\nmin_interval = "x"', 'polling.min_interval: "x" is not a duration'),
        ('[polling]\nbudget = "many"', 'is not a number; write polls per feed and day, as in "24"'),
        ("[polling]\nbudget = true", "is not a number"),
        ("[polling]\nbudget = 0", "is out of range"),
        ("[polling]\nworkers = 0", "polling.workers: 0 is too small; write at least 1"),
        ("[polling]\nworkers = 5000", "is too large; write at most 1000"),
        ('[polling]\nworkers = "5"', "is not a whole number"),
        ('[extraction]\nmode = "fast"', 'extraction.mode: "fast" is not known; write "standard" or "thorough"'),
        ("[storage]\narticles_dir = 5", "is not a path"),
        ('[storage]\narticles_dir = "~nobody-of-that-name/x"', "names a home folder that does not exist"),
        ('[storage]\nurl = "mysql://u:p@h/d"', '"mysql://u:***@h/d" names no store that we know'),
        ('[storage]\nurl = "postgresql+psycopg://u@h/d"', 'write "postgresql://u@h/d"'),
        ('[storage]\nurl = "sqlite://"', "names no file"),
        ("[storage]\nurl = 5", "storage.url: 5 is not a text; write it in quotes"),
        ("storage = 5", "storage: 5 is not a table; write [storage]"),
        ('[web]\nlisten = "0.0.0.0:80"', 'web.token_file: "" is missing, and listen "0.0.0.0:80" can be reached by others'),
        ('[web]\nlisten = "example.com:80"', "can be reached by others"),
        ('[web]\nlisten = "80"', "is not host:port"),
        ('[web]\nlisten = "localhost:99999"', "is not host:port"),
        ('[web]\ntoken_file = "nowhere"', "cannot be read; write a token into that file"),
        ('[extraction]\nsite_config_dir = "nowhere"', "is not a folder"),
        ("[feeds]\nurl = 1", 'feeds: {"url": 1} is not a list of tables; write [[feeds]]'),
        ('feeds = ["x"]', 'feeds[0]: "x" is not a table; write [[feeds]]'),
        ('[[outputs]]\npath = "x"', 'outputs[0].type: is missing; write type = "jsonl"'),
        ('[[feeds]]\nname = "x"', 'feeds[0].url: is missing; write url = "https://example.com/feed.xml"'),
        ('[[feeds]]\nurl = "https://a.b/c"\nintervall = "5m"', 'feeds[0].intervall: no such key; did you mean "interval"?'),
        ('[[feeds]]\nurl = "https://a.b/c"\ntags = "x"', 'feeds[0].tags: "x" is not a list'),
        ('[[feeds]]\nurl = "https://a.b/c"\nname = "a\\tb"', "has a control character in it"),
        (feeds("www.dw.com/x"), 'feeds[0].url: "www.dw.com/x" is not an http or https address; write "https://www.dw.com/x"'),
        (feeds("feed://a.example/c"), 'write "https://a.example/c"'),
        (feeds("file:///etc/passwd"), "is not an http or https address"),
        (feeds("http://"), "is not an http or https address"),
        (feeds("https://a.b:0/"), "is not an http or https address"),
        (feeds("https://a b"), "has a blank or control character in it"),
        (feeds("http://[::1"), "is not an address"),
        ("hosts = 5", 'hosts: 5 is not a table; write [hosts."NAME"]'),
        ('[hosts]\n"a.example" = 5', 'hosts.a.example: 5 is not a table; write [hosts."a.example"] on a line of its own'),
        ('[hosts."a.example/x"]', 'hosts.a.example/x: "a.example/x" is no host; write it as in [hosts."intranet.example"]'),
        ('[hosts."me@a.example"]', "is no host"),
        ('[hosts."a.example"]\nurl = "x"', "hosts.a.example.url: no such key in this section; it belongs to"),
        ('[hosts."a.example"]\ntimeuot = "1s"', 'no such key; did you mean "timeout"?'),
        ('[hosts."a.example"]\nper_host_interval = "5"', 'hosts.a.example.per_host_interval: "5" has no unit'),
        ('[hosts."a.example"]\nrespect_robots = 1', "is neither true nor false"),
        ('[hosts."a.example"]\nheaders = 1', 'headers: *** is not a table; write { NAME = "env:NAME" }'),
        (feeds("https://a.b/c") + 'language = "German"', 'feeds[0].language: "German" is no language tag; write one such as "de"'),
        (feeds("https://a.b/c") + 'title_strip = "re:(?=x)"', 'has a pattern, "re:(?=x)", that has a look-ahead, which RE2 cannot do'),
        (feeds("https://a.b/c") + 'title_strip = ["re:"]', "is empty, so it would fit everything"),
        (feeds("https://a.b/c") + 'title_strip = "re:' + "x" * 3000 + '"', "has 3000 characters"),
        (feeds("https://a.b/c") + 'title_strip = ""', "has an empty text in it; remove that"),
        (feeds("https://a.b/c") + "strip = 1", "strip: 1 is not a list"),
        ("[polling\n", "line 1: [polling: Expected ']'"),
        ("[polling]\nmin_interval = 5m", "line 2: min_interval = 5m: Expected newline"),
        ("x = 1\n[http]\n[http]", "line 3: [http]: Cannot declare ('http',) twice; keep one, and write the keys of one section below one heading"),
        ('[http]\ntimeout = "1s"\ntimeout = "2s"', "Cannot overwrite a value; keep one"),
        (feeds("https://a.b/c") + '[feeds]\nurl = "x"', "twice; write [[feeds]] above each feed"),
        ('[storage]\nraw_dir = "C:\\Users\\me"', "write a text that has a backslash in single quotes: key = 'C:\\folder'"),
        ("[http]\nrespect_robots = True", "Invalid value; write true or false in small letters"),
        ('contact = "me@a.example"', "contact: no such section; it is a key of [http]: write it below that heading"),
        ("[proxy]", "proxy: no such section; it is a key of [http] or [hosts.\"NAME\"] or [[feeds]]: write it below that heading"),
        ('x = """\n\n', "line 2: (empty): Unterminated string"),
        ("x = " + "1" * 5_000, "line 1: x = 11111"),
    ],
)  # fmt: skip
def test_refused(path: Path, text: str, message: str) -> None:
    said = refusal(path, text)
    assert message in said
    assert said.startswith("aggregator.toml: ")


def test_fourth_feed_without_a_unit(path: Path) -> None:
    (path.parent / "feeds.toml").write_text(feeds(*(f"https://a.example/{n}" for n in range(4))) + 'interval = "5"\n')
    assert refusal(path, "") == 'feeds.toml: feeds[3].interval: "5" has no unit; write "5m"'


def test_same_feed_with_other_settings_names_both_places(path: Path) -> None:
    (path.parent / "feeds.toml").write_text(feeds("https://a.example/f") + 'name = "x"\n')
    said = refusal(path, feeds("https://a.example/f"))
    assert said.startswith(
        'feeds.toml: feeds[0].url: "https://a.example/f" is listed already at aggregator.toml: feeds[0]'
    )


def test_feeds_file_holds_feeds_only(path: Path) -> None:
    (path.parent / "feeds.toml").write_text("[storage]\n")
    assert refusal(path, "") == "feeds.toml: storage: only [[feeds]] may stand in this file; move it to aggregator.toml"


def test_empty_token(path: Path) -> None:
    (path.parent / "token").write_text(" \n")
    assert "is empty; write a token" in refusal(path, '[web]\ntoken_file = "token"')


@settings(deadline=None)
@given(text=st.text(max_size=60))
def test_any_text_is_a_configuration_or_one_line(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "any.toml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    with contextlib.suppress(ConfigError), one_line_refusal(path):
        load_config(path, {})


@settings(deadline=None)
@given(
    section=st.sampled_from(sorted(SECTIONS)),
    key=st.sampled_from(sorted({key for model in SECTIONS.values() for key in model.model_fields})),
    value=st.one_of(st.text(max_size=20), st.integers(), st.booleans(), st.floats(), st.lists(st.text(max_size=5))),
)
def test_any_value_is_taken_or_refused(
    tmp_path_factory: pytest.TempPathFactory, section: str, key: str, value: object
) -> None:
    path = tmp_path_factory.getbasetemp() / "value.toml"
    header = f"[[{section}]]\n" if section in TABLE_LISTS else f"[{section}]\n"
    path.write_text(header + f"{key} = {json.dumps(value)}\n", encoding="utf-8")
    with contextlib.suppress(ConfigError), one_line_refusal(path):
        assert load_config(path, {}).path == path


# --- giving out -------------------------------------------------------------------------------------------------------


def test_show_reads_back_as_the_same(path: Path) -> None:
    text = (
        '[polling]\nrevisit = []\n[http]\nmax_feed_size = "1500B"\n' + feeds("https://a.example/f") + 'interval = "90s"'
    )
    config = load(path, text)
    again = load(path, show(config))
    assert again.model_dump() == config.model_dump()
    assert again.config_hash == config.config_hash


def test_show_without_feeds_reads_back(path: Path) -> None:
    assert load(path, show(load(path, ""))).subscriptions() == ()


def test_show_masks_secrets(path: Path) -> None:
    config = load(
        path,
        '[storage]\nurl = "postgresql://me:pw@db/x?sslpassword=s3"\n'
        + feeds("https://u:t0p@a.example/f?token=abc&x=1"),
    )
    shown = show(config)
    assert "postgresql://me:***@db/x?sslpassword=***" in shown
    assert "https://u:***@a.example/f?token=***&x=1" in shown


def test_defaults_of_a_feed_are_as_validation_returns_them() -> None:
    """`FeedSettings` does not validate them again."""
    feed = FeedSettings(url="https://a.example/f")
    stated = FeedSettings.model_validate(
        {name: getattr(feed, name) for name in FeedSettings.model_fields if getattr(feed, name) is not None}
    )
    assert {name: (type(value), value) for name, value in stated} == {
        name: (type(value), value) for name, value in feed
    }


def test_hash_follows_the_settings(path: Path) -> None:
    assert (
        load(path, feeds("https://a.example/f")).config_hash
        == load(path, feeds("https://a.example/f") + "name = ''\nenabled = true").config_hash
    )
    assert load(path, "").config_hash == load(path, "# a comment").config_hash
    assert load(path, "").config_hash != load(path, feeds("https://a.example/f")).config_hash


def test_schema_knows_every_key() -> None:
    schema = config_schema()
    assert set(schema["properties"]) == set(SECTIONS)
    assert schema["additionalProperties"] is False
    for model in SECTIONS.values():
        described = schema["$defs"][model.__name__]["properties"]
        assert all(described[key]["description"] for key in model.model_fields)
    json.dumps(schema)


def test_mask_leaves_plain_addresses() -> None:
    assert mask("https://a.example/x?q=1&tokens=2") == "https://a.example/x?q=1&tokens=2"


# --- durations and sizes ----------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(st.integers(0, 36_500 * 86_400_000))
def test_durations_read_back(milliseconds: int) -> None:
    span = timedelta(milliseconds=milliseconds)
    assert parse_duration(format_duration(span)) == span


@settings(deadline=None)
@given(st.integers(0, 10**15 - 1))
def test_sizes_read_back(size: int) -> None:
    assert parse_size(format_size(size)) == size


def test_fractions_and_plain_spans() -> None:
    assert parse_duration("1.5h") == timedelta(minutes=90)
    assert parse_duration(timedelta(5)) == timedelta(5)
    assert parse_size("1.5kB") == 1500


def test_address_without_path_has_one() -> None:
    assert same_address("http://a.example") == same_address("http://A.example:80/")
    assert same_address("http://①②⑦.0.0.1/") != same_address("http://127.0.0.1/")
    assert same_address("http://a.example:8080/") != same_address("http://a.example/")


# --- outputs ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('type = "jsonl"', 'write path = "folder"'),
        ('type = "files"', 'write path = "folder"'),
        ('type = "webhook"\nurl = "ftp://x.example/"', "is not an http or https address"),
        ('type = "command"', "write command ="),
        ('type = "mail"', "is not known"),
        ('type = "webhook"\nurl = "https://x.example/"\nsecret = "plain"', 'write "env:NAME" or "file:path"'),
        ('type = "webhook"\nurl = "https://x.example/"\nsecret = "env:NO_KEY"', "NO_KEY"),
        ('type = "jsonl"\npath = "a"\n[[outputs]]\ntype = "jsonl"\npath = "a"', "is used twice"),
    ],
)
def test_outputs_that_cannot_work_are_refused(path: Path, text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=r"outputs\[") as refused:
        load(path, f"[[outputs]]\n{text}\n")
    assert words in str(refused.value)


def test_outputs_have_a_label(path: Path) -> None:
    outputs = load(
        path,
        '[[outputs]]\ntype = "command"\ncommand = ["load", "-x"]\n'
        '[[outputs]]\ntype = "webhook"\nurl = "https://x.example/"\nname = "hook"\n',
    ).outputs
    assert [one.label for one in outputs] == ["command load -x", "hook"]


# --- sources without a feed -------------------------------------------------------------------------------------------

SOURCE = '[[feeds]]\nurl = "https://a.example/x"\n'


def test_what_is_no_feed_becomes_a_rule(path: Path) -> None:
    html = SOURCE + 'kind = "html"\nselect = { entry = "article", link = "h2 a" }\n'
    assert source_rules(load(path, html)) == {
        "https://a.example/x": SourceRule(kind="html", select=Select(entry="article", link="h2 a"))
    }
    program = load(path, SOURCE + 'kind = "command"\ncommand = ["/bin/x", "-y"]\ntimeout = "5m"\n')
    assert commands_of(program)["https://a.example/x"].arguments == ("/bin/x", "-y")
    assert longest_command(program) == timedelta(minutes=5)
    plain = load(path, SOURCE)
    assert (source_rules(plain), longest_command(plain)) == ({}, timedelta(0))
    load(path, show(load(path, html)))


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ('kind = "htlm"', 'feeds[0].kind: "htlm" is not known; write "feed", "sitemap", "html" or "command"'),
        ('kind = "command"', 'is a command without one; write command = ["/usr/local/bin/program"]'),
        ('kind = "command"\ncommand = [""]', 'has a command that nothing runs; write kind = "command" and the program first'),
        ('command = ["/bin/x"]', 'has a command that nothing runs; write kind = "command" and the program first'),
        ('command = "/bin/x"', 'feeds[0].command: "/bin/x" is not a list; write ["…", "…"]'),
        ('select = { entry = "p" }', 'has select, which only a page or a sitemap has; write kind = "html" or "sitemap"'),
        ('kind = "html"\nselect = "p"', 'feeds[0].select: "p" is not a table; write { entry = "article", link = "h2 a" }'),
        ('kind = "html"\nselect = { entri = "p" }', 'feeds[0].select.entri: no such key; did you mean "entry"?'),
        ('kind = "html"\nselect = { entry = "p[" }', "entry: 'p[' is not CSS"),
        ('kind = "sitemap"\nselect = { link = "re:(" }', "link: 're:(' is no regular expression"),
        ('kind = "sitemap"\nselect = { date = "b" }', "has select.title or select.date, which a sitemap states itself"),
    ],
)  # fmt: skip
def test_keys_of_sources_that_are_refused(path: Path, keys: str, message: str) -> None:
    assert message in refusal(path, SOURCE + keys)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ("", "has not one place; write either url"),
        ('url = "https://a.example/l"\npath = "l"', "has not one place; write either url"),
        ('url = "ftp://a.example/l"', 'is not an http or https address; write "https://a.example/l"'),
        ('path = "l"\ninterval = "5"', 'lists[0].interval: "5" has no unit; write "5m"'),
        ('path = "l"\ntag = "x"', 'lists[0].tag: no such key; did you mean "tags"?'),
    ],
)
def test_lists_that_are_refused(path: Path, keys: str, message: str) -> None:
    assert message in refusal(path, f"[[lists]]\n{keys}\n")


def test_a_list_has_its_place_and_is_shown(path: Path) -> None:
    text = '[[lists]]\npath = "l"\n[[lists]]\nurl = "https://a.example/l"\ntags = ["x"]\ninterval = "1h"\n'
    file, address = lists_of(load(path, text))
    assert (file.place, file.is_file, file.interval) == (str(path.parent / "l"), True, timedelta(days=1))
    assert (address.place, address.is_file, address.tags) == ("https://a.example/l", False, ("x",))
    assert lists_of(load(path, show(load(path, text)))) == (file, address)


def test_a_command_that_needs_no_feeds_reads_none(tmp_path: Path) -> None:
    """Settings are checked as ever; `feeds.toml` is not looked at."""
    path = tmp_path / "aggregator.toml"
    path.write_text('[http]\ncontact = "me"\n[[feeds]]\nurl = "no address"\n', encoding="utf-8")
    (tmp_path / "feeds.toml").write_text("[[feeds", encoding="utf-8")
    config = load_config(path, {}, with_feeds=False)
    assert (config.feeds, config.http.contact) == ((), "me")
    with pytest.raises(ConfigError):
        load_config(path, {})


def test_base_url(path: Path) -> None:
    assert (
        load(path, '[web]\nbase_url = "https://corpus.example.org/agg/"').web.base_url
        == "https://corpus.example.org/agg"
    )


@pytest.mark.parametrize(
    "line",
    [
        'listen = "unix:page.sock"',
        'listen = "unix:"',
        'base_url = "corpus.example.org"',
        'base_url = "https://x.example/?q=1"',
        'base_url = "https://me@x.example/"',
    ],
)
def test_addresses_of_the_page_that_cannot_be(path: Path, line: str) -> None:
    with pytest.raises(ConfigError, match="write"):
        load(path, f"[web]\n{line}")
