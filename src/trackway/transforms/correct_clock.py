"""Put right the times of devices whose clock is wrong.

    [transforms.clocks]
    type = "correct_clock"
    sent_at = "sent_at"
    tolerance = "5m"
    into = "clock_skew"

A device says by its own clock when an event happened and when it sent it; that it was received is told by ours. What
lies between the two is the clock's error and the way of the payload. Only an error of more than `tolerance` is put
right, by adding the difference to the time of the event; a clock that is about right is left alone, since adding the
way of every payload would put the events of one device out of their order.

All events of a payload are moved by the same, so that their order and the time between them stay. Events of different
payloads keep their order as long as more time lies between them than the ways of the two payloads differ by (seconds).
Each event is judged by itself: an estimate over several payloads of a device would depend on which of them came first.
An event without `sent_at` stays as it is. `into` has the error in seconds, so that a question can leave devices out.
"""

from __future__ import annotations

from trackway.flow.expressions import Target, converted, kind_for
from trackway.model.schema import SQL, Kind, Schema
from trackway.model.time import MICROS, Duration
from trackway.plan.component import Rewrite, Transform


class CorrectClock(Transform):
    """Moves `time` by the error of the clock it was read from."""

    sent_at: str = "sent_at"
    """The column with the time at which the device sent the payload, by its own clock."""
    received_at: str = "received_at"
    """The column with the time at which it was received by a right clock; another one for what is pulled from where it
    waited."""
    tolerance: Duration = Duration("5m")
    """The largest error that is left alone."""
    into: Target | None = None
    """The column for the error in seconds; more than zero when the clock is slow."""

    def rewrite(self, schema: Schema) -> Rewrite:
        """The time, and the error."""
        sent, received = (converted(name, schema, "time") for name in (self.sent_at, self.received_at))
        error = f"(epoch_us({received}) - epoch_us({sent}))"
        wrong = f"coalesce(abs({error}) > {self.tolerance.micros}, false)"
        moved = f'case when {wrong} then "time" + to_microseconds({error}) else "time" end'
        sets: dict[str, tuple[str, Kind]] = {"time": (moved, "time")}
        if self.into is not None:
            kind = kind_for(self.into, "number", schema)
            sets[self.into] = (f"try_cast({error} / {MICROS}.0 as {SQL[kind]})", kind)
        return Rewrite(set=sets)
