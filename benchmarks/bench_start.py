"""How long the command takes to start: `--help`, a wrong word, `identify`, each against bare Python in the same run.

`python benchmarks/bench_start.py [ROUNDS]`; exit status 1 when `--help` takes more than 8 times bare Python. Without
bytecode caches, too, as in the first call after an installation.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from statistics import median

GOAL = 8.0
BARE = [sys.executable, "-c", "pass"]
CALLS = {
    "--help": [sys.executable, "-m", "aggregator", "--help"],
    "run-once --help": [sys.executable, "-m", "aggregator", "run-once", "--help"],
    "a wrong word": [sys.executable, "-m", "aggregator", "articels"],
    "identify URL": [sys.executable, "-m", "aggregator", "identify", "https://p.dw.com/p/4JNNH"],
}


def seconds(command: list[str], environment: dict[str, str]) -> float:
    started = time.perf_counter()
    subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    return time.perf_counter() - started


def ratio(command: list[str], environment: dict[str, str], rounds: int) -> float:
    """Return the median of ratios of neighbours in time: what else the machine does hits both."""
    return median(seconds(command, environment) / seconds(BARE, environment) for _ in range(rounds))


def main() -> int:
    rounds = int(sys.argv[1]) if sys.argv[1:] and sys.argv[1].isdigit() else 21
    plain = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    missed = False
    for title, environment in (("with bytecode", plain), ("without", plain | {"PYTHONDONTWRITEBYTECODE": "1"})):
        for name, command in CALLS.items():
            times = ratio(command, environment, rounds)
            missed |= name == "--help" and times > GOAL
            print(f"{title:<14} {name:<16} {times:5.1f} x bare Python")
    print(f"goal: --help at most {GOAL:g} x: {'missed' if missed else 'met'}")
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
