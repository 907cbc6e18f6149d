"""Runs `aggregator` as a process in a folder of its own, as a user does."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.command import call

COMMAND = [sys.executable, "-m", "aggregator"]

started: list[subprocess.Popen[str]] = []


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
        started.append(process)
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
        """Return what is stored; read in this process."""
        return call("export", "--config", self.config).records
