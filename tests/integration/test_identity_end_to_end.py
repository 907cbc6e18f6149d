"""The bounds of identity, as its benchmark measures them: pages at two addresses, two feeds, two days, both orders."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.identity_end_to_end import main
from tests.support.pool import PoolHere


@pytest.mark.allow_hosts(["127.0.0.0/8"])  # each site has an address of its own
@pytest.mark.parametrize("entries", [12, pytest.param(200, marks=pytest.mark.soak)])
def test_pairs_are_one_article_and_a_second_feed_costs_few_pages(
    entries: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its status is 1 where a bound is missed: pairs, false merges, articles of two days, pages of the second feed."""
    status = main(["--entries", str(entries)], PoolHere())  # type: ignore[arg-type]
    shown = capsys.readouterr().out
    assert status == 0, shown
    assert shown.count("false merges 0 of") == 2
    assert shown.count(f"articles {entries}, {2 * entries} ") == 6


def test_a_folder_without_saved_pages_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path)]) == 2
    assert "holds no truth.jsonl" in capsys.readouterr().out
