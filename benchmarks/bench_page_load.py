"""What a flood of requests costs a first fill: the same fill with and without wrk, in pairs, on the same cores.

`python benchmarks/bench_page_load.py [--pairs 3] [--seconds 30]`. wrk, at nice 19, reads `/` and `/articles` as fast as
it can. Needs nginx and wrk; without them it says so and measures nothing. Ratios are medians of pairs of one run.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from bench_polls import PORT, nginx

from aggregator.clock import SystemClock
from aggregator.store import open_store

FEEDS, PAGES_A_FEED, HOSTS = 400, 40, 100
WEB_PORT = PORT + 2
GOAL_LOSS, GOAL_SECONDS = 0.05, 2.0
_WORDS = ("harbour", "council", "ferry", "bridge", "market", "school", "river", "winter", "budget", "museum", "teacher")
_TIME = re.compile(r"^\s*(90|99)%\s+([\d.]+)(us|ms|s)", re.MULTILINE)
_UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0}


def write_site(root: Path) -> list[str]:
    """Write feeds and the pages that they announce; return the feeds' addresses."""
    urls = []
    for feed in range(FEEDS):
        host = f"http://127.2.0.{feed % HOSTS + 1}:{PORT}"
        items = []
        for page in range(PAGES_A_FEED):
            number = feed * PAGES_A_FEED + page
            title = f"Report {number}"
            body = "".join(f"<p>{sentence(number, line)}</p>" for line in range(12))
            html = f"<!doctype html><html><title>{title}</title><article><h1>{title}</h1>{body}</article></html>"
            (root / "www" / f"{number}.html").write_text(html)
            items.append(f"<item><title>{title}</title><link>{host}/{number}.html</link><guid>{number}</guid></item>")
        document = (
            f'<?xml version="1.0"?><rss version="2.0"><channel><title>{feed}</title>{"".join(items)}</channel></rss>'
        )
        (root / "www" / f"{feed}.xml").write_text(document)
        urls.append(f"{host}/{feed}.xml")
    return urls


def sentence(number: int, line: int) -> str:
    """Return words that no other page has in this order."""
    words = (_WORDS[(number * 7 + line * 3 + at * (number % 5 + 1)) % len(_WORDS)] for at in range(30))
    return f"{number} {line}: the {' the '.join(words)} was counted."


def fill(root: Path, urls: list[str], seconds: float, *, with_load: bool) -> tuple[float, list[float]]:
    """Run the daemon over an empty store; return polls and articles a second, and wrk's 90 and 99 % of latency."""
    with tempfile.TemporaryDirectory(dir=root) as folder:
        path = Path(folder) / "aggregator.toml"
        feeds = "".join(f'[[feeds]]\nurl = "{url}"\ninterval = "24h"\n' for url in urls)
        path.write_text(
            f'[storage]\nurl = "sqlite:///{folder}/a.db"\narticles_dir = ""\nraw_dir = ""\nmin_free = "0"\n'
            f'[http]\nallow_private_networks = ["127.0.0.0/8"]\nper_host_interval = "0"\nrespect_robots = false\n'
            f'[web]\nlisten = "127.0.0.1:{WEB_PORT}"\n{feeds}'
        )
        command = [sys.executable, "-m", "aggregator", "--config", str(path), "-q", "run"]
        with subprocess.Popen(command) as daemon:
            try:
                while not (Path(folder) / "a.db").exists():
                    time.sleep(0.2)
                time.sleep(5)  # both start alike
                loads = [start_load(path_, seconds) for path_ in ("/", "/articles")] if with_load else []
                before = done(folder)
                time.sleep(seconds)
                rate = (done(folder) - before) / seconds
                answers = [load.communicate()[0] for load in loads]
            finally:
                daemon.terminate()
    return rate, [float(value) * _UNITS[unit] for answer in answers for _, value, unit in _TIME.findall(answer)]


def start_load(path: str, seconds: float) -> subprocess.Popen[str]:
    """Start wrk at the lowest priority."""
    command = ["nice", "-n", "19", "wrk", "-t1", "-c2", f"-d{seconds:.0f}s", "--timeout", "20s", "--latency"]
    return subprocess.Popen([*command, f"http://127.0.0.1:{WEB_PORT}{path}"], stdout=subprocess.PIPE, text=True)


def done(folder: str) -> int:
    """Return how many feeds were polled and articles extracted so far."""
    store = open_store(f"sqlite:///{folder}/a.db", SystemClock(), readonly=True)
    try:
        polled = sum(feed.state.polled_at is not None for feed in store.feeds())
        return polled + store.counts().articles
    finally:
        store.close()


def main() -> int:
    parser = argparse.ArgumentParser(description="What a flood of requests costs a first fill.")
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=30.0)
    wanted = parser.parse_args()
    if shutil.which("wrk") is None or (shutil.which("nginx") is None and not Path("/usr/sbin/nginx").exists()):
        print("bench_page_load: wrk or nginx is not installed; nothing measured")
        return 0
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        root.chmod(0o755)
        (root / "www").mkdir()
        urls = write_site(root)
        ratios, latencies = [], []
        with nginx(root):
            for _ in range(wanted.pairs):
                alone, _ = fill(root, urls, wanted.seconds, with_load=False)
                loaded, latency = fill(root, urls, wanted.seconds, with_load=True)
                ratios.append(loaded / alone)
                latencies += latency
                print(f"alone {alone:7.1f}/s   beside wrk {loaded:7.1f}/s   ratio {loaded / alone:.3f}   {latency}")
    loss = 1 - median(ratios)
    print(f"polls and pages a second fall by {loss:.1%} (goal: under {GOAL_LOSS:.0%})")
    print(f"slowest of wrk's 90 and 99 % of latency: {max(latencies, default=0.0):.2f} s (goal: {GOAL_SECONDS:.0f} s)")
    return int(loss >= GOAL_LOSS or max(latencies, default=0.0) > GOAL_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
