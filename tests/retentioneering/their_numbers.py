"""What retentioneering says of the shop data it ships, as JSON; run by its own environment, never by ours.

It talks to an analytics service unless told not to, so this refuses every connection and says which were tried.
"""

import json
import os
import socket
import sys

os.environ["RETENTIONEERING_NO_TRACK"] = "1"
tried = []


def refuse(_socket, address, *_rest):
    tried.append(str(address))
    raise ConnectionRefusedError


socket.socket.connect = socket.socket.connect_ex = refuse
socket.getaddrinfo = lambda host, *_rest, **_named: refuse(None, host)

import retentioneering  # noqa: E402 - only once it cannot connect

ACTIVE = ("new", "current", "reactivated", "resurrected")
PATHS = ("user_id", "session_id")
BOUNDS = ("path_start", "path_end")


def funnels(stream, asked):
    return [
        [step["unique_paths"] for step in stream.funnel_data(steps=steps, path_col=path)["steps"]]
        for path, steps in asked
    ]


def conversions(stream, asked):
    rows = [
        stream.get_conversion_rate(start, end, within=within, path_col=path).iloc[0]
        for path, start, end, within in asked
    ]
    return [[int(row["paths_with_start"]), int(row["converted"])] for row in rows]


def transitions(stream, path):
    """`from → to`: how often, in how many paths, and the median seconds."""
    count, unique, seconds = (
        stream.transition_graph_data(edge_weight=weight, path_col=path)
        for weight in ("count", "unique_paths", "time_median")
    )
    return {
        f"{a} → {b}": [
            int(count.loc[a, b]), int(unique.loc[a, b]), None if a in BOUNDS or b in BOUNDS
            else seconds.loc[a, b].total_seconds(),
        ]
        for a in count.index for b in count.columns if count.loc[a, b]
    }  # fmt: skip


def steps(matrix):
    """Step → event → share of the paths."""
    return {
        str(step): {name: float(matrix.loc[name, step]) for name in matrix.index if matrix.loc[name, step]}
        for step in matrix.columns
    }


def sessions(stream, timeout):
    """How many sessions each path has."""
    frame = stream.split_sessions(session_col="cut", timeout=timeout).df
    return frame.groupby("user_id", observed=True)["cut"].nunique().to_dict()


def metrics(stream):
    """What is measured of each user."""
    asked = [
        {"metric": "length"}, {"metric": "duration"}, {"metric": "active_days"},
        {"metric": "event_count", "metric_args": {"event": "purchase"}},
    ]  # fmt: skip
    frame = stream.get_metrics(asked, path_col="user_id")
    return {name: frame[name].to_dict() for name in frame.columns}


def days(stream):
    """Day → how many users are in each state; and first day → days later → how many of its users are active."""
    frame = stream.to_daily_states(max_dormant_days=1000).df[["user_id", "timestamp", "event"]]
    frame["day"] = frame["timestamp"].dt.strftime("%Y-%m-%d")
    frame["event"] = frame["event"].astype(str)
    states = frame.groupby(["day", "event"]).size()
    first = frame.groupby("user_id")["timestamp"].transform("min")
    frame["later"] = (frame["timestamp"] - first).dt.days
    frame["first"] = first.dt.strftime("%Y-%m-%d")
    active = frame[frame["event"].isin(ACTIVE)].groupby(["first", "later"]).size()
    return [[*key, int(count)] for key, count in states.items()], [[*key, int(count)] for key, count in active.items()]


def main():
    asked, stream = json.load(sys.stdin), retentioneering.datasets.load_ecom()
    states, active = days(stream)
    found = {
        "version": retentioneering.__version__,
        "data": str(retentioneering.datasets.ecom._DATA_FILE),
        "funnels": funnels(stream, asked["funnels"]),
        "conversions": conversions(stream, asked["conversions"]),
        "transitions": {path: transitions(stream, path) for path in PATHS},
        "steps": {path: steps(stream.step_matrix_data(max_steps=6, path_col=path)) for path in PATHS},
        "centred": {
            path: steps(stream.step_matrix_data(max_steps=4, path_col=path, anchor=asked["anchor"])[0])
            for path in PATHS
        },
        "sessions": {timeout: sessions(stream, timeout) for timeout in asked["timeouts"]},
        "metrics": metrics(stream),
        "states": states,
        "active": active,
        "tried": tried,
    }
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
