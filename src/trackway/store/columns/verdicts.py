"""From the per-actor table of an experiment to what may be concluded of it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from trackway.model import inference
from trackway.model.inference import Sample
from trackway.model.mismatch import DOUBTFUL

DIGITS = 12
"""Significant digits of the numbers, more than any experiment has and fewer than the order of additions touches."""
DAY = 86_400
COMPARED = (
    "difference", "low", "high", "p_value", "lift", "lift_low", "lift_high", "always_low", "always_high", "always_p",
    "chance_better", "risk", "detectable",
)  # fmt: skip
"""What a row says of a variant against the control."""


class Measured(Protocol):
    """A metric, as the question names it."""

    @property
    def name(self) -> str: ...
    @property
    def when(self) -> str: ...
    @property
    def measure(self) -> str: ...
    @property
    def better(self) -> str: ...
    @property
    def guardrail(self) -> bool: ...


@dataclass(frozen=True)
class Rules:
    """How conclusions are drawn."""

    control: str
    winsorize: float | None
    adjusted: bool
    """Whether what the metric was before is taken out."""
    correction: str
    alpha: float
    power: float
    effect: float
    split: Mapping[str, float]
    seconds: float
    """From the first to the last exposure."""
    share: float = 1.0
    """Of all actors, those that are asked."""


def verdicts(
    metrics: Sequence[Measured], values: np.ndarray, variants: Mapping[str, np.ndarray], rules: Rules
) -> tuple[list[dict[str, Any]], dict[str, Any], list[str]]:
    """Rows by metric and variant (the control first), totals and notes.

    `values` holds metric, then (sum, count, sum before, count before), then actor; `variants` the actors of each.
    """
    order = sorted(variants, key=lambda label: (label != rules.control, label))
    rows: list[dict[str, Any]] = []
    for metric, table in zip(metrics, values, strict=True):
        samples = dict(zip(order, sampled(metric, table, [variants[label] for label in order], rules), strict=True))
        for label in order:
            mine = variants[label]
            sizes = {"actors": len(mine), "counted": int((table[1, mine] > 0).sum())}
            rows.append(row(metric, label, sizes, samples, rules))
    concluded(rows, rules)
    counts = [len(variants[label]) for label in order]
    each = [{"variant": label, "actors": count} for label, count in zip(order, counts, strict=True)]
    totals: dict[str, Any] = {"actors": sum(counts), "variants": each}
    totals["mismatch_p"] = rounded(inference.mismatch(counts, shares(order, rules)))
    return rows, totals, doubts(totals, rules)


def shares(order: Sequence[str], rules: Rules) -> list[float]:
    """The intended share of each variant."""
    return [float(rules.split.get(label, 0.0)) if rules.split else 1.0 for label in order]


def sampled(metric: Measured, table: np.ndarray, groups: Sequence[np.ndarray], rules: Rules) -> list[Sample | None]:
    """Mean and variance of each group, with values capped and what was before taken out as the rules say."""
    side = 1 if metric.measure == "converted" else 0
    now = [np.minimum(table[1, mine], 1.0) if side else table[0, mine] for mine in groups]
    then = [np.minimum(table[3, mine], 1.0) if side else table[2, mine] for mine in groups]
    if rules.winsorize is not None and not side and any(map(len, now)):
        everyone = np.sort(np.concatenate(now))
        cap = everyone[math.ceil(len(everyone) * rules.winsorize) - 1]
        now = [np.minimum(some, cap) for some in now]
    if rules.adjusted and any(map(len, now)):
        theta = inference.slope(now, then)
        centre = math.fsum(np.concatenate(then)) / sum(map(len, then))
        now = [some - theta * (was - centre) for some, was in zip(now, then, strict=True)]
    return [inference.sample(some) for some in now]


def row(
    metric: Measured, label: str, sizes: Mapping[str, int], samples: Mapping[str, Sample | None], rules: Rules
) -> dict[str, Any]:
    """One variant by one metric; what needs two groups with variance is null without them."""
    mine, control = samples[label], samples[rules.control]
    found: dict[str, Any] = {
        "metric": metric.name or str(metric.when), "variant": label, **sizes,
        "mean": rounded(mine.mean if mine else None),
    }  # fmt: skip
    compared: dict[str, Any] = dict.fromkeys(COMPARED)
    if mine and control and label != rules.control:
        compared |= comparison(metric, control, mine, rules)
    found |= compared
    found["needed"] = needed(metric, control, rules)
    found |= {"better": metric.better, "guardrail": metric.guardrail}
    return found


def comparison(metric: Measured, control: Sample, mine: Sample, rules: Rules) -> dict[str, Any]:
    """A variant against the control, in the three schools."""
    plain = inference.frequentist(control, mine, rules.alpha)
    always = inference.sequential(control, mine, rules.alpha)
    relative = inference.lift(control, mine, rules.alpha)
    chance, risk = inference.better(control, mine), inference.risk(control, mine)
    if metric.measure == "converted" and not rules.adjusted:
        chance = inference.better_share(converted(control), converted(mine))
    if metric.better == "lower":
        chance = None if chance is None else 1 - chance
        risk = inference.risk(mine, control)
    found: dict[str, Any] = {"chance_better": chance, "risk": risk}
    if plain is not None:
        found |= {"difference": plain.value, "low": plain.low, "high": plain.high, "p_value": plain.p}
        found["detectable"] = inference.detectable(control, mine, rules.alpha, rules.power)
    if relative is not None:
        found |= {"lift": relative.value, "lift_low": relative.low, "lift_high": relative.high}
    if always is not None:
        found |= {"always_low": always.low, "always_high": always.high, "always_p": always.p}
    return {name: rounded(value) for name, value in found.items()}


def converted(found: Sample) -> tuple[int, int]:
    """How many converted, of how many."""
    return round(found.mean * found.actors), found.actors


def needed(metric: Measured, control: Sample | None, rules: Rules) -> int | None:
    """Actors that each variant needs to find the relative effect that is worth finding."""
    if control is None:
        return None
    effect = abs(control.mean) * rules.effect
    share = metric.measure == "converted" and not rules.adjusted
    variance = control.mean * (1 - control.mean) if share else control.variance
    return inference.needed(control.mean, variance, effect, rules.alpha, rules.power, share=share)


def concluded(rows: list[dict[str, Any]], rules: Rules) -> None:
    """Add the corrected p-values, what follows from each row, and the days until the planned number is there."""
    tested = [one for one in rows if one["p_value"] is not None and not one["guardrail"]]
    corrected = inference.corrected([one["p_value"] for one in tested], rules.correction)
    for one, p in zip(tested, corrected, strict=True):
        one["p_corrected"] = rounded(p)
    for one in rows:
        p = one.get("p_corrected", one["p_value"])
        one["p_corrected"] = p
        one["verdict"] = None if p is None else verdict(one, p < rules.alpha)
        rate = one["actors"] / rules.share / rules.seconds * DAY if rules.seconds else None
        one["days_needed"] = rounded(one["needed"] / rate) if rate and one["needed"] else None


def verdict(one: Mapping[str, Any], sure: bool) -> str:
    """`better`, `worse` or `unclear`; a broken guardrail is `worse`."""
    if not sure:
        return "unclear"
    return "better" if (one["difference"] > 0) == (one["better"] == "higher") else "worse"


def doubts(totals: Mapping[str, Any], rules: Rules) -> list[str]:
    """What a reader must know before believing any of it."""
    p = totals["mismatch_p"]
    if p is None or p >= DOUBTFUL:
        return []
    sizes = ", ".join(f"{one['variant']} {one['actors']:,}" for one in totals["variants"])
    intended = " as intended" if rules.split else " if all were equally likely"
    said = f"The group sizes ({sizes}) would come about by chance{intended} with p = {p:.2g}"
    return [f"{said}: find out why before you believe the rest."]


def rounded(value: float | None) -> float | None:
    """A number as answers show it; null for what is not finite."""
    if value is None or not math.isfinite(value):
        return None
    return float(f"{value:.{DIGITS}g}")
