"""Steps, as every question writes them that follows actors through several events; and what funnels say of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from trackway.errors import QuestionError
from trackway.model.condition import Condition
from trackway.store.columns import chains

MOST_STEPS = 16
MOST_FREE = 6
"""Most steps in a row that may come in any order."""


class Step(BaseModel):
    """One step: an event for which `when` is true."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, arbitrary_types_allowed=True)
    name: str = ""
    """Shown in the answer; the condition itself when left out."""
    when: Condition
    """Which events are this step."""

    @model_validator(mode="before")
    @classmethod
    def _plain(cls, value: Any) -> Any:
        return {"when": value} if isinstance(value, str) else value


class FunnelStep(Step):
    """One step of a funnel."""

    optional: bool = False
    """Whether a chain may go on without it."""
    anchored: bool = False
    """With `order = "any"`: it keeps its place, after all steps before it and before all after it."""


class Exclusion(BaseModel):
    """An event that must not come between two steps of a chain."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, arbitrary_types_allowed=True)
    when: Condition
    """Which events must not come."""
    after: int | None = Field(default=None, ge=1)
    """From when this step was taken, counted from 1; from the first on when left out."""
    before: int | None = Field(default=None, ge=2)
    """Until this step is taken; until the last when left out."""

    @model_validator(mode="before")
    @classmethod
    def _plain(cls, value: Any) -> Any:
        return {"when": value} if isinstance(value, str) else value

    @property
    def counted(self) -> chains.Exclusion:
        """The same with steps counted from 0."""
        return chains.Exclusion(
            None if self.after is None else self.after - 1, None if self.before is None else self.before - 1
        )


def blocks(steps: Sequence[FunnelStep], order: str) -> tuple[tuple[int, ...], ...]:
    """The steps, counted from 0, in blocks that follow each other; those of one block come in any order."""
    found: list[tuple[int, ...]] = []
    free = False
    for place, step in enumerate(steps):
        if order == "any" and not step.anchored and free:
            found[-1] += (place,)
        else:
            found.append((place,))
        free = order == "any" and not step.anchored
    return tuple(found)


def refuse(steps: Sequence[FunnelStep], excluded: Sequence[Exclusion], order: str) -> None:
    """Refuse steps and exclusions that contradict each other. Raises QuestionError."""
    for place, step in enumerate(steps):
        _refuse_step(step, f"steps[{place}]", order, within=0 < place < len(steps) - 1)
    if max(map(len, blocks(steps, order))) > MOST_FREE:
        raise QuestionError(
            f"more than {MOST_FREE} steps in a row in any order", path="steps", hint="anchor one between them"
        )
    bits = len(steps) + len(excluded) + (order == "strict")
    if bits > MOST_STEPS:
        raise QuestionError(
            f"{bits} steps and exclusions (strict order is one)", path="exclude", hint=f"at most {MOST_STEPS}"
        )
    for place, one in enumerate(excluded):
        _refuse_exclusion(one, f"exclude[{place}]", steps, order)


def _refuse_step(step: FunnelStep, path: str, order: str, *, within: bool) -> None:
    if step.optional and not within:
        raise QuestionError("the first and the last step cannot be optional", path=path, hint="leave the step out")
    if step.optional and order == "any" and not step.anchored:
        raise QuestionError(
            "a step in any order cannot be optional", path=path, hint="anchor it, or leave the step out"
        )
    if step.anchored and order != "any":
        raise QuestionError("only with order = 'any' can a step be anchored", path=path, hint="leave `anchored` out")


def _refuse_exclusion(one: Exclusion, path: str, steps: Sequence[FunnelStep], order: str) -> None:
    after, before = one.after or 1, one.before or len(steps)
    for step in (after, before):
        if step > len(steps):
            raise QuestionError(f"there is no step {step}", path=path, hint=f"the last is {len(steps)}")
        if steps[step - 1].optional:
            raise QuestionError(
                f"step {step} is optional and may be missing", path=path, hint="name one that is always taken"
            )
    together = any(after - 1 in block and before - 1 in block for block in blocks(steps, order))
    if len(steps) > 1 and before <= after and not (together and before != after):
        raise QuestionError(
            f"nothing lies after step {after} and before step {before}", path=path,
            hint="name the earlier step as `after` and the later as `before`",
        )  # fmt: skip
