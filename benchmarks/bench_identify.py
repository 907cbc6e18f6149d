"""How long `identify` takes for 100,000 addresses, as a multiple of what `urllib.parse.urlsplit` takes for them.

    python benchmarks/bench_identify.py [--urls FILE] [--count 100000]

Without FILE (one address a line) the addresses are made up: articles with and without tracking, AMP forms, redirectors,
publishers with rules, non-ASCII paths. All are distinct, as both sides cache. Prints the ratio of the function and,
where the command is installed, for `aggregator identify -` as a process, start included.
"""

from __future__ import annotations

import argparse
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from aggregator.identity.identify import identify
from aggregator.identity.publisher_rules import shipped_publishers

FORMS = (
    "https://www.site{s}.example/news/2026/11/{n}-storm-over-the-coast",
    "http://site{s}.example/politics/article{n}.html?utm_source=rss&utm_medium=feed",
    "https://m.site{s}.example/a/{n}/amp/?page=2#comments",
    "https://www.site{s}.example/index.php?id={n}&cat=5&fbclid=x{n}",
    "https://www.dw.com/en/a-headline/a-{n}?maca=en-rss-en-all-1573-rdf",
    "https://www.google.com/url?rct=j&url=https%3A%2F%2Fsite{s}.example%2Fstory%2F{n}&ct=ga",
    "https://site{s}.example/%C3%BCber/sch\u00f6ne-st\u00e4dte-{n}/",
    "https://site{s}-example.cdn.ampproject.org/c/s/site{s}.example/story/{n}",
)


def make_urls(count: int) -> list[str]:
    source = random.Random(1)
    numbers = range(60_000_000, 60_000_000 + count)
    return [source.choice(FORMS).format(s=source.randrange(3000), n=n) for n in numbers]


def seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="?", help="ignored: nothing of the evaluation data is needed")
    parser.add_argument("--urls", type=Path)
    parser.add_argument("--count", type=int, default=100_000)
    arguments = parser.parse_args()
    urls = make_urls(arguments.count) if arguments.urls is None else arguments.urls.read_text("utf-8").splitlines()
    load = seconds(shipped_publishers)
    publishers = shipped_publishers()
    base = seconds(lambda: [urlsplit(url) for url in urls])
    ours = seconds(lambda: [identify(url, publishers) for url in urls])
    print(f"urls {len(urls)}  rules_loaded_ms {load * 1000:.0f}")
    print(f"urlsplit_s {base:.3f}  identify_s {ours:.3f}  ratio {ours / base:.1f}")
    command = shutil.which("aggregator", path=str(Path(sys.executable).parent))
    if command is not None:
        lines = "\n".join(urls).encode()
        whole = seconds(
            lambda: subprocess.run([command, "identify", "-", "--json"], input=lines, capture_output=True, check=True)
        )
        print(f"command_s {whole:.3f}  ratio {whole / base:.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
