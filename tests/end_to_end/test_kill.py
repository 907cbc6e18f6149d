"""`run-once` is killed again and again; nothing is lost, nothing is stored twice."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

import pytest

from tests.support.installation import Installation

SEED_KEY = "dw:63723431"


@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.soak) for seed in (2, 3))])
def test_kill_9_at_random_moments_loses_and_doubles_nothing(
    installation: Installation, seed: int, tmp_path: Path
) -> None:
    choose = random.Random(seed)
    for _ in range(7):
        process = installation.start("run-once")
        time.sleep(choose.uniform(0.1, 2.5))
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    started = time.monotonic()
    installation.run("run-once")
    assert time.monotonic() - started < 60  # the leases of the dead hold nothing up
    articles = installation.articles()
    keys = [article["key"] for article in articles]
    assert len(keys) == len(set(keys))
    files = sorted((tmp_path / "articles").glob("*/*/*/*.txt"))
    assert {path.stem.partition("_")[2] for path in files} == {article["id"] for article in articles}
    texts = {article["id"]: article["text"] + "\n" for article in articles}
    assert all(path.read_text(encoding="utf-8") == texts[path.stem.partition("_")[2]] for path in files)
    assert SEED_KEY in keys
    assert not list((tmp_path / "articles").rglob("*.tmp"))
    assert installation.json("run-once", "--all")["articles"]["new"] == 0
