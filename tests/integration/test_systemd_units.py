"""The shipped units are valid, hardened, and hand over paths and commands that exist."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

UNITS = Path(__file__).parents[2] / "systemd"
SERVICES = ["aggregator.service", "aggregator-run-once.service"]

needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, check=False, timeout=60)


@needs_systemd
@pytest.mark.parametrize("unit", [*SERVICES, "aggregator-run-once.timer"])
def test_unit_is_valid(unit: str) -> None:
    result = analyze("verify", str(UNITS / unit))
    assert (result.returncode, result.stderr) == (0, "")


@needs_systemd
@pytest.mark.parametrize("unit", SERVICES)
def test_unit_is_hardened(unit: str) -> None:
    result = analyze("security", "--offline=true", str(UNITS / unit))
    exposure = re.search(r"Overall exposure level for \S+: ([\d.]+)", result.stdout)
    assert exposure is not None, result.stderr
    assert float(exposure[1]) <= 1.5


def test_both_services_are_confined_alike() -> None:
    daemon, one_pass = ((UNITS / name).read_text().split("\nUser=", 1)[1] for name in SERVICES)
    assert daemon.split("\n[Install]")[0].strip() == one_pass.strip()


def test_the_daemon_notifies_reloads_and_is_watched() -> None:
    unit = (UNITS / "aggregator.service").read_text()
    for line in (
        "Type=notify",
        "TimeoutStartSec=6h",
        "WatchdogSec=60s",
        "ExecReload=/bin/kill -HUP $MAINPID",
        "RestartPreventExitStatus=2",
    ):
        assert f"\n{line}\n" in unit


@pytest.mark.parametrize("unit", SERVICES)
def test_no_unit_overrides_the_configuration(unit: str) -> None:
    assert "AGGREGATOR_STORAGE" not in "".join(
        line for line in (UNITS / unit).read_text().splitlines() if not line.startswith("#")
    )


def test_the_folder_of_the_data_is_there_before_the_first_start() -> None:
    """Commands of the operator write into it, before the service has made it."""
    lines = (UNITS / "aggregator.tmpfiles.conf").read_text().splitlines()
    assert "d /var/lib/aggregator 0750 aggregator aggregator -" in lines


def lines_of(heading: str) -> list[str]:
    """Return the command lines of one section of the page for operators."""
    page = (UNITS.parent / "docs" / "how-to" / "operate.md").read_text(encoding="utf-8")
    section = page.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return [line for block in re.findall(r"```sh\n(.*?)```", section, re.DOTALL) for line in block.splitlines()]


def test_the_removal_that_is_documented_leaves_nothing(tmp_path: Path) -> None:
    made = [
        line.split()[1] for line in (UNITS / "aggregator.tmpfiles.conf").read_text().splitlines() if line[:2] == "d "
    ]
    folders = [*made, "/opt/aggregator/.venv", "/var/cache/aggregator", "/etc/systemd/system/aggregator.service.d"]
    script = [line for line in lines_of("Install as a service") if line.startswith("install -D")]
    script += [f"mkdir -p {folder}" for folder in folders]
    script += [line for line in lines_of("Remove") if line.startswith("rm ")]
    assert len(script) == 3 + len(folders) + 4
    there = re.sub(r"(?<=\s)/(?=(usr|etc|opt|var)/)", f"{tmp_path}/", "\n".join(script))
    subprocess.run(["bash", "-euc", there], cwd=UNITS.parent, check=True, timeout=60)
    assert [path for path in tmp_path.rglob("*") if "aggregator" in path.name] == []
