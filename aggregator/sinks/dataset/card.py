"""The card of a dataset: a `README.md` with front matter that dataset hubs read, and charts. Reads no article."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Final

from aggregator.durable_files import write_durably
from aggregator.ports.readings import Gap
from aggregator.sinks.dataset.manifest import Manifest
from aggregator.sinks.dataset.plots import bar_chart, column_chart
from aggregator.sinks.dataset.statistics import RIGHTS, Statistics, length_classes
from aggregator.sinks.export import FOLDERS

Chart = tuple[str, list[tuple[str, int]]]  # title, and a row for each bar

_MOST: Final = 20  # rows of a chart or a table; the rest is summed up
_MOST_DAYS: Final = 400  # columns of the chart over time
_SIZES: Final = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
_LOADING: Final = {
    "parquet": """```python
import pandas
articles = pandas.read_parquet("parquet")

import datasets
articles = datasets.load_dataset("parquet", data_files="parquet/*.parquet", split="train")
```

```sql
-- DuckDB
SELECT first_seen, title FROM 'parquet/*.parquet' WHERE language = 'en';
```
""",
    "jsonl": """```python
import datasets
articles = datasets.load_dataset("json", data_files="jsonl/*.jsonl", split="train")
```
""",
    "jsonl.zst": """```python
import datasets
articles = datasets.load_dataset("json", data_files="jsonl/*.jsonl.zst", split="train")

import glob, pandas
articles = pandas.concat(pandas.read_json(path, lines=True) for path in sorted(glob.glob("jsonl/*.zst")))
```
""",
    "txt": "`txt/` holds a document a file, in the layout that `aggregator check` verifies.\n",
    "md": "`md/` holds an article a file: front matter in YAML, then the article.\n",
    "warc": "`warc/` holds the pages as they were fetched (WARC 1.1); `warcio` and `pywb` read them.\n",
}


def write_card(folder: Path, manifest: Manifest, gaps: Sequence[Gap]) -> None:
    """Write `README.md` and `plots/*.svg` to `folder`, from the statistics in `manifest` and the gaps of the feeds."""
    statistics = manifest.statistics
    unit, times = _by_time(statistics.days)
    charts = {
        "time": (f"Articles by {unit} first seen", times),
        "languages": ("Articles by language", _largest(statistics.languages)),
        "feeds": ("Articles by feed", _largest(statistics.feeds)),
        "lengths": ("Articles by length of the body, in words", _by_length(statistics)),
    }
    for name, (title, rows) in charts.items():
        chart = column_chart(title, rows) if name == "time" else bar_chart(title, rows[:_MOST])
        write_durably(folder / "plots" / f"{name}.svg", chart.encode())
    write_durably(folder / "README.md", "\n".join(_lines(manifest, gaps, charts)).encode("utf-8", "replace"))


def _lines(manifest: Manifest, gaps: Sequence[Gap], charts: dict[str, Chart]) -> Iterator[str]:
    statistics = manifest.statistics
    yield from _front_matter(manifest)
    yield "\n# Articles collected from feeds\n"
    yield f"{statistics.articles} articles with {statistics.words} words in their bodies, from {len(statistics.feeds)}"
    yield f"feeds in {len(statistics.languages)} languages, first seen {_span(statistics)}."
    filters = ", ".join(f"{name} {value}" for name, value in manifest.filters.items())
    yield f"Selection: {filters or 'everything that was stored'}.\n"
    yield "## Contents\n"
    for name, (title, rows) in charts.items():
        yield f"![{title}](plots/{name}.svg)\n"
        yield f"<details><summary>{title}, as a table</summary>\n"
        yield "| | articles |\n|---|---:|"
        yield from (f"| {_cell(label)} | {value} |" for label, value in rows)
        yield "\n</details>\n"
    yield "## Quality\n"
    yield f"Near duplicates, which repeat an earlier article (`near_duplicate_of`): {statistics.duplicates}."
    yield from _quality(statistics)
    yield "\n## Gaps\n"
    yield from _gaps(gaps)
    yield "\n## Rights\n"
    yield "The texts belong to their publishers. This dataset grants no rights to them. To use them or pass them on,"
    yield "you need a permission or an exception of the law that applies, such as text and data mining.\n"
    yield "What the pages said when they were fetched (`rights`, `licence`):\n"
    yield "| pages that | articles |\n|---|---:|"
    yield from (f"| {said} | {statistics.rights[said]} |" for said in RIGHTS)
    yield "\n`aggregator export --rights` leaves out the first two.\n"
    yield "## Loading\n"
    yield from (_LOADING[name] for name in manifest.formats)
    yield "`manifest.json` names each file and each article with its hash. `aggregator export --diff MANIFEST` tells"
    yield f"what changed since an older one. Changes after cursor {manifest.state.seq} of epoch"
    yield f"`{manifest.state.epoch}` follow with `aggregator export --since-cursor {manifest.state.seq}`.\n"


def _front_matter(manifest: Manifest) -> Iterator[str]:
    statistics = manifest.statistics
    yield "---"
    yield "license: other"
    languages = sorted({name.split("-")[0] for name in statistics.languages if name != "unknown"})
    yield f"language: {json.dumps(languages)}"
    yield f"size_categories: [{json.dumps(_size(statistics.articles))}]"
    yield 'task_categories: ["text-generation"]'
    loadable = [name for name in ("parquet", "jsonl", "jsonl.zst") if name in manifest.formats]
    if loadable:  # one format: `datasets` reads all configurations of a folder with the same loader
        name = loadable[0]
        yield f"configs:\n- config_name: default\n  data_files: {FOLDERS.get(name, name)}/*.{name}"
    yield "---"


def _size(articles: int) -> str:
    return next((name for limit, name in _SIZES if articles < limit), "1M<n<10M")


def _span(statistics: Statistics) -> str:
    if statistics.first is None or statistics.last is None:
        return "never: there are none"
    return f"from {statistics.first.date()} to {statistics.last.date()} (UTC)"


def _quality(statistics: Statistics) -> Iterator[str]:
    if not statistics.quality:
        yield "No article has a reason to doubt that it is one (`quality`)."
        return
    yield "Reasons to doubt that an article is one (`quality`):\n"
    yield "| reason | articles |\n|---|---:|"
    yield from (f"| `{reason}` | {count} |" for reason, count in sorted(statistics.quality.items()))


def _gaps(gaps: Sequence[Gap]) -> Iterator[str]:
    if not gaps:
        yield "None is known: each feed was polled before entries could leave it."
        return
    yield "In these times a feed may have lost entries before it was polled:\n"
    yield "| feed | from | to | filled |\n|---|---|---|---|"
    for gap in gaps[:_MOST]:
        filled = "yes" if gap.filled_at else "no"
        yield f"| {_cell(gap.feed)} | {gap.since:%Y-%m-%d %H:%M} | {gap.until:%Y-%m-%d %H:%M} | {filled} |"
    if len(gaps) > _MOST:
        yield f"\nand {len(gaps) - _MOST} more."


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ").replace("<", "&lt;").replace("[", "\\[")


def _by_time(days: Counter[str]) -> tuple[str, list[tuple[str, int]]]:
    """Return the unit of time ("day" or "month") and the count of articles in each such day or month.

    Up to 400 days from the first article to the last, it is "day", with a count for every day, even 0. Otherwise it is
    "month", with a count for each month that has articles.
    """
    if not days:
        return "day", []
    first, last = (date.fromisoformat(day) for day in (min(days), max(days)))
    if (last - first).days < _MOST_DAYS:
        every = (first + timedelta(days=number) for number in range((last - first).days + 1))
        return "day", [(day.isoformat(), days[day.isoformat()]) for day in every]
    months: Counter[str] = Counter()
    for day, count in days.items():
        months[day[:7]] += count
    return "month", sorted(months.items())


def _largest(counts: Counter[str]) -> list[tuple[str, int]]:
    ordered = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    rest = sum(count for _, count in ordered[_MOST:])
    return [*ordered[:_MOST], *([(f"{len(ordered) - _MOST} others", rest)] if rest else [])]


def _by_length(statistics: Statistics) -> list[tuple[str, int]]:
    return [(name, statistics.lengths[name]) for name in length_classes()]
