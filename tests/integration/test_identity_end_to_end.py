"""The bounds of identity, as its benchmark measures them: pages at two addresses, two feeds, two days, both orders."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "identity_end_to_end.py"


@pytest.mark.parametrize("entries", [12, pytest.param(200, marks=pytest.mark.soak)])
def test_pairs_are_one_article_and_a_second_feed_costs_few_pages(entries: int) -> None:
    """Its status is 1 where a bound is missed: pairs, false merges, articles of two days, pages of the second feed."""
    done = subprocess.run(
        [sys.executable, str(BENCHMARK), "--entries", str(entries)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("false merges 0 of") == 2
    assert done.stdout.count(f"articles {entries}, {2 * entries} ") == 6


def test_a_folder_without_saved_pages_is_named(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, str(BENCHMARK), str(tmp_path)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (2, "")
    assert "holds no truth.jsonl" in done.stdout
