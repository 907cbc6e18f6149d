"""Articles per second of a whole `run-once` over new pages, as a ratio to bare extraction with as many processes.

    python benchmarks/bench_articles.py [FOLDER]    # pages of the evaluation data; without it: pages made here

500 real-size pages on 100 hosts, each announced by a feed; nginx serves them on 127.1.x.y (without nginx: says so, does
nothing). The other side is `bare_extraction(with_metadata=True)` and `extract_plain_text` alone over the same files in
as many processes, workers started on both sides; the ratio is the median of neighbours in time. Also: the first fill of
feeds that are kept as they are. One run.
"""

from __future__ import annotations

import cProfile
import gzip
import os
import pstats
import random
import shutil
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from datetime import timedelta
from html import escape
from multiprocessing import get_context
from pathlib import Path
from statistics import median

from bench_polls import PORT, feed_document, nginx

from aggregator.app import open_app
from aggregator.clock import SystemClock
from aggregator.config.loading import load_config
from aggregator.engine.pool import WorkerPool

PAGES, HOSTS, ROUNDS = 500, 100, 3
FEEDS = 400  # of the first fill
WORKERS = os.cpu_count() or 1
GOAL = 0.8


# --- pages ------------------------------------------------------------------------------------------------------------


def made_page(number: int) -> bytes:
    """A page as large as those of newspapers: navigation, scripts and teasers around one article."""
    pick = random.Random(number)
    words = ["".join(pick.choices("aeiounrstlmdbk", k=pick.randint(3, 9))) for _ in range(900)]

    def text(count: int) -> str:
        return " ".join(pick.choices(words, k=count)).capitalize() + "."

    def link(n: int) -> str:
        return f'<li class="nav-item"><a href="/section/{n}" data-track="{n}"><span>{text(2)}</span></a></li>'

    def teaser(n: int) -> str:
        picture = f'<img src="/i/{n}.jpg" alt="{text(4)}">'
        return f'<div class="teaser"><a href="/x/{n}">{picture}<h3>{text(7)}</h3></a><p>{text(12)}</p></div>'

    title = text(8)
    article = "".join(f"<p>{text(pick.randint(30, 90))}</p>" for _ in range(pick.randint(12, 40)))
    script = "<script>window.data={};{}</script>".format(pick.getrandbits(64), "var a=1;" * 1500)
    menu = "".join(map(link, range(180)))
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>{script}'
        f'<meta property="og:title" content="{escape(title)}"><meta property="article:published_time" '
        f'content="2026-11-{1 + number % 22:02d}T08:00:00Z"></head><body><nav><ul>{menu}</ul></nav><main><article>'
        f"<h1>{title}</h1><p class='byline'>By Ann Example</p>{article}</article></main>"
        f"<aside>{''.join(map(teaser, range(60)))}</aside><footer><ul>{menu}</ul></footer>{script * 3}</body></html>"
    ).encode()


def read_pages(folder: Path | None) -> list[bytes]:
    if folder is None:
        return [made_page(number) for number in range(PAGES)]
    files = sorted((folder / "pages").glob("*.html.gz"))
    pages = [gzip.decompress(file.read_bytes()) for file in files[:PAGES]]
    return [pages[number % len(pages)] for number in range(PAGES)]


# --- the two sides ----------------------------------------------------------------------------------------------------


def bare(path: str) -> int:
    from resiliparse.extract.html2text import extract_plain_text
    from trafilatura import bare_extraction

    html = Path(path).read_bytes().decode("utf-8", "replace")
    bare_extraction(html, url="https://example.org/a", with_metadata=True, include_comments=False)
    return len(extract_plain_text(html, preserve_formatting=True, main_content=True))


def bare_rate(files: list[str]) -> float:
    with ProcessPoolExecutor(WORKERS, mp_context=get_context("forkserver")) as pool:
        list(pool.map(bare, files[: 4 * WORKERS]))
        started = time.perf_counter()
        list(pool.map(bare, files, chunksize=8))
        return len(files) / (time.perf_counter() - started)


def write_site(root: Path, pages: list[bytes]) -> list[str]:
    """Write pages and feeds below `root/www`; return the feeds' addresses."""
    site = root / "www"
    site.mkdir()
    items: dict[str, list[str]] = {}
    for number, page in enumerate(pages):
        (site / f"p{number}.html").write_bytes(page)
        host = f"http://127.1.0.{number % HOSTS + 1}:{PORT}"
        items.setdefault(host, []).append(
            f"<item><title>Page {number}</title><link>{host}/p{number}.html</link><guid>{number}</guid></item>"
        )
    for n, (_host, entries) in enumerate(items.items()):
        (site / f"f{n}.xml").write_text(
            f'<rss version="2.0"><channel><title>F</title>{"".join(entries)}</channel></rss>'
        )
    for n in range(FEEDS):
        (site / f"fill{n}.xml").write_text(feed_document(n))
    return [f"{host}/f{n}.xml" for n, host in enumerate(items)]


def configuration(folder: Path, urls: list[str], more: str = "") -> Path:
    folder.mkdir()
    path = folder / "aggregator.toml"
    feeds = "".join(f'[[feeds]]\nurl = "{url}"\n{more}' for url in urls)
    path.write_text(
        f'[storage]\nurl = "sqlite:///{folder}/a.db"\narticles_dir = "{folder}/articles"\nraw_dir = "{folder}/raw"\n'
        'min_free = "0"\n[http]\nallow_private_networks = ["127.0.0.0/8"]\nper_host_interval = "0"\n'
        f'[extraction]\nworkers = {WORKERS}\n[web]\nlisten = ""\n{feeds}'
    )
    return path


def ours(path: Path) -> tuple[int, float, float]:
    """Return articles, seconds, and the share of one core that the main process took."""
    config = load_config(path, {})
    pool = WorkerPool(WORKERS, timedelta(seconds=20))
    for future in [pool.submit(int) for _ in range(2 * WORKERS)]:
        future.result()
    pool.warm_up(int)
    profile = cProfile.Profile() if os.environ.get("PROFILE") else None
    try:
        with open_app(config, clock=SystemClock(), pool=pool) as app:
            cpu, started = time.process_time(), time.perf_counter()
            if profile:
                profile.enable()
            report, _ = app.run_once()
            if profile:
                profile.disable()
                pstats.Stats(profile).sort_stats("tottime").print_stats(25)
            seconds = time.perf_counter() - started
            return report.articles_new + report.articles_duplicate, seconds, (time.process_time() - cpu) / seconds
    finally:
        pool.close()


def main() -> int:
    if shutil.which("nginx") is None and not Path("/usr/sbin/nginx").exists():
        print("bench_articles: nginx is not installed; nothing measured")
        return 0
    pages = read_pages(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
    print(f"{len(pages)} pages, {sum(map(len, pages)) / len(pages) / 1024:.0f} KiB in the mean, {WORKERS} processes")
    ratios = []
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        root.chmod(0o755)
        urls = write_site(root, pages)
        files = [str(root / "www" / f"p{number}.html") for number in range(len(pages))]
        with nginx(root):
            for turn in range(ROUNDS):
                rate = bare_rate(files)
                articles, seconds, share = ours(configuration(root / f"run{turn}", urls))
                ratios.append(articles / seconds / rate)
                print(
                    f"pages      {articles / seconds:6.1f} articles/s ({articles}), bare {rate:6.1f}, "
                    f"ratio {ratios[-1]:.2f}, main process {share:.2f} of a core"
                )
            fills = [f"http://127.1.0.{n % HOSTS + 1}:{PORT}/fill{n}.xml" for n in range(FEEDS)]
            entries, seconds, share = ours(configuration(root / "fill", fills, "full_text = false\n"))
            print(f"first fill {entries / seconds:6.1f} entries/s ({entries}), main process {share:.2f} of a core")
    print(f"of bare    {median(ratios):6.2f} (goal {GOAL})")
    return 0 if median(ratios) >= GOAL else 1


if __name__ == "__main__":
    sys.exit(main())
