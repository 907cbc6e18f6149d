"""Memory of a process: few heaps for many threads."""

from __future__ import annotations

import ctypes

_M_ARENA_MAX = -8  # malloc.h of glibc
_ARENAS = 4


def share_heaps() -> bool:
    """Let all threads share four heaps; returns whether the C library (glibc) can do that.

    glibc gives each new thread a heap of its own, eight for each processor, and reserves 64 MiB of addresses for it:
    32 visits on 16 processors do not fit a limit of 2 GiB (`ulimit -v`).
    """
    try:
        return bool(ctypes.CDLL(None).mallopt(_M_ARENA_MAX, _ARENAS))
    except (OSError, AttributeError):  # another C library
        return False
