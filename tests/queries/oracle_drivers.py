"""The naive drivers of a funnel: plain loops, and tests of two shares from their definitions alone."""

import math

import oracle


def drivers(events, steps, within, where, *, properties, least, landmark=None, end=math.inf, start=-math.inf):
    """The two by two tables: {(kind, name, value): (having, done, lacking, other)}, and (actors, converted)."""
    journeys = oracle.by_actor([event for event in events if where(event)])
    people = []
    for mine in journeys.values():
        inside = [event for event in mine if start <= event["time"] < end]
        chain = oracle.chain_of(inside, steps, within)
        if chain:
            touch = min((e for e in inside if steps[0](e)), key=lambda e: (e["time"], e["tie"]))
            people.append((touch, chain[0]["time"], chain[-1]["time"] if len(chain) == len(steps) else None, mine))
    tables = {}
    for name in properties:
        for value in {touch[name] for touch, *_ in people}:
            having = [(touch[name] == value, done is not None) for touch, _, done, _ in people]
            tables["property", name, value] = table(having)
    here = [p for p in people if landmark is None or p[2] is None or p[2] > p[1] + landmark]
    for value in {event["event"] for event in events}:
        having = []
        for _, begun, done, mine in here:
            late = begun + (within if landmark is None else min(within, landmark))
            came = any(
                event["event"] == value and begun < event["time"] <= late and event["time"] < end
                and (done is None or event["time"] < done) and not any(step(event) for step in steps)
                for event in mine
            )  # fmt: skip
            having.append((came, done is not None))
        tables["event", "event", value] = table(having)
    kept = {key: one for key, one in tables.items() if min(one[0], one[2]) >= least}
    return kept, (len(people), sum(done is not None for _, _, done, _ in people))


def table(having):
    done = [did for has, did in having if has]
    other = [did for has, did in having if not has]
    return len(done), sum(done), len(other), sum(other)


def p_value(having, done, lacking, other):
    """Chi-square when 5 are expected everywhere, else Fisher's exact test, by whole numbers."""
    whole, did = having + lacking, done + other
    if did in {0, whole}:
        return 1.0
    expected = [side * some / whole for side in (having, lacking) for some in (did, whole - did)]
    if min(expected) >= 5:
        found = [done, having - done, other, lacking - other]
        distance = sum((one - want) ** 2 / want for one, want in zip(found, expected, strict=True))
        return math.erfc(math.sqrt(distance / 2))
    ways = [math.comb(having, k) * math.comb(lacking, did - k) for k in range(did + 1) if k <= having]
    return sum(one for one in ways if one <= ways[done]) / math.comb(whole, did)


def corrected(values):
    """Benjamini and Hochberg: the smallest rate of false discoveries at which each would be one."""
    ordered = sorted(values)
    return [min(p * len(values) / (rank + 1) for rank, p in enumerate(ordered) if p >= value) for value in values]
