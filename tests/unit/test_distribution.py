"""The name under which pip installs this: the name of the command belongs to another project there."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from aggregator import DISTRIBUTION, __version__
from aggregator.errors import MissingExtraError

ROOT = Path(__file__).parents[2]


def test_the_package_says_what_pip_installs() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert (project["name"], project["version"]) == (DISTRIBUTION, __version__)
    assert project["scripts"] == {"aggregator": "aggregator.cli:main"}


def test_no_document_installs_the_other_project() -> None:
    for path in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")):
        assert not re.search(r"pip install '?aggregator", path.read_text(encoding="utf-8")), path


def test_a_missing_extra_names_the_distribution() -> None:
    message = str(MissingExtraError("a fleet", "procrastinate", "postgresql"))
    assert message == f"a fleet needs procrastinate; install it with: pip install '{DISTRIBUTION}[postgresql]'"
