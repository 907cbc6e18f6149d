"""CPU of both modes as a ratio to trafilatura's own extraction with metadata plus Resiliparse's text, in one run.

    python benchmarks/bench_extract.py [FOLDER]    # of the evaluation data; without it: the demo newsroom's pages

Parsing is included on both sides. Each page is measured in all four ways in turn, so that a busy machine slows all.
"""

from __future__ import annotations

import gzip
import logging
import sys
import time
from collections.abc import Callable
from pathlib import Path

from resiliparse.extract.html2text import extract_plain_text
from trafilatura import bare_extraction

from aggregator.demo.content import FIRST_STATE, read_publications
from aggregator.demo.pages import render_newsroom
from aggregator.extraction.extract import extract_page
from aggregator.models.articles import ExtractInput

ROUNDS = 3
LIMITS = {"extract": 1.25}


def baseline(page: ExtractInput) -> None:
    html = page.body.decode("utf-8", "replace")
    bare_extraction(html, url=page.url, with_metadata=True, include_comments=False)
    extract_plain_text(html, preserve_formatting=True, main_content=True)


WAYS: dict[str, Callable[[ExtractInput], object]] = {
    "baseline": baseline,
    "extract": extract_page,
}


def read_pages(folder: Path | None) -> list[ExtractInput]:
    if folder is not None:
        files = sorted((folder / "pages").glob("*.html.gz"))
        return [ExtractInput(url=f"https://example.org/{f.stem}", body=gzip.decompress(f.read_bytes())) for f in files]
    newsroom = render_newsroom(read_publications(), FIRST_STATE)
    pages = [(place, reply) for place, reply in newsroom.items() if reply.status == 200]
    return [
        ExtractInput(url=f"http://{host}{path}", body=reply.body)
        for (host, path), reply in pages
        if reply.content_type.startswith("text/html")
    ]


def main() -> None:
    logging.disable(logging.CRITICAL)
    pages = read_pages(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
    seconds = dict.fromkeys(WAYS, 0.0)
    for page in pages[:5]:  # imports, caches
        for extract in WAYS.values():
            extract(page)
    for page in pages:
        for name, extract in WAYS.items():
            best = float("inf")
            for _ in range(ROUNDS):
                start = time.process_time()
                extract(page)
                best = min(best, time.process_time() - start)
            seconds[name] += best
    print(f"{len(pages)} pages, best of {ROUNDS} rounds each")
    for name, total in seconds.items():
        limit = f" (limit {LIMITS[name]})" if name in LIMITS else ""
        print(f"{name:10} {total / len(pages) * 1000:7.2f} ms a page, ratio {total / seconds['baseline']:.2f}{limit}")


if __name__ == "__main__":
    main()
