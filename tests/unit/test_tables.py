"""The lists that are data: each table is read by a module, says what it is, and lists nothing twice."""

from __future__ import annotations

import codecs
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import aggregator
from aggregator.text.tables import read_table

PACKAGE = Path(aggregator.__file__).parent
TABLES = sorted((PACKAGE / "publishers" / "tables").glob("*.toml"))
SOURCES = "\n".join(file.read_text(encoding="utf-8") for file in PACKAGE.rglob("*.py"))


def lists(value: Any, path: str = "") -> Iterator[tuple[str, list[Any]]]:
    """Return every list of a table with the keys that lead to it."""
    if isinstance(value, dict):
        for name, part in value.items():
            yield from lists(part, f"{path}.{name}")
    elif isinstance(value, list):
        yield path, value
        for part in value:
            yield from lists(part, f"{path}[]")


def test_there_are_tables() -> None:
    assert {"encodings", "hosts", "redirectors", "tracking", "units"} <= {file.stem for file in TABLES}


@pytest.mark.parametrize("file", TABLES, ids=lambda file: file.stem)
def test_a_table_says_what_it_is_and_lists_nothing_twice(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert text.startswith("# ")
    table = tomllib.loads(text)
    assert table
    for path, values in lists(table):
        assert values, path
        doubled = [value for number, value in enumerate(values) if value and value in values[:number]]
        assert not doubled, f"{file.name}: {path}: {doubled}"


@pytest.mark.parametrize("file", TABLES, ids=lambda file: file.stem)
def test_a_table_is_read_by_a_module(file: Path) -> None:
    assert f'"{file.stem}"' in SOURCES or f'"{file.name}"' in SOURCES


def test_encodings_are_those_of_python() -> None:
    table = read_table("encodings")
    known = [*table["codecs"]["single_byte"], *table["codecs"]["multi_byte"]]
    assert [codecs.lookup(name).name for name in known] == known
    assert {*table["labels"].values(), *table["supersets"].values()} <= {*known, "utf-8"}
    assert [name for name in table["supersets"] if codecs.lookup(name).name != name] == []


def test_units_are_listed_from_the_smallest() -> None:
    for table in read_table("units").values():
        assert list(table.values()) == sorted(table.values())
