"""Memory of a process: few heaps for many threads, and a garbage collector that runs less often."""

from __future__ import annotations

import ctypes
import gc

_M_ARENA_MAX = -8  # from malloc.h of glibc
_ARENAS = 4
_NEW_OBJECTS = 20_000  # our records have no cycles: they are freed without the collector


def share_heaps() -> bool:
    """Let all threads share four heaps; returns whether the C library (glibc) can do that.

    glibc gives each new thread a heap of its own, eight for each processor, and reserves 64 MiB of addresses for it:
    32 visits on 16 processors do not fit a limit of 2 GiB (`ulimit -v`).
    """
    try:
        return bool(ctypes.CDLL(None).mallopt(_M_ARENA_MAX, _ARENAS))
    except (OSError, AttributeError):  # another C library
        return False


def collect_seldom() -> None:
    """Run the garbage collector after every 20,000 new objects.

    The default of Python is 700. The collector then took a tenth of the CPU time of a first fill.
    """
    gc.set_threshold(_NEW_OBJECTS, *gc.get_threshold()[1:])
