"""Runs all scenarios and scores them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from aggregator.selftest.politeness import POLITENESS
from aggregator.selftest.safety import SAFETY
from aggregator.selftest.scenario import FetcherFactory, Scenario, ScenarioClient
from aggregator.selftest.tolerance import TOLERANCE

SCENARIOS = (*SAFETY, *POLITENESS, *TOLERANCE)
_AT_ONCE = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """The result of one scenario. `name` is its requirement. `detail` says why it failed, or is "" if it passed."""

    name: str
    passed: bool
    detail: str


def run_selftest(new_fetcher: FetcherFactory) -> tuple[Score, ...]:
    """Run all scenarios and return their scores, in order.

    This takes seconds. The servers listen on 127.0.0.1 and 127.0.0.2 only.
    """
    client = ScenarioClient(new_fetcher)
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="selftest") as pool:
        return tuple(pool.map(lambda scenario: _score(scenario, client), SCENARIOS))


def _score(scenario: Scenario, client: ScenarioClient) -> Score:
    try:
        detail = scenario.check(client)
    except OSError as error:  # the scripted server failed: no free port, no loopback
        detail = f"could not be tried: {error}"
    return Score(name=scenario.requirement, passed=not detail, detail=detail)
