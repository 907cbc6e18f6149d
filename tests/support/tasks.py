"""What worker processes are made to do in tests; importable by them."""

from __future__ import annotations

import os
import time


def double(number: int) -> int:
    return 2 * number


def hang() -> None:
    time.sleep(600)


def crash() -> None:
    os.kill(os.getpid(), 11)


def devour() -> int:
    return len(bytearray(8 << 30))


def fail() -> None:
    raise ValueError("no page")
