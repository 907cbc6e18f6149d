"""What a daemon needs to start the process that serves page and API: its settings, its socket and its token.

The daemon imports this module. The module imports no web library, which would cost the daemon 20 MiB.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import socket
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Literal

from aggregator.errors import ConfigError, PortError

_BACKLOG: Final = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class PageSettings:
    """The settings of the process that serves page and API. They contain secrets, so they are sent over a pipe.

    `daemon` is the name of the daemon's record, or "" if no daemon belongs to the process.
    """

    store_url: str
    raw_folder: str
    token: str | None
    daemon: str = ""
    base_url: str = ""
    log_style: Literal["text", "json"] = "text"
    log_level: int = logging.WARNING

    def dump(self) -> bytes:
        """Return the settings as one line of JSON."""
        return json.dumps(asdict(self)).encode() + b"\n"


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens on this host and port. Port 0 means any free port.

    Raises:
        PortError: the port is taken, or the host is no address of this machine.
    """
    try:
        return _listening(host, port)
    except OSError as error:
        raise PortError(
            f'[web] listen: "{host}:{port}" is not free ({_reason(error)}); name another port, or "" for off'
        ) from error


def _listening(host: str, port: int) -> socket.socket:
    """Return a listening TCP socket, made so that asyncio sets TCP_NODELAY on its connections.

    asyncio does so only if the socket names its protocol. Without TCP_NODELAY the second part of every answer waits
    44 ms for the client's delayed acknowledgement.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family is socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind((host, port))
        sock.listen(_BACKLOG)
    except OSError:
        sock.close()
        raise
    return sock


def listen_at(path: Path) -> socket.socket:
    """Return a Unix socket that listens at a path. Only this user and group may connect.

    The file that a dead process left at the path is replaced.

    Raises:
        PortError: another process listens there, or the path cannot be used.
    """
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if path.is_socket() and sock.connect_ex(str(path)) == errno.ECONNREFUSED:
            path.unlink()
        sock.close()
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.bind(str(path))
        path.chmod(0o660)
        sock.listen(_BACKLOG)
    except OSError as error:
        sock.close()
        raise PortError(
            f'[web] listen: "unix:{path}" cannot be opened ({_reason(error)}); name another path'
        ) from error
    return sock


def close(sock: socket.socket) -> None:
    """Close a listening socket. The file of a Unix socket is removed."""
    path = Path(sock.getsockname()) if sock.family is socket.AF_UNIX else None
    sock.close()
    if path is not None:
        path.unlink(missing_ok=True)


def _reason(error: OSError) -> str:
    return os.strerror(error.errno) if error.errno is not None and error.errno > 0 else str(error)


def address_of(sock: socket.socket) -> str:
    """Return the address of a listening socket for a browser, or `unix:` and the path of a Unix socket."""
    if sock.family is socket.AF_UNIX:
        return f"unix:{sock.getsockname()}"
    host, port = sock.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/"


def read_token(path: Path | None) -> str | None:
    """Return the token in the file `[web] token_file`, without blanks around it; None: no such file is configured.

    Raises:
        ConfigError: the file is empty or cannot be read.
    """
    if path is None:
        return None
    try:
        token = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise ConfigError(f"[web] token_file: {path} cannot be read ({reason})") from error
    if not token:
        raise ConfigError(f"[web] token_file: {path} is empty; write a long random text into it")
    return token
