"""What a funnel says of one actor: the chain that counts, what every other event is to it, and how far it got.

The chain is that of the fold, event by event. Everything else is said relative to it: what came before it began, what
came too late, what ended it, what differed from the values it holds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from trackway.model.condition import Condition
from trackway.model.time import Window
from trackway.plan.told import WHERE, Story, Told, listed, quote, spell
from trackway.store.columns.chains import Rules
from trackway.store.columns.journeys import Asked
from trackway.store.columns.steps import MOST_FREE, Exclusion, Step

FOREVER = "36500d"
"""A window as good as none."""


@dataclass(frozen=True)
class Plan:
    """A funnel in words."""

    rows: Sequence[str]
    """What the rows of the answer are called: `Home`, or `2 of B, C`."""
    steps: Sequence[str]
    """The marks of the steps."""
    barred: Sequence[str | None]
    """The marks of what must not come between; None: any event."""
    held: Sequence[str]
    asked: Asked
    within: Window

    @property
    def rules(self) -> Rules:
        """How the steps hang together."""
        return self.asked.rules

    def following(self, done: int) -> list[int]:
        """The steps that may come next after these (as bits)."""
        rules = self.rules
        return [k for k in range(rules.steps) if not (rules.needed(k) & ~done or done & rules.barred(k))]


@dataclass(frozen=True)
class Chain:
    """One chain: its events in order of time, and the row of the answer each belongs to (from 0)."""

    rows: list[int]
    places: list[int]
    done: int
    """The steps it holds, as bits."""

    @property
    def depth(self) -> int:
        """The row it reaches, counted from 1."""
        return self.rows[-1] + 1


def marks(
    steps: Sequence[Step], exclude: Sequence[Exclusion], where: Condition | None
) -> tuple[dict[str, Condition], list[str], list[str]]:
    """The conditions of a funnel by name, and which of them are its steps and its exclusions, in order."""
    named: dict[str, Condition] = {} if where is None else {WHERE: where}

    def mark(name: str, condition: Condition) -> str:
        while named.get(name, condition) != condition:
            name += "'"
        named[name] = condition
        return name

    taken = [mark(step.name or str(step.when), step.when) for step in steps]
    return named, taken, [mark(str(one.when), one.when) for one in exclude]


def told(story: Story, places: np.ndarray, plan: Plan) -> Told:
    """What is said of an actor; `places` has for each unit the event of every row of the answer, -1 for none."""
    found = []
    for line in places[:, : plan.rules.steps].tolist():
        rows = [row for row, place in enumerate(line) if place >= 0]
        events = [line[row] for row in rows]
        found.append(Chain(rows, events, _done(story, rows, events, plan)))
    telling = Telling(story, plan, sorted(found, key=lambda chain: chain.places[0]))
    reached = telling.best.depth if telling.best else 0
    return Told(telling.sentence(), telling.chosen(), reached, len(plan.rows), telling.said, telling)


def _done(story: Story, rows: Sequence[int], events: Sequence[int], plan: Plan) -> int:
    """The steps that a chain holds, as bits: of steps in any order, by what each event matches."""
    taken = {0}
    for row, event in zip(rows, events, strict=True):
        block = next(block for block in plan.rules.blocks if block[0] <= row < block[0] + len(block))
        taken = {
            done | 1 << k
            for done in taken
            for k in (block if len(block) > 1 else [row])
            if not done >> k & 1 and story.marks[plan.steps[k]][event]
        }
    return min(taken, default=0)


@dataclass(frozen=True)
class Telling:
    """The chains of one actor, and the words for them."""

    story: Story
    plan: Plan
    found: list[Chain]
    """In the order they began."""

    @cached_property
    def best(self) -> Chain | None:
        """The chain that got furthest, of those the first to get there."""
        return max(self.found, key=lambda chain: (chain.depth, -chain.places[-1]), default=None)

    def chosen(self) -> dict[int, str]:
        """The events of all chains, and which step each is."""
        one = {"actors": "actor", "entries": "entry", "sessions": "session"}[self.plan.asked.count]
        chosen: dict[int, str] = {}
        for number, chain in enumerate(self.found, start=1):
            which = f" of {one} {number}" if len(self.found) > 1 else ""
            for row, place in zip(chain.rows, chain.places, strict=True):
                said = f"step {row + 1}{which}: {self.plan.rows[row]}"
                chosen[place] = f"{chosen[place]}; {said}" if place in chosen else said
        return chosen

    # ── one sentence ────────────────────────────────────────────────────────────────────────────────

    def sentence(self) -> str:
        """How far the actor got, and what became of the step after."""
        story, plan, best = self.story, self.plan, self.best
        most = len(plan.rows)
        if best is None:
            elsewhere = self._elsewhere(plan.following(0))
            return f"Not in the funnel: no event counts as step 1, {quote(plan.rows[0])}{elsewhere}."
        begun, last = (int(story.time[best.places[end]]) for end in (0, -1))
        many = ""
        if len(self.found) > 1:
            whole = sum(chain.depth == most for chain in self.found)
            many = f"{len(self.found):,} {plan.asked.count}, {whole:,} of them whole. The one that got furthest: "
        if best.depth == most:
            took = "" if most == 1 else f", in {spell(last - begun)} from {story.when(begun)} to {story.when(last)}"
            return f"{many}Converted: all {most} steps{took}."
        row = plan.rows[best.depth - 1]
        return f"{many}Reached step {best.depth} of {most}, {quote(row)}, at {story.when(last)}; {self._next(best)}."

    def _next(self, chain: Chain) -> str:
        """What became of the step after the last."""
        story, plan = self.story, self.plan
        following = plan.following(chain.done)
        names = " or ".join(quote(plan.steps[k]) for k in following)
        some = np.logical_or.reduce([story.marks[plan.steps[k]] for k in following]) & story.kept
        others = [int(place) for place in np.flatnonzero(some) if place not in chain.places]
        if not others:
            return f"no other {names} counts{self._elsewhere(following)}"
        later = [place for place in others if story.time[place] >= story.time[chain.places[-1]]]
        if not later:
            return f"no {names} comes after it ({story.of(others[-1])} came before)"
        return f"{story.of(later[0])}: {self._to(chain, later[0])}"

    def _elsewhere(self, steps: Sequence[int]) -> str:
        """That there is an event for one of these steps, which does not count."""
        story = self.story
        some = np.logical_or.reduce([story.marks[self.plan.steps[k]] for k in steps]) & ~story.kept
        if not some.any():
            return ""
        place = int(np.flatnonzero(some)[0])
        why = "is outside the range" if not story.inside[place] else "does not meet `where`"
        return f" ({story.of(place)} {why})"

    # ── what an event is to a chain ─────────────────────────────────────────────────────────────────

    def said(self, place: int) -> str:
        """What an event that is in no chain is to the chain that began last before it."""
        story = self.story
        if not story.kept[place]:
            return ""
        chain = next((one for one in reversed(self.found) if story.time[one.places[0]] <= story.time[place]), None)
        if chain is not None:
            return self._to(chain, place)
        named = self._named(place)
        return f"{named} before step 1" if named else ""

    def _named(self, place: int) -> str:
        """The steps an event could be."""
        names = [name for name in dict.fromkeys(self.plan.steps) if self.story.marks[name][place]]
        return " and ".join(map(quote, names))

    def _to(self, chain: Chain, place: int) -> str:
        return next(filter(None, self._reasons(chain, place)), "")

    def _reasons(self, chain: Chain, place: int) -> Iterator[str]:
        """Why an event is not in a chain, the first that is not empty."""
        story, plan, named = self.story, self.plan, self._named(place)
        passed = int(story.time[place]) - int(story.time[chain.places[0]])
        yield self._barred(chain, place)
        if not named:
            return
        yield self._differs(chain, place) and f"{named}, but {self._differs(chain, place)}"
        if story.time[place] < story.time[chain.places[-1]]:
            yield f"{named}, not needed: another event is this step"
        if chain.depth == len(plan.rows):
            yield f"{named} after the last step"
        if not any(story.marks[plan.steps[k]][place] for k in plan.following(chain.done)):
            first = story.marks[plan.steps[0]][place]
            yield f"{named}: a chain from here gets no further" if first else f"{named}, which is not the next step"
        if passed > plan.asked.within and not plan.asked.sessions:
            yield f"too late: {named} came {spell(passed)} after step 1, the window is {plan.within}"
        end = self._end(chain)
        if end is not None and story.time[end] < story.time[place]:
            yield f"{named} after {story.of(end)}, which ends the chain"
        if plan.asked.sessions or plan.asked.count == "sessions":
            yield f"{named}, but in a later session"
        yield f"{named}, but it does not lead on"

    def _differs(self, chain: Chain, place: int) -> str:
        """Why the held values of an event are not those of a chain."""
        for column in self.plan.held:
            mine, its = (self.story.value(column, one) for one in (place, chain.places[0]))
            if mine is None:
                return f"it has no {column}"
            if mine != its:
                return f"{column} is {mine!r}, was {its!r}"
        return ""

    def _barred(self, chain: Chain, place: int) -> str:
        """That an event ends a chain."""
        end = self._end(chain)
        if place != end:
            return ""
        named = [name for name in self._in_force(chain) if name is not None and self.story.marks[name][place]]
        return f"excluded by `{named[0]}`: the chain ends" if named else "comes between, nothing may: the chain ends"

    def _end(self, chain: Chain) -> int | None:
        """The first event that must not come after the last of a chain, and does, within its window."""
        if chain.depth == len(self.plan.rows):
            return None
        for place in np.flatnonzero(self._bars(chain)):
            if not self._agrees(chain, int(place)):
                continue
            return int(place)
        return None

    def _bars(self, chain: Chain) -> np.ndarray:
        """Whether each event matches what must not come next, after the chain's last event and in its window."""
        story, asked = self.story, self.plan.asked
        after = story.kept & (story.time > story.time[chain.places[-1]])
        if not asked.sessions:
            after &= story.time - story.time[chain.places[0]] <= asked.within
        force = [story.kept if name is None else story.marks[name] for name in self._in_force(chain)]
        return after & np.logical_or.reduce(force) if force else np.zeros(len(after), np.bool_)

    def _in_force(self, chain: Chain) -> list[str | None]:
        force = self.plan.rules.forbidden(chain.done)
        return [name for number, name in enumerate(self.plan.barred) if force >> number & 1]

    def _agrees(self, chain: Chain, place: int) -> bool:
        """Whether no held value of an event is there and differs."""
        pairs = ((self.story.value(name, place), self.story.value(name, chain.places[0])) for name in self.plan.held)
        return all(mine is None or mine == its for mine, its in pairs)

    # ── what a rule kept back ───────────────────────────────────────────────────────────────────────

    def missed(self, rule: str, without: Telling) -> str:
        """How a rule kept the actor back: the chain there would be without it, against the rule."""
        kind, _, name = rule.partition(" ")
        chain, story = without.best, self.story
        if chain is None:
            return ""
        places, last = chain.places, chain.places[-1]
        whole = chain.depth == len(self.plan.rows)
        goal = f"{story.of(last)} would {'complete the funnel' if whole else f'reach step {chain.depth}'}"

        def out(met: np.ndarray) -> str:
            return listed([story.of(place) for place in places if not met[place]], 3)

        def between(barred: str | None) -> str:
            return f"{goal}, but {listed([story.of(place) for place in self._inner(chain, barred)], 3)} came between."

        words: dict[str, Callable[[], str]] = {
            "within": lambda: (
                f"Window: {goal}, {self._passed(chain)} after its step 1; the window is {self.plan.within}."
            ),
            WHERE: lambda: f"Where: {goal}; `where` is not true of {out(story.marks[WHERE])}.",
            "range": lambda: f"Range: {goal}; outside the range is {out(story.inside)}.",
            "hold": lambda: f"Held value: {goal}, but {name} is {self._values(chain, name)}.",
            "exclude": lambda: f"Exclusion: {between(name)}",
            "strict": lambda: f"Strict: {between(None)}",
            "order": lambda: (
                "Order: they came in another order, " + ", ".join(story.of(place) for place in sorted(places)) + "."
            ),
            "sessions": lambda: f"Session: {goal}, but in another session than its step 1.",
            "mode": lambda: f"Mode: {goal} in a chain from {story.of(places[0])}; the attempts that count do not.",
        }
        return words[kind]()

    def _passed(self, chain: Chain) -> str:
        return spell(int(self.story.time[chain.places[-1]]) - int(self.story.time[chain.places[0]]))

    def _values(self, chain: Chain, column: str) -> str:
        values = [self.story.value(column, place) for place in chain.places]
        return " and ".join(dict.fromkeys("missing" if value is None else repr(value) for value in values))

    def _inner(self, chain: Chain, name: str | None) -> list[int]:
        """The events that match an exclusion (None: any) and lie between the first and the last of a chain."""
        story = self.story
        times = story.time[chain.places]
        inside = (story.time > times[0]) & (story.time < times[-1]) & ~np.isin(story.time, times) & story.kept
        mark = inside if name is None else inside & story.marks[name]
        return [int(place) for place in np.flatnonzero(mark)]


def lifts(plan: Plan, options: Mapping[str, Any], reached: int) -> dict[str, Mapping[str, Any]]:
    """The rules of a funnel that may have kept an actor back, and the options without each of them.

    `options` has the funnel's `steps exclude hold order mode count`.
    """
    found: dict[str, Mapping[str, Any]] = {"within": {"within": FOREVER}}
    exclude, hold = list(options["exclude"]), list(options["hold"])
    for number, name in enumerate(plan.barred[: len(exclude)]):
        found[f"exclude {name}"] = {"exclude": [one for place, one in enumerate(exclude) if place != number]}
    found |= {f"hold {name}": {"hold": [one for one in hold if one != name]} for name in hold}
    if options["order"] == "strict":
        found["strict"] = {"order": "ordered"}
    if options["order"] == "ordered" and 1 < reached + 1 <= MOST_FREE:
        first = [step.model_copy(update={"optional": False}) for step in options["steps"][: reached + 1]]
        found["order"] = {"order": "any", "steps": first, "attribution": "first"}
    if plan.asked.count == "sessions":
        found["sessions"] = {"count": "actors", "mode": plan.asked.mode}
    if plan.asked.mode == "first_entry":
        found["mode"] = {"mode": "reentry" if plan.asked.count == "entries" else "any"}
    return found
