"""Patterns as relations, for the reference SQL: every part of a pattern is a table of what it spans.

The events of an actor that count are numbered from 0; between them lie the places 0 to n. A part spans `s` to `e`
when it is satisfied by exactly the events between these places: a letter spans one event, a series is a join, a
choice a union, a repetition a closure. Nothing is shared with the automaton of `model.automaton`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from trackway.model.pattern import Choice, Edge, Letter, Node, Pattern, Repeat, Series, Timed


@dataclass
class Spans:
    """Common table expressions for a pattern over `k(actor, i, t, c0, c1, …)`, `names` being `c0, c1, …`."""

    names: Sequence[str]
    parts: list[str] = field(default_factory=list)
    gaps: list[Letter] = field(default_factory=list)

    def text(self, pattern: Pattern) -> str:
        """The expressions, the last of them `spans(actor, s, e)`: whatever satisfies the pattern."""
        whole = self._of(pattern.tree)
        return ",\n".join([self._places(), *self.parts, f"spans as (select distinct * from {whole} where s < e)"])

    def _named(self, text: str, columns: str = "") -> str:
        name = f"n{len(self.parts)}"
        self.parts.append(f"{name}{columns} as ({text})")
        return name

    def _true(self, letter: Letter) -> str:
        some = " or ".join(f"c{self.names.index(name)}" for name in letter.names)
        return f"not ({some or 'false'})" if letter.negated else f"({some})"

    def _places(self) -> str:
        """`z(actor, p, b0, b1, …)`: the places, and how many events before each do not fit a letter that may repeat."""
        over = "over (partition by actor order by i rows between unbounded preceding and 1 preceding)"
        gaps = [f"count(*) filter (not {self._true(letter)})" for letter in self.gaps]
        before = "".join(f", {gap} {over} as b{number}" for number, gap in enumerate(gaps))
        return f"""z as (select actor, i as p{before} from k
  union all select actor, count(*){"".join(f", {gap}" for gap in gaps)} from k group by actor)"""

    def _of(self, node: Node) -> str:
        """The name of the relation of a part."""
        match node:
            case Letter():
                return self._named(f"select actor, i as s, i + 1 as e from k where {self._true(node)}")
            case Edge(begin):
                edge = "min(p)" if begin else "max(p)"
                return self._named(f"select actor, {edge} as s, {edge} as e from z group by actor")
            case Series(parts):
                return self._series(parts)
            case Choice(options):
                return self._named(" union ".join(f"select * from {self._of(option)}" for option in options))
            case Repeat(part, least, most):
                return self._repeat(part, least, most)
            case Timed(part, within):
                return self._named(f"""select n.* from {self._of(part)} n
  left join k a on a.actor = n.actor and a.i = n.s left join k b on b.actor = n.actor and b.i = n.e - 1
  where n.s = n.e or b.t - a.t <= {within}""")

    def _series(self, parts: Sequence[Node]) -> str:
        whole, gap = self._of(parts[0]), None
        for number, part in enumerate(parts[1:], start=2):
            if gap is None and number < len(parts) and _is_gap(part):
                gap = part
                continue
            whole, gap = self._then(whole, self._of(part), gap), None
        return whole

    def _then(self, one: str, two: str, gap: Node | None = None) -> str:
        """One part, then another; with a gap, events that all fit one letter may lie between."""
        near = "r.s >= l.e" if gap is not None else "r.s = l.e"
        between = self._gap(gap.part, "l", "l.e", "r.s") if isinstance(gap, Repeat) else ""
        return self._named(f"""select distinct l.actor, l.s, r.e from {one} l
  join {two} r on r.actor = l.actor and {near}{between}""")

    def _gap(self, letter: Node, actor: str, begin: str, end: str) -> str:
        """Joins that let through only places between which all events fit a letter."""
        if letter == Letter((), True) or not isinstance(letter, Letter):
            return ""
        if letter not in self.gaps:
            self.gaps.append(letter)
        bad = f"b{self.gaps.index(letter)}"
        return f"""
  join z a on a.actor = {actor}.actor and a.p = {begin}
  join z b on b.actor = {actor}.actor and b.p = {end} and b.{bad} = a.{bad}"""

    def _repeat(self, part: Node, least: int, most: int | None) -> str:
        if most is None and isinstance(part, Letter):
            return self._run(part, least)
        one = self._of(part)
        nothing = self._named("select actor, p as s, p as e from z")
        whole = nothing
        for _ in range(least):
            whole = self._then(whole, one)
        if most is None:
            return self._then(whole, self._star(one))
        maybe = self._named(f"select * from {one} union select * from {nothing}")
        for _ in range(most - least):
            whole = self._then(whole, maybe)
        return whole

    def _run(self, letter: Letter, least: int) -> str:
        """So many events or more that all fit one letter."""
        return self._named(f"""select x.actor, x.p as s, y.p as e from z x
  join z y on y.actor = x.actor and y.p >= x.p + {least}{self._gap(letter, "x", "x.p", "y.p")}""")

    def _star(self, one: str) -> str:
        name = f"n{len(self.parts)}"
        return self._named(
            f"""select actor, p, p from z
  union select o.actor, o.s, r.e from {name} o join {one} r on r.actor = o.actor and r.s = o.e""",
            "(actor, s, e)",
        )


def _is_gap(node: Node) -> bool:
    return isinstance(node, Repeat) and node.least == 0 and node.most is None and isinstance(node.part, Letter)


def matches_sql(pattern: Pattern, names: Sequence[str], longest: bool) -> str:
    """Further expressions after `k`: `matched(actor, s, e)`, the matches that count; `e` is exclusive."""
    best = "min(struct_pack(s := x.s, e := -x.e))" if longest else "min(struct_pack(e := x.e, s := -x.s))"
    ends = "abs(m.s) as s, abs(m.e) as e"
    return f"""{Spans(names).text(pattern)},
starts as (select actor, 0 as p from k group by actor union select actor, e from spans),
choice as (select actor, p, {ends} from (select z.actor, z.p, {best} as m from starts z
  join spans x on x.actor = z.actor and x.s >= z.p group by all)),
matched as (select actor, s, e from choice where p = 0
  union all select c.actor, c.s, c.e from matched o join choice c on c.actor = o.actor and c.p = o.e)"""


def kept_sql(conditions: Sequence[str], where: str, timeout: int, values: str = "", source: str = "events") -> str:
    """The expression `k`: the events of `source` that count, with a column for each condition (DuckDB text), and
    `values`.

    `nth` numbers an actor's events; `actor` is the id with the number of the session, and `i` numbers its events.
    """
    letters = "".join(f", coalesce({condition}, false) as c{number}" for number, condition in enumerate(conditions))
    paused = f"t - lag(t) over w > {timeout}" if timeout >= 0 else "false"
    return f"""counted as (select actor, epoch_us(time) as t, tie{letters}{values} from {source} where {where}),
ordered as (select *, row_number() over w - 1 as nth, {paused} as paused
  from counted window w as (partition by actor order by t, tie)),
cut as (select *, count(*) filter (paused) over (partition by actor order by nth rows unbounded preceding) as session
  from ordered),
k as (select * replace (struct_pack(id := actor, session := session) as actor),
  row_number() over (partition by actor, session order by nth) - 1 as i from cut)"""
