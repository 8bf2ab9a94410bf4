"""The steps of one plan as fused queries: what each source's events go through, made for the columns they have.

The steps of a source are cut into stages: a step that no query can say ends one, and the next query begins behind it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

import duckdb

from trackway.flow.contracts import declared, enforce
from trackway.flow.fit import fit
from trackway.flow.functions import Functions
from trackway.flow.fuse import Fusion, Step, guard
from trackway.flow.marks import identity, naming
from trackway.model.condition import literal, quoted
from trackway.model.event import Reason
from trackway.model.schema import ENVELOPE, SQL, Kind, Schema
from trackway.model.time import MICROS
from trackway.plan.component import Rewrite, Transform, Verdict
from trackway.plan.config import Plan

GIVEN = ("event_id", "time", "event", "actor", "user_id", "anonymous_id", "more")
"""Envelope columns a codec or a transform may give."""
AHEAD = 86_400 * MICROS
"""How far ahead of its arrival an event's time may be."""
COMPILED = 64
"""Most queries kept compiled; a batch of columns not seen before needs a new one."""


class Steps:
    """The steps of a plan. Not for several threads at once."""

    def __init__(self, plan: Plan, functions: Functions) -> None:
        self._plan = plan
        self._functions = functions
        self._compiled: dict[Any, Fusion] = {}
        self.declared = declared(plan.contracts)
        """What contracts promise of columns."""
        self.reshapes = {
            name: made for name, transform in plan.transforms.items() if (made := transform.reshape()) is not None
        }
        """The steps that no query can say."""

    def close(self) -> None:
        """Let go of what the steps hold."""
        for reshape in self.reshapes.values():
            reshape.close()

    def known(self, source: str, lake: Schema) -> Schema:
        """The columns of the lake, and what contracts declare, as the codec of a source may expect them: without
        those that transforms make, since before the transforms they may be of another kind.
        """
        text: Kind = "string"
        texts = Schema(dict.fromkeys(lake.properties, text))
        made: set[str] = set()
        expected = self.declared | lake.properties
        for step, transform in self._transforms(source):
            if step in self.reshapes:
                made |= {name for name in expected if self.reshapes[step].writes(name)}
            for schema in (lake, texts):
                with suppress(duckdb.Error):
                    rewrite = transform.rewrite(schema)
                    made |= {*rewrite.set, *rewrite.drop}
        return Schema({name: kind for name, kind in expected.items() if name not in made})

    def fused(self, source: str, stage: int, columns: Mapping[str, Kind], lake: Schema, *, careful: bool) -> Fusion:
        """The query of a stage for events that have these columns; compiled once."""
        key = (source, stage, tuple(columns.items()), tuple(lake.properties.items()), careful)
        if key not in self._compiled:
            if len(self._compiled) >= COMPILED:
                self._compiled.clear()
                self._functions.clear()
            self._compiled[key] = self._compile(source, stage, columns, lake, careful=careful)
        return self._compiled[key]

    def _compile(self, source: str, stage: int, columns: Mapping[str, Kind], lake: Schema, *, careful: bool) -> Fusion:
        fusion = beginning(source, columns, careful=careful)
        for step in self.of(source, stage, fusion, lake):
            fusion.apply(step)
        stages = self.stages(source)
        if stage < len(stages) - 1:
            fusion.choose(guard(stages[stage][-1][1].where, fusion.schema))
        return fusion

    def stages(self, source: str) -> list[list[tuple[str, Transform]]]:
        """The transforms of a source, cut behind each that reshapes; there may be none behind the last one."""
        stages: list[list[tuple[str, Transform]]] = [[]]
        for name, transform in self._transforms(source):
            stages[-1].append((name, transform))
            if name in self.reshapes:
                stages.append([])
        return stages

    def of(self, source: str, stage: int, fusion: Fusion, lake: Schema) -> Iterator[Step]:
        """The steps of a stage, each made for the columns the ones before it left."""
        stages = self.stages(source)
        for name, transform in stages[stage]:
            if name in self.reshapes and self.reshapes[name].makes:
                yield Step("name", Rewrite(set={"event_id": identity()}))
            rewrite = self._functions.register(transform.rewrite(fusion.schema))
            yield Step(name, rewrite, guard(transform.where, fusion.schema))
        if stage < len(stages) - 1:
            return
        for name, contract in self._plan.contracts.items():
            yield enforce(name, contract, fusion.columns)
        yield fit(fusion.columns, lake.properties, self.declared, self._plan.project.max_columns)
        yield naming()
        yield check()

    def _transforms(self, source: str) -> Iterator[tuple[str, Transform]]:
        for name, transform in self._plan.transforms.items():
            if transform.sources is None or source in transform.sources:
                yield name, transform


def beginning(source: str, columns: Mapping[str, Kind], *, careful: bool) -> Fusion:
    """The query before any step: the decoded columns, and the envelope's that were not decoded as nulls."""
    missing = [f"null::{SQL[ENVELOPE[name]]} as {quoted(name)}" for name in GIVEN if name not in columns]
    text = ", ".join(["*", f"{literal(source)} as source", *missing])
    kinds: dict[str, Kind] = {name: ENVELOPE[name] for name in ENVELOPE if name not in ("stored_at", "tie")}
    return Fusion(f"select {text} from decoded", {**kinds, **columns}, careful=careful)


def check() -> Step:
    """The rules every event must keep."""
    early = "time < timestamptz '1970-01-01 00:00:00+00'"
    late = f"epoch_us(time) > epoch_us(received_at) + {AHEAD}"
    return Step(
        "check",
        Rewrite(
            verdicts=[
                Verdict("event is null or event = ''", "refused", Reason.NO_EVENT, "'the record names no event'"),
                Verdict(early, "refused", Reason.TIME_RANGE, "'a time before 1970: ' || time::varchar"),
                Verdict(late, "refused", Reason.TIME_RANGE, "'a time more than a day ahead: ' || time::varchar"),
                Verdict("actor is null", "refused", Reason.NO_ACTOR, "'neither user_id nor anonymous_id'"),
            ]
        ),
    )
