"""A signal tells in the status of a command, whatever became of its exception."""

from __future__ import annotations

import importlib
import os
import signal
import sys
import tempfile
import time
from contextlib import suppress
from datetime import timedelta
from io import StringIO
from pathlib import Path
from types import FrameType

import pytest

from aggregator.cli.framework import Command
from aggregator.cli.signals import ended_by_signals
from aggregator.demo.show import run_demo
from aggregator.engine.pool import WorkerPool
from tests.support.command import call


def lose(number: signal.Signals) -> None:
    with ended_by_signals(), suppress(SystemExit):
        os.kill(os.getpid(), number)
        time.sleep(5)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_whose_exception_is_lost_tells_in_the_status(number: signal.Signals, status: int) -> None:
    before = signal.getsignal(number)
    with pytest.raises(SystemExit) as ended:
        lose(number)
    assert ended.value.code == status
    assert signal.getsignal(number) is before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(("is_service", "status"), [(True, 0), (False, None)])
def test_a_service_that_is_stopped_while_it_starts_has_ended_well(
    number: signal.Signals, is_service: bool, status: int | None
) -> None:
    def start() -> None:
        os.kill(os.getpid(), number)
        time.sleep(5)

    with pytest.raises(SystemExit) as ended, ended_by_signals():
        Command("start", callback=start, is_service=is_service).main([], standalone_mode=False)
    assert ended.value.code == (128 + number if status is None else status)


def test_ctrl_c_while_a_place_for_the_demo_is_looked_for_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    tried: list[str] = []

    def interrupt(frame: FrameType, event: str, arg: object) -> None:
        if event == "c_return" and arg is os.open and frame.f_code.co_filename == tempfile.__file__:
            sys.setprofile(None)
            tried.extend(path.name for path in tmp_path.iterdir())
            signal.raise_signal(signal.SIGINT)

    sys.setprofile(interrupt)
    assert call("demo").status == 130
    assert (len(tried), list(tmp_path.iterdir())) == (1, [])


def test_ctrl_c_as_soon_as_the_folder_of_the_demo_is_there_leaves_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    def interrupt(frame: FrameType, event: str, arg: object) -> None:
        if event == "c_return" and getattr(arg, "__name__", "") == "mkdir":
            sys.setprofile(None)
            os.kill(os.getpid(), signal.SIGINT)

    sys.setprofile(interrupt)
    with pytest.raises(SystemExit), ended_by_signals():
        run_demo(None, None, StringIO())
    assert list(tmp_path.iterdir()) == []


SLOW_MODULE = """
import os, signal, time
os.kill(os.getpid(), signal.SIGINT)
ends_at = time.monotonic() + 0.3
while time.monotonic() < ends_at:  # a module that still loads
    pass
open(__file__ + ".loaded", "w").close()
"""


def test_a_signal_while_a_module_loads_ends_the_command_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The module is loaded first; then temporary folders go, as at any other moment."""
    (tmp_path / "loads_slowly.py").write_text(SLOW_MODULE, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))

    def work() -> None:
        with tempfile.TemporaryDirectory(dir=tmp_path, prefix="work"):
            importlib.import_module("loads_slowly")
            time.sleep(5)

    with pytest.raises(SystemExit) as ended, ended_by_signals():
        work()
    assert ended.value.code == 130
    assert list(tmp_path.glob("*.loaded"))
    assert not list(tmp_path.glob("work*"))


def test_no_worker_and_no_server_of_workers_is_reached_by_ctrl_c() -> None:
    """They would print tracebacks while they load: SIGINT is blocked in them from their first moment on."""
    pool = WorkerPool(1, timedelta(seconds=60))
    try:
        blocked = pool.submit(signal.pthread_sigmask, signal.SIG_BLOCK, ()).result()
        assert signal.SIGINT in blocked
        assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())
    finally:
        pool.close()
