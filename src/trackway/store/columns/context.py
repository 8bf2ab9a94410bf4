"""What a question is asked of: the events of one lake version, the calendar, and the clock reading of the asker."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from trackway.errors import QuestionError
from trackway.model.condition import Condition
from trackway.model.moment import Moment, micros
from trackway.model.schema import Names, Schema
from trackway.model.time import Duration, intervals, iso
from trackway.store.columns.folds.reading import ends
from trackway.store.columns.lanes import Mask, times
from trackway.store.columns.masks import Masks
from trackway.store.columns.people import Cell
from trackway.store.columns.view import View

__all__ = ["Context", "Moment", "Names", "Span"]

MANY = 10_000
"""Intervals from which on it is worth a look first where the events are."""


@dataclass(frozen=True)
class Span:
    """The range of a question: [start, end), microseconds."""

    start: int
    end: int


Ends = Callable[[Condition | None, Condition | None, Span], tuple[int | None, int | None]]
"""Times of the first and last event of a range that match two conditions."""


@dataclass
class Portion:
    """The part of the actors that is asked, when it is not all: ranges of the view's actors."""

    ranges: list[tuple[int, int]]
    share: float = 1.0
    """Of all actors."""
    narrowed: bool = False
    """Whether the range of the question was narrowed to what matches in this part."""


@dataclass(frozen=True)
class Context:
    """What all folds, the answer and the reference SQL of one question share."""

    schema: Schema
    zone: str
    now: int
    """Microseconds; only relative times depend on it."""
    oldest: int | None
    newest: int | None
    """Times of the oldest and newest event of all; None without events."""
    view: View | None = None
    found: Any = None
    """The merged partial of the pass before."""
    prepared: Any = field(default=None, repr=False)
    precisions: Mapping[str, int] = field(default_factory=dict)
    """Source -> how exactly it states times, microseconds; sources that are not here are exact."""
    portion: Portion | None = None
    """What of the view is sampled; None for all of it."""
    annotations: tuple[tuple[str, str], ...] = ()
    """Moments and what happened then, as the file has them."""
    cell: Cell | None = None
    """The cell of the answer whose actors are asked for; None for the answer itself."""
    ends: Ends | None = field(default=None, repr=False)
    """Finds the first and last match among all actors, when the view is only of some."""

    def moment(self, text: str) -> int:
        """The instant a text means."""
        return micros(text, self.now, self.zone)

    def span(self, start: str | None, end: str | None) -> Span:
        """The range of a question; from the oldest to the newest event where it is left open. Raises QuestionError."""
        stop = self.moment(end) if end is not None else (self.newest or 0) + 1
        earliest = self.oldest if self.oldest is not None else stop - 1
        begin = self.moment(start) if start is not None else earliest
        if start is not None and end is not None and stop <= begin:
            raise QuestionError(
                f"the range ends at {iso(stop, self.zone)} before it begins at {iso(begin, self.zone)}", path="to"
            )
        return Span(begin, max(begin, stop))

    def among(self, oldest: int | None, newest: int | None) -> Context:
        """The same for a question that matches only events between these times; None when it matches none."""
        return replace(self, oldest=oldest, newest=newest)

    def matching(self, condition: Condition | None, where: Condition | None, span: Span) -> Context:
        """The same among the events that match both conditions in a range; found once for a view.

        Of a sample, among those of the sampled actors.
        """
        if self.ends is not None:
            return self.among(*self.ends(condition, where, span))
        view = self.columns_view
        mask, when = self.mask([condition], where), times(view)

        def found(begin: int, end: int) -> tuple[int, int]:
            first, last = ends(
                view.run, view.lo, view.hi, begin, end, *mask.parts, when.addresses, when.like, span.start, span.end
            )
            return int(first), int(last)

        if self.portion is None:
            key = ("ends", str(condition), str(where), self.zone, span)
            pairs = [view.once(key, lambda: found(0, len(view.lo)))]
        else:
            self.portion.narrowed = True
            pairs = [found(int(view.first[begin]), int(view.first[end])) for begin, end in self.portion.ranges]
        some = [pair for pair in pairs if pair[0] <= pair[1]]
        return self.among(
            min((first for first, _ in some), default=None), max((last for _, last in some), default=None)
        )

    def many(self, span: Span, every: Duration | None) -> bool:
        """Whether a range has so many intervals that its open ends should be narrowed before counting."""
        return every is not None and span.end - span.start > every.micros * MANY

    def edges(self, span: Span, every: Duration | None) -> list[int]:
        """Starts of the intervals that touch the range, and the end of the last. Raises QuestionError."""
        if every is None:
            return [span.start, max(span.end, span.start + 1)]
        try:
            return list(intervals(span.start, span.end, every, self.zone))
        except (ValueError, OverflowError) as error:
            raise QuestionError(str(error), path="every", hint="choose a longer interval or a shorter range") from error

    def columns(self, conditions: Sequence[Condition | None], by: Sequence[str]) -> list[str]:
        """The columns these conditions and names mean, sorted. Raises ConditionError with a suggestion."""
        written = [name for condition in conditions if condition is not None for name in condition.columns]
        return sorted({self.schema.resolve(name) for name in [*written, *by]})

    def mask(self, conditions: Sequence[Condition | None], where: Condition | None) -> Mask:
        """Bit `k` of an event is set when it matches condition `k` and `where`."""
        trees = [None if condition is None else condition.resolved(self.schema) for condition in conditions]
        return Masks(self.columns_view, self.zone).mask(trees, None if where is None else where.resolved(self.schema))

    @property
    def columns_view(self) -> View:
        """The view that is folded. Raises QuestionError when the question is answered without columns."""
        if self.view is None:
            raise QuestionError("there are no columns to fold")
        return self.view

    def cuts(self, span: Span) -> bool:
        """Whether there are events outside a range."""
        return self.oldest is not None and (span.start > self.oldest or span.end <= (self.newest or 0))
