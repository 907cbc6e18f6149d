"""What the daemon takes when it has nothing to do: memory after 10,000 unchanged polls, and CPU while none is due.

`python benchmarks/bench_idle.py [FEEDS [HOSTS]]`. nginx serves the feeds on 127.1.x.y; without it nothing is measured.
Both are figures of the one process `aggregator run`, its status page served; the extraction workers are not counted.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path

from bench_polls import PORT, feed_document, nginx

from aggregator.app import App, open_app
from aggregator.clock import SystemClock
from aggregator.config.loading import load_config

WORKERS = 16
SETTLED = 15.0  # seconds after the last poll
IDLE = 60.0  # seconds that are measured
GOAL_MIB, GOAL_CPU = 150, 0.01


def configuration(folder: Path, urls: list[str]) -> Path:
    path = folder / "aggregator.toml"
    feeds = "".join(f'[[feeds]]\nurl = "{url}"\ninterval = "24h"\n' for url in urls)
    path.write_text(
        f'[storage]\nurl = "sqlite:///{folder}/a.db"\narticles_dir = ""\nraw_dir = ""\nmin_free = "0"\n'
        f'[http]\nallow_private_networks = ["127.0.0.0/8"]\nper_host_interval = "0"\n'
        f'[polling]\nworkers = {WORKERS}\n[web]\nlisten = "127.0.0.1:{PORT + 1}"\n{feeds}'
    )
    return path


def fill(path: Path) -> None:
    """Poll all feeds once and make them due again; their one entry leads to no page."""
    with open_app(load_config(path, {}), clock=SystemClock()) as app:
        app.run_once()
        app.store.make_due([feed.id for feed in app.store.feeds()], app.store.now() - timedelta(seconds=1))


def feeds_due(app: App) -> int:
    now = app.store.now()
    return sum(feed.state.due_at <= now for feed in app.store.feeds())


def resident(pid: int, name: str) -> float:
    """Return a figure of /proc/PID/status in MiB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith(name)) / 1024


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(path: Path) -> bool:
    """Print the figures; return whether a goal was missed."""
    command = [sys.executable, "-m", "aggregator", "--config", str(path), "run"]
    with open_app(load_config(path, {}), clock=SystemClock()) as app, subprocess.Popen(command) as daemon:
        try:
            started = time.monotonic()
            while feeds_due(app):
                time.sleep(5)
                assert daemon.poll() is None, "the daemon ended"
            print(f"polled again     {time.monotonic() - started:8.0f} s")
            time.sleep(SETTLED)
            memory, most = resident(daemon.pid, "VmRSS"), resident(daemon.pid, "VmHWM")
            before, began = cpu_seconds(daemon.pid), time.monotonic()
            time.sleep(IDLE)
            cpu = (cpu_seconds(daemon.pid) - before) / (time.monotonic() - began)
        finally:
            daemon.send_signal(signal.SIGTERM)
    print(f"memory           {memory:8.0f} MiB, at most {most:.0f} (goal {GOAL_MIB})")
    print(f"idle             {cpu:8.2%} of a core (goal {GOAL_CPU:.0%})")
    return memory > GOAL_MIB or cpu > GOAL_CPU


def main() -> int:
    if shutil.which("nginx") is None and not Path("/usr/sbin/nginx").exists():
        print("bench_idle: nginx is not installed; nothing measured")
        return 0
    numbers = [int(word) for word in sys.argv[1:] if word.isdecimal()]
    count, hosts = [*numbers, *(10_000, 1_000)[len(numbers) :]][:2]
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        root.chmod(0o755)
        (root / "www").mkdir()
        (root / "www" / "feed.xml").write_text(feed_document(0).partition("<item>")[0] + "</channel></rss>")
        urls = [f"http://127.1.{n % hosts // 250}.{n % hosts % 250 + 1}:{PORT}/feed.xml?{n}" for n in range(count)]
        path = configuration(root, urls)
        with nginx(root):
            fill(path)
            return int(measure(path))


if __name__ == "__main__":
    sys.exit(main())
