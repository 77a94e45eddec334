"""The compiled inner loop of core.embeddings.layout; it brings in numba, so only making a map imports it."""

from __future__ import annotations

import numba as nb
import numpy as np

STEPS = 6
"""Bits of the mantissa that count: 64 steps an octave of squared distance."""
LOWEST, OCTAVES = -24, 40
"""The table begins at 2**-24 and ends at 2**16; what lies outside takes its first or last entry."""


@nb.njit(inline="always")
def _hash(x):  # type: ignore[no-untyped-def]
    """A well mixed 32-bit number of a 32-bit number (lowbias32, Wellons 2018)."""
    x = np.uint32(x)
    x ^= x >> np.uint32(16)
    x = np.uint32(x * np.uint32(0x7FEB352D))
    x ^= x >> np.uint32(15)
    x = np.uint32(x * np.uint32(0x846CA68B))
    x ^= x >> np.uint32(16)
    return x


@nb.njit(inline="always")
def _entry(square, last):  # type: ignore[no-untyped-def]
    """Where the table keeps what belongs to a squared distance: float32 is a logarithm by its own bits."""
    bits = np.float32(square).view(np.int32)
    return min(max((bits >> np.int32(23 - STEPS)) - np.int32((127 + LOWEST) << STEPS), np.int32(0)), last)


@nb.njit(inline="always")
def _clip(value):  # type: ignore[no-untyped-def]
    return min(np.float32(4), max(np.float32(-4), value))


@nb.njit(parallel=True, fastmath=True, cache=True)
def epoch(old, new, starts, others, rates, number, alpha, pull, push, seed, n_negative):  # type: ignore[no-untyped-def]
    """Move every point once: from ``old`` to ``new``, both (n, 2) float32.

    Args:
        old: Where all points are; only read.
        new: Written.
        starts: (n + 1,) int64: point i's edges are ``starts[i]`` to ``starts[i + 1]``.
        others: (m,) int32, the far end of each edge; every edge is there from both ends.
        rates: (m,) float32, 0 to 1: in how many epochs an edge pulls.
        number: Of the epoch, from 0.
        alpha: How far points move, 1 to 0.
        pull: The table of attraction by squared distance (core.embeddings.layout.forces).
        push: The table of repulsion.
        seed: Of the draws.
        n_negative: Points pushed away for each edge that pulls.
    """
    n = np.int32(len(old))
    last = np.int32(len(pull) - 1)
    base = _hash(np.uint32(seed) ^ np.uint32(np.uint32(number) * np.uint32(0x9E3779B9)))
    now, then = np.float32(number), np.float32(number + 1)
    for i in nb.prange(n):
        x, y = old[i, 0], old[i, 1]
        state = _hash(base + np.uint32(i))
        for edge in range(starts[i], starts[i + 1]):
            rate = rates[edge]
            phase = np.float32(_hash(np.uint32(edge)) >> np.uint32(8)) * np.float32(2.0**-24)
            if np.floor(then * rate + phase) <= np.floor(now * rate + phase):
                continue
            j = others[edge]
            dx, dy = x - old[j, 0], y - old[j, 1]
            force = 2 * pull[_entry(dx * dx + dy * dy, last)]
            x -= alpha * _clip(force * dx)
            y -= alpha * _clip(force * dy)
            for _ in range(n_negative):
                state = np.uint32(state * np.uint32(747796405) + np.uint32(2891336453))
                mixed = np.uint32(state ^ (state >> np.uint32(15)))
                j = np.int32((np.uint64(mixed) * np.uint64(n)) >> np.uint64(32))
                dx, dy = x - old[j, 0], y - old[j, 1]
                force = push[_entry(dx * dx + dy * dy, last)]
                x += alpha * _clip(force * dx)
                y += alpha * _clip(force * dy)
        new[i, 0], new[i, 1] = x, y
