"""README and quick start tell the truth: their command lines run, the text they quote is what the demo gives."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from aggregator.cli import cli
from aggregator.cli.framework import COMMANDS
from aggregator.demo.newsroom import Newsroom
from tests.support.command import Called, call

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
QUICK_START = (ROOT / "docs" / "quick-start.md").read_text(encoding="utf-8")
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
# What the README names in the world, and where the newsroom has the like of it.
PLACES = {
    "https://rss.dw.com/": "http://rss.dw.com/",
    "https://www.bbc.com/": "http://www.harbour-courier.example/",
    "https://www.dw.com/": "http://www.harbour-courier.example/",
}
# Lines that install, a daemon that does not end, and an answer that depends on the feeds.
ELSEWHERE = ("make ", "pip ", "python3 -m venv ", "source ", "rm ", "aggregator health")


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def command_lines(text: str) -> list[str]:
    return [line for block in blocks(text, "sh") for line in block.replace("\\\n", " ").splitlines() if line.strip()]


def script(text: str) -> str:
    """Return the lines of a document as a script, without those about example.org: a reader puts an address there."""
    lines = [line for line in command_lines(text) if "example.org" not in line and line.strip() != "aggregator run"]
    return "\n".join(line for line in lines if not line.startswith(ELSEWHERE))


@pytest.mark.parametrize("page", [README, QUICK_START], ids=["README", "quick start"])
def test_the_lines_run_one_after_the_other(page: str, tmp_path: Path) -> None:
    checkout = tmp_path / "checkout"
    (checkout / ".venv").mkdir(parents=True)
    commands = Path(sys.executable).parent
    (checkout / ".venv" / "bin").symlink_to(commands)
    with Newsroom() as newsroom:
        settings = {"PROXY": newsroom.proxy_url, "PROXY_RESOLVES": "true", "PER_HOST_INTERVAL": "20ms"}
        environ = {"HOME": str(tmp_path), "PATH": f"{commands}:/usr/bin:/bin"}
        environ |= {f"AGGREGATOR_HTTP__{key}": value for key, value in settings.items()}
        command = ["bash", "-euo", "pipefail", "-c", translated(script(page))]
        ran = subprocess.run(
            command, cwd=checkout, env=environ, capture_output=True, text=True, timeout=600, check=False
        )
    assert ran.returncode == 0, ran.stderr
    assert "added http://" in ran.stdout
    assert re.search(r"^articles +[1-9]\d* new", ran.stdout, re.MULTILINE)
    assert "Ukraine: Russia says Kherson city pullout 'completed'" in ran.stdout
    assert '"url":"http://www.' in (tmp_path / "corpus.jsonl").read_text(encoding="utf-8")


def translated(text: str) -> str:
    for real, ours in PLACES.items():
        text = text.replace(real, ours)
    return text


def test_the_other_lines_are_what_the_project_has() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    others = [line for line in command_lines(README + QUICK_START) if line.startswith(("make ", "pip "))]
    for line in others:
        tool, target = shlex.split(line, comments=True)[:2]
        assert (tool, target) == ("pip", "install") or re.search(rf"^{target}:", makefile, re.MULTILINE), line
    assert re.search(r"^demo: .*\n\t\S+/aggregator demo\n", makefile, re.MULTILINE)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert (project["name"], "aggregator" in project["scripts"]) == ("feed-corpus", True)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Called, Path]:
    """What `aggregator demo --keep` said, and its folder."""
    folder = tmp_path_factory.mktemp("demo") / "kept"
    return call("demo", "--keep", folder), folder


def test_the_demo_shows_what_this_is_for(demo: tuple[Called, Path]) -> None:
    called, folder = demo
    assert (called.status, called.err) == (0, "")
    for words in ("First run", "Second run", "One article, however many addresses", "Refused", "One article in full"):
        assert words in called.out
    assert (ROOT / "seeds" / "000_140eb00cdc832ed0.txt").read_text(encoding="utf-8") in called.out
    revised = [one for one in call("export", "--config", folder / "aggregator.toml").records if one["revision"] > 1]
    shown = call("articles", "show", revised[0]["id"], "--revisions", "--config", folder / "aggregator.toml").out
    assert shown.startswith("--- revision 1\n+++ revision 2\n@@ ")


def test_the_kept_demo_holds_no_times_to_come(demo: tuple[Called, Path]) -> None:
    troubles = call("health", "--json", "--config", demo[1] / "aggregator.toml").records
    assert troubles
    assert "own_clock" not in {trouble["kind"] for trouble in troubles}


def test_the_quoted_text_is_what_the_demo_gives(demo: tuple[Called, Path]) -> None:
    (quoted,) = blocks(README, "text")
    given = iter(demo[0].out.splitlines())
    for line in quoted.splitlines():
        start = line.removesuffix(" ...")
        assert any(shown.startswith(start) if start != line else shown.rstrip() == line for shown in given), line


def test_the_code_in_the_readme_loads_the_demos_dataset(demo: tuple[Called, Path], tmp_path: Path) -> None:
    (code,) = blocks(README, "python")
    (tmp_path / "trial").symlink_to(demo[1])
    (tmp_path / "checkout").mkdir()
    shown = subprocess.run(
        [sys.executable, "-W", "ignore::ResourceWarning", "-c", f"{code}\nprint(len(articles))"],
        cwd=tmp_path / "checkout",
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert int(shown) == len(call("export", "--config", demo[1] / "aggregator.toml").records)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_line_in_the_documents_is_one_of_ours(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    lines = [
        line
        for language in ("sh", "console", "bash")
        for block in blocks(text, language)
        for line in block.splitlines()
    ]
    for line in lines:
        for part in re.split(r"[|;<>]|&&", line.partition(" #")[0]):
            name, _, rest = part.strip().removeprefix("$ ").partition(" ")
            if Path(name).name == "aggregator":
                assert_understood(shlex.split(re.sub(r"\$\(.*?\)", "X", rest)), line)


def assert_understood(words: list[str], line: str) -> None:
    """Walk down the groups and let click parse the rest, without running anything."""
    command: click.Command = cli
    context = click.Context(cli, info_name="aggregator")
    while isinstance(command, click.Group):
        name = words.pop(0)
        if name.startswith("-"):
            return  # `aggregator --help`
        found = command.get_command(context, name)
        assert found is not None, f"{line!r}: no command {name}"
        command = found
    if "--help" not in words:
        command.make_context(command.name, words)


def usages() -> Iterator[str]:
    for row in re.findall(r"^\|[^|]+\|([^|]+)\|$", README, re.MULTILINE):
        yield from re.findall(r"`aggregator ([^`]+)`", row)


def test_the_table_names_commands_that_there_are() -> None:
    named = list(usages())
    assert len(named) > 8
    for usage in named:
        name, *rest = usage.split()
        command = cli.get_command(click.Context(cli), name)
        assert command is not None, usage
        if isinstance(command, click.Group):
            given = {word for word in rest if word.islower()}
            assert given <= set(command.commands), usage
        assert any(name in commands for commands in COMMANDS.values())
