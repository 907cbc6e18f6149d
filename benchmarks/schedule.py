"""Compare the daemon's schedule with what other readers do, on publication traces.

    python benchmarks/schedule.py DIR [BUDGET...]

DIR holds `simulate.py` (a simulator of polling policies) and `traces.jsonl`; budgets are polls per feed and day, 24 and
6 without any. Each policy is scaled to the same budget. The schedule decides at random by a tenth, so it runs with
several seeds, and the table shows the mean and the spread.
"""

from __future__ import annotations

import importlib.util
import json
import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from policy import SchedulePolicy

from aggregator.schedule.due_times import threshold_for

_SEEDS = (0, 1, 2, 3)
_OTHERS = ("fixed (FreshRSS, Miniflux round_robin)", "Miniflux entry_frequency (factor=k)", "sqrt rule, Bayes rate")
_FIGURES = {"mean_delay_min": "mean", "p95_min": "p95", "feed_mean_min": "per feed", "missed_pct": "missed %"}


def load_simulator(folder: Path) -> Any:
    """Import `simulate.py` from the folder of the traces."""
    spec = importlib.util.spec_from_file_location("simulate", folder / "simulate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def at_budget(run: Callable[[float], dict[str, float]], budget: float) -> dict[str, float]:
    """Return the figures at `budget`; polls fall with the square root of the threshold."""
    threshold = threshold_for(budget)
    for _ in range(8):
        result = run(threshold)
        polls = result["polls_per_feed_day"]
        if abs(polls / budget - 1) < 0.005:
            break
        threshold *= (polls / budget) ** 2
    return result


def row(name: str, results: list[dict[str, float]]) -> str:
    """Return one line of the table."""
    cells = []
    for figure in _FIGURES:
        values = [result[figure] for result in results]
        spread = f" ({min(values):.1f}-{max(values):.1f})" if len(values) > 1 and figure != "missed_pct" else ""
        cells.append(f"{statistics.mean(values):.2f}{spread}")
    polls = statistics.mean(result["polls_per_feed_day"] for result in results)
    return f"| {name} | {polls:.2f} | " + " | ".join(cells) + " |"


def main(folder: Path, budgets: list[float]) -> None:
    """Print one table for each budget."""
    simulator = load_simulator(folder)
    traces = [json.loads(line) for line in (folder / "traces.jsonl").read_text().splitlines()]
    for budget in budgets:
        print(f"\n{len(traces)} feeds, {budget:g} polls per feed and day; delays in minutes\n")
        print("| policy | polls | " + " | ".join(_FIGURES.values()) + " |\n|---|" + "---|" * (len(_FIGURES) + 1))
        for name in _OTHERS:
            print(row(name, [simulator.at_budget(traces, name, budget)]), flush=True)
        ours = [
            at_budget(lambda knob, seed=seed: simulator.run(traces, lambda: SchedulePolicy(knob, seed)), budget)
            for seed in _SEEDS
        ]
        print(row("aggregator", ours), flush=True)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("usage: python benchmarks/schedule.py DIR [BUDGET...]")
    main(Path(sys.argv[1]), [float(budget) for budget in sys.argv[2:]] or [24.0, 6.0])
