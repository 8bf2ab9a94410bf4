"""The naive funnel, written from docs/reference/semantics.md alone: every chain is tried, nothing is clever.

A question is the same dictionary the product is asked, its conditions looked up among pairs of SQL and Python.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

Event = dict[str, Any]
Test = Callable[[Event], bool]
Chain = list[tuple[int, int]]
"""Places in the line, and the step each is."""


@dataclass
class Oracle:
    question: dict[str, Any]
    tests: dict[str, Test]
    within: int
    """Microseconds, or the number of sessions."""
    session: int
    start: int
    stop: int
    steps: list[dict[str, Any]] = field(init=False)

    def __post_init__(self) -> None:
        self.steps = [step if isinstance(step, dict) else {"when": step} for step in self.question["steps"]]
        self.count = self.question.get("count", "actors")
        self.mode = self.question.get("mode") or ("first_entry" if self.count == "entries" else "any")
        self.order = self.question.get("order", "ordered")
        self.in_sessions = "session" in self.question.get("within", "14d")
        self.hold = self.question.get("hold", [])
        self.blocks: list[list[int]] = []
        for k, step in enumerate(self.steps):
            free = self.order == "any" and not step.get("anchored")
            if free and k and not self.steps[k - 1].get("anchored"):
                self.blocks[-1].append(k)
            else:
                self.blocks.append([k])

    # ── the line ────────────────────────────────────────────────────────────────────────────────────

    def is_step(self, event: Event, k: int) -> bool:
        whole = all(event[name] is not None for name in self.hold)
        return whole and self.passes(event) and self.tests[self.steps[k]["when"]](event)

    def passes(self, event: Event) -> bool:
        return self.tests[self.question.get("where") or "true"](event)

    def line_of(self, events: Sequence[Event]) -> list[Event]:
        """One actor's events in order, with the numbers of their sessions."""
        mine = sorted((e for e in events if self.start <= e["time"] < self.stop), key=lambda e: (e["time"], e["tie"]))
        number = 0
        for place, event in enumerate(mine):
            if place and event["time"] - mine[place - 1]["time"] > self.session:
                number += 1
            event["session"] = number
        lowest = lambda e: next((k for k in range(len(self.steps)) if self.is_step(e, k)), len(self.steps))  # noqa: E731
        return sorted(mine, key=lambda e: (e["time"], lowest(e), e["tie"]))

    # ── what a chain may be ─────────────────────────────────────────────────────────────────────────

    def may_follow(self, done: Sequence[int], k: int) -> bool:
        block = next(i for i, some in enumerate(self.blocks) if k in some)
        earlier = [j for some in self.blocks[:block] for j in some if not self.steps[j].get("optional")]
        later = [j for some in self.blocks[block + 1 :] for j in some]
        return k not in done and all(j in done for j in earlier) and not any(j in done for j in later)

    def row(self, done: Sequence[int]) -> int:
        """The row (from 0) of the last of these steps."""
        block = next(some for some in self.blocks if done[-1] in some)
        return block[0] + sum(k in block for k in done) - 1

    def in_window(self, first: Event, event: Event) -> bool:
        if self.in_sessions:
            return bool(event["session"] - first["session"] < self.within)
        return bool(event["time"] - first["time"] <= self.within)

    def excluded(self, done: Sequence[int], event: Event, line: Sequence[Event], chain: Chain) -> bool:
        """Whether an event must not come while a chain has these steps and waits for the next."""
        if not self.passes(event):
            return False
        held = line[chain[0][0]]
        if any(event[name] is not None and event[name] != held[name] for name in self.hold):
            return False
        if self.order == "strict":
            return True
        for one in self.question.get("exclude", []):
            after, before = one.get("after"), one.get("before")
            begun, over = after is None or after - 1 in done, before is not None and before - 1 in done
            if self.tests[one["when"]](event) and begun and not over:
                return True
        return False

    def broken(self, line: Sequence[Event], chain: Chain, until: int) -> bool:
        """Whether an excluded event lies after the last event of a chain and before a time."""
        done = [k for _, k in chain]
        last = line[chain[-1][0]]["time"]
        return any(last < event["time"] < until and self.excluded(done, event, line, chain) for event in line)

    def goes_on(self, line: Sequence[Event], chain: Chain, place: int, k: int) -> bool:
        event = line[place]
        if not self.is_step(event, k) or not self.may_follow([j for _, j in chain], k):
            return False
        if not chain:
            return True
        first = line[chain[0][0]]
        alike = all(event[name] == first[name] for name in self.hold)
        later = place > chain[-1][0] and self.in_window(first, event)
        return later and alike and not self.broken(line, chain, event["time"])

    # ── which chains there are ──────────────────────────────────────────────────────────────────────

    def every(self, line: Sequence[Event], chain: Chain) -> Iterator[Chain]:
        if chain:
            yield chain
        for place in range(chain[-1][0] + 1 if chain else 0, len(line)):
            for k in range(len(self.steps)):
                if self.goes_on(line, chain, place, k):
                    yield from self.every(line, [*chain, (place, k)])

    def attempt(self, line: Sequence[Event], begin: int) -> Chain:
        """Takes the first event that may be its next step, until there is none."""
        k = next(k for k in range(len(self.steps)) if self.goes_on(line, [], begin, k))
        chain = [(begin, k)]
        for place in range(begin + 1, len(line)):
            able = [k for k in range(len(self.steps)) if self.goes_on(line, chain, place, k)]
            if able:
                chain.append((place, able[0]))
        return chain

    def begins(self, line: Sequence[Event]) -> list[int]:
        return [p for p in range(len(line)) if any(self.goes_on(line, [], p, k) for k in range(len(self.steps)))]

    def counts_first(self, line: Sequence[Event], chain: Chain) -> Any:
        """Smaller counts first, of chains with the same last event."""
        rows = [self.row([k for _, k in chain[: n + 1]]) for n in range(len(chain))]
        return (-line[chain[0][0]]["time"], -len(chain), [p for p, _ in reversed(chain)], rows[::-1])

    def best(self, line: Sequence[Event], chains: Sequence[Chain]) -> Chain:
        return min(chains, key=lambda c: (-self.row([k for _, k in c]), c[-1][0], self.counts_first(line, c)))

    # ── units ───────────────────────────────────────────────────────────────────────────────────────

    def chosen(self, line: Sequence[Event]) -> list[tuple[Event, Chain]]:
        """The first touch and the chain of each unit in the events of one actor or session."""
        begins = self.begins(line)
        if not begins:
            return []
        if self.count == "entries":
            return [(line[chain[0][0]], chain) for chain in self.entries(line, begins)]
        if self.mode == "any":
            chains = list(self.every(line, []))
        else:
            chains = [self.attempt(line, p) for p in (begins[:1] if self.mode == "first_entry" else begins)]
            chains = [chain[:n] for chain in chains for n in range(1, len(chain) + 1)]
        return [(line[begins[0]], self.best(line, chains))]

    def entries(self, line: Sequence[Event], begins: Sequence[int]) -> list[Chain]:
        found = []
        for values in {tuple(line[p][name] for name in self.hold) for p in begins}:
            mine = [p for p in begins if tuple(line[p][name] for name in self.hold) == values]
            found += self.in_turn(line, mine) if self.mode == "first_entry" else self.side_by_side(line, mine)
        return found

    def in_turn(self, line: Sequence[Event], begins: Sequence[int]) -> list[Chain]:
        found: list[Chain] = []
        for begin in begins:
            if found:
                chain, event = found[-1], line[begin]
                if self.row([k for _, k in chain]) == len(self.steps) - 1:
                    over = begin > chain[-1][0]
                else:
                    over = not self.in_window(line[chain[0][0]], event) or self.broken(line, chain, event["time"])
                if not over:
                    continue
            found.append(self.attempt(line, begin))
        return found

    def side_by_side(self, line: Sequence[Event], begins: Sequence[int]) -> list[Chain]:
        """Attempts of which one that an event takes to the same step as a better one is dropped."""
        attempts: list[Chain] = []
        for place in range(len(line)):
            arrived: dict[Any, list[Chain]] = {}
            for chain in attempts:
                able = [k for k in range(len(self.steps)) if self.goes_on(line, chain, place, k)]
                if able:
                    chain.append((place, able[0]))
                    done = [k for _, k in chain]
                    state = (self.row(done), frozenset(k for k in done if not self.steps[k].get("optional")))
                    arrived.setdefault(state, []).append(chain)
            for some in arrived.values():
                some.sort(key=lambda chain: self.counts_first(line, chain))
                attempts = [chain for chain in attempts if not any(chain is gone for gone in some[1:])]
            if place in begins:
                k = next(k for k in range(len(self.steps)) if self.goes_on(line, [], place, k))
                attempts.append([(place, k)])
        return attempts

    def table(self, events: Sequence[Event]) -> list[dict[str, Any]]:
        """One row for each unit: the actor, the times by row of the answer, and the values it is grouped by."""
        found = []
        for actor in sorted({event["actor"] for event in events}):
            line = self.line_of([event for event in events if event["actor"] == actor])
            numbers = sorted({event["session"] for event in line})
            parts = [[e for e in line if e["session"] == n] for n in numbers] if self.count == "sessions" else [line]
            for part in parts:
                for touch, chain in self.chosen(part):
                    rows = {self.row([k for _, k in chain[: n + 1]]): part[p] for n, (p, _) in enumerate(chain)}
                    found.append(
                        {"actor": actor, "times": {row: event["time"] for row, event in rows.items()},
                         "groups": self.groups(touch, rows)}
                    )  # fmt: skip
        return found

    def groups(self, touch: Event, rows: dict[int, Event]) -> set[Any]:
        by = self.question.get("by") or []
        attribution = self.question.get("attribution", "first")
        if attribution == "all":
            return {tuple(event[name] for name in by) for event in rows.values()}
        event = {"first": touch, "last": rows[max(rows)]}.get(attribution)
        if attribution.startswith("step"):
            event = rows.get(int(attribution[5:]) - 1)
        return {tuple(None if event is None else event[name] for name in by)}

    def rows(self, units: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """The rows of the answer over some units, without names and groups."""
        found: list[dict[str, Any]] = []
        for k in range(len(self.steps)):
            there = [unit for unit in units if k in unit["times"]]
            before = max((j for j in range(k) if not self.steps[j].get("optional")), default=None)
            base = [unit for unit in units if before in unit["times"]]
            row = {} if self.count == "actors" else {self.count: len(there)}
            row |= {
                "step": k + 1, "actors": len({unit["actor"] for unit in there}),
                "rate": len(there) / len(units) if units else None,
                "median_seconds": seconds([u["times"][k] - u["times"][0] for u in there]) if k else None,
                "step_rate": len(there) / len(base) if base else None,
                "step_median_seconds": seconds([u["times"][k] - u["times"][before] for u in there]) if k else None,
            }  # fmt: skip
            found.append(row)
        return found


def seconds(micros: Sequence[int]) -> float | None:
    return median(micros) / 1_000_000 if micros else None
