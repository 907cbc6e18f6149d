"""How long the pages take over a large store: `aggregator serve` as a process, one request after the other.

`python benchmarks/bench_page.py STORE_URL [--rounds 40] [--goal 150] [--search-goal 200]`

`benchmarks/fill_store.py` makes such a store. Goals are milliseconds (95th percentile). An answer over 1 MB misses.
The CPU of the process tells what a request costs where the machine has other work, too.
"""

from __future__ import annotations

import argparse
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests

LARGEST = 1_000_000
PATIENCE = 300.0  # seconds until the first overview is there


@contextmanager
def serving(store_url: str) -> Iterator[tuple[str, int]]:
    """Serve a store; give the address and the process."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "aggregator.toml"
        config.write_text(
            f'[storage]\nurl = "{store_url}"\narticles_dir = ""\nraw_dir = ""\n[web]\nlisten = "127.0.0.1:{port}"\n'
        )
        with subprocess.Popen([sys.executable, "-m", "aggregator", "--config", str(config), "serve"]) as process:
            try:
                wait(f"http://127.0.0.1:{port}/readyz")
                yield f"http://127.0.0.1:{port}", process.pid
            finally:
                process.terminate()


def wait(url: str) -> None:
    """Wait until this address answers well."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            if requests.get(url, timeout=PATIENCE).status_code == 200:
                return
        except requests.ConnectionError:
            pass
        time.sleep(0.2)
    raise SystemExit(f"bench_page: {url} does not answer")


def pages_of(address: str) -> list[str]:
    """Return one address of each kind of page, and searches with words of the corpus."""
    found = requests.get(f"{address}/api/v1/search?limit=50", timeout=60).json()["found"]
    paths = [
        "/",
        "/feeds",
        "/feeds?page=25",
        "/feeds/1",
        "/articles",
        "/api/v1/feeds",
        "/api/v1/health",
        "/api/v1/status",
    ]
    paths += ["/api/v1/gaps", "/api/v1/articles?after=0&limit=100", "/feed.atom", "/metrics", "/readyz", "/healthz"]
    if not found:
        return paths
    article = found[len(found) // 2]
    body = requests.get(f"{address}/api/v1/articles/{article['id']}?text=body", timeout=60).json()["body"]
    words = sorted(set(re.findall(r"\w{2,}", body.casefold())), key=len)
    paths += [f"/articles/{article['id']}", f"/api/v1/articles/{article['id']}", f"/articles?feed={article['feed']}"]
    paths += [f"/articles?language={article['language']}&once=1", f"/articles?day={article['first_seen'][:10]}"]
    paths += ["/articles?language=nn", "/feed.atom?language=nn"]  # no article is in it
    for query in (
        words[0],
        words[-1],
        f"{words[len(words) // 2]} {words[-2]}",
        f"{words[-3][:3]}*",
        f'"{words[1]} {words[2]}"',
    ):
        paths.append(f"/articles?q={query}")
    paths.append(f"/articles?q={words[0]}&language={article['language']}")
    return paths


def measure(session: requests.Session, url: str, rounds: int) -> tuple[list[float], int]:
    """Return the milliseconds of each request, ascending, and the size of the largest answer."""
    times, size = [], 0
    for _ in range(rounds):
        began = time.perf_counter()
        answer = session.get(url, timeout=PATIENCE)
        times.append(1000 * (time.perf_counter() - began))
        assert answer.status_code == 200, (url, answer.status_code)
        size = max(size, len(answer.content))
    return sorted(times), size


def cpu(pid: int) -> float:
    """Return the milliseconds of CPU that a process has taken."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return 1000 * (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory(pid: int) -> float:
    """Return what a process holds, in MiB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) / 1024


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("url", nargs="?", default="", help="of the store: sqlite:///path or postgresql://…")
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--goal", type=float, default=150.0, help="milliseconds")
    parser.add_argument("--search-goal", type=float, default=200.0, help="milliseconds")
    wanted = parser.parse_args()
    if "://" not in wanted.url:
        print("bench_page: no store is named; nothing measured")
        return 0
    missed = False
    with serving(wanted.url) as (address, pid), requests.Session() as session:
        began = time.perf_counter()
        wait(f"{address}/")
        print(f"first overview after {time.perf_counter() - began:.1f} s")
        print(f"{'median ms':>10} {'p95 ms':>8} {'CPU ms':>7} {'kB':>5}  page")
        for path in pages_of(address):
            before = cpu(pid)
            times, size = measure(session, address + path, wanted.rounds)
            taken = (cpu(pid) - before) / wanted.rounds
            p95 = times[min(int(len(times) * 0.95), len(times) - 1)]
            bad = p95 > (wanted.search_goal if "q=" in path else wanted.goal) or size > LARGEST
            missed = missed or bad
            figures = f"{times[len(times) // 2]:10.1f} {p95:8.1f} {taken:7.1f} {size / 1000:5.0f}"
            print(f"{figures}  {path}{'   MISSED' if bad else ''}")
        print(f"memory of the page's process at most: {memory(pid):.0f} MiB")
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
