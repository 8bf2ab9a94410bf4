"""The fewest and the most steps an actor can have taken, over all orders that the precision of times allows.

An event stated at `time` happened in [time, end). Events whose spans lie apart have a known order; a *knot* is a row
of events whose spans hang together, and only inside it orders differ. What an order leads to is, for every number of
steps, the start of the chain that began latest (UNSET without one). More is never worse, which carries both searches:

- *fewest*: the orders of a knot are tried one event at a time. An event that changes nothing goes first at once; of
  events alike (same steps, same precision) the earliest goes first; an order that is no better than a finished one is
  given up. Kept are the starts no other order undercuts.
- *most*: for each chain that reaches the knot (or begins in it) the events for the steps that follow, each of which
  must not lie wholly before one already taken. Of events alike the earliest serves as well as any.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import carray, njit

from trackway.store.columns.folds.reading import bits, earliest
from trackway.store.columns.lanes import pointer

UNSET = -(1 << 62)
LATE = 1 << 62
KEPT = 64
"""Most starts kept side by side for one actor."""
WORK = 4_000_000
"""Events looked at for one actor before a bound has to do."""


class Line(NamedTuple):
    """The events of one actor that are steps, by time."""

    time: np.ndarray
    end: np.ndarray
    """The first moment it can no longer have happened."""
    at: np.ndarray
    """The time as the window sees it; 0 when no window can be missed."""
    mask: np.ndarray
    kind: np.ndarray
    """Within a knot, the same for events with the same steps and the same precision."""


class Room(NamedTuple):
    """Where the searches write."""

    taken: np.ndarray
    """Whether an event of the line has its place already."""
    trail: np.ndarray
    """The events in the order they were taken."""
    held: np.ndarray
    """How long the trail was at each depth of the search."""
    turn: np.ndarray
    """Where each depth of the search goes on."""
    starts: np.ndarray
    """The starts at each depth of the search."""


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def bounds(  # noqa: PLR0913, PLR0917
    first: np.ndarray, run: np.ndarray, lo: np.ndarray, hi: np.ndarray, begin: int, end: int,
    step_at: np.ndarray, step_like: np.ndarray, step: np.ndarray,
    also_at: np.ndarray, also_like: np.ndarray, also: np.ndarray, time_at: np.ndarray, time_like: np.ndarray,
    fuzz_at: np.ndarray, fuzz_like: np.ndarray, fuzz: np.ndarray,
    start: int, stop: int, cut: bool, within: int, steps: int, out: np.ndarray,
) -> int:  # fmt: skip
    """Fill, for each actor who took the first step, one column of `out`; returns how many there are.

    It holds the fewest steps, the most, and 1 when a bound had to do. `fuzz` is the precision of an event, in
    microseconds, at least 1.
    """
    found, longest = 0, 1
    for actor in range(begin, end):
        events = 0
        for s in range(first[actor], first[actor + 1]):
            events += hi[s] - lo[s]
        longest = max(longest, events)
    line = Line(np.empty(longest, np.int64), np.empty(longest, np.int64), np.empty(longest, np.int64),
                np.empty(longest, np.uint16), np.empty(longest, np.int64))  # fmt: skip
    starts = np.empty(steps, np.int64)
    for actor in range(begin, end):
        n, seen = 0, 0
        for s in range(first[actor], first[actor + 1]):
            codes = carray(pointer(step_at[run[s]], step_like), hi[s])
            others = carray(pointer(also_at[run[s]], also_like), hi[s])
            times = carray(pointer(time_at[run[s]], time_like), hi[s])
            sources = carray(pointer(fuzz_at[run[s]], fuzz_like), hi[s])
            i, last = lo[s], hi[s]
            if cut:
                i, last = earliest(times, i, last, start), earliest(times, i, last, stop)
            for row in range(i, last):
                matched = bits(step, codes, also, others, row)
                if matched:
                    line.time[n], line.mask[n] = times[row], matched
                    line.end[n] = times[row] + fuzz[sources[row]]
                    seen |= matched
                    n += 1
        if seen & 1:
            low = high = settled(line, n, within, starts)
            if low == 0:
                low, high, exact = both(line, n, within, steps)
                out[2, found] = not exact
            out[0, found], out[1, found] = low, high
            found += 1
    return found


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def settled(line: Line, n: int, within: int, starts: np.ndarray) -> int:
    """How many steps an actor has taken, 0 when that may depend on an order."""
    starts[:] = UNSET
    i = 0
    while i < n and starts[-1] == UNSET:
        after = knot(line, i, n)
        if not plain(line, i, after):
            return 0
        for e in range(i, after):
            extend(starts, line.mask[e], line.time[e], within)
        i = after
    return int(deepest(starts))


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def both(line: Line, n: int, within: int, steps: int) -> tuple[int, int, bool]:
    """The fewest and the most steps of an actor with `n` events, and whether both are exact."""
    apart = line.time[n - 1] - line.time[0] > within
    for i in range(n):
        line.at[i] = line.time[i] if apart else 0
    fewest, kept, most = np.full((KEPT, steps), UNSET, np.int64), 1, np.full(steps, UNSET, np.int64)
    size = max(n, steps) + 1
    room = Room(np.zeros(n, np.bool_), np.empty(size, np.int64), np.empty(size, np.int64),
                np.empty(size, np.int64), np.empty((size, steps), np.int64))  # fmt: skip
    exact, i = True, 0
    while i < n and (kept > 1 or fewest[0, steps - 1] == UNSET):
        after = knot(line, i, n)
        if plain(line, i, after):
            for e in range(i, after):
                extend(most, line.mask[e], line.at[e], within)
                for k in range(kept):
                    extend(fewest[k], line.mask[e], line.at[e], within)
        else:
            kinds = sort_out(line, i, after)
            ahead = most.copy()
            exact = furthest(line, i, after, kinds, most, ahead, within, room) and exact
            most = ahead
            fewest, kept, done = nearest(line, i, after, fewest, kept, within, room)
            exact = exact and done
        i = after
    least = steps
    for k in range(kept):
        least = min(least, deepest(fewest[k]))
    return max(least, 1), deepest(most), exact


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def knot(line: Line, i: int, n: int) -> int:
    """The event after the knot that begins with event `i`."""
    reach, after = line.end[i], i + 1
    while after < n and line.time[after] < reach:
        reach = max(reach, line.end[after])
        after += 1
    return after


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def sort_out(line: Line, i: int, after: int) -> int:
    """Number the kinds of the events [i, after); returns how many there are."""
    kinds = 0
    for e in range(i, after):
        line.kind[e] = -1
        for f in range(e - 1, i - 1, -1):
            if line.mask[f] == line.mask[e] and line.end[f] - line.time[f] == line.end[e] - line.time[e]:
                line.kind[e] = line.kind[f]
                break
        if line.kind[e] < 0:
            line.kind[e] = kinds
            kinds += 1
    return kinds


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def plain(line: Line, i: int, after: int) -> bool:
    """Whether all orders of a knot come to the same: one event, or all the same single step."""
    if after == i + 1:
        return True
    for e in range(i, after):
        if line.mask[e] != line.mask[i] or line.mask[e] & (line.mask[e] - np.uint16(1)):
            return False
    return True


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def extend(starts: np.ndarray, mask: int, at: int, within: int) -> bool:
    """Let one event lengthen the chains, the longest first so that it is used once; whether anything changed.

    Where the longest possible chain began no longer matters, only that there is one.
    """
    changed = False
    for k in range(len(starts) - 1, 0, -1):
        begun = starts[k - 1]
        if (mask >> k) & 1 and begun != UNSET and at - begun <= within:
            begun = begun if k < len(starts) - 1 else UNSET + 1
            changed = changed or begun > starts[k]
            starts[k] = max(starts[k], begun)
    if mask & 1 and at > starts[0]:
        starts[0] = at
        changed = True
    return changed


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def idle(starts: np.ndarray, mask: int, at: int, within: int) -> bool:
    """Whether an event would change nothing."""
    if mask & 1 and at > starts[0]:
        return False
    for k in range(1, len(starts)):
        begun = starts[k - 1]
        if (mask >> k) & 1 and begun != UNSET and at - begun <= within:
            begun = begun if k < len(starts) - 1 else UNSET + 1
            if begun > starts[k]:
                return False
    return True


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def deepest(starts: np.ndarray) -> int:
    """The longest chain there is."""
    depth = len(starts)
    while depth > 0 and starts[depth - 1] == UNSET:
        depth -= 1
    return int(depth)


# ── fewest ──────────────────────────────────────────────────────────────────────────────────────────


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def nearest(  # noqa: PLR0913, PLR0917
    line: Line, i: int, after: int, before: np.ndarray, kept: int, within: int, room: Room
) -> tuple[np.ndarray, int, bool]:
    """The starts after a knot that no order undercuts, from each of those before it; and whether that is exact.

    When the work runs out, the starts before the knot stand: fewer than any order can leave.
    """
    found, count, work = np.full_like(before, UNSET), 0, WORK
    for k in range(kept):
        critical = near_edge(line, i, after, before[k], within)
        if work > 0:
            count, work = tried(line, i, after, before[k], critical, within, room, work, found, count)
        if work <= 0:
            return before, kept, False
    return found, count, True


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def near_edge(line: Line, i: int, after: int, starts: np.ndarray, within: int) -> bool:
    """Whether the window of a chain ends inside a knot, so that events alike are not alike to it."""
    least, most = line.at[i], line.at[after - 1]
    if most - least > within:
        return True
    for begun in starts:  # noqa: SIM110 - compiled
        if begun != UNSET and least - begun <= within < most - begun:
            return True
    return False


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def tried(  # noqa: PLR0913, PLR0917
    line: Line, i: int, after: int, starts: np.ndarray, critical: bool, within: int, room: Room, work: int,
    found: np.ndarray, count: int,
) -> tuple[int, int]:  # fmt: skip
    """Add to `found` what the orders of a knot leave of `starts`; returns how many there are, and the work left."""
    room.taken[i:after] = False
    room.starts[0] = starts
    depth, length = 0, flush(line, i, after, room, 0, 0, within)
    room.held[0], room.turn[0] = length, i
    while depth >= 0 and work > 0:
        work -= after - i
        now = room.starts[depth]
        done = room.held[depth] == after - i
        if done and not undercut(found, count, now):
            if count == len(found):
                return count, 0
            count = keep(found, count, now)
        e = -1 if done or undercut(found, count, now) else following(line, i, after, room, depth, critical)
        if e < 0:
            depth -= 1
            if depth >= 0:
                for p in range(room.held[depth], length):
                    room.taken[room.trail[p]] = False
                length = room.held[depth]
            continue
        room.turn[depth] = e + 1
        room.starts[depth + 1] = now
        depth += 1
        extend(room.starts[depth], line.mask[e], line.at[e], within)
        room.taken[e], room.trail[length] = True, e
        length = flush(line, i, after, room, depth, length + 1, within)
        room.held[depth], room.turn[depth] = length, i
    return count, work


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def flush(  # noqa: PLR0913, PLR0917
    line: Line, i: int, after: int, room: Room, depth: int, length: int, within: int
) -> int:
    """Take every event that may come now and changes nothing; returns the length of the trail."""
    blocked = LATE
    for e in range(i, after):
        if room.taken[e]:
            continue
        if blocked <= line.time[e]:
            break
        if idle(room.starts[depth], line.mask[e], line.at[e], within):
            room.taken[e], room.trail[length] = True, e
            length += 1
        else:
            blocked = min(blocked, line.end[e])
    return length


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def following(  # noqa: PLR0913, PLR0917
    line: Line, i: int, after: int, room: Room, depth: int, critical: bool
) -> int:
    """The next event to try at a depth of the search, -1 for none: it may come now, and none alike came before it."""
    blocked, seen = LATE, np.uint64(0)
    for e in range(i, after):
        if room.taken[e]:
            continue
        if blocked <= line.time[e]:
            break
        blocked = min(blocked, line.end[e])
        kind = np.uint64(1) << np.uint64(line.kind[e]) if line.kind[e] < 64 else np.uint64(0)
        if e >= room.turn[depth] and (critical or not seen & kind):
            return e
        seen |= kind
    return -1


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def undercut(found: np.ndarray, count: int, starts: np.ndarray) -> bool:
    """Whether a finished order leaves no more than this anywhere."""
    for k in range(count):  # noqa: SIM110 - compiled
        if np.all(found[k] <= starts):
            return True
    return False


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def keep(found: np.ndarray, count: int, starts: np.ndarray) -> int:
    """Add what an order leaves, in place of all it undercuts; returns how many there are."""
    kept = 0
    for k in range(count):
        if not np.all(starts <= found[k]):
            found[kept] = found[k]
            kept += 1
    found[kept] = starts
    return kept + 1


# ── most ────────────────────────────────────────────────────────────────────────────────────────────


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def furthest(  # noqa: PLR0913, PLR0917
    line: Line, i: int, after: int, kinds: int, most: np.ndarray, ahead: np.ndarray, within: int, room: Room
) -> bool:
    """Lengthen `ahead` by what the best order of a knot makes of each chain of `most`; whether that is exact.

    When the work runs out, one event may serve several steps: more than any order can reach.
    """
    steps, work = len(most), WORK
    for k in range(1, steps):
        if most[k - 1] != UNSET:
            best, work = reached(line, i, after, kinds, k, -1, most[k - 1], steps, within, room, work)
            for step in range(k, best):
                ahead[step] = max(ahead[step], most[k - 1])
    for e in range(i, after):
        if not line.mask[e] & 1:
            continue
        again = False
        for f in range(e - 1, i - 1, -1):
            if line.kind[f] == line.kind[e]:
                again = line.at[f] == line.at[e]
                break
        best = 1
        if not again:
            best, work = reached(line, i, after, kinds, 1, e, line.at[e], steps, within, room, work)
        for step in range(best):
            ahead[step] = max(ahead[step], line.at[e])
    return work > 0


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def reached(  # noqa: PLR0913, PLR0917
    line: Line, i: int, after: int, kinds: int, begin: int, first: int, begun: int, steps: int, within: int,
    room: Room, work: int,
) -> tuple[int, int]:  # fmt: skip
    """How many steps a chain of `begin` steps can have after a knot, in the best order; and the work left.

    `first` is the event of the knot that is step 1, -1 when the chain comes from before.
    """
    since = line.time[i] - 1 if first < 0 else line.time[first]
    if work <= 0:
        return loose(line, i, after, begin, since, begun, steps, within), 0
    room.taken[i:after] = False
    if first >= 0:
        room.taken[first] = True
    k, best = begin, begin
    room.held[k], room.turn[k] = since, 0
    while k >= begin and best < steps and work > 0:
        work -= after - i
        e = -1
        if room.turn[k] < kinds:
            e = candidate(line, i, after, room, k, begun, within)
            room.turn[k] += 1
        else:
            k -= 1
            if k >= begin:
                room.taken[room.trail[k]] = False
        if e >= 0:
            room.taken[e], room.trail[k] = True, e
            room.held[k + 1], room.turn[k + 1] = max(room.held[k], line.time[e]), 0
            k += 1
            best = max(best, k)
    return (best, work) if work > 0 else (loose(line, i, after, begin, since, begun, steps, within), 0)


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def candidate(  # noqa: PLR0913, PLR0917
    line: Line, i: int, after: int, room: Room, k: int, begun: int, within: int
) -> int:
    """The earliest free event of the kind whose turn it is that can be the step after `k` others, -1 for none."""
    for e in range(i, after):
        if line.kind[e] != room.turn[k]:
            continue
        if not (line.mask[e] >> k) & 1 or line.at[e] - begun > within:
            return -1
        if line.end[e] > room.held[k] and not room.taken[e]:
            return e
    return -1


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def loose(  # noqa: PLR0913, PLR0917
    line: Line, i: int, after: int, begin: int, since: int, begun: int, steps: int, within: int
) -> int:
    """What `reached` gives if one event could be several steps: never less."""
    for k in range(begin, steps):
        found = LATE
        for e in range(i, after):
            if (line.mask[e] >> k) & 1 and line.at[e] - begun <= within and line.end[e] > since:
                found = line.time[e]
                break
        if found == LATE:
            return k
        since = max(since, found)
    return steps
