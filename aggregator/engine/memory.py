"""The memory of a process: threads share few heaps, and the garbage collector runs less often."""

from __future__ import annotations

import ctypes
import gc

_M_ARENA_MAX = -8  # from malloc.h of glibc
_ARENAS = 4
_NEW_OBJECTS = 20_000  # our records have no cycles: they are freed without the collector


def share_heaps() -> bool:
    """Let all threads share four heaps; return whether the C library can do that (glibc can).

    By default glibc makes up to eight heaps for each processor, and reserves 64 MiB of addresses for each. 32 visits on
    16 processors would not fit a limit of 2 GiB (`ulimit -v`).
    """
    try:
        return bool(ctypes.CDLL(None).mallopt(_M_ARENA_MAX, _ARENAS))
    except (OSError, AttributeError):  # another C library
        return False


def collect_seldom() -> None:
    """Run the garbage collector once per 20,000 new objects.

    By Python's default it runs once per 700, and took a tenth of the CPU time of a first run.
    """
    gc.set_threshold(_NEW_OBJECTS, *gc.get_threshold()[1:])
