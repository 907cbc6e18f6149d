"""`aggregator run` as a process, and the other end of its notify socket."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from aggregator.clock import SystemClock
from tests.support.installation import Installation

PATIENCE = 60.0


@dataclass
class Systemd:
    """The other end of the notify socket."""

    path: Path
    messages: list[str] = field(default_factory=list)

    def listen(self) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(self.path))
        self.socket.settimeout(0.2)
        self.is_over = threading.Event()
        self.thread = threading.Thread(target=self._receive)
        self.thread.start()

    def _receive(self) -> None:
        while not self.is_over.is_set():
            try:
                self.messages.append(self.socket.recv(4096).decode())
            except TimeoutError:
                continue

    def close(self) -> None:
        self.is_over.set()
        self.thread.join()
        self.socket.close()

    def heard(self, word: str) -> int:
        return sum(word in message for message in self.messages)


class MovableClock(SystemClock):
    """The machine's wall clock, set wrong; the monotonic one goes on."""

    def move(self, by: timedelta) -> None:
        self._ahead += by


def wait_for(condition: Callable[[], object], what: str, patience: float = PATIENCE) -> None:
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, f"never came: {what}"
        time.sleep(0.02)


@contextmanager
def daemon(installation: Installation, systemd: Systemd) -> Iterator[subprocess.Popen[str]]:
    systemd.listen()
    process = installation.start("run", NOTIFY_SOCKET=str(systemd.path), WATCHDOG_USEC="30000000")
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        systemd.close()
