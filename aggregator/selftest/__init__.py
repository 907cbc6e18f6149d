"""Run requests against misbehaving servers on 127.0.0.1 and score the results. Knows nothing of stores and feeds.

A scenario is one small function. It has the script of a server, and beside it the check of the result. The tests run
the same scenarios. Commands call `run_selftest`.
"""

from aggregator.selftest.scores import Score, run_selftest

__all__ = ["Score", "run_selftest"]
