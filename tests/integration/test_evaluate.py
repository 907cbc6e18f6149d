"""The table of extraction quality, on made pages; and on none."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path

TOOL = Path(__file__).parents[2] / "benchmarks" / "evaluate.py"
STORY = "The council decided that the bridge over the river will be closed for two years. " * 4


def evaluate(*folders: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(TOOL), *map(str, folders)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_four_systems_stand_side_by_side(tmp_path: Path) -> None:
    (tmp_path / "pages").mkdir()
    page = f"<html><body><h1>Bridge</h1><article><p>{STORY}</p><p>{STORY}</p></article></body></html>"
    (tmp_path / "pages" / "a.html.gz").write_bytes(gzip.compress(page.encode()))
    truth = {"id": "a", "url": "https://example.org/a", "source": "made", "html": "a.html.gz", "body": STORY * 2}
    (tmp_path / "truth.jsonl").write_text(json.dumps(truth) + "\n" + json.dumps({**truth, "body": ""}) + "\n")
    done = evaluate(tmp_path, tmp_path / "none")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert "none: no truth.jsonl here; left out" in lines[0]
    assert "| body F1 | pages | ours | trafilatura | readability | Resiliparse |" in lines
    assert next(line for line in lines if line.startswith("| made |")).startswith("| made | 1 | 1.0000 |")
    assert "worst 1.000 a https://example.org/a" in lines


def test_without_data_it_says_so(tmp_path: Path) -> None:
    done = evaluate(tmp_path)
    assert done.returncode == 1
    assert "nothing to evaluate" in done.stdout
