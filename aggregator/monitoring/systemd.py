"""Messages to systemd, as sd_notify(3) sends them: READY, RELOADING, STOPPING, STATUS, WATCHDOG."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta


def notify(environ: Mapping[str, str], **messages: str | int) -> None:
    """Send the messages as `NAME=value` lines to systemd's socket, `$NOTIFY_SOCKET`.

    If the variable is not set, nothing is sent. Errors of the socket are ignored.
    """
    address = environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]  # an abstract socket: unix(7)
    text = "\n".join(f"{name}={value}" for name, value in messages.items())
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
        sender.connect(address)
        sender.sendall(text.encode())


def watchdog_interval(environ: Mapping[str, str], pid: int) -> timedelta | None:
    """Return the longest time that systemd allows between two WATCHDOG messages (sd_watchdog_enabled(3)).

    None: systemd expects no such messages from the process `pid`.
    """
    usec, whose = environ.get("WATCHDOG_USEC", ""), environ.get("WATCHDOG_PID", "")
    if not usec.isdigit() or (whose and whose != str(pid)):
        return None
    return timedelta(microseconds=int(usec))
