"""Texts made again from the pages that are kept."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.installation import Installation

pytestmark = pytest.mark.unmeasured

RULE = """
hosts = ["harbour-courier.example"]
proven_by = 3
same = []
different = []

[extract]
strip = ["h1", "figcaption", "p:first-of-type"]
"""


def reextract(installation: Installation, *options: str) -> list[dict[str, Any]]:
    out = installation.run("reextract", "--json", *options).stdout
    return [json.loads(line) for line in out.splitlines()]


def test_the_same_extractor_changes_nothing(installation: Installation) -> None:
    installation.run("run-once")
    before = installation.articles()
    assert reextract(installation, "--dry-run") == []
    assert reextract(installation) == []
    assert installation.articles() == before


def test_a_rule_changes_what_it_touches_and_the_old_text_stays(installation: Installation) -> None:
    installation.run("run-once")
    before = {one["id"]: one for one in installation.articles()}
    rules = installation.folder / "publishers"
    rules.mkdir()
    (rules / "harbour-courier.toml").write_text(RULE, encoding="utf-8")
    touched = {one["id"] for one in before.values() if "harbour-courier" in one["url"] and one["source"] == "page"}
    assert {row["id"] for row in reextract(installation, "--dry-run")} <= touched
    assert {one["id"]: one for one in installation.articles()} == before
    changed = {row["id"] for row in reextract(installation)}
    after = {one["id"]: one for one in installation.articles()}
    assert {name for name in after if after[name]["revision"] > before[name]["revision"]} <= changed <= touched
    assert {name for name in after if after[name] != before[name] and name not in changed} == set()
