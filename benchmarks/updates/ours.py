"""One `run-once` over a store, as `bench_polls` measures it: in a process of its own, as reader is.

`python benchmarks/updates/ours.py CONFIG HOURS` with the clock so many hours ahead; prints feeds a second, new entries,
share of a core and MiB at most. Worker processes load this file: like that of the command it imports nothing large.
"""

from __future__ import annotations

import resource
import sys
import time
from datetime import timedelta
from pathlib import Path


def main() -> int:
    from aggregator.app import open_app
    from aggregator.clock import SystemClock
    from aggregator.config.loading import load_config

    config = load_config(Path(sys.argv[1]), {})
    with open_app(config, clock=SystemClock(ahead=timedelta(hours=int(sys.argv[2])))) as app:
        cpu = time.process_time()
        started = time.perf_counter()
        report, _ = app.run_once()
        elapsed = time.perf_counter() - started
        cpu = time.process_time() - cpu
    assert report.feeds_failed == 0, report
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(report.feeds_polled / elapsed, report.entries_new, cpu / elapsed, memory)
    return 0


if __name__ == "__main__":
    sys.exit(main())
