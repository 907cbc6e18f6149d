"""How a process takes memory: few heaps for many threads, garbage looked for seldom. Nothing else is set here."""

from __future__ import annotations

import ctypes
import gc

_M_ARENA_MAX = -8  # malloc.h of glibc
_ARENAS = 4
_NEW_OBJECTS = 20_000  # ours are freed with their last reference; Python looks for cycles every 700


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
    """Look for cycles among new objects every 20,000 of them: a twentieth of a first fill went into looking."""
    gc.set_threshold(_NEW_OBJECTS, *gc.get_threshold()[1:])
