"""The reference of a funnel with any options: chains grown by a recursive join, one step at a time.

Every level joins the chains so far with the events that may be their next step. Of chains that may be any, those
with the same steps and the same last event are alike from then on, and the one that counts first is kept; attempts
that take the first event of each step keep one event each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from trackway.store.columns.chains import Rules

BETTER = "s desc, len(ps) desc, ps, ks"
"""Which of several chains with the same last event counts: began later, more steps, came first from the end."""


@dataclass(frozen=True)
class Texts:
    """A funnel in pieces of SQL over the view `events`."""

    steps: Sequence[str]
    excluded: Sequence[str]
    where: str
    held: Sequence[str]
    groups: Sequence[str]


@dataclass(frozen=True)
class Unit:
    """What is counted, in which window and range; microseconds."""

    count: str
    mode: str
    attribution: str
    within: int
    sessions: int
    timeout: int
    start: int
    end: int

    @property
    def by_session(self) -> bool:
        """Whether sessions matter at all."""
        return self.count == "sessions" or self.sessions > 0


def statement(texts: Texts, unit: Unit, rules: Rules) -> str:
    """Common table expressions up to `journeys`: `id actor depth m until`, and `members`: `id actor m g0 g1 …`.

    `m` holds the times of the steps in their places, null where a chain has none.
    """
    parts = [
        *_events(texts, unit),
        *_placed(texts, rules.steps),
        ("st(k, need, barred, opening, block)", _values(rules)),
        *_chains(texts, unit, rules),
        *_chosen(texts, unit, rules),
        ("ended", _ended(unit, rules.steps)),
        ("journeys", _journeys(texts, unit)),
        ("members", _members(texts, unit)),
    ]
    return "with recursive " + ",\n".join(f"{name} as ({text})" for name, text in parts)


def _events(texts: Texts, unit: Unit) -> list[tuple[str, str]]:
    columns = "".join(
        f", {text} as {name}{i}"
        for name, some in (("c", texts.steps), ("x", texts.excluded), ("h", texts.held), ("g", texts.groups))
        for i, text in enumerate(some)
    )
    cut = f"t - lag(t) over (partition by actor order by t, tie) > {unit.timeout}"
    begins = f"case when {cut} then 1 else 0 end" if unit.by_session else "0"
    seen = f"""select actor, epoch_us(time) as t, tie, coalesce({texts.where}, false) as w{columns} from events
  where epoch_us(time) >= {unit.start} and epoch_us(time) < {unit.end}"""
    numbered = "sum(b) over (partition by actor order by t, tie rows unbounded preceding)::bigint as session"
    closing = """select actor, session, max(t) as closed, max(session) over (partition by actor) as final,
  max(max(t)) over (partition by actor) as gone from numbered group by actor, session"""
    return [
        ("seen", seen),
        ("cut", f"select *, {begins} as b from seen"),
        ("numbered", f"select *, {numbered} from cut"),
        ("closing", closing),
        ("matched", "select * from numbered where w"),
    ]


def _placed(texts: Texts, steps: int) -> list[tuple[str, str]]:
    """The events that may be a step, each with its place and, for every exclusion, when it was last met before."""
    is_step = " or ".join(f"c{k}" for k in range(steps))
    held = "".join(f" and h{i} is not null" for i in range(len(texts.held)))
    lowest = "case " + " ".join(f"when c{k} then {k}" for k in range(steps)) + " end"
    bits = " + ".join(f"case when c{k} then {1 << k} else 0 end" for k in range(steps))
    met = "".join(
        f", max(case when x{i} then t end) over (partition by actor order by t range between unbounded preceding "
        f"and 1 preceding) as f{i}"
        for i in range(len(texts.excluded))
    )
    alone = f"""select *, {bits} as bits, row_number() over (partition by actor order by t, {lowest}, tie) as p
  from met where ({is_step}){held}"""
    placed = [("met", f"select *{met if not texts.held else ''} from matched"), ("alone", alone)]
    if not (texts.held and texts.excluded):
        return [*placed, ("placed", "select * from alone")]
    agree = "".join(f" and (x.h{i} is null or x.h{i} = e.h{i})" for i in range(len(texts.held)))
    some = " or ".join(f"x.x{i}" for i in range(len(texts.excluded)))
    last = "".join(f", max(x.t) filter (x.x{i}) as f{i}" for i in range(len(texts.excluded)))
    between = f"select e.actor, e.p{last} from alone e join matched x on x.actor = e.actor and x.t < e.t and ({some})"
    met_before = "".join(f", l.f{i}" for i in range(len(texts.excluded)))
    return [
        *placed,
        ("before", f"{between}{agree} group by e.actor, e.p"),
        ("placed", f"select e.*{met_before} from alone e left join before l on l.actor = e.actor and l.p = e.p"),
    ]


def _values(rules: Rules) -> str:
    rows = [
        f"({k}, {rules.needed(k)}, {rules.barred(k)}, {rules.first(k)}, {rules.together(k)})"
        for k in range(rules.steps)
    ]
    return "values " + ", ".join(rows)


def _chains(texts: Texts, unit: Unit, rules: Rules) -> list[tuple[str, str]]:
    thread = "".join(f", h{i}" for i in range(len(texts.held)))
    same = "".join(f" and e.h{i} = c.h{i}" for i in range(len(texts.held)))
    of = "session" if unit.count == "sessions" else "0"
    depth = "st.opening + bit_count(done & st.block)"
    any_chain = unit.mode == "any"
    keep = (
        f"partition by actor, u{thread}, done, p order by {BETTER}"
        if any_chain
        else f"partition by actor, u{thread}, p0 order by p, k"
    )
    touch = " qualify p = min(p) over (partition by actor, u)" if _only_first(unit) else ""
    window = f"e.session - c.first < {unit.sessions}" if unit.sessions else f"e.t - c.s <= {unit.within}"
    ended = _ended_by(rules, "c")
    columns = f"actor, u{thread}, done, k, p0, s, first, p, t, ps, ks, ts, depth"
    alone = depth.replace("done", "(1 << k)")
    first = f"""select actor, {of} as u{thread}, 1 << k as done, k, p as p0, t as s, session as first, p, t, [p] as ps,
  [{alone}] as ks, [t] as ts, {alone} as depth from placed join st on (bits >> k) & 1 = 1 and need = 0"""
    following = f"""select c.actor, c.u{thread.replace(", h", ", c.h")}, c.done | (1 << st.k) as done, st.k, c.p0, c.s,
  c.first, e.p, e.t, list_prepend(e.p, c.ps) as ps, list_prepend(e.t, c.ts) as ts, c.ks as before, st.opening, st.block
  from chains c join placed e on e.actor = c.actor and e.p > c.p{same}
    and c.u = {"e.session" if unit.count == "sessions" else "0"} and {window} and not ({ended})
  join st on (e.bits >> st.k) & 1 = 1 and c.done & st.need = st.need and c.done & st.barred = 0"""
    grown = f"select *, {depth} as depth, list_prepend({depth}, before) as ks from ({following}) st"
    one_each = f"select * from ({first}) qualify row_number() over (partition by actor, p order by k) = 1"
    return [
        ("begun", first if any_chain else one_each),
        ("starts", f"select {columns} from begun{touch}"),
        (
            "chains",
            f"""select {columns} from starts
union all
select {columns} from ({grown}) qualify row_number() over ({keep}) = 1""",
        ),
    ]


def _only_first(unit: Unit) -> bool:
    return unit.mode == "first_entry" and unit.count != "entries"


def _ended_by(rules: Rules, chain: str) -> str:
    """Whether something excluded lies between the last event of a chain and the event `e`."""
    found = ["false"]
    for i, one in enumerate(rules.excluded):
        force = [f"e.f{i} > {chain}.t"]
        if one.after is not None:
            force.append(f"({chain}.done >> {one.after}) & 1 = 1")
        if one.before is not None:
            force.append(f"({chain}.done >> {one.before}) & 1 = 0")
        found.append(f"coalesce({' and '.join(force)}, false)")
    return " or ".join(found)


def _chosen(texts: Texts, unit: Unit, rules: Rules) -> list[tuple[str, str]]:
    """The chain of each unit, and the place of its first touch."""
    if unit.count != "entries":
        best = f"row_number() over (partition by actor, u order by depth desc, p, {BETTER}) = 1"
        chosen = f"""select c.*, o.touch from (select * from chains qualify {best}) c
  join touched o on o.actor = c.actor and o.u = c.u"""
        return [("touched", "select actor, u, min(p) as touch from begun group by actor, u"), ("chosen", chosen)]
    thread = "".join(f", h{i}" for i in range(len(texts.held)))
    final = f"""select *, p0 as touch from chains
  qualify row_number() over (partition by actor{thread}, p0 order by depth desc, p) = 1"""
    if unit.mode == "reentry":
        required = (1 << rules.steps) - 1 & ~sum(1 << k for k in rules.optional)
        state = f"partition by actor{thread}, depth, done & {required}, p order by {BETTER}"
        ranked = f"select *, row_number() over ({state}) as rank from chains"
        return [
            ("final", final),
            ("gone", f"select distinct actor, p0 from ({ranked}) where rank > 1"),
            ("chosen", "select * from final anti join gone using (actor, p0)"),
        ]
    return [("final", final), *_one_by_one(texts, unit, rules)]


def _one_by_one(texts: Texts, unit: Unit, rules: Rules) -> list[tuple[str, str]]:
    """Entries that follow each other: from one to the first start after it is over."""
    thread = "".join(f", h{i}" for i in range(len(texts.held)))
    mine, same = thread.replace(", h", ", f.h"), "".join(f" and n.h{i} = f.h{i}" for i in range(len(texts.held)))
    late = f"n.first - f.first >= {unit.sessions}" if unit.sessions else f"n.s - f.s > {unit.within}"
    over = f"case when f.depth = {rules.steps} then n.p0 > f.p else {late} or {_ended_by(rules, 'f')} end"
    hops = f"""select actor{thread}, min(p0) as p0 from final group by actor{thread}
union all
select f.actor{mine}, min(n.p0) as p0 from hops h join final f on f.actor = h.actor and f.p0 = h.p0
  join final n on n.actor = f.actor and n.p0 > f.p0{same} join placed e on e.actor = n.actor and e.p = n.p0
  where {over} group by f.actor{mine}, f.p0"""
    return [("hops", hops), ("chosen", "select * from final semi join hops using (actor, p0)")]


def _ended(unit: Unit, steps: int) -> str:
    forever = (1 << 63) - 1
    if unit.count == "sessions":
        over = f"l.closed + {unit.timeout}"
        until = over if unit.sessions else f"least({over}, c.s + {unit.within})"
    elif unit.sessions:
        gone = "l.final - c.first + 1"
        until = f"""case when {gone} = {unit.sessions} then l.gone + {unit.timeout}
  when {gone} < {unit.sessions} then {forever} else {-forever - 1} end"""
    else:
        until = f"c.s + {unit.within}"
    placed = f"list_transform(range(1, {steps + 1}), lambda k: {{}}[list_position(c.ks, k)])"
    return f"""select row_number() over () as id, c.actor, c.depth, {placed.format("c.ts")} as m,
  {placed.format("c.ps")} as places, c.touch, c.p as last, {until} as until
  from chosen c join closing l on l.actor = c.actor and l.session = c.first"""


def _journeys(texts: Texts, unit: Unit) -> str:
    """The chains with the values of the event their group is taken from."""
    if not texts.groups or unit.attribution == "all":
        return "select * from ended"
    groups = "".join(f", e.g{i}" for i in range(len(texts.groups)))
    known = {"first": "touch", "last": "last"}
    place = known.get(unit.attribution) or f"places[{unit.attribution.removeprefix('step ')}]"
    return f"select j.*{groups} from ended j left join alone e on e.actor = j.actor and e.p = j.{place}"


def _members(texts: Texts, unit: Unit) -> str:
    """The same, once for each group."""
    if not texts.groups or unit.attribution != "all":
        return "select * from journeys"
    groups = "".join(f", e.g{i}" for i in range(len(texts.groups)))
    return f"""select distinct j.id, j.actor, j.m{groups} from (select *, unnest(places) as q from journeys) j
  join alone e on e.actor = j.actor and e.p = j.q"""
