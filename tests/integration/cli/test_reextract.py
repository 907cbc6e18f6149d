"""Texts made again from the pages that are kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.support.command import call

RULE = """
hosts = ["harbour-courier.example"]
proven_by = 3
same = []
different = []

[extract]
strip = ["h1", "figcaption", "p:first-of-type"]
"""


def reextract(config: Path, *options: str) -> list[dict[str, Any]]:
    called = call("reextract", "--json", *options, "--config", config)
    assert called.status == 0, called
    return called.records


def articles(config: Path) -> dict[str, dict[str, Any]]:
    return {one["id"]: one for one in call("export", "--config", config).records}


def test_the_same_extractor_changes_nothing(own: Path) -> None:
    before = articles(own)
    assert len(before) > 10
    assert reextract(own, "--dry-run") == []
    assert reextract(own) == []
    assert articles(own) == before


def test_a_rule_changes_what_it_touches_and_the_old_text_stays(own: Path) -> None:
    before = articles(own)
    rules = own.parent / "publishers"
    rules.mkdir()
    (rules / "harbour-courier.toml").write_text(RULE, encoding="utf-8")
    touched = {one["id"] for one in before.values() if "harbour-courier" in one["url"] and one["source"] == "page"}
    assert {row["id"] for row in reextract(own, "--dry-run")} <= touched
    assert articles(own) == before
    changed = {row["id"] for row in reextract(own)}
    after = articles(own)
    assert {name for name in after if after[name]["revision"] > before[name]["revision"]} <= changed <= touched
    assert {name for name in after if after[name] != before[name] and name not in changed} == set()
