"""The periods of a retention, in units of an interval: one unit each, or brackets of several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Periods:
    """Period `p` are the units `firsts[p]` to `lasts[p]` after the start; unit 0 is that of the start itself."""

    firsts: tuple[int, ...]
    lasts: tuple[int, ...]

    @classmethod
    def of(cls, count: int, brackets: Sequence[int] | None) -> Periods:
        """So many periods of one unit, or unit 0 and then brackets that end with these units.

        >>> Periods.of(8, [1, 3, 7])
        Periods(firsts=(0, 1, 2, 4), lasts=(0, 1, 3, 7))
        """
        if brackets is None:
            return cls(tuple(range(count)), tuple(range(count)))
        return cls((0, *(end + 1 for end in (0, *brackets[:-1]))), (0, *brackets))

    def __len__(self) -> int:
        return len(self.firsts)

    @property
    def table(self) -> np.ndarray:
        """The period of each unit; the last entry, the number of periods, is for all units after."""
        sizes = [last - first + 1 for first, last in zip(self.firsts, self.lasts, strict=True)]
        return np.append(np.repeat(np.arange(len(self)), sizes), len(self))

    def near(self, edges: Sequence[int], cohorts: np.ndarray) -> tuple[list[int], np.ndarray]:
        """The intervals of some cohorts (a mark for each) and of all their periods, all time before them and all after
        them as one each; and which of the given intervals each of these begins with."""
        some = np.flatnonzero(cohorts)
        first, last = (int(some[0]), int(some[-1])) if len(some) else (0, 0)
        places = sorted({0, *range(first, min(last + self.lasts[-1] + 3, len(edges) - 1))})
        return [edges[place] for place in [*places, len(edges) - 1]], np.array(places)
