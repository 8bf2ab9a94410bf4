"""The reference of order-robust funnels: every order that precision allows is tried, one event at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from trackway.model.condition import literal


def bounds(  # noqa: PLR0913
    steps: Sequence[str], where: str, within: int, start: int, end: int, *, fuzz: str
) -> str:
    """Common table expressions up to `bounds`: `actor low high`, for each actor who took the first step.

    A world is the set of events that have had their turn and, for every number of steps, the start of the chain that
    began latest; worlds that are the same are one. An event may have its turn when all that must lie before it have.
    """
    bits = "".join(f", {condition} as c{k}" for k, condition in enumerate(steps))
    some = " or ".join(f"c{k}" for k in range(len(steps)))
    latest = ["case when o.c0 then greatest(w.s[1], o.t) else w.s[1] end"] + [
        f"case when o.c{k} and w.s[{k}] is not null and o.t - w.s[{k}] <= {within} "
        f"then greatest(w.s[{k + 1}], w.s[{k}]) else w.s[{k + 1}] end"
        for k in range(1, len(steps))
    ]
    nothing = ", ".join(["null"] * len(steps))
    depth = (
        "coalesce(list_max(list_transform(range(1, len(s) + 1), lambda k: case when s[k] is not null then k end)), 0)"
    )
    return f"""stated as (select actor, epoch_us(time) as t, epoch_us(time) + ({fuzz}) as e, tie{bits} from events
  where {where} and epoch_us(time) >= {start} and epoch_us(time) < {end}),
numbered as (select *, row_number() over (partition by actor order by t, tie) as n from stated where {some}),
ordered as (select o.*, list(x.n) filter (x.n is not null) as earlier
  from numbered o left join numbered x on x.actor = o.actor and x.e <= o.t group by all),
worlds as (select distinct actor, []::bigint[] as taken, [{nothing}]::bigint[] as s from numbered
  union
  select w.actor, list_sort(list_append(w.taken, o.n)), [{", ".join(latest)}]
  from worlds w join ordered o on o.actor = w.actor and not list_contains(w.taken, o.n)
    and (o.earlier is null or list_has_all(w.taken, o.earlier))),
ends as (select actor, max(n) as events from numbered group by actor),
bounds as (select w.actor, min({depth}) as low, max({depth}) as high
  from worlds w join ends e on e.actor = w.actor and len(w.taken) = e.events group by w.actor)"""


def fuzz(precisions: Mapping[str, int], precision: int | None) -> str:
    """The precision of an event, microseconds; exact times are told apart to one."""
    if precision is not None or not precisions:
        return str(max(precision or 1, 1))
    cases = " ".join(f"when {literal(name)} then {max(micros, 1)}" for name, micros in precisions.items())
    return f"case source {cases} else 1 end"
