"""Writes articles to files in the seed format: `YYYY/MM/DD/NNN_<id>.txt`, by the day on which each was first seen.

It writes and deletes only files with such names, its temporary files and the file with the id of the folder.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import cached_property
from itertools import chain, takewhile
from pathlib import Path

from aggregator.durable_files import folder_id, write_many_durably
from aggregator.models.ids import ArticleId
from aggregator.ports.readings import Change
from aggregator.sinks.export import file_bytes
from aggregator.sinks.records import TextChoice

_OUR_NAME = re.compile(r"(?P<number>\d{3,})_(?P<id>[0-9a-f]{16})\.txt\Z")
_SWEEP_AGE = timedelta(days=1)
_DAY_FOLDERS = "[0-9][0-9][0-9][0-9]/[0-9][0-9]/[0-9][0-9]"


class SeedFiles:
    """The sink that fills `[storage] articles_dir`. An output of the kind `files` uses it for its own folder."""

    name = "seed"

    def __init__(self, root: Path, text: TextChoice = "seed") -> None:
        self._root = root
        self._text = text

    @cached_property
    def folder(self) -> str:
        """The id of the folder, stored in a file in the folder.

        A folder that was emptied gets a new id, and then all articles again.
        """
        return folder_id(self._root)

    def deliver(self, changes: Sequence[Change]) -> None:
        """Write the file of each changed article, or remove it if the article no longer exists.

        Of several changes of one article only the last is used, since they concern the same file.
        """
        files: dict[Path, bytes] = {}
        for change in {change.article_id: change for change in changes}.values():
            if change.number is None:
                continue
            path = self.path_of(change.day, change.number, change.article_id)
            if change.article is None:
                path.unlink(missing_ok=True)
            else:
                data = file_bytes(change.article, self._text)
                if not path.exists() or path.read_bytes() != data:
                    files[path] = data
        write_many_durably(files)

    def path_of(self, day: str, number: int, article_id: ArticleId) -> Path:
        """Return the path of an article's file. No word of the path comes from the article's page."""
        return self._root / day / f"{number:03d}_{article_id}.txt"

    def sweep(
        self,
        is_published: Callable[[ArticleId, str, int], bool],
        now: datetime,
        stopping: Callable[[], bool] = lambda: False,
    ) -> int:
        """Remove our files that are over a day old and belong to no article, and temporary files of that age.

        `is_published` tells whether an article has this id, day (`YYYY/MM/DD`) and number. `stopping` may end the sweep
        early. Return how many files were removed.
        """
        oldest, removed = (now - _SWEEP_AGE).timestamp(), 0
        found = chain(self._root.glob(f"{_DAY_FOLDERS}/.*.txt*.tmp"), self._root.glob(f"{_DAY_FOLDERS}/*.txt"))
        for path in takewhile(lambda _: not stopping(), found):
            match = _OUR_NAME.match(path.name)
            is_ours = match is not None or path.suffix == ".tmp"
            if not is_ours or path.stat().st_mtime >= oldest:
                continue
            day = path.parent.relative_to(self._root).as_posix()
            if match is None or not is_published(ArticleId(match["id"]), day, int(match["number"])):
                path.unlink(missing_ok=True)
                removed += 1
        return removed
