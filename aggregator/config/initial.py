"""Writes the file of `config init`: every key with its default, commented, with absolute paths."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Final

from aggregator.errors import ConfigError

_SYSTEM: Final = Path("/etc/aggregator")
_SYSTEM_DATA: Final = Path("/var/lib/aggregator")
_GROUP: Final = "aggregator"  # the group of the service, which reads the file and does not write it


def default_place(environ: Mapping[str, str]) -> Path:
    """Return the path of this user's configuration file, below `$HOME/.config`.

    Raises:
        ConfigError: the user has no home folder.
    """
    if not environ.get("HOME"):
        raise ConfigError("$HOME is not set; name the file with --path FILE")
    return Path(environ["HOME"]) / ".config/aggregator/aggregator.toml"


def data_folder(path: Path, environ: Mapping[str, str]) -> Path:
    """Return the data folder for the configuration file `path`.

    It is /var/lib/aggregator for a file below /etc/aggregator, and the folder `aggregator` in the user's data folder
    (`$XDG_DATA_HOME`) for `default_place`. For any other file it is `data` beside the file.
    """
    path = path.absolute()
    if path.is_relative_to(_SYSTEM):
        return _SYSTEM_DATA
    if environ.get("HOME") and path == default_place(environ).absolute():
        return Path(environ.get("XDG_DATA_HOME") or Path(environ["HOME"]) / ".local/share") / "aggregator"
    return path.parent / "data"


def initial_text(data: Path) -> str:
    """Return the text of the sample file with absolute paths into `data`. The sample's feed is commented out."""
    text = (files("aggregator.config") / "sample.toml").read_text(encoding="utf-8")
    paths = {"url": f"sqlite:///{data}/aggregator.db", "articles_dir": f"{data}/articles", "raw_dir": f"{data}/raw"}
    for key, value in paths.items():
        written = f'{key} = "{value}"'
        text = re.sub(rf'^{key} = "[^"]*"', lambda _, line=written: line, text, count=1, flags=re.MULTILINE)  # type: ignore[misc]
    head, mark, feed = text.rpartition("\n[[feeds]]\n")
    return (
        head + mark.replace("[[", "# [[") + "".join(f"# {line}\n".replace("# # ", "# ") for line in feed.splitlines())
    )


def write_initial(path: Path, environ: Mapping[str, str]) -> Path:
    """Write the file of `config init` to `path`, and return its data folder.

    A file below /etc/aggregator is readable for its owner and the service's group only (if that group exists).

    Raises:
        ConfigError: the file exists already, or cannot be written.
    """
    data = data_folder(path, environ)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as handle:
            if path.absolute().is_relative_to(_SYSTEM):
                os.fchmod(handle.fileno(), 0o640)
                _give_to_service(path)
            handle.write(initial_text(data))
    except FileExistsError:
        raise ConfigError(f"{path}: exists already; name another with --path FILE") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written ({error.strerror}); name another with --path FILE") from None
    return data


def _give_to_service(path: Path) -> None:
    try:
        shutil.chown(path, group=_GROUP)
    except (LookupError, PermissionError):
        return  # no service is installed, or somebody else sets it up
