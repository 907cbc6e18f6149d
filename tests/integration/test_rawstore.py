"""Raw responses on disk: whole or not at all, found again, told apart."""

from __future__ import annotations

import os
import threading
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from aggregator.errors import StorageError
from aggregator.rawstore import FileRawStore
from tests.support.laws import at_most
from tests.support.stores import START

MISSING = "0" * 64


@given(body=st.binary(max_size=2000))
@at_most(50, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_went_in_comes_out(tmp_path: Path, body: bytes) -> None:
    raw_store = FileRawStore(tmp_path)
    name = raw_store.put(body, START)
    assert raw_store.get(name) == body
    assert raw_store.put(body, START) == name


def test_files_lie_in_two_levels_and_are_compressed(tmp_path: Path) -> None:
    raw_store = FileRawStore(tmp_path / "raw")
    name = raw_store.put(b"<html>" * 10_000, START)
    file = tmp_path / "raw" / name[:2] / name[2:4] / name
    assert file.stat().st_size < 1000
    assert [path for path in (tmp_path / "raw").rglob("*") if path.is_file() and path.name.startswith(".")] == []


def test_a_file_that_is_there_is_touched(tmp_path: Path) -> None:
    raw_store = FileRawStore(tmp_path)
    name = raw_store.put(b"x", START)
    assert list(raw_store.names()) == [(name, START)]
    later = START + timedelta(days=2)
    raw_store.put(b"x", later)
    assert list(raw_store.names()) == [(name, later)]


def test_deleting(tmp_path: Path) -> None:
    raw_store = FileRawStore(tmp_path)
    name = raw_store.put(b"x", START)
    raw_store.delete(name)
    raw_store.delete(name)
    raw_store.delete("../../etc/passwd")
    assert raw_store.get(name) is None
    assert list(raw_store.names()) == []


def test_damaged_and_foreign_files(tmp_path: Path) -> None:
    raw_store = FileRawStore(tmp_path)
    name, other = raw_store.put(b"x" * 100, START), raw_store.put(b"y" * 100, START)
    file = tmp_path / name[:2] / name[2:4] / name
    whole = file.read_bytes()
    for damaged in (b"", b"nonsense", whole[:-3], (tmp_path / other[:2] / other[2:4] / other).read_bytes()):
        file.write_bytes(damaged)
        assert raw_store.get(name) is None
    (file.parent / "notes.txt").touch()
    assert {found for found, _ in raw_store.names()} == {name, other}
    assert raw_store.get("../../etc/passwd") is None
    assert raw_store.get(MISSING) is None


def test_a_damaged_file_is_written_again(tmp_path: Path) -> None:
    raw_store = FileRawStore(tmp_path)
    name = raw_store.put(b"x" * 100, START)
    file = tmp_path / name[:2] / name[2:4] / name
    file.write_bytes(file.read_bytes()[:-3])
    assert raw_store.put(b"x" * 100, START) == name
    assert raw_store.get(name) == b"x" * 100


class Racing(FileRawStore):
    """Another process deletes each file once it was read."""

    def get(self, content_hash: str) -> bytes | None:
        body = super().get(content_hash)
        self.delete(content_hash)
        return body


def test_bytes_that_are_deleted_while_they_are_put_are_written(tmp_path: Path) -> None:
    name = FileRawStore(tmp_path).put(b"page", START)
    assert Racing(tmp_path).put(b"page", START) == name
    assert FileRawStore(tmp_path).get(name) == b"page"


def test_unfinished_files_are_swept(tmp_path: Path) -> None:
    raw_store = FileRawStore(tmp_path)
    name = raw_store.put(b"x", START)
    folder = tmp_path / name[:2] / name[2:4]
    old, new = folder / f".{name}.1.tmp", folder / f".{name}.2.tmp"
    for path, at in ((old, START), (new, START + timedelta(days=2))):
        path.touch()
        os.utime(path, (at.timestamp(), at.timestamp()))
    raw_store.sweep(START + timedelta(days=1))
    assert (old.exists(), new.exists(), raw_store.get(name)) == (False, True, b"x")


def test_a_folder_keeps_its_id(tmp_path: Path) -> None:
    first = FileRawStore(tmp_path).folder
    assert FileRawStore(tmp_path).folder == first
    assert FileRawStore(tmp_path / "other").folder != first
    (tmp_path / "folder-id").write_bytes(b"\xff not an id")
    again = FileRawStore(tmp_path).folder
    assert again != first
    assert FileRawStore(tmp_path).folder == again


def test_all_who_come_at_once_agree_on_the_id(tmp_path: Path) -> None:
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(FileRawStore(tmp_path).folder)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1


def test_a_folder_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="check raw_dir"):
        FileRawStore(tmp_path / "file")
    (tmp_path / "raw" / "folder-id").mkdir(parents=True)
    with pytest.raises(StorageError, match="check raw_dir"):
        FileRawStore(tmp_path / "raw")
    raw_store = FileRawStore(tmp_path / "good")
    for two in range(256):
        (tmp_path / "good" / f"{two:02x}").touch()
    with pytest.raises(StorageError, match="cannot be written"):
        raw_store.put(b"x", START)
