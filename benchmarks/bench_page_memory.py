"""What the page adds to the daemon's memory: the same store, without `[web]`, with it, and after all pages were read.

`python benchmarks/bench_page_memory.py FOLDER [--feeds 300000] [--rounds 5] [--goal 8]`. `fill_feeds.py` fills FOLDER
unless it has done so before. `min_free` is more than any disk has, so the daemon polls nothing and only the page
differs. An answer over 1 MB, or more than `--goal` MiB of difference, misses.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests
from bench_page import LARGEST, measure, pages_of, wait
from bench_polls import PORT
from fill_feeds import fill

ADDRESS = f"127.0.0.1:{PORT + 3}"
SETTLED = 15.0  # seconds after the start: the list is read, the first overview is there


@contextmanager
def daemon(folder: Path, listen: str) -> Iterator[int]:
    """Run the daemon over the store; give its process."""
    path = folder / "paused.toml"
    text = (folder / "aggregator.toml").read_text()
    path.write_text(
        text.replace('min_free = "0"', 'min_free = "900TiB"').replace('listen = ""', f'listen = "{listen}"')
    )
    with subprocess.Popen([sys.executable, "-m", "aggregator", "--config", str(path), "-q", "run"]) as process:
        try:
            yield process.pid
        finally:
            process.terminate()


def resident(pid: int) -> float:
    """Return what a process holds, in MiB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")) / 1024


def settle(pid: int) -> float:
    """Wait until the process holds the same for some time; return it."""
    before, held = -1.0, 0.0
    while abs(held - before) > 0.1:
        before = held
        time.sleep(SETTLED)
        held = resident(pid)
    return held


def read_all(rounds: int) -> int:
    """Read each kind of page; print what it took; return the size of the largest answer."""
    largest = 0
    with requests.Session() as session:
        for path in pages_of(f"http://{ADDRESS}"):
            times, size = measure(session, f"http://{ADDRESS}{path}", rounds)
            largest = max(largest, size)
            print(f"{times[len(times) // 2]:10.1f} ms {size / 1000:5.0f} kB  {path}")
    return largest


def main() -> int:
    parser = argparse.ArgumentParser(description="What the page adds to the daemon's memory.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--feeds", type=int, default=300_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--goal", type=float, default=8.0, help="MiB")
    wanted = parser.parse_args()
    if not (wanted.folder / "aggregator.db").exists():
        fill(wanted.folder, wanted.feeds, polls=5)
    with daemon(wanted.folder, "") as pid:
        without = settle(pid)
    with daemon(wanted.folder, ADDRESS) as pid:
        wait(f"http://{ADDRESS}/")
        before = settle(pid)
        largest = read_all(wanted.rounds)
        after = settle(pid)
    print(f"the daemon holds {without:.1f} MiB without [web], {before:.1f} with it, {after:.1f} after all pages")
    print(f"largest answer: {largest / 1000:.0f} kB")
    return int(max(before, after) - without > wanted.goal or largest > LARGEST)


if __name__ == "__main__":
    sys.exit(main())
