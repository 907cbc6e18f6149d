"""Publisher rules: what is read, what wins, what is refused and how it says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from aggregator.errors import RuleError
from aggregator.identity.identify import identify, key_version
from aggregator.identity.publisher_rules import SHIPPED, Publishers, load_publishers, publisher_of, shipped_publishers

RULE = """
hosts = ["example.org"]
drop_params = ["Tab"]
proven_by = 3
same = [["https://example.org/story/1/a", "https://www.example.org/story/1/b?tab=2"]]
different = [["https://example.org/story/1/a", "https://example.org/story/2/a"]]

[[id]]
path = '^/story/(?P<id>[0-9]+)/[^/]+$'
"""


def load(directory: Path, text: str, name: str = "example", *, provisional: bool = False) -> Publishers:
    (directory / f"{name}.toml").write_text(text, encoding="utf-8")
    return load_publishers(None, directory, provisional)


def test_the_shipped_rules_hold_their_own_examples() -> None:
    assert publisher_of(shipped_publishers(), "rss.dw.com") is None
    dw = publisher_of(shipped_publishers(), "www.dw.com:443")
    assert dw is not None
    assert dw.name == "dw"
    assert {"winfuture", "bund"} <= set(shipped_publishers().withheld)
    assert publisher_of(shipped_publishers(provisional=True), "www.bsi.bund.de") is not None
    assert load_publishers(SHIPPED, None, True).withheld == ()


def test_an_operators_rule_is_read(tmp_path: Path) -> None:
    publishers = load(tmp_path, RULE)
    assert identify("http://example.org/story/7/x", publishers).key == "example:7"
    assert identify("http://example.org/list?TAB=1&p=2", publishers).key == "https://example.org/list?p=2"


def test_an_operators_rule_replaces_the_shipped_one(tmp_path: Path) -> None:
    load(tmp_path, 'hosts = ["dw.com"]\nproven_by = 3', "dw")
    publishers = load_publishers(SHIPPED, tmp_path)
    assert identify("https://www.dw.com/en/x/a-63723431", publishers).key == "https://dw.com/en/x/a-63723431"


def test_a_rule_can_be_switched_off(tmp_path: Path) -> None:
    load(tmp_path, 'hosts = ["dw.com"]\nenabled = false', "dw")
    assert publisher_of(load_publishers(SHIPPED, tmp_path), "www.dw.com") is None


def test_a_rule_that_little_proves_is_withheld(tmp_path: Path) -> None:
    unproven = RULE.replace("proven_by = 3\n", "")
    assert load(tmp_path, unproven).withheld == ("example",)
    assert list(load(tmp_path, unproven, provisional=True).by_name) == ["example"]
    assert load(tmp_path, "provisional = true\n" + RULE).withheld == ("example",)
    assert load(tmp_path, "provisional = false\n" + unproven).withheld == ()


def test_selectors_need_no_proof(tmp_path: Path) -> None:
    publisher = publisher_of(
        load(
            tmp_path,
            """
            hosts = ["*.example.org"]
            retry_after = "feed"
            [extract]
            content = "article.main"
            strip = [".ad", "//aside"]
            author = [".byline"]
            date = ["time"]
            next_page = ["a.next"]
            """,
        ),
        "news.example.org:8080",
    )
    assert publisher is not None
    assert publisher.retry_after == "feed"
    assert publisher.content == ("article.main",)
    assert publisher.strip == (".ad", "//aside")
    assert (publisher.author, publisher.date, publisher.next_page) == ((".byline",), ("time",), ("a.next",))


def test_numbers_can_be_unique_per_host_only(tmp_path: Path) -> None:
    text = (
        RULE.replace('["example.org"]', '["example.org", "example.net"]') + "decode = 'hex'\nhosts = ['example.org']\n"
    )
    publishers = load(tmp_path, "per_host = true\n" + text.replace("[0-9]+", "[0-9a-f]+"))
    assert identify("https://example.org/story/ff/x", publishers).key == "example:example.org:255"
    assert identify("https://example.net/story/ff/x", publishers).key == "https://example.net/story/ff/x"


def test_keep_params_and_parameters_with_the_number(tmp_path: Path) -> None:
    publishers = load(
        tmp_path,
        """
        hosts = ["example.org"]
        keep_params = ["fbclid"]
        proven_by = 3
        same = [["https://example.org/show?art=5&x=1", "https://example.org/show?art=5"]]
        different = [["https://example.org/show?art=5", "https://example.org/show?art=6"]]
        [[id]]
        path = '^/show$'
        params = { art = '^(?P<id>[0-9]{1,9})$' }
        """,
    )
    assert identify("https://example.org/show?art=5&art=6", publishers).key == "example:5"
    assert identify("https://example.org/show?art=x", publishers).key == "https://example.org/show?art=x"
    assert identify("https://example.org/a?fbclid=1", publishers).key == "https://example.org/a?fbclid=1"


def test_the_key_version_follows_what_decides_keys_and_nothing_else(tmp_path: Path) -> None:
    before = key_version(load(tmp_path, RULE))
    assert key_version(load(tmp_path, RULE + "\n[extract]\ncontent = 'main'\n")) == before
    assert key_version(load(tmp_path, RULE.replace("Tab", "view").replace("tab=", "view="))) != before
    assert key_version(load(tmp_path, RULE.replace("/story/(", "/(?:story)/("))) != before
    assert key_version(shipped_publishers()) != key_version(shipped_publishers(provisional=True))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("hosts = [", "this is no TOML in UTF-8"),
        ("", "hosts: is missing"),
        ('hosts = ["a b"]', 'hosts: "a b" is no host name'),
        ("hosts = [1]", "hosts: must be a list of texts"),
        ('hosts = ["e.org"]\nhost = "x"', 'host: unknown key; did you mean "hosts"?'),
        ('hosts = ["e.org"]\nzzzz = 1', "zzzz: unknown key; known are hosts"),
        ('hosts = ["e.org"]\nenabled = "no"', "enabled: 'no' is neither true nor false"),
        ('hosts = ["e.org"]\nproven_by = -1', "proven_by: -1 is no number"),
        ('hosts = ["e.org"]\nproven_by = true', "proven_by: True is no number"),
        ('hosts = ["e.org"]\nretry_after = "page"', "retry_after: 'page' is neither"),
        ('hosts = ["e.org"]\nextract = 1', "extract: must be a table"),
        ('hosts = ["e.org"]\n[extract]\nbody = "x"', "extract.body: unknown key"),
        ('hosts = ["e.org"]\nid = 1', "id: must be a list of tables"),
        ('hosts = ["e.org"]\nid = [1]', "id[0]: must be a table"),
        ('hosts = ["e.org"]\n[[id]]\npaths = "x"', 'id[0].paths: unknown key; did you mean "path"?'),
        ('hosts = ["e.org"]\n[[id]]', "id[0].path: is missing"),
        ('hosts = ["e.org"]\n[[id]]\npath = "/a"', 'is not anchored; begin it with "^"'),
        (
            'hosts = ["e.org"]\n[[id]]\npath = "^(?=a)$"',
            "example.toml:3: id[0].path: the pattern '^(?=a)$' has a look-ahead",
        ),
        ('hosts = ["e.org"]\n[[id]]\npath = "^\\u0028?=a)$"', "example.toml: id[0].path: the pattern '^(?=a)$' has"),
        ('hosts = ["e.org"]\n[[id]]\npath = "^/a$"', "id[0]: needs exactly one named group"),
        ('hosts = ["e.org"]\n[[id]]\npath = "^/(?P<id>a)$"\nparams = 1', "id[0].params: must be a table"),
        ('hosts = ["e.org"]\n[[id]]\npath = "^/(?P<id>a)$"\ndecode = "rot13"', "id[0].decode: 'rot13' is unknown"),
        (RULE.replace("example.org/story/1/b", "example.org/story/2/b"), "same[0]: the example fails"),
        (RULE.replace("example.org/story/2/a", "example.org/story/1/c"), "different[0]: the example fails"),
        (RULE.replace("https://example.org/story/2/a", "/story/2"), "different[0]: '/story/2' is no http(s) address"),
        (RULE.replace('same = [["https://example.org/story/1/a", ', 'same = [["x", "y", '), "same[0]: must be a pair"),
        (RULE.replace("different =", "#"), "needs examples of both"),
        (RULE.replace("different =", "different = 1 #"), "different: must be a list of pairs"),
        ('hosts = ["e.org"]\nsame = 1', "same: must be a list of pairs"),
    ],
)
def test_a_broken_rule_is_refused_with_file_key_and_remedy(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(RuleError) as refused:
        load(tmp_path, text)
    assert message in str(refused.value)
    assert "example.toml" in str(refused.value)


@pytest.mark.parametrize("name", ["https", "generic", "x", "UPPER", "a_b"])
def test_names_that_would_collide_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(RuleError, match="cannot be called"):
        load(tmp_path, RULE, name)


def test_an_id_that_is_no_number_in_its_base_is_no_id(tmp_path: Path) -> None:
    publishers = load(tmp_path, RULE.replace("[0-9]+)", "[^/]+)") + "decode = 'base62_upper'\n")
    assert identify("https://example.org/story/zz/x", publishers).key == "example:3843"
    assert identify("https://example.org/story/z-z/x", publishers).key == "https://example.org/story/z-z/x"


def test_two_rules_for_one_host_are_refused(tmp_path: Path) -> None:
    load(tmp_path, RULE)
    with pytest.raises(RuleError, match=r'"example\.org" is in example\.toml, too'):
        load(tmp_path, RULE, "other")


def test_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    (tmp_path / "example.toml").write_bytes(b"\xff")
    with pytest.raises(RuleError, match="no TOML in UTF-8"):
        load_publishers(None, tmp_path)
    with pytest.raises(RuleError, match="cannot be read"):
        load_publishers(tmp_path, None)


def test_other_files_and_a_missing_directory_are_no_rules(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("x", encoding="utf-8")
    (tmp_path / "toml").write_text("x", encoding="utf-8")
    assert load_publishers(None, tmp_path).by_name == {}
    assert load_publishers(None, tmp_path / "nowhere").by_name == {}


@pytest.mark.parametrize("host", ["", "unknown.example", "[::1]", "[::1]:80", "127.0.0.1:1"])
def test_hosts_without_a_rule(host: str) -> None:
    assert publisher_of(shipped_publishers(), host) is None
