"""Polars: a sorted frame in memory, categories for texts; forward fills over sorted actors as the funnel."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from trackway.bench.questions import (
    FILTER_EVENT,
    FILTER_PLAN,
    LEFT,
    NODES,
    PERIODS,
    RETURN_EVENT,
    START_EVENT,
    STEPS,
    WITHIN_DAYS,
    Rows,
)


class Engine:
    """Polars over one sorted frame; the file it is opened from is Parquet of that frame."""

    layout = "in-memory frame sorted by (actor, time), Categorical for every text"

    def __init__(self, folder: Path, threads: int) -> None:
        import polars as pl

        folder.mkdir(parents=True, exist_ok=True)
        self._pl = pl
        self.version = f"Polars {pl.__version__}"
        if pl.thread_pool_size() > threads:
            raise RuntimeError(f"Polars took {pl.thread_pool_size()} threads instead of {threads}")
        self._file = folder / "events.parquet"
        self._texts: dict[str, Callable[[], Any]] = {
            "funnel": self._funnel,
            "daily_uniques": self._daily_uniques,
            "retention": self._retention,
            "paths": self._paths,
            "filtered_count": self._filtered_count,
        }

    def load(self, files: Sequence[Path]) -> None:
        """Read, categorise, sort, keep in memory and write down for `open`."""
        pl = self._pl
        words = [pl.col(word).cast(pl.Categorical) for word in ("actor", "event", "country", "plan", "path")]
        self._frame = pl.read_parquet([str(file) for file in files]).with_columns(words)
        self._frame = self._frame.with_columns(pl.col("actor").to_physical()).sort("actor", "time")
        self._frame.write_parquet(self._file)

    def open(self) -> None:
        """The frame comes back from its file."""
        self._frame = self._pl.read_parquet(self._file).set_sorted("actor")

    def texts(self, question: str) -> list[str]:
        """One way to put each question."""
        return ["lazy"] if question in self._texts else []

    def ask(self, question: str, text: str) -> Any:  # noqa: ARG002 - there is one text
        """A frame with the answer."""
        return self._texts[question]()

    def rows(self, question: str, answer: Any) -> Rows:  # noqa: ARG002 - all of one shape
        """Days become ISO text."""
        return sorted(tuple(_plain(value) for value in row) for row in answer.rows())

    def _funnel(self) -> Any:
        """The latest start so far is carried forward, together with its actor, along the sorted frame."""
        pl = self._pl
        within = pl.duration(days=WITHIN_DAYS)
        event, time, actor = pl.col("event"), pl.col("time"), pl.col("actor")

        def carried(start: Any, when: Any) -> Any:
            kept = pl.when(when).then(pl.struct(start.alias("start"), actor.alias("who"))).forward_fill()
            fine = kept.struct.field("who") == actor
            return pl.when(fine).then(kept.struct.field("start"))

        steps = self._frame.lazy().filter(event.is_in(list(STEPS)))
        first = steps.with_columns(one=carried(time, event == STEPS[0]))
        second = (event == STEPS[1]) & (time - pl.col("one") <= within)
        reached = first.with_columns(two=carried(pl.col("one"), second))
        third = (event == STEPS[2]) & (time - pl.col("two") <= within)
        level = pl.when(third).then(3).when(second).then(2).when(event == STEPS[0]).then(1)
        levels = reached.group_by("actor").agg(level.max().alias("level"))
        counts = levels.select([(pl.col("level") >= step).sum().alias(str(step)) for step in (1, 2, 3)]).collect()
        return pl.DataFrame({"step": [1, 2, 3], "actors": counts.row(0)})

    def _daily_uniques(self) -> Any:
        pl = self._pl
        day = pl.col("time").dt.date().alias("day")
        pairs = self._frame.lazy().select(day, "actor")
        return pairs.group_by("day").agg(pl.col("actor").n_unique()).collect()

    def _retention(self) -> Any:
        pl = self._pl
        events = self._frame.lazy()
        firsts = (
            events.filter(pl.col("event") == START_EVENT).group_by("actor").agg(pl.col("time").min().alias("start"))
        )
        cohort = pl.col("start").dt.truncate("1w")
        period = (pl.col("time").dt.truncate("1w") - cohort).dt.total_days() // 7
        returns = (
            events.filter(pl.col("event") == RETURN_EVENT)
            .join(firsts, on="actor")
            .filter(pl.col("time") > pl.col("start"))
            .select(cohort.dt.date().alias("cohort"), period.alias("period"), "actor")
            .filter(pl.col("period") < PERIODS)
        )
        return returns.unique().group_by("cohort", "period").len().collect()

    def _paths(self) -> Any:
        pl = self._pl
        event, actor = pl.col("event"), pl.col("actor")
        events = self._frame.lazy()
        firsts = events.filter(event == START_EVENT).group_by("actor").agg(pl.col("time").min().alias("start"))
        line = events.join(firsts, on="actor", maintain_order="left").filter(pl.col("time") >= pl.col("start"))
        changes = (event != event.shift()) | (actor != actor.shift())
        nodes = line.filter(changes.fill_null(value=True)).select("actor", event.cast(pl.String))
        step = pl.int_range(pl.len()).over("actor") + 1
        after = pl.when(actor == actor.shift(-1)).then(event.shift(-1)).fill_null(LEFT)
        edges = nodes.select(step.alias("step"), "event", after.alias("after")).filter(pl.col("step") < NODES)
        return edges.group_by("step", "event", "after").len().collect()

    def _filtered_count(self) -> Any:
        pl = self._pl
        wanted = (pl.col("event") == FILTER_EVENT) & (pl.col("plan") == FILTER_PLAN)
        day = pl.col("time").dt.date().alias("day")
        return self._frame.lazy().filter(wanted).group_by(day, "country").len().collect()


def _plain(value: Any) -> Any:
    return value.isoformat() if hasattr(value, "isoformat") else value
