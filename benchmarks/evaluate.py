"""Extraction quality: both modes over an evaluation folder, scored by the folder's own `evaluate.py`.

    make evaluate DATA=FOLDER [or: python benchmarks/evaluate.py FOLDER]

The folder holds `truth.jsonl` (lines with `id`, `url`, `html`), `pages/` (gzipped HTML) and `evaluate.py`, which reads
predictions and prints a JSON object with `--json`. Nothing of it is kept.
"""

from __future__ import annotations

import gzip
import json
import logging
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from aggregator.extraction.extract import EXTRACTOR_VERSION, Mode, extract_page
from aggregator.models.articles import ExtractInput, Extraction
from aggregator.text.seed_format import render

MODES: tuple[Mode, ...] = ("standard", "thorough")
METRICS = (
    ("body F1", "body_f1"),
    ("body precision", "body_precision"),
    ("body recall", "body_recall"),
    ("title, normalised", "title_normalized"),
    ("authors F1", "authors_f1"),
    ("day of publication", "published_same_day"),
    ("lead image, alt", "lead_image_alt"),
    ("lead image, caption", "lead_image_caption"),
    ("lead image, caption contained", "lead_image_caption_contained"),
    ("text equal to the byte", "text_exact"),
)


def read_pages(folder: Path) -> Iterator[tuple[str, ExtractInput]]:
    """Return the id and the input of every page of the folder."""
    for line in (folder / "truth.jsonl").read_text(encoding="utf-8").splitlines():
        truth = json.loads(line)
        path = folder / truth["html"]
        body = gzip.decompress((path if path.exists() else folder / "pages" / truth["html"]).read_bytes())
        yield truth["id"], ExtractInput(url=truth["url"], body=body)


def prediction_of(name: str, found: Extraction) -> dict[str, object]:
    image = found.lead_image
    return {
        "id": name,
        "title": found.title,
        "authors": found.authors,
        "published": found.published,
        "body": found.body,
        "text": render(found.text, found.date),
        "lead_image": {"url": image.url, "caption": image.caption, "alt": image.alt} if image else None,
    }


def score(folder: Path, mode: Mode) -> dict[str, dict[str, float]]:
    """Extract every page and let the folder's scorer judge."""
    with tempfile.TemporaryDirectory() as directory:
        predictions = Path(directory) / "predictions.jsonl"
        with predictions.open("w", encoding="utf-8") as out:
            for name, page in read_pages(folder):
                found = extract_page(page, None, mode)
                if isinstance(found, Extraction):
                    out.write(json.dumps(prediction_of(name, found)) + "\n")
        command = [sys.executable, str(folder / "evaluate.py"), str(predictions), "--by", "source", "--json"]
        scored = subprocess.run(command, check=True, capture_output=True, text=True)
    result: dict[str, dict[str, float]] = json.loads(scored.stdout)
    return result


def main() -> None:
    if len(sys.argv) != 2:
        raise SystemExit("usage: make evaluate DATA=FOLDER")
    logging.disable(logging.CRITICAL)
    folder = Path(sys.argv[1])
    results = {mode: score(folder, mode) for mode in MODES}
    print(f"extractor {EXTRACTOR_VERSION}, Python {platform.python_version()}\n")
    print("| metric | pages | " + " | ".join(MODES) + " |\n|---|---|" + "---|" * len(MODES))
    first = results[MODES[0]]
    groups = ["", *sorted({name.rpartition(".")[0] + "." for name in first if name.endswith(".body_f1")})]
    for group in groups:
        for label, metric in METRICS:
            if (group + metric) not in first or (group and not metric.startswith("body")):
                continue
            values = " | ".join(f"{results[mode][group + metric]['value']:.4f}" for mode in MODES)
            print(f"| {group.rstrip('.')} {label} | {first[group + metric]['n']:.0f} | {values} |".replace("|  ", "| "))


if __name__ == "__main__":
    main()
