"""Editing the feeds of a configuration file: comments, owner and mode stay, and nothing but the feeds changes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.config.editing import add_feed, add_feeds, remove_feed
from aggregator.config.loading import load_config
from aggregator.errors import ConfigError
from aggregator.models.feeds import Subscription

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="gives files to other users: root alone can")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "aggregator.toml"


def feeds(*urls: str) -> str:
    return "".join(f'[[feeds]]\nurl = "{url}"\n' for url in urls)


COMMENTED = """\
# my feeds

[polling]
workers = 3  # few

# the first
[[feeds]]
url = "https://a.example/f"  # theirs
name = "A"

# the second
[[feeds]]
url = "https://b.example/f"
name = "B"
# interval = "5m"
"""


def test_added_feed_stands_at_the_end(path: Path) -> None:
    path.write_text(COMMENTED)
    feed = Subscription(
        url='https://c.example/"f"',
        name="Ü\\x",
        interval=timedelta(minutes=90),
        tags=("a", "b"),
        full_text=False,
        enabled=False,
    )
    add_feed(path, feed)
    assert path.read_text().startswith(COMMENTED)
    assert load_config(path, {}).subscriptions()[2] == feed


def test_removed_feed_leaves_every_other_line(path: Path) -> None:
    path.write_text(COMMENTED)
    assert remove_feed(path, "A")
    assert path.read_text() == COMMENTED.replace('[[feeds]]\nurl = "https://a.example/f"  # theirs\nname = "A"\n\n', "")
    assert remove_feed(path, "HTTPS://b.example/f")
    assert '# interval = "5m"' in path.read_text()
    assert load_config(path, {}).subscriptions() == ()
    assert not remove_feed(path, "A")


def test_add_then_remove_gives_the_file_back(path: Path) -> None:
    path.write_bytes(COMMENTED.replace("\n", "\r\n").encode())
    before = path.read_bytes()
    add_feed(path, Subscription(url="https://c.example/f"))
    assert b"\n[[feeds]]\r\n" in path.read_bytes()
    remove_feed(path, "https://c.example/f")
    assert path.read_bytes().rstrip() == before.rstrip()


@pytest.mark.parametrize("text", ["", "\n", "\ufeff", "[polling]\nworkers = 3", "# only feeds here\n"])
def test_add_to_any_beginning(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
    add_feed(path, Subscription(url="https://c.example/f"))
    assert path.read_text(encoding="utf-8").startswith(text.strip("\n"))
    assert [feed.url for feed in load_config(path, {}).subscriptions()] == ["https://c.example/f"]


def test_feeds_file_is_edited_when_there_is_one(path: Path) -> None:
    path.write_text(COMMENTED)
    beside = path.parent / "feeds.toml"
    beside.write_text("# mine\n")
    added = add_feeds(
        path,
        [
            Subscription(url="https://a.example/f"),
            Subscription(url="https://c.example/f", name="C"),
            Subscription(url="https://c.example:443/f", name="C again"),
        ],
    )
    assert [feed.name for feed in added] == ["C"]
    assert path.read_text() == COMMENTED
    assert beside.read_text() == '# mine\n\n[[feeds]]\nurl = "https://c.example/f"\nname = "C"\n'
    assert remove_feed(path, "C")
    assert remove_feed(path, "B")
    assert len(load_config(path, {}).subscriptions()) == 1


def test_nothing_new_writes_nothing(path: Path) -> None:
    path.write_text(COMMENTED)
    before = path.stat().st_ino
    assert add_feeds(path, [Subscription(url="https://a.example/f")]) == ()
    assert path.stat().st_ino == before
    with pytest.raises(ConfigError, match="listed already"):
        add_feed(path, Subscription(url="https://a.example/f"))


def test_inline_array_is_edited_in_place(path: Path) -> None:
    path.write_text('# c\nfeeds = [\n  { url = "https://a.example/f" }, # one\n]\n[polling]\nworkers = 3 # few\n')
    add_feed(path, Subscription(url="https://b.example/f", name="B"))
    assert [feed.url for feed in load_config(path, {}).subscriptions()] == [
        "https://a.example/f",
        "https://b.example/f",
    ]
    assert remove_feed(path, "https://a.example/f")
    assert "workers = 3 # few" in path.read_text()
    assert [feed.name for feed in load_config(path, {}).subscriptions()] == ["B"]


def test_editors_wait_for_each_other(path: Path) -> None:
    path.write_text(COMMENTED)
    urls = [f"https://{number}.example/f" for number in range(12)]
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda url: add_feed(path, Subscription(url=url)), urls))
    assert {feed.url for feed in load_config(path, {}).subscriptions()} >= set(urls)


def test_name_of_several_feeds(path: Path) -> None:
    path.write_text(feeds("https://a.example/f") + 'name = "X"\n' + feeds("https://b.example/f") + 'name = "X"\n')
    with pytest.raises(ConfigError, match='several feeds have the name "X"'):
        remove_feed(path, "X")


def test_link_and_mode_stay(path: Path) -> None:
    real = path.parent / "real.toml"
    real.write_text("")
    real.chmod(0o640)
    path.symlink_to(real)
    add_feed(path, Subscription(url="https://a.example/f"))
    assert path.is_symlink()
    assert real.stat().st_mode & 0o777 == 0o640
    assert sorted(file.name for file in path.parent.iterdir()) == ["aggregator.toml", "real.toml"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[polling", "cannot be edited: .*config check"),
        ("[feeds]\nurl = 1\n", "feeds: is not a list of tables"),
        ("feeds = [1]\n", "feeds: is not a list of tables"),
    ],
)
def test_wrong_file_is_not_edited(path: Path, text: str, message: str) -> None:
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        add_feed(path, Subscription(url="https://a.example/f"))
    assert path.read_text() == text


def test_text_that_only_looks_like_a_feed_is_none(path: Path) -> None:
    text = feeds("https://a.example/f") + 'name = """\n[[feeds]]\n"""\n'
    path.write_text(text + feeds("https://b.example/f"))
    assert remove_feed(path, "https://b.example/f")
    assert path.read_text() == text


def test_missing_file_is_not_edited(path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        add_feed(path, Subscription(url="https://a.example/f"))


def test_folder_that_cannot_be_written(path: Path) -> None:
    real = path.parent / ("x" * 250 + ".toml")  # a longer temporary name does not fit
    real.write_text("")
    path.symlink_to(real)
    with pytest.raises(ConfigError, match="cannot be written"):
        add_feed(path, Subscription(url="https://a.example/f"))


def test_messages_never_show_a_password(path: Path) -> None:
    path.write_text(feeds("https://u:s3cret@a.example/f"))
    with pytest.raises(ConfigError) as caught:
        add_feed(path, Subscription(url="https://u:s3cret@a.example/f"))
    assert not re.search("s3cret", str(caught.value))


# --- comments and sections around the feeds ---------------------------------------------------------------------------

AROUND = """\
[[feeds]]
url = "https://a.example/f"

[feeds.headers]  # what the site wants
X-Key = "1"

# the page
[web]
listen = ""
"""


def test_comments_above_a_section_stay_with_it(path: Path) -> None:
    path.write_text(AROUND)
    add_feed(path, Subscription(url="https://b.example/f"))
    assert path.read_text() == AROUND.replace("\n# the page", '\n[[feeds]]\nurl = "https://b.example/f"\n\n# the page')
    assert remove_feed(path, "https://b.example/f")
    assert path.read_text().split() == AROUND.split()
    assert remove_feed(path, "https://a.example/f")
    assert path.read_text() == '# the page\n[web]\nlisten = ""\n'


def test_feeds_in_several_places_of_the_file(path: Path) -> None:
    path.write_text(feeds("https://a.example/f") + '[web]\nlisten = "" # off\n' + feeds("https://b.example/f"))
    assert remove_feed(path, "https://b.example/f")
    assert 'listen = "" # off' in path.read_text()
    assert tomllib.loads(path.read_text()) == {"feeds": [{"url": "https://a.example/f"}], "web": {"listen": ""}}


_ADDRESSES = [f"https://{name}.example/f" for name in "abcd"]
_PARTS = st.lists(
    st.sampled_from(["# comment\n", "\n", "[web]\nlisten = ''\n", "[http]\n# none\n", *map(feeds, _ADDRESSES[:3])]),
    max_size=8,
    unique=True,
)


@given(parts=_PARTS, gone=st.sampled_from(_ADDRESSES), newline=st.sampled_from(["\n", "\r\n"]))
def test_every_comment_and_every_other_key_stays(
    tmp_path_factory: pytest.TempPathFactory, parts: list[str], gone: str, newline: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "law.toml"
    text = "".join(parts)
    path.write_text(text, newline=newline)
    before = tomllib.loads(text)
    listed = [feed["url"] for feed in before.pop("feeds", [])]
    assert remove_feed(path, gone) == (gone in listed)
    added = add_feeds(path, [Subscription(url=gone)])
    assert len(added) == 1
    after = path.read_bytes().decode()
    assert after.count("#") == text.count("#")
    assert newline == "\r\n" or "\r" not in after
    settings = tomllib.loads(after)
    assert [feed["url"] for feed in settings.pop("feeds")] == [url for url in listed if url != gone] + [gone]
    assert settings == before


# --- the file itself --------------------------------------------------------------------------------------------------


@needs_root
def test_owner_group_and_mode_stay(path: Path) -> None:
    path.write_text(feeds("https://a.example/f"))
    os.chown(path, 12345, 23456)
    path.chmod(0o640)
    add_feed(path, Subscription(url="https://b.example/f"))
    remove_feed(path, "https://a.example/f")
    facts = path.stat()
    assert (facts.st_uid, facts.st_gid, facts.st_mode & 0o7777) == (12345, 23456, 0o640)


def test_extended_attributes_stay(path: Path) -> None:
    path.write_text("")
    os.setxattr(path, "user.note", b"mine")
    add_feed(path, Subscription(url="https://b.example/f"))
    assert os.getxattr(path, "user.note") == b"mine"


def test_an_access_control_list_stays(path: Path) -> None:
    path.write_text("")
    entries = [(1, 6, -1), (2, 4, 12345), (4, 4, -1), (16, 4, -1), (32, 0, -1)]  # user 12345 may read: acl(5)
    acl = (2).to_bytes(4, "little") + b"".join(
        tag.to_bytes(2, "little") + mode.to_bytes(2, "little") + (who & 0xFFFFFFFF).to_bytes(4, "little")
        for tag, mode, who in entries
    )
    try:
        os.setxattr(path, "system.posix_acl_access", acl)
    except OSError:
        pytest.skip("this file system has no access control lists")
    add_feed(path, Subscription(url="https://b.example/f"))
    assert os.getxattr(path, "system.posix_acl_access") == acl


ADD = "import sys; from pathlib import Path; from aggregator.config.editing import add_feed; \
from aggregator.models.feeds import Subscription; \
add_feed(Path(sys.argv[1]), Subscription(url='https://c.example/f'))".replace("\\\n", "")


@needs_root
def test_a_file_that_is_mounted_alone_is_copied_and_overwritten(path: Path) -> None:
    outside = path.with_name("outside.toml")
    outside.write_text(COMMENTED)
    os.chown(outside, 12345, 23456)
    outside.chmod(0o640)
    path.write_text("")
    mount = f"mount --bind {outside} {path}"
    can = subprocess.run(["unshare", "--mount", "sh", "-c", mount], capture_output=True, check=False)
    if can.returncode != 0:
        pytest.skip("this machine allows no mounts")
    command = f'{mount} && exec "$@"'
    subprocess.run(["unshare", "--mount", "sh", "-c", command, "-", sys.executable, "-c", ADD, path], check=True)
    assert outside.read_text().startswith(COMMENTED)
    assert "https://c.example/f" in outside.read_text()
    facts = outside.stat()
    assert (facts.st_uid, facts.st_gid, facts.st_mode & 0o7777) == (12345, 23456, 0o640)
    copy = path.with_name("aggregator.toml.bak")
    assert copy.read_text() == COMMENTED
    assert copy.stat().st_mode & 0o777 == 0o640
    assert sorted(file.name for file in path.parent.iterdir()) == [
        "aggregator.toml",
        "aggregator.toml.bak",
        "outside.toml",
    ]


@needs_root
def test_the_file_of_another_user_is_copied_and_overwritten(tmp_path: Path) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as shared:  # that user cannot enter pytest's own folder
        path = Path(shared) / "aggregator.toml"
        path.write_text(COMMENTED)
        os.chown(path, 0, 23456)
        path.chmod(0o660)
        os.chown(shared, 0, 23456)
        Path(shared).chmod(0o770)
        child = os.fork()
        if child == 0:
            status = 1
            try:
                os.setgroups([])
                os.setgid(23456)
                os.setuid(12345)
                add_feed(path, Subscription(url="https://c.example/f"))
                status = 0
            finally:
                os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        facts = path.stat()
        assert (facts.st_uid, facts.st_gid, facts.st_mode & 0o7777) == (0, 23456, 0o660)
        assert "https://c.example/f" in path.read_text()
        assert path.with_name("aggregator.toml.bak").read_text() == COMMENTED
