"""Runs `aggregator` as a process, as a user does."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from aggregator.clock import SystemClock
from aggregator.demo.configuration import demo_config
from aggregator.demo.newsroom import Newsroom
from aggregator.engine.pool import WorkerPool
from aggregator.store import open_store
from tests.support.citizen import World

COMMAND = [sys.executable, "-m", "aggregator"]

_started: list[subprocess.Popen[str]] = []


@pytest.fixture(scope="session", autouse=True)
def nothing_left() -> Iterator[None]:
    """End what a test that failed has left: a daemon goes on for ever."""
    yield
    end_all(_started)


def end_all(processes: list[subprocess.Popen[str]]) -> None:
    """Kill those that have not ended, each with its children."""
    for process in processes:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    processes.clear()


def _limit_addresses() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))


@dataclass(frozen=True, slots=True)
class Installation:
    """A folder with a configuration, and the commands that use it."""

    folder: Path

    @property
    def config(self) -> Path:
        return self.folder / "aggregator.toml"

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [*COMMAND, *arguments],
            cwd=self.folder,
            env={**os.environ, "AGGREGATOR_CONFIG": str(self.config), **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            preexec_fn=_limit_addresses,
        )
        _started.append(process)
        return process

    def run(self, *arguments: str, status: int | None = 0, **environment: str) -> subprocess.CompletedProcess[str]:
        process = self.start(*arguments, **environment)
        try:
            out, err = process.communicate(timeout=120)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise
        done = subprocess.CompletedProcess(arguments, process.returncode, out, err)
        assert "Traceback" not in err, err
        if status is not None:
            assert done.returncode == status, (done.returncode, out, err)
        return done

    def json(self, *arguments: str, status: int | None = 0, **environment: str) -> Any:
        return json.loads(self.run(*arguments, "--json", status=status, **environment).stdout)

    def articles(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.run("export").stdout.splitlines()]


@pytest.fixture
def newsroom() -> Iterator[Newsroom]:
    with Newsroom() as room:
        yield room


@pytest.fixture
def installation(tmp_path: Path, newsroom: Newsroom) -> Installation:
    made = Installation(tmp_path)
    made.config.write_text(demo_config(tmp_path, newsroom), encoding="utf-8")
    return made


@pytest.fixture(scope="session")
def pool() -> Iterator[WorkerPool]:
    pool = WorkerPool(1, timedelta(seconds=20))
    yield pool
    pool.close()


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store without anything in it: making the tables takes longer than many a scenario."""
    path = tmp_path_factory.mktemp("empty") / "aggregator.db"
    open_store(f"sqlite:///{path}", SystemClock()).close()
    return path


@pytest.fixture(scope="session")
def make_world(tmp_path_factory: pytest.TempPathFactory, pool: WorkerPool, empty_store: Path) -> Callable[[], World]:
    """Give a function that makes folders; a module's table of scenarios lives in one, all of them at once."""

    def make() -> World:
        folder = tmp_path_factory.mktemp("world")
        (folder / "data").mkdir()
        shutil.copy(empty_store, folder / "data")
        return World(folder, pool)

    return make


@pytest.fixture
def world(make_world: Callable[[], World]) -> World:
    return make_world()
