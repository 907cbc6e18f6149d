"""Misbehaving servers on 127.0.0.1 and what this installation makes of them; knows nothing of stores and feeds.

One scenario is one small function: a script for a server, and the check of what came of it beside it. The tests run
the same ones. `run_selftest` is what a command needs.
"""

from aggregator.selftest.scores import Score, run_selftest

__all__ = ["Score", "run_selftest"]
