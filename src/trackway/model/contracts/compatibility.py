"""How two versions of a promise differ, whether each reads the events of the other, and how far the version must move.

*Backward*: every event that keeps the old promise keeps the new one, so history stays good, and so do senders that
were not updated. *Forward*: every event that keeps the new promise keeps the old one, so whoever reads by the old one
need not change.

The content of an open contract is anything: an event may have carried a property that is only declared now, with a
value that does not fit. That breaks compatibility in the strict sense, and is told. It makes no change `major`, for
nothing had been promised about it. What was promised must stay.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from trackway.model.contracts.promise import Promise, Property
from trackway.model.contracts.reading import JSON, Break, Reading, breaks, least
from trackway.model.contracts.version import SIZES, Bump

Keeps = Literal["full", "backward", "forward", "none"]
DESCRIBED = "described in another way"
FREE = ({"undeclared", "content"}, {"unknown", "content"})
"""What breaks compatibility and nothing that was promised: backward, and forward."""
REQUIRED = ("required now", "optional now")


@dataclass(frozen=True, slots=True)
class Change:
    """One difference between two versions, and what follows from it."""

    path: str
    """A property, or empty for the event as a whole."""
    what: str
    """What changed, in words."""
    backward: tuple[Break, ...] = ()
    """Why events of the old version may not be good for the new one."""
    forward: tuple[Break, ...] = ()
    """Why events of the new version may not be good for the old one."""
    bump: Bump = "minor"

    @property
    def why(self) -> str:
        """A sentence."""
        if self.bump == "patch":
            return "words change nothing that is sent"
        said = [f"{name}: {found[0].why}" for name, found in (("not backward", self.backward),
                                                              ("not forward", self.forward)) if found]  # fmt: skip
        return "; ".join(said) or "every event of one version is good for the other"

    def as_json(self) -> dict[str, Any]:
        """The change as every door shows it; an event for each direction that is broken."""
        said = {"path": self.path, "what": self.what, "backward": not self.backward, "forward": not self.forward,
                "bump": self.bump, "why": self.why}  # fmt: skip
        shown = {"backward_event": self.backward, "forward_event": self.forward}
        return said | {key: found[0].event for key, found in shown.items() if found}


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two versions compared."""

    changes: tuple[Change, ...]
    backward: tuple[Break, ...]
    forward: tuple[Break, ...]

    @property
    def bump(self) -> Bump:
        """How far the version must move at least."""
        return max((change.bump for change in self.changes), key=SIZES.index, default="none")

    @property
    def compatibility(self) -> Keeps:
        """In one word."""
        if self.backward:
            return "none" if self.forward else "forward"
        return "backward" if self.forward else "full"

    @property
    def schema_bump(self) -> str:
        """The same in the words of SchemaVer: a model, a revision (history may not fit) or an addition."""
        return {"none": "none", "major": "model"}.get(self.bump, "revision" if self.backward else "addition")

    def as_json(self) -> dict[str, Any]:
        """The comparison as every door shows it."""
        return {
            "compatibility": self.compatibility, "backward": not self.backward, "forward": not self.forward,
            "bump": self.bump, "schemaver": self.schema_bump, "changes": [change.as_json() for change in self.changes],
        }  # fmt: skip


def compare(old: Promise, new: Promise, keeps: Keeps = "full", reading: Reading = JSON) -> Comparison:
    """What changed from `old` to `new`. A change is `major` when it breaks something promised that `keeps` protects."""
    back, forth = (_renamed(one, other) + tuple(breaks(one, other, reading)) for one, other in ((old, new), (new, old)))
    changes = []
    for path, what in differences(old, new):
        first, last = _of(path, what, back), _of(path, what, forth)
        hurt = keeps in {"full", "backward"} and any(one.cause not in FREE[0] for one in first)
        hurt |= keeps in {"full", "forward"} and any(one.cause not in FREE[1] for one in last)
        words = what.startswith(DESCRIBED)
        changes.append(Change(path, what, first, last, "patch" if words else "major" if hurt else "minor"))
    return Comparison(tuple(changes), back, forth)


def _renamed(writer: Promise, reader: Promise) -> tuple[Break, ...]:
    if writer.event == reader.event:
        return ()
    return (Break((), "kind", f"'{writer.event}' is not '{reader.event}'", least(writer.tree)),)


def differences(old: Promise, new: Promise) -> Iterator[tuple[str, str]]:
    """Every difference: its property (empty for the whole) and what it is, in words."""
    if old.event != new.event:
        yield "", f"the event is '{new.event}' now"
    if old.closed != new.closed:
        yield "", f"the content is {'closed' if new.closed else 'open'} now"
    if old.description != new.description:
        yield "", DESCRIBED
    for name in sorted({*old.properties, *new.properties}):
        before, after = old.properties.get(name), new.properties.get(name)
        if before is None:
            yield name, f"added, {'required' if name in new.required else 'optional'}"
        elif after is None:
            yield name, f"removed, was {'required' if name in old.required else 'optional'}"
        else:
            yield from ((name, what) for what in _of_property(before, after))
            if (name in old.required) != (name in new.required):
                yield name, REQUIRED[name not in new.required]


def _of_property(before: Property, after: Property) -> Iterator[str]:
    if before.kind != after.kind:
        yield f"{before.kind} is {after.kind} now"
    if set(before.values) != set(after.values):
        yield _values(before, after)
    if (before.description, set(before.tags)) != (after.description, set(after.tags)):
        yield DESCRIBED


def _values(before: Property, after: Property) -> str:
    if not (before.values and after.values):
        return "limited to listed values now" if after.values else "no longer limited to listed values"
    more, less = sorted({*after.values} - {*before.values}), sorted({*before.values} - {*after.values})
    said = [f"may also be {', '.join(more)}"] if more else []
    return "; ".join(said + ([f"can no longer be {', '.join(less)}"] if less else []))


def _of(path: str, what: str, found: tuple[Break, ...]) -> tuple[Break, ...]:
    """The breaks that a difference is to blame for: at its place, above it or inside of it."""
    if what.startswith(DESCRIBED):
        return ()
    if not path:
        return tuple(one for one in found if not one.path)
    mine = (one for one in found if one.path and _near(".".join(one.path), path))
    if what.startswith(("added", "removed")):
        return tuple(mine)
    return tuple(one for one in mine if (one.cause == "required") == (what in REQUIRED))


def _near(one: str, other: str) -> bool:
    return one == other or one.startswith(other + ".") or other.startswith(one + ".")
