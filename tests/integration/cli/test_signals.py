"""A signal tells in the status of a command, whatever became of its exception."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress

import pytest

from aggregator.cli.signals import ended_by_signals


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
