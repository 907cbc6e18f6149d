"""Precision and recall of near-duplicate detection on edited copies of real article bodies.

    python benchmarks/bench_near_duplicates.py DATA [--copies 3500] [--seed 1]

DATA is a folder with `truth.jsonl`, one JSON object a line with `id`, `site` and `body`. Each copy is an edited body: a
byline added, trimmed to 70 % and to 40 %, 5 % and 10 % of the words changed, 25 % foreign text inserted. A store is
filled with the bodies and six copies of each; then every copy, and every body, looks for the body it is a near
duplicate of, with the store's rule for boilerplate. Copies that fall under the least number of words are not built.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from aggregator.identity.fingerprint import MIN_WORDS, Fingerprint, HashUse, best_match, fingerprint
from aggregator.models.ids import ArticleId

Words = Sequence[str]
Edit = Callable[[Words, Words, random.Random], list[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    id: ArticleId
    origin: ArticleId
    site: str
    kind: str
    print: Fingerprint


TAIL = "Additional reporting by the agencies; edited by the night desk"


def add_byline(words: Words, foreign: Words, source: random.Random) -> list[str]:
    name = source.choice(["By Jane Roe and John Doe", "From our correspondent in Geneva", "Von Erika Muster, dpa"])
    return [*name.split(), *words, *TAIL.split()]


def trim(share: float) -> Edit:
    return lambda words, foreign, source: list(words[: round(len(words) * share)])


def change(share: float) -> Edit:
    def edit(words: Words, foreign: Words, source: random.Random) -> list[str]:
        chosen = set(source.sample(range(len(words)), round(len(words) * share)))
        return [source.choice(foreign) if i in chosen else word for i, word in enumerate(words)]

    return edit


def insert_foreign(words: Words, foreign: Words, source: random.Random) -> list[str]:
    size = round(len(words) * 0.25)
    start = source.randrange(max(1, len(foreign) - size))
    at = source.randrange(len(words) + 1)
    return [*words[:at], *foreign[start : start + size], *words[at:]]


EDITS: Mapping[str, Edit] = {
    "byline added": add_byline,
    "trimmed to 70 %": trim(0.7),
    "trimmed to 40 %": trim(0.4),
    "5 % of words changed": change(0.05),
    "10 % of words changed": change(0.1),
    "25 % foreign text inserted": insert_foreign,
}


def read_bodies(folder: Path) -> list[tuple[ArticleId, str, list[str]]]:
    with (folder / "truth.jsonl").open(encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    bodies = {row["body"]: (ArticleId(row["id"]), row["site"], row["body"].split()) for row in rows if row.get("body")}
    return [body for body in bodies.values() if len(body[2]) >= MIN_WORDS]


def build_round(bodies: Sequence[tuple[ArticleId, str, list[str]]], source: random.Random) -> list[Document]:
    documents = []
    for index, (name, _, words) in enumerate(bodies):
        foreign = bodies[(index + source.randrange(1, len(bodies))) % len(bodies)][2]
        for kind, edit in EDITS.items():
            edited = edit(words, foreign, source)
            if len(edited) >= MIN_WORDS:
                copy = ArticleId(f"{name}/{kind}")
                site = f"copies-{source.randrange(30)}"
                documents.append(
                    Document(id=copy, origin=name, site=site, kind=kind, print=fingerprint(" ".join(edited)))
                )
    return documents


def judge_round(originals: Sequence[Document], copies: Sequence[Document]) -> tuple[Counter[str], Counter[str]]:
    """Return, per kind, how many copies found their body and how many another one."""
    stored = [*originals, *copies]
    in_documents, in_site = Counter[int](), Counter[tuple[str, int]]()
    site_sizes = Counter(document.site for document in stored)
    holders: dict[int, list[Document]] = defaultdict(list)
    for document in stored:
        in_documents.update(document.print.hashes)
        in_site.update((document.site, value) for value in document.print.hashes)
    for original in originals:
        for value in original.print.hashes:
            holders[value].append(original)
    right, wrong = Counter[str](), Counter[str]()
    for document in stored:
        around = {other.id: other.print for value in document.print.hashes for other in holders[value]}
        around.pop(document.id, None)
        values = set(document.print.hashes).union(*(other.hashes for other in around.values()))
        uses = {
            value: HashUse(documents=in_documents[value], site_documents=in_site[document.site, value])
            for value in values
        }
        found = best_match(document.print, around, uses, site_sizes[document.site])
        if found is not None:
            (right if found[0] == document.origin else wrong)[document.kind] += 1
    return right, wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="?")
    parser.add_argument("--copies", type=int, default=3500)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    if arguments.data is None or not (arguments.data / "truth.jsonl").is_file():
        print("skipped: give the folder that holds truth.jsonl, as in `make bench DATA=...`", file=sys.stderr)
        return 0
    bodies = read_bodies(arguments.data)
    source = random.Random(arguments.seed)
    begun = time.perf_counter()
    originals = [
        Document(id=name, origin=ArticleId(""), site=site, kind="body", print=fingerprint(" ".join(words)))
        for name, site, words in bodies
    ]
    taken = time.perf_counter() - begun
    built, right, wrong = Counter[str](), Counter[str](), Counter[str]()
    while sum(built.values()) < arguments.copies:
        copies = build_round(bodies, source)[: arguments.copies - sum(built.values())]
        found, lost = judge_round(originals, copies)
        built.update(copy.kind for copy in copies)
        right, wrong = right + found, wrong + lost
    print(f"bodies {len(bodies)}  copies {sum(built.values())}")
    for kind in EDITS:
        print(f"recall {right[kind] / built[kind]:.3f}  wrong {wrong[kind]}  {kind} ({right[kind]}/{built[kind]})")
    print(f"other bodies taken for a body {wrong['body']}")
    hits = sum(right.values())
    print(f"precision {hits / (hits + sum(wrong.values())):.4f}")
    print(f"recall {hits / sum(built.values()):.4f}")
    print(f"fingerprint_ms_per_1000_words {taken * 1e6 / sum(len(words) for _, _, words in bodies):.3f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
