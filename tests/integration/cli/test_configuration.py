"""What `config check` and a start make of configuration files as an operator leaves them."""

from __future__ import annotations

import logging
import os
from datetime import timedelta
from pathlib import Path

import pytest

from aggregator.app import open_app, reload_app
from aggregator.config.initial import data_folder, initial_text
from aggregator.config.loading import load_config
from aggregator.config.settings import Config
from aggregator.config.watching import FileWatch
from aggregator.errors import ConfigError
from aggregator.models.ids import ArticleId
from aggregator.ports.readings import Change
from aggregator.sinks.outputs.follow import DeliveryError
from aggregator.subscriptions import sync_feeds
from tests.support.command import call

OLD = 1_500_000_000.0  # a day in 2017


def write(path: Path, *names: str, url: str = "", at: float | None = None) -> Path:
    storage = f'[storage]\nurl = "{url}"\n' if url else ""
    path.write_text(
        f"{storage}[web]\nlisten = ''\n" + "".join(f"[[feeds]]\nurl='https://{name}.example/f'\n" for name in names)
    )
    if at is not None:
        os.utime(path, (at, at))
    return path


def enabled(path: Path) -> list[str]:
    with open_app(load_config(path, {})) as app:
        return [feed.url.removeprefix("https://").partition(".")[0] for feed in app.store.feeds()]


def test_a_restored_file_decides_although_it_is_old(tmp_path: Path) -> None:
    path = write(tmp_path / "aggregator.toml", "a", "b")
    assert enabled(path) == ["a", "b"]
    write(path, "b", "c", at=OLD)
    assert enabled(path) == ["b", "c"]


def test_feeds_go_with_their_own_file(tmp_path: Path) -> None:
    path = write(tmp_path / "aggregator.toml", "a", at=OLD)
    beside = path.with_name("feeds.toml")
    beside.write_text("[[feeds]]\nurl='https://b.example/f'\n")
    assert enabled(path) == ["a", "b"]
    beside.unlink()
    assert enabled(path) == ["a"]


def test_a_stale_member_of_a_fleet_is_told_what_is_refused(
    tmp_path: Path, postgres_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = write(tmp_path / "aggregator.toml", "a", "b", url=postgres_url)
    with open_app(load_config(path, {})) as app:
        assert call("config", "check", "--config", path).err.count("refused") == 0
        logging.getLogger("aggregator").addHandler(caplog.handler)
        write(path, "b", url=postgres_url, at=OLD)
        assert sync_feeds(app.store, load_config(path, {})).removed == ()
        assert "refused: - https://a.example/f; bring the newer file here, or `touch` this one" in caplog.text
        called = call("config", "check", "--config", path)
        assert (called.status, "refused: - https://a.example/f" in called.err) == (0, True)
        os.utime(path)
        assert sync_feeds(app.store, load_config(path, {})).removed == ("https://a.example/f",)
    assert "refused" not in call("config", "check", "--config", path).err


def test_a_store_that_is_away_does_not_make_a_configuration_wrong(tmp_path: Path) -> None:
    path = write(tmp_path / "aggregator.toml", "a", url="postgresql://127.0.0.1:1/none")
    called = call("config", "check", "--config", path)
    assert called.status == 0
    assert "is in force is not known" in called.err


def test_a_database_without_a_store_has_no_newer_list(tmp_path: Path, postgres_url: str) -> None:
    path = write(tmp_path / "aggregator.toml", "a", url=postgres_url)
    called = call("config", "check", "--config", path)
    assert (called.status, "there is no store" in called.err, "is not known" in called.err) == (0, False, False)


# --- rules ------------------------------------------------------------------------------------------------------------

RULE = """\
hosts = ["shop.example"]
same = [["https://shop.example/a?id=1", "https://shop.example/b?id=1"]]
different = [["https://shop.example/a?id=1", "https://shop.example/a?id=2"]]
provisional = false
[[id]]
path = "^/[a-z]+$"
params = { id = "^(?P<id>[0-9]+)$" }
"""


def rule(path: Path, *, broken: bool = False) -> Path:
    file = path.with_name("publishers") / "shop.toml"
    file.parent.mkdir(exist_ok=True)
    file.write_text(RULE + ("nonsense = 1\n" if broken else ""))
    return file


def key(app_rules: object) -> str | None:
    from aggregator.config.wiring import Rules
    from aggregator.identity.identify import identify

    assert isinstance(app_rules, Rules)
    return identify("https://shop.example/a?id=7", app_rules.publishers).key


def test_a_broken_rule_at_the_start_disables_its_file_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = write(tmp_path / "aggregator.toml", "a")
    file = rule(path, broken=True)
    logging.getLogger("aggregator").addHandler(caplog.handler)
    with open_app(load_config(path, {})) as app:
        assert key(app.rules) != "shop:7"
        assert str(file) in str(caplog.records[-1].reason)  # type: ignore[attr-defined]
        rule(path)
        app, changes = reload_app(app, load_config(path, {}))
        assert (key(app.rules), changes) == ("shop:7", ("publisher rules",))
        rule(path, broken=True)
        app, changes = reload_app(app, load_config(path, {}))
        assert (key(app.rules), changes) == ("shop:7", ()), "the rules in force stay"
    called = call("health", "--config", path)
    assert (called.status, str(file) in called.out) == (1, True)
    assert [one["kind"] for one in call("health", "--json", "--config", path).records] == ["rule"]
    assert call("config", "check", "--config", path).status == 2


def test_a_reload_changes_the_limit_of_an_extraction_and_its_lease(tmp_path: Path) -> None:
    path = write(tmp_path / "aggregator.toml", "a")
    with open_app(load_config(path, {})) as app:
        path.write_text(path.read_text() + '[extraction]\ntimeout = "7s"\n')
        app, changes = reload_app(app, load_config(path, {}))
        assert app.pool.timeout == app.visits.line.settings.timeout == timedelta(seconds=7)
        assert len(changes) == 1


def test_every_selector_is_tried(tmp_path: Path) -> None:
    path = write(tmp_path / "aggregator.toml", "a")
    path.write_text("[extraction]\nsite_config_dir = 'sites'\n" + path.read_text())
    sites, rules = tmp_path / "sites", tmp_path / "publishers"
    for folder in (sites, rules):
        folder.mkdir()
    good = 'hosts = ["shop.example"]\n[extract]\ncontent = ["article p", "//article"]\n'
    (rules / "shop.toml").write_text(good)
    (sites / "news.example.txt").write_text("body: //article\n")
    assert call("config", "check", "--config", path).status == 0
    (rules / "shop.toml").write_text(good + 'strip = ["p[", "//["]\n')
    (sites / "news.example.txt").write_text("body: //article[\n")
    called = call("config", "check", "--config", path)
    assert called.status == 2
    for line in (
        "shop: strip: 'p[' is not CSS",
        "shop: strip: '//[' is not XPath",
        "news.example: content: '//article[",
    ):
        assert line in called.err


def test_rules_that_rest_are_named_if_they_are_the_operators(tmp_path: Path) -> None:
    path = write(tmp_path / "aggregator.toml", "a")
    assert "withheld" not in call("config", "check", "--config", path).err
    file = rule(path)
    file.write_text(file.read_text().replace("provisional = false", "provisional = true"))
    assert "withheld until three pairs prove them: shop; add pairs" in call("config", "check", "--config", path).err


def test_site_configs_that_cannot_be_read_stop_nothing(tmp_path: Path) -> None:
    path = write(tmp_path / "aggregator.toml", "a")
    path.write_text("[extraction]\nsite_config_dir = 'sites'\n" + path.read_text())
    (tmp_path / "sites").mkdir()
    (tmp_path / "sites" / "a.example.txt").mkdir()
    with open_app(load_config(path, {})) as app:
        assert "a.example.txt: cannot be read" in app.rules.faults[0]


# --- what is noticed --------------------------------------------------------------------------------------------------


def test_every_file_that_is_read_is_watched(tmp_path: Path) -> None:
    path = write(tmp_path / "aggregator.toml", "a")
    token, sites, elsewhere = tmp_path / "token", tmp_path / "sites", tmp_path / "elsewhere"
    token.write_text("a")
    sites.mkdir()
    path.write_text("[extraction]\nsite_config_dir = 'sites'\n[web]\ntoken_file = 'token'\n")
    config = load_config(path, {})
    files = FileWatch(config)
    seen = [files.look()]

    def changed() -> bool:
        seen.append(files.look())
        return seen[-1] != seen[-2]

    assert not changed()
    token.write_text("b")
    assert changed(), "the token"
    path.with_name("feeds.toml").write_text("")
    assert changed(), "feeds.toml"
    rule(path)
    assert changed(), "a folder that is made later"
    (sites / "a.example.txt").write_text("body: //p\n")
    assert changed(), "a site-config"
    elsewhere.mkdir()
    (elsewhere / "shop.toml").write_text("")
    file = path.with_name("publishers") / "shop.toml"
    file.unlink()
    file.symlink_to(elsewhere / "shop.toml")
    assert changed(), "a link"
    (elsewhere / "shop.toml").write_text("hosts = []")
    assert changed(), "its target"
    (elsewhere / "other.toml").write_text("hosts = []")
    link = path.with_name("link")
    link.symlink_to(elsewhere / "other.toml")
    link.replace(file)
    assert changed(), "another target"
    assert not changed()


# --- reload -----------------------------------------------------------------------------------------------------------


def test_an_emptied_file_pauses_no_feed(tmp_path: Path) -> None:
    path = write(tmp_path / "aggregator.toml", "a", "b")
    with open_app(load_config(path, {})) as app:
        path.write_text("")
        with pytest.raises(ConfigError, match=r"feeds: there are none any more; write `feeds = \[\]`"):
            reload_app(app, load_config(path, {}))
        assert len(app.store.feeds()) == 2
        path.write_text("feeds = []\n")
        _, changes = reload_app(app, load_config(path, {}))
        listen = 'web.listen: "" -> 127.0.0.1:8642'
        assert changes == (listen, "feed - https://a.example/f", "feed - https://b.example/f")
        assert app.store.feeds() == ()


def test_a_change_of_a_list_is_a_change(tmp_path: Path) -> None:
    path = write(tmp_path / "aggregator.toml", "a")
    with open_app(load_config(path, {})) as app:
        path.write_text("[[outputs]]\ntype = 'jsonl'\npath = 'out'\n" + path.read_text())
        app, changes = reload_app(app, load_config(path, {}))
        assert changes == ("outputs",)
        _, changes = reload_app(app, load_config(path, {}))
        assert changes == ()


def test_changed_limits_hold_for_webhooks_too(tmp_path: Path) -> None:
    tombstone = Change(
        seq=1, kind="forgotten", article_id=ArticleId("0"), merged_into=None, article=None, day="", number=None
    )
    hook = "[[outputs]]\ntype = 'webhook'\nurl = 'http://127.0.0.1:1/hook'\n"
    path = write(tmp_path / "aggregator.toml", "a")
    path.write_text(hook + path.read_text())
    with open_app(load_config(path, {})) as app:
        with pytest.raises(DeliveryError, match="is not public"):
            app.outputs[0].deliver([tombstone], "e")
        path.write_text("[http]\nallow_private_networks = ['127.0.0.0/8']\n" + path.read_text())
        app, _ = reload_app(app, load_config(path, {}))
        with pytest.raises(DeliveryError, match="Connection refused"):
            app.outputs[0].deliver([tombstone], "e")
        app.fetcher.close()


def test_where_publishers_find_nobody_the_operator_is_told(tmp_path: Path) -> None:
    path = write(tmp_path / "aggregator.toml", "a")
    assert "[http] contact: is empty" in call("config", "check", "--config", path).err
    path.write_text("[http]\ncontact = 'me@example.org'\n" + path.read_text())
    assert call("config", "check", "--config", path).err == ""


# --- config init ------------------------------------------------------------------------------------------------------


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.delenv("AGGREGATOR_CONFIG", raising=False)
    return tmp_path / "home"


def test_the_first_file_is_found_by_every_command(home: Path, tmp_path: Path) -> None:
    assert "aggregator config init" in call("feeds", "list", folder=tmp_path).err
    called = call("config", "init", folder=tmp_path)
    assert (called.status, "next: set [http] contact" in called.out) == (0, True)
    settings = load_config(home / ".config/aggregator/aggregator.toml", {})
    assert settings.storage.sqlite_path == home / ".local/share/aggregator/aggregator.db"
    assert settings.storage.articles_dir == home / ".local/share/aggregator/articles"
    assert settings.subscriptions() == ()
    assert call("config", "check", folder=tmp_path).out.endswith("ok, 0 feeds\n")
    assert call("config", "init", folder=tmp_path).status == 2


def test_a_file_that_is_found_first_is_named(home: Path, tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    write(tmp_path / "config/aggregator.toml")
    assert "config/aggregator.toml is found before it" in call("config", "init", folder=tmp_path).err


def test_a_file_of_a_project_has_its_data_beside_it(home: Path, tmp_path: Path) -> None:
    path = tmp_path / "news/my.toml"
    called = call("config", "init", "--path", path)
    assert f"feeds add https://www.example.org/ --config {path}" in called.out
    storage = load_config(path, {}).storage
    assert (storage.sqlite_path, storage.raw_dir) == (tmp_path / "news/data/aggregator.db", tmp_path / "news/data/raw")
    defaults = Config().model_dump(exclude={"storage"})
    assert load_config(path, {}).model_dump(exclude={"storage"}) | {"extraction": 0} == defaults | {"extraction": 0}


def test_the_file_of_the_service_keeps_its_data_below_var() -> None:
    assert data_folder(Path("/etc/aggregator/aggregator.toml"), {}) == Path("/var/lib/aggregator")
    text = initial_text(Path("/var/lib/aggregator"))
    for line in ('url = "sqlite:////var/lib/aggregator/aggregator.db"', 'raw_dir = "/var/lib/aggregator/raw"'):
        assert line in text
    assert 'path = "data/changes"' in text, "comments stay as they are"


def test_a_user_without_a_home_names_a_place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("HOME")
    assert "--path FILE" in call("config", "init", folder=tmp_path).err
    (tmp_path / "file").write_text("")
    assert "cannot be written" in call("config", "init", "--path", tmp_path / "file" / "b" / "a.toml").err


def test_a_changed_file_is_read_once_it_stays_as_it_is(tmp_path: Path) -> None:
    path = write(tmp_path / "aggregator.toml", "a")
    config = load_config(path, {})
    files = FileWatch(config)
    assert not files.is_changed()
    for part in ("# first half", "# first half\n# and second\n"):
        path.with_name("feeds.toml").write_text(part)
        assert not files.is_changed(), "it is still being written"
    assert files.is_changed()
    files.note_read(config)
    assert not files.is_changed()
