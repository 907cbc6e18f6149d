"""Runs the scenarios and keeps the score."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from aggregator.selftest.politeness import MANNERS
from aggregator.selftest.safety import SAFETY
from aggregator.selftest.scenario import FetcherFactory, Lab
from aggregator.selftest.tolerance import LENIENCY

SCENARIOS: tuple[Callable[[Lab], str], ...] = (*SAFETY, *MANNERS, *LENIENCY)
_AT_ONCE = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """How one scenario went. `name` says what must hold, `detail` what went wrong, "" for nothing."""

    name: str
    passed: bool
    detail: str


def run_selftest(new_fetcher: FetcherFactory) -> tuple[Score, ...]:
    """Return the score of every scenario, in their order; takes seconds, opens servers on 127.0.0.1 and ::1 only."""
    lab = Lab(new_fetcher)
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="selftest") as pool:
        return tuple(pool.map(lambda scenario: _score(scenario, lab), SCENARIOS))


def _score(scenario: Callable[[Lab], str], lab: Lab) -> Score:
    name = (scenario.__doc__ or scenario.__name__).strip()
    try:
        detail = scenario(lab)
    except OSError as error:  # the server's side: no free port, no loopback
        detail = f"could not be tried: {error}"
    return Score(name=name, passed=not detail, detail=detail)
