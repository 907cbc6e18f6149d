"""The package stays easy to look through: no long module, no folder of many modules."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import aggregator

PACKAGE = Path(aggregator.__file__).parent
MOST_LINES = 400
MOST_MODULES = 16

MODULES = [path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py") if "migrations" not in path.parts]


def test_no_module_is_long() -> None:
    lines = {str(path): len((PACKAGE / path).read_text(encoding="utf-8").splitlines()) for path in MODULES}
    assert {path: count for path, count in lines.items() if count > MOST_LINES} == {}


def test_no_folder_has_many_modules() -> None:
    counts = Counter(str(path.parent) for path in MODULES)
    assert {folder: count for folder, count in counts.items() if count > MOST_MODULES} == {}
