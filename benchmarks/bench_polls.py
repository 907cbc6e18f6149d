"""Polls per second: 2,000 unchanged feeds on 200 hosts, against a bare pooled `requests` loop over the same list.

`python benchmarks/bench_polls.py [FEEDS [HOSTS]]`. nginx serves static feeds on 127.1.x.y (started here, ended here);
without nginx it says so and does nothing. First fill (`full_text = false`, no files) and unchanged polls are compared
with lemon24/reader, too, where it is installed, here or in the interpreter that `READER_PYTHON` names. All ratios come
from one run on one machine: of neighbours in time, the median of three rounds.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

import requests

PORT = 18642
WORKERS = 32
ENTRIES = 20
ROUNDS = 3
GOAL = 0.65  # of bare requests
GOAL_READER, GOAL_FILL = 1.5, 1.2  # times reader
READER = os.environ.get("READER_PYTHON", sys.executable)


def feed_document(number: int) -> str:
    items = "".join(
        f"<item><title>Entry {number}-{index}</title><link>http://127.1.9.9:{PORT}/a/{number}/{index}</link>"
        f"<guid>{number}-{index}</guid><pubDate>Mon, 23 Nov 2026 {index:02d}:00:00 GMT</pubDate>"
        f"<description>{'A sentence of some length about entry. ' * 6}</description></item>"
        for index in range(ENTRIES)
    )
    return f'<?xml version="1.0"?><rss version="2.0"><channel><title>Feed {number}</title>{items}</channel></rss>'


@contextlib.contextmanager
def nginx(root: Path) -> Iterator[None]:
    configuration = root / "nginx.conf"
    configuration.write_text(
        f"""worker_processes 1; pid {root}/nginx.pid; error_log {root}/error.log; daemon off;
        events {{ worker_connections 4096; }}
        http {{ access_log off; keepalive_requests 100000; types {{ application/rss+xml xml; }}
          client_body_temp_path {root}/t1; proxy_temp_path {root}/t2; fastcgi_temp_path {root}/t3;
          uwsgi_temp_path {root}/t4; scgi_temp_path {root}/t5;
          server {{ listen {PORT}; root {root}/www; }} }}"""
    )
    command = [shutil.which("nginx") or "/usr/sbin/nginx", "-p", str(root), "-c", str(configuration)]
    server = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        time.sleep(0.5)
        yield
    finally:
        server.terminate()
        server.wait()


def bare_requests(urls: list[str], etags: dict[str, str]) -> float:
    """One session a thread would be the fair twin of a pool; one shared session with a wide pool is faster."""
    session = requests.Session()
    adapter = requests.adapters.HTTPAdapter(pool_connections=512, pool_maxsize=WORKERS)
    session.mount("http://", adapter)

    def get(url: str) -> int:
        answer = session.get(url, headers={"If-None-Match": etags[url]}, timeout=20)
        return answer.status_code

    started = time.perf_counter()
    with ThreadPoolExecutor(WORKERS) as pool:
        statuses = list(pool.map(get, urls))
    elapsed = time.perf_counter() - started
    assert set(statuses) == {304}, set(statuses)
    session.close()
    return len(urls) / elapsed


def configuration(folder: Path, urls: list[str]) -> Path:
    path = folder / "aggregator.toml"
    feeds = "".join(f'[[feeds]]\nurl = "{url}"\nfull_text = false\ninterval = "5m"\n' for url in urls)
    path.write_text(
        f'[storage]\nurl = "sqlite:///{folder}/a.db"\narticles_dir = ""\nraw_dir = ""\nmin_free = "0"\n'
        f'[http]\nallow_private_networks = ["127.0.0.0/8"]\nper_host_interval = "0"\n'
        f'[polling]\nworkers = {WORKERS}\n[web]\nlisten = ""\n{feeds}'
    )
    return path


def ours(path: Path, hours: int) -> list[float]:
    """Return feeds a second, new entries, share of a core and MiB at most."""
    command = [sys.executable, str(Path(__file__).with_name("updates") / "ours.py"), str(path), str(hours)]
    answer = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return [float(figure) for figure in answer.stdout.split()]


def has_reader() -> bool:
    return subprocess.run([READER, "-c", "import reader"], stderr=subprocess.DEVNULL, check=False).returncode == 0


def reader_updates(root: Path) -> float:
    """Return how many feeds a second reader updates; over a database of its own, the first time empty."""
    command = [READER, str(Path(__file__).with_name("updates") / "theirs.py"), str(root / "reader.db")]
    command += [str(root / "urls"), str(WORKERS)]
    answer = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return float(answer.stdout.split()[0])


def main() -> int:
    if shutil.which("nginx") is None and not Path("/usr/sbin/nginx").exists():
        print("bench_polls: nginx is not installed; nothing measured")
        return 0
    numbers = [int(word) for word in sys.argv[1:] if word.isdecimal()]
    count, hosts = [*numbers, 2000, 200][:2] if len(numbers) != 1 else (numbers[0], 200)
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        root.chmod(0o755)
        (root / "www").mkdir()
        urls = []
        for number in range(count):
            (root / "www" / f"{number}.xml").write_text(feed_document(number))
            host = number % hosts
            urls.append(f"http://127.1.{host // 250}.{host % 250 + 1}:{PORT}/{number}.xml")
        (root / "urls").write_text("\n".join(urls))
        with nginx(root):
            return int(measure(root, urls))


def measure(root: Path, urls: list[str]) -> bool:
    """Print the figures; return whether a goal was missed."""
    with_reader = has_reader()
    if not with_reader:
        print("reader           not installed: not compared")
    etags = {url: requests.get(url, timeout=20).headers["ETag"] for url in urls}
    path = configuration(root, urls)
    fill, entries, cpu, _ = ours(path, 0)
    line = f"first fill       {fill:8.1f} feeds/s  cpu {cpu:.2f}  {fill * entries / len(urls):.0f} entries/s"
    missed = False
    if with_reader:
        theirs = reader_updates(root)
        missed = fill / theirs < GOAL_FILL
        line += f"  reader {theirs:8.1f}  ratio {fill / theirs:.2f} (goal {GOAL_FILL})"
    print(line)
    bare_ratios, reader_ratios = [], []
    for turn in range(1, ROUNDS + 1):
        bare = bare_requests(urls, etags)
        rate, _, cpu, memory = ours(path, turn)
        bare_ratios.append(rate / bare)
        line = f"unchanged        {rate:8.0f} polls/s  cpu {cpu:.2f}  bare requests {bare:.0f}  ratio {rate / bare:.2f}"
        if with_reader:
            theirs = reader_updates(root)
            reader_ratios.append(rate / theirs)
            line += f"  reader {theirs:.0f}  ratio {rate / theirs:.2f}"
        print(line)
    print(f"memory           {memory:8.0f} MiB at most")
    print(f"of bare requests {median(bare_ratios):8.2f} (goal {GOAL})")
    missed |= median(bare_ratios) < GOAL
    if with_reader:
        print(f"times reader     {median(reader_ratios):8.2f} (goal {GOAL_READER})")
        missed |= median(reader_ratios) < GOAL_READER
    return missed


if __name__ == "__main__":
    sys.exit(main())
