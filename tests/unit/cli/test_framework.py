"""The frame of the command line: help that fits and comes at once, common options, what is printed."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections.abc import Iterator

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator import __version__
from aggregator.cli import cli
from aggregator.cli.framework import COMMANDS, Command, number, one_line, print_table, printable
from tests.support.command import call

HEAVY = {"requests", "sqlalchemy", "lxml", "pydantic", "rich", "trafilatura", "feedparser", "resiliparse", "fastapi"}


def commands(group: click.Group = cli, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield (*path, name), command
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))


ALL = dict(commands())


# --- help -------------------------------------------------------------------------------------------------------------


def modules_after(*arguments: str) -> set[str]:
    code = (
        "import sys\nfrom aggregator.cli import main\n"
        f"try: main({list(arguments)!r})\nexcept SystemExit: pass\n"
        "print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stderr.split())


@pytest.mark.parametrize("arguments", [("--help",), ("--version",), ("run-once", "--help"), ("feeds", "--help")])
def test_help_loads_nothing_heavy(arguments: tuple[str, ...]) -> None:
    loaded = modules_after(*arguments)
    assert loaded & HEAVY == set()
    assert "aggregator.cli" in loaded
    if len(arguments) == 1:
        assert {name for name in loaded if name.startswith("aggregator.cli.")} == {
            "aggregator.cli.framework",
            "aggregator.cli.signals",
        }


def test_the_table_of_commands_is_complete() -> None:
    assert set(cli.commands) == {name for subject in COMMANDS.values() for name in subject}
    assert {module for subject in COMMANDS.values() for module, _ in subject.values()} == {
        command.callback.__module__.rpartition(".")[2]
        for command in cli.commands.values()
        if command.callback is not None
    }


@pytest.mark.parametrize("path", [(), *(path for path, command in ALL.items() if isinstance(command, click.Group))])
def test_every_line_of_a_list_of_commands_fits_80_columns(path: tuple[str, ...]) -> None:
    called = call(*path, "--help")
    assert called.status == 0
    assert "..." not in called.out.removeprefix(called.out.splitlines()[0])
    assert max(len(line) for line in called.out.splitlines()) <= 80
    group = ALL[path] if path else cli
    assert isinstance(group, click.Group)
    for name in group.list_commands(click.Context(group)):
        assert f"\n  {name} " in called.out


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_every_help_says_what_each_option_does(path: tuple[str, ...]) -> None:
    called = call(*path, "--help")
    assert (called.status, called.err) == (0, "")
    assert called.out.startswith(f"Usage: aggregator {' '.join(path)} ")
    assert "--config FILE" in called.out
    for parameter in ALL[path].params:
        if isinstance(parameter, click.Option) and parameter.name != "budget":
            assert parameter.help, f"{path}: {parameter.name}"


def test_examples_are_understood() -> None:
    """Each one names a command, and click takes its options."""
    seen = 0
    for path, command in ALL.items():
        for example in getattr(command, "examples", ()):
            words = shlex.split(
                example.partition("   #")[0].partition(" > ")[0].partition(" | ")[0].partition(" < ")[0]
            )
            if words[0] != "aggregator":
                assert "aggregator check" in example
                continue
            assert tuple(words[1 : len(path) + 1]) == path
            command.make_context(path[-1], words[len(path) + 1 :])
            assert example in call(*path, "--help").out
            seen += 1
    assert seen > 30


def test_our_own_commands_have_examples() -> None:
    without = {path for path, command in ALL.items() if isinstance(command, Command) and not command.examples}
    assert {path for path in without if ALL[path].callback.__module__ != "aggregator.cli.monitor"} == set()


def test_version() -> None:
    assert call("--version").out == f"aggregator, version {__version__}\n"


def test_completion_for_shells() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "aggregator"],
        env={"_AGGREGATOR_COMPLETE": "bash_complete", "COMP_WORDS": "aggregator run", "COMP_CWORD": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split() == ["plain,run-once", "plain,run"]


# --- printing ---------------------------------------------------------------------------------------------------------


@given(st.text())
def test_nothing_printable_steers_a_terminal(text: str) -> None:
    shown = printable(text)
    assert len(shown) == len(text)
    assert not any((ord(char) < 32 and char not in "\n\t") or 0x7F <= ord(char) < 0xA0 for char in shown)
    assert not any(0x202A <= ord(char) <= 0x202E or 0x2066 <= ord(char) <= 0x2069 for char in shown)
    shown.encode()
    assert printable(shown) == shown


@pytest.mark.parametrize(
    "text", ["Übergröße", "a\u00a0b", "soft\u00adhyphen", "שלום\u200f", "日本　語", "👩\u200d🚒", "a\tb\nc"]
)
def test_text_of_any_language_is_left_alone(text: str) -> None:
    assert printable(text) == text


@given(st.text())
def test_a_cell_is_one_line(text: str) -> None:
    assert len(one_line(text).splitlines()) <= 1
    assert "\t" not in one_line(text)


def test_a_table_is_lines_for_programs_and_columns_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(["id", "title"], [["1", "a\tb\nc\x1b[31m"], ["2", None]])
    assert capsys.readouterr().out == "1\ta b c\N{REPLACEMENT CHARACTER}[31m\n2\tNone\n"


@given(st.dictionaries(st.text(), st.text()))
def test_json_is_one_line_of_utf_8_for_everybody(row: dict[str, str]) -> None:
    from aggregator.sinks.records import json_line

    line = json_line(row)
    line.encode()
    assert len(line.splitlines()) == 1
    assert "\x1b" not in line
    assert json.loads(line) == row


def test_number() -> None:
    assert [number(count, "page") for count in (0, 1, 2)] == ["0 pages", "1 page", "2 pages"]
    assert number(2, "entry", "entries") == "2 entries"


@given(st.text() | st.lists(st.sampled_from(["a", "Über", " ", "\t", "\n", "\u202e", "\u00a0", "\x1b"])).map("".join))
def test_a_cell_is_one_line_that_controls_no_terminal(text: str) -> None:
    assert one_line(text) == printable(" ".join(text.split()))
