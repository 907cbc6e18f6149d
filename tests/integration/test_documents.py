"""The documents are true: every command, option, key and dependency is in them, and every link leads somewhere."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from aggregator.cli import cli

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
COMMON_OPTIONS = {"--config", "--log-format", "--verbose", "-v", "--quiet", "-q", "--help", "-h", "--json", "--version"}


def commands(group: click.Group, path: str = "aggregator") -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, f"{path} {name}")
        else:
            yield f"{path} {name}", command


def sections() -> dict[str, str]:
    parts = re.split(
        r"^### (.+)$", (DOCS / "reference" / "commands.md").read_text(encoding="utf-8"), flags=re.MULTILINE
    )
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_every_command_has_its_section_with_every_option() -> None:
    documented = sections()
    for path, command in commands(cli):
        assert path in documented, f"{path} is not in docs/reference/commands.md"
        for parameter in command.params:
            if isinstance(parameter, click.Option) and not parameter.hidden:
                missing = {name for name in parameter.opts if name.startswith("--") and name not in documented[path]}
                assert missing <= COMMON_OPTIONS, f"{path}: {missing} not in docs/reference/commands.md"


def keys(schema: dict[str, Any], root: dict[str, Any]) -> Iterator[str]:
    for name, value in schema.get("properties", {}).items():
        yield name
        for part in (value, value.get("items", {})):
            if "$ref" in part:
                yield from keys(root["$defs"][part["$ref"].rsplit("/", 1)[-1]], root)


def test_every_key_of_the_configuration_is_in_the_reference() -> None:
    schema = json.loads(CliRunner().invoke(cli, ["config", "schema"]).stdout)
    text = (DOCS / "reference" / "configuration.md").read_text(encoding="utf-8")
    found = set(keys(schema, schema))
    assert {"storage", "articles_dir", "feeds", "full_text"} <= found
    assert {key for key in found if key not in text} == set()


def test_every_dependency_has_its_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = [requirement for extra in project["optional-dependencies"].values() for requirement in extra]
    reasons = (DOCS / "decisions" / "0007-dependencies.md").read_text(encoding="utf-8")
    names = {re.split(r"[^a-z0-9-]", requirement)[0] for requirement in [*project["dependencies"], *extras]}
    assert {name for name in names if name.removesuffix("-binary") not in reasons} == set()


@pytest.mark.parametrize("page", sorted((DOCS / "decisions").glob("*.md")), ids=lambda page: page.stem)
def test_a_decision_is_one_page(page: Path) -> None:
    assert re.fullmatch(r"\d{4}-[a-z0-9-]+\.md", page.name)
    assert len(page.read_text(encoding="utf-8").splitlines()) <= 60


@pytest.mark.parametrize(
    "page", sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")]), ids=lambda p: str(p.relative_to(ROOT))
)
def test_links_lead_somewhere(page: Path) -> None:
    prose = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", prose):
        if "://" not in target and not target.startswith("mailto:"):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def named_paths(text: str) -> set[str]:
    """Return the paths within this repository that a document names; `x.py` and NAME stand for names to be chosen."""
    folders = "aggregator|benchmarks|config|docs|requirements|seeds|systemd|tests"
    found = re.findall(rf"`((?:{folders})/[\w./-]*)`", text)
    return {path for path in found if not re.fullmatch(r"x|[A-Z]+", Path(path).stem)}


@pytest.mark.parametrize(
    "page", sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")]), ids=lambda p: str(p.relative_to(ROOT))
)
def test_paths_that_are_named_exist(page: Path) -> None:
    missing = {path for path in named_paths(page.read_text(encoding="utf-8")) if not (ROOT / path).exists()}
    assert missing == set()


def test_the_nine_steps_of_an_entry_name_functions_that_exist() -> None:
    text = (DOCS / "architecture.md").read_text(encoding="utf-8")
    steps = re.findall(r"^\| (\d) \|(.*)$", text, flags=re.MULTILINE)
    assert [number for number, _ in steps] == list("123456789")
    for _, step in steps:
        named = re.findall(r"`(aggregator/[\w/]+\.py)` `(\w+)`", step)
        assert named, step
        for path, name in named:
            source = (ROOT / path).read_text(encoding="utf-8")
            assert re.search(rf"^ *(?:def|class) {name}\b", source, re.MULTILINE), f"{path}: {name}"


def test_the_picture_of_the_house_shows_the_layers_of_the_contracts() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    layers, store = (
        [set(re.findall(r"(?:aggregator\.)?(\w+)", floor)) - {"aggregator"} for floor in contract["layers"]]
        for contract in settings["contracts"]
        if contract["type"] == "layers"
    )
    text = (DOCS / "architecture.md").read_text(encoding="utf-8")
    house = text.partition("## The house")[2].partition("```text\n")[2].partition("```")[0]
    drawn = [
        {cell.strip() for cell in re.split(r" {3,}|\n", floor) if cell.strip() and " " not in cell.strip()}
        for floor in re.split(r"^ *─+$", house, flags=re.MULTILINE)
    ]
    assert [{name.removesuffix(".py") for name in floor} for floor in drawn] == layers
    assert {name for floor in drawn for name in floor} == {
        path.name
        for path in (ROOT / "aggregator").iterdir()
        if (path.suffix == ".py" and not path.name.startswith("__")) or (path / "__init__.py").exists()
    } - {"publishers"}
    within = text.partition("Within the store: ")[2].partition("\n")[0]
    assert set(re.findall(r"`(\w+)`", within)) == set().union(*store)
    for contract in settings["contracts"]:
        assert f"| {contract['name'].partition(' (')[0]} |" in text


SOURCES = [file for folder in ("aggregator", "tests", "benchmarks") for file in (ROOT / folder).rglob("*.py")]


def test_documents_that_the_code_names_exist() -> None:
    known = {file.name for file in [*ROOT.glob("*.md"), *DOCS.rglob("*.md"), *(ROOT / "tests").rglob("*.md")]}
    for file in [*SOURCES, ROOT / "Makefile", ROOT / "pyproject.toml"]:
        named = set(re.findall(r"([\w-]+\.md)\b", file.read_text(encoding="utf-8")))
        assert named <= known, f"{file.relative_to(ROOT)}: {named - known}"
