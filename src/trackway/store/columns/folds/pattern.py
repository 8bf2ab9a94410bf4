"""Looking for a pattern in each actor's events: sets of positions as integers, and since when each is held.

`stream` reads events once and touches times only where a match may end. For every position it keeps the latest
begin of whatever holds it: what can be matched within a time from an earlier begin can be from the latest too.
Events without a letter are skipped in a short loop while all that is held only waits.

`gathered` is for what one pass cannot tell: parts with a time limit of their own, the end of all events, and the
longest match. It walks from one end of a match to the other, having found in one pass where that can succeed.

Bounds of a match are `stretch << 40 | row`, which grow in the order of an actor's events.
"""

from __future__ import annotations

import numpy as np
from numba import carray, njit

from trackway.store.columns.folds.bitmaps import lowest
from trackway.store.columns.folds.reading import earliest
from trackway.store.columns.lanes import pointer

KEPT = 1
STRETCH = 40
"""Bits of a row within its run; the stretch stands above them."""
FIRST, FIRST_OF_ALL, LAST, LAST_OF_ALL = 0, 1, 2, 3
ROOM = 64


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def advance(  # noqa: PLR0913, PLR0917
    held: int, since: np.ndarray, side: int, fits: int, now: int, edges: np.ndarray, limit: np.ndarray
) -> int:
    """The positions held after one more event. `since[side + p]` is read and `since[(side ^ ROOM) + p]` written.

    A position in a group with a limit is held since the group was entered, and dropped when that is too long ago.
    """
    found, other = np.int64(0), side ^ ROOM
    while held:
        here = lowest(held)
        held &= held - 1
        ahead = edges[0, here] & fits
        while ahead:
            there = lowest(ahead)
            ahead &= ahead - 1
            begun = now if (edges[1, here] >> there) & 1 else since[side + here]
            if limit[there] >= 0 and now - begun > limit[there]:
                continue
            there = edges[2, there]
            if not (found >> there) & 1 or begun > since[other + there]:
                since[other + there] = begun
                found |= np.int64(1) << there
    return int(found)


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def enter(positions: int, since: np.ndarray, side: int, now: int, edges: np.ndarray) -> int:
    """The positions a match begins with, held since now."""
    found = np.int64(0)
    while positions:
        there = edges[2, lowest(positions)]
        positions &= positions - 1
        since[side + there] = now
        found |= np.int64(1) << there
    return int(found)


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def stream(  # noqa: C901, PLR0913, PLR0917
    first: np.ndarray, run: np.ndarray, lo: np.ndarray, hi: np.ndarray, begin: int, end: int,
    mask_at: np.ndarray, mask_like: np.ndarray, mask: np.ndarray,
    also_at: np.ndarray, also_like: np.ndarray, also: np.ndarray, time_at: np.ndarray, time_like: np.ndarray,
    start: int, stop: int, cut: bool, table: np.ndarray, edges: np.ndarray, ends: np.ndarray, still: int, within: int,
    every: bool, out: np.ndarray,
) -> tuple[int, int]:  # fmt: skip
    """Write down the shortest matches: actor, first and last event, and their times; how many, of how many actors.

    Of those the pattern could have, a match is the one that ends first, and of these the one that begins last;
    the next is looked for after it. Without `every`, an actor has at most one. `still` are the positions that an
    event without a letter leaves as they are. The second number counts actors
    who have any event that counts.
    """
    since, free = np.zeros(2 * ROOM, np.int64), np.full(ROOM, -1, np.int64)
    found, some = 0, 0
    for actor in range(begin, end):
        held, side, seen, done = np.int64(0), 0, False, False
        for s in range(first[actor], first[actor + 1]):
            r, last = run[s], hi[s]
            codes = carray(pointer(mask_at[r], mask_like), last)
            others = carray(pointer(also_at[r], also_like), last)
            times = carray(pointer(time_at[r], time_like), last)
            i = lo[s]
            if cut:
                i, last = earliest(times, i, last, start), earliest(times, i, last, stop)
            calm = still >= 0 and held & ~still == 0
            while i < last and not done:
                mark = np.int64(mask[codes[i]])
                if mark and len(also):
                    mark &= np.int64(also[others[i]])
                if mark == 0 or (mark == KEPT and calm and seen):
                    i += 1
                    continue
                fits, here = table[mark], (np.int64(s) << STRETCH) | i
                begins = ends[FIRST if seen else FIRST_OF_ALL] & fits
                some += not seen
                seen = True
                if held:
                    held = advance(held, since, side, fits, here, edges, free)
                    side ^= ROOM
                if begins:
                    held |= enter(begins, since, side, here, edges)
                if held & ends[LAST]:
                    begun = latest(held & ends[LAST], since, side)
                    t, u = moment(begun, run, hi, time_at, time_like), times[i]
                    if within < 0 or u - t <= within:
                        out[0, found], out[1, found], out[2, found] = actor, begun, here
                        out[3, found], out[4, found] = t, u
                        found, held, done = found + 1, np.int64(0), not every
                calm = still >= 0 and held & ~still == 0
                i += 1
    return found, some


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def latest(positions: int, since: np.ndarray, side: int) -> int:
    """The latest begin of some positions."""
    best = np.int64(-1)
    while positions:
        best = max(best, since[side + lowest(positions)])
        positions &= positions - 1
    return int(best)


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def moment(place: int, run: np.ndarray, hi: np.ndarray, time_at: np.ndarray, time_like: np.ndarray) -> int:
    """The time of the event at a bound."""
    s = place >> STRETCH
    times = carray(pointer(time_at[run[s]], time_like), hi[s])
    return int(times[place & ((np.int64(1) << STRETCH) - 1)])


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def gathered(  # noqa: C901, PLR0912, PLR0913, PLR0917
    first: np.ndarray, run: np.ndarray, lo: np.ndarray, hi: np.ndarray, begin: int, end: int,
    mask_at: np.ndarray, mask_like: np.ndarray, mask: np.ndarray,
    also_at: np.ndarray, also_like: np.ndarray, also: np.ndarray, time_at: np.ndarray, time_like: np.ndarray,
    start: int, stop: int, cut: bool, table: np.ndarray, forward: np.ndarray, backward: np.ndarray,
    limit: np.ndarray, ends: np.ndarray, still: int, within: int, timeout: int, every: bool, longest: bool,
    out: np.ndarray,
) -> tuple[int, int]:  # fmt: skip
    """The same for every pattern, the longest matches too: those that begin first, and of these that end last.

    `forward` is `Automaton.forward`, `backward` the same the other way. A pause longer than
    `timeout` (below zero: none is) ends what is looked at as one, and begins another.
    """
    room = 1
    for actor in range(begin, end):
        n = 0
        for s in range(first[actor], first[actor + 1]):
            n += hi[s] - lo[s]
        room = max(room, n)
    fits, when, place = np.empty(room, np.int64), np.empty(room, np.int64), np.empty(room, np.int64)
    held, may = np.zeros((2, 2 * ROOM), np.int64), np.empty(room, np.bool_)
    found, some = 0, 0
    for actor in range(begin, end):
        n = 0
        for s in range(first[actor], first[actor + 1]):
            r, last = run[s], hi[s]
            codes = carray(pointer(mask_at[r], mask_like), last)
            others = carray(pointer(also_at[r], also_like), last)
            times = carray(pointer(time_at[r], time_like), last)
            i = lo[s]
            if cut:
                i, last = earliest(times, i, last, start), earliest(times, i, last, stop)
            for row in range(i, last):
                mark = np.int64(mask[codes[row]])
                if len(also):
                    mark &= np.int64(also[others[row]])
                fits[n], when[n], place[n] = table[mark], times[row], (np.int64(s) << STRETCH) | row
                n += mark != 0
        some += n > 0
        before, low = found, 0
        for high in range(1, n + 1):
            if high < n and (timeout < 0 or when[high] - when[high - 1] <= timeout):
                continue
            part, since = fits[low:high], when[low:high]
            if longest:
                found = farthest(part, since, forward, backward, limit, ends, within, every, held, may, out, found)
            else:
                found = nearest(part, since, forward, backward, limit, ends, table[KEPT], still, within, every,
                                held, out, found)  # fmt: skip
            for match in range(before, found):
                out[0, match] = actor
                for side in range(2):
                    row = low + out[1 + side, match]
                    out[1 + side, match], out[3 + side, match] = place[row], when[row]
            if found > before and not every:
                break
            before, low = found, high
    return found, some


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def nearest(  # noqa: PLR0913, PLR0917
    fits: np.ndarray, when: np.ndarray, forward: np.ndarray, backward: np.ndarray, limit: np.ndarray,
    ends: np.ndarray, plain: int, still: int, within: int, every: bool, room: np.ndarray,
    out: np.ndarray, found: int,
) -> int:  # fmt: skip
    """The shortest matches of one actor, as rows: where one may end, walk back to its latest begin."""
    since, side, n = room[0], 0, len(fits)
    held, low, calm = np.int64(0), 0, False
    for e in range(n):
        if calm and fits[e] == plain and e < n - 1:
            continue
        begins = ends[FIRST if e else FIRST_OF_ALL] & fits[e]
        held = advance(held, since, side, fits[e], when[e], forward, limit)
        side ^= ROOM
        held |= enter(begins, since, side, when[e], forward)
        if held & ends[LAST_OF_ALL if e == n - 1 else LAST]:
            s = walk(fits, when, e, low, -1, within, backward, limit, ends, room[1], False)
            if s >= 0:
                out[1, found], out[2, found] = s, e
                found, held, low = found + 1, np.int64(0), e + 1
                if not every:
                    break
        calm = still >= 0 and held & ~still == 0
    return found


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def farthest(  # noqa: PLR0913, PLR0917
    fits: np.ndarray, when: np.ndarray, forward: np.ndarray, backward: np.ndarray, limit: np.ndarray,
    ends: np.ndarray, within: int, every: bool, room: np.ndarray, may: np.ndarray, out: np.ndarray, found: int,
) -> int:  # fmt: skip
    """The longest matches of one actor, as rows: one pass back finds where one may begin, a walk where it ends."""
    since, side, n = room[0], 0, len(fits)
    held = np.int64(0)
    for s in range(n - 1, -1, -1):
        begins = ends[LAST if s < n - 1 else LAST_OF_ALL] & fits[s]
        held = advance(held, since, side, fits[s], -when[s], backward, limit)
        side ^= ROOM
        held |= enter(begins, since, side, -when[s], backward)
        may[s] = held & ends[FIRST if s else FIRST_OF_ALL] != 0
    s = 0
    while s < n:
        e = walk(fits, when, s, n - 1, 1, within, forward, limit, ends, room[1], True) if may[s] else -1
        if e >= 0:
            out[1, found], out[2, found] = s, e
            found, s = found + 1, e
            if not every:
                break
        s += 1
    return found


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def walk(  # noqa: PLR0913, PLR0917
    fits: np.ndarray, when: np.ndarray, at: int, bound: int, way: int, within: int, edges: np.ndarray,
    limit: np.ndarray, ends: np.ndarray, since: np.ndarray, far: bool,
) -> int:  # fmt: skip
    """From one end of a match at row `at` to the other, in direction `way`, no farther than row `bound`.

    Returns the first row where the match is whole (with `far`, the last), -1 for none.
    """
    side, n = 0, len(fits)
    enters, leaves = (FIRST, LAST) if way > 0 else (LAST, FIRST)
    starting, closing = (0, n - 1) if way > 0 else (n - 1, 0)
    held = np.int64(enter(ends[enters + (at == starting)] & fits[at], since, side, when[at] * way, edges))
    best, i = -1, at
    while held:
        if held & ends[leaves + (i == closing)]:
            best = i
            if not far:
                break
        if i == bound:
            break
        i += way
        if within >= 0 and (when[i] - when[at]) * way > within:
            break
        held = advance(held, since, side, fits[i], when[i] * way, edges, limit)
        side ^= ROOM
    return best
