"""Body F1 of ours beside trafilatura, readability and Resiliparse in one run, by kind of page and language; and CPU.

    make evaluate DATA=FOLDER WEB=FOLDER [or: python benchmarks/evaluate.py FOLDER ...]

A folder holds `truth.jsonl` (lines with `id`, `url`, `source`, the reference `body`, the file as `html` or `path`) and
`pages/` (gzipped). F1 is that of the article-extraction-benchmark: multisets of four words in a row, precision over
pages with output, recall over all, their harmonic mean. Nothing of the data is kept.
"""

from __future__ import annotations

import gzip
import html
import json
import logging
import re
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from resiliparse.extract.html2text import extract_plain_text
from trafilatura import bare_extraction, extract
from trafilatura.readability_lxml import Document
from trafilatura.utils import load_html

from aggregator.extraction.extract import EXTRACTOR_VERSION, extract_page
from aggregator.extraction.markup import read_markup
from aggregator.models.articles import ExtractInput, Extraction

TIMED_PAGES = 100
WORST = 10
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
_TOKEN = re.compile(rf"[{_UNSPACED}]|(?:(?![{_UNSPACED}])\w)+")


class Page(NamedTuple):
    """One page with its reference."""

    name: str
    groups: tuple[str, ...]
    body: str
    page: ExtractInput


class Score(NamedTuple):
    """Precision (None without output) and recall of one text."""

    precision: float | None
    recall: float

    @property
    def f1(self) -> float:
        return f1_of(self.precision or 0.0, self.recall)


def read_pages(folder: Path) -> Iterator[Page]:
    """Yield the pages of a folder that have a reference body."""
    for line in (folder / "truth.jsonl").read_text(encoding="utf-8").split("\n"):
        truth = json.loads(line or "{}")
        if not truth.get("body"):
            continue
        file = truth.get("path") or truth["html"]
        path = next(one for one in (folder / file, folder / "pages" / file) if one.exists())
        kind = " ".join(filter(None, [truth["source"], truth.get("kind")]))
        groups = ("all", kind, f"language {str(truth.get('lang') or 'not stated')[:10]}")
        body = gzip.decompress(path.read_bytes())
        yield Page(truth["id"], groups, truth["body"], ExtractInput(url=truth["url"], body=body))


def ours(page: ExtractInput) -> str:
    found = extract_page(page)
    return found.body if isinstance(found, Extraction) else ""


def by_trafilatura(page: ExtractInput) -> str:
    return extract(read_markup(page).text, url=page.url, include_comments=False) or ""


def by_readability(page: ExtractInput) -> str:
    tree = load_html(read_markup(page).text)
    return html.unescape(re.sub(r"<[^<>]*>", " ", Document(tree).summary())) if tree is not None else ""


def by_resiliparse(page: ExtractInput) -> str:
    return str(extract_plain_text(read_markup(page).text, main_content=True))


SYSTEMS: dict[str, Callable[[ExtractInput], str]] = {
    "ours": ours,
    "trafilatura": by_trafilatura,
    "readability": by_readability,
    "Resiliparse": by_resiliparse,
}


def f1_of(precision: float, recall: float) -> float:
    return 2 * precision * recall / (precision + recall) if precision and recall else 0.0


def shingles(text: str) -> Counter[tuple[str, ...]]:
    words = _TOKEN.findall(text)
    return Counter(zip(*(words[i:] for i in range(4)), strict=False)) if len(words) > 3 else Counter([tuple(words)])


def score(reference: str, text: str) -> Score:
    """Compare a text with its reference."""
    wanted, found = shingles(reference), shingles(text)
    common = (wanted & found).total()
    return Score(common / found.total() if text.strip() else None, common / wanted.total())


def mean_f1(scores: Sequence[Score]) -> float:
    """Return the F1 of several pages."""
    given = [one.precision for one in scores if one.precision is not None]
    return f1_of(sum(given) / max(1, len(given)), sum(one.recall for one in scores) / len(scores))


def guarded(system: Callable[[ExtractInput], str], page: ExtractInput) -> str:
    """Return a system's text; a page that lxml cannot parse counts as none."""
    try:
        return system(page)
    except ValueError:
        return ""


def table_of(pages: Iterable[Page]) -> list[str]:
    """Return the lines of the table, and the pages where ours is worst."""
    groups: defaultdict[str, defaultdict[str, list[Score]]] = defaultdict(lambda: defaultdict(list))
    own: list[tuple[float, str, str]] = []
    for page in pages:
        for name, system in SYSTEMS.items():
            found = score(page.body, guarded(system, page.page))
            for group in page.groups:
                groups[group][name].append(found)
            if name == "ours":
                own.append((found.f1, page.name, page.page.url))
    lines = ["| body F1 | pages | " + " | ".join(SYSTEMS) + " |", "|---|---|" + "---|" * len(SYSTEMS)]
    for group, by_system in sorted(groups.items()):
        values = " | ".join(f"{mean_f1(by_system[name]):.4f}" for name in SYSTEMS)
        lines.append(f"| {group} | {len(by_system['ours'])} | {values} |")
    return [*lines, "", *(f"worst {f1:.3f} {name} {url}" for f1, name, url in sorted(own)[:WORST])]


def cpu_ratio(pages: Sequence[Page]) -> float:
    """Return the CPU of ours as a ratio to trafilatura's default with metadata and Resiliparse's text, in turn."""
    seconds = [0.0, 0.0]
    for page in (*pages[:3], *pages):  # the first ones fill caches
        if page is pages[0]:
            seconds = [0.0, 0.0]
        text = read_markup(page.page).text
        start = time.process_time()
        guarded(ours, page.page)
        between = time.process_time()
        bare_extraction(text, url=page.page.url, with_metadata=True, include_comments=False)
        extract_plain_text(text, preserve_formatting=True, main_content=True)
        seconds[0] += between - start
        seconds[1] += time.process_time() - between
    return seconds[0] / seconds[1]


def main(arguments: Sequence[str]) -> int:
    logging.disable(logging.CRITICAL)
    folders = [Path(one) for one in arguments]
    missing = [folder for folder in folders if not (folder / "truth.jsonl").is_file()]
    for folder in missing:
        print(f"{folder}: no truth.jsonl here; left out")
    pages = [page for folder in folders if folder not in missing for page in read_pages(folder)]
    if not pages:
        print("nothing to evaluate; usage: make evaluate DATA=FOLDER WEB=FOLDER")
        return 1
    print(f"extractor {EXTRACTOR_VERSION}\n")
    print("\n".join(table_of(pages)))
    timed = pages[:: max(1, len(pages) // TIMED_PAGES)][:TIMED_PAGES]
    print(f"\nCPU a page on {len(timed)} pages, as a ratio to trafilatura and Resiliparse: {cpu_ratio(timed):.2f}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
