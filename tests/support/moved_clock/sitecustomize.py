"""Make `time.sleep` work in a process that runs under libfaketime with DONT_FAKE_MONOTONIC=1.

`time.sleep` computes its end by the monotonic clock. In this mode libfaketime takes the end for a time of the moved
clock, and every sleep fails with EINVAL. Python loads this file at its start when PYTHONPATH names this folder.
"""

import select
import time

try:
    time.sleep(0)
except OSError:
    time.sleep = lambda seconds: select.select([], [], [], seconds)
