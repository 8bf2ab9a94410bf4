"""What orders leave open, by trying every order that the precision allows; written from docs/reference/semantics.md."""


def bounds(journey, steps, within, precision):
    """The fewest and the most steps of one actor; `precision` gives the microseconds of an event."""
    mine = [event for event in journey if any(step(event) for step in steps)]
    if not any(steps[0](event) for event in mine):
        return None
    found = [longest(line, steps, within) for line in orders(mine, precision)]
    return min(found), max(found)


def orders(events, precision):
    """Every order in which no event stands after one that it must lie before."""
    if not events:
        yield []
    for place, event in enumerate(events):
        rest = events[:place] + events[place + 1 :]
        if not any(other["time"] + max(precision(other), 1) <= event["time"] for other in rest):
            for line in orders(rest, precision):
                yield [event, *line]


def longest(line, steps, within):
    """The most steps of any chain in this order, each at most `within` after the first."""

    def follow(place, begun, k):
        if k == len(steps):
            return k
        further = [
            follow(after + 1, event["time"] if begun is None else begun, k + 1)
            for after, event in enumerate(line[place:], start=place)
            if steps[k](event) and (begun is None or event["time"] - begun <= within)
        ]
        return max(further, default=k)

    return follow(0, None, 0)
