"""`aggregator selftest`: sends requests to misbehaving servers on this machine, and scores how our fetcher reacts.

A scenario is one small function: it has the script of a server, and it checks the result of a request to it. The tests
run the same scenarios. Commands call `run_selftest`.
"""

from aggregator.selftest.scores import Score, run_selftest

__all__ = ["Score", "run_selftest"]
