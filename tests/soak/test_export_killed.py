"""An export that is killed at any point leaves nothing half, and the next call completes it."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.soak

FILL = Path(__file__).parents[2] / "benchmarks" / "fill_store.py"
FORMATS = ("txt", "md", "jsonl", "jsonl.zst", "parquet", "warc")


def tree(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with some hundred articles of ten months."""
    folder = tmp_path_factory.mktemp("store")
    url = f"sqlite:///{folder}/store.db"
    sizes = ("--articles", "400", "--feeds", "40", "--days", "300", "--words", "120")
    subprocess.run([sys.executable, str(FILL), url, *sizes], check=True)
    path = folder / "aggregator.toml"
    path.write_text(f'[storage]\nurl = "{url}"\narticles_dir = ""\nraw_dir = "raw"\nmin_free = "0"\n')
    return path


def export(config: Path, folder: Path, *options: str) -> subprocess.Popen[bytes]:
    formats = [word for name in FORMATS for word in ("--format", name)]
    command = [sys.executable, "-m", "aggregator", "export", str(folder), *formats, "--config", str(config), *options]
    return subprocess.Popen(command, stderr=subprocess.PIPE)


def complete(config: Path, folder: Path, *options: str) -> str:
    """Run an export to its end; return what it said."""
    process = export(config, folder, *options)
    said = process.communicate(timeout=300)[1].decode()
    assert process.returncode == 0, said
    return said


@pytest.fixture(scope="module")
def unbroken(config: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, bytes], float]:
    """The files of an export that was let alone, and how long it took."""
    folder = tmp_path_factory.mktemp("unbroken")
    complete(config, folder / "warm")
    started = time.monotonic()
    complete(config, folder / "whole")
    seconds = time.monotonic() - started
    assert tree(folder / "warm") == tree(folder / "whole")
    return tree(folder / "whole"), seconds


@pytest.mark.parametrize("replaces", [False, True])
@pytest.mark.parametrize("points", [pytest.param(4, marks=pytest.mark.soak(short=True)), pytest.param(50)])
def test_an_export_that_is_killed_is_completed_by_the_next_call(
    config: Path, unbroken: tuple[dict[str, bytes], float], tmp_path: Path, points: int, replaces: bool
) -> None:
    whole, seconds = unbroken
    out = tmp_path / "out"
    options = ("--replace",) if replaces else ()
    resumed = 0
    for point in range(points):
        if replaces:
            complete(config, out, "--until", "2026-09-01")
        before = tree(out) if replaces else None
        process = export(config, out, *options)
        time.sleep(seconds * (0.25 + 0.75 * point / points))
        process.kill()
        said = process.communicate()[1].decode()
        assert process.returncode in (-signal.SIGKILL, 0), said
        if out.exists():
            assert tree(out) in ([before, whole] if replaces else [whole])
        is_done = not replaces and [path.name for path in tmp_path.iterdir()] == ["out"]  # killed when it was ending
        if process.returncode != 0 and not is_done:
            resumed += "resumed after" in complete(config, out, *options)
        assert tree(out) == whole, point
        assert [path.name for path in tmp_path.iterdir()] == ["out"]
        shutil.rmtree(out)
    if points == 50:
        assert resumed
