"""What an experiment may conclude, against published worked examples, and by simulation."""

import math

import numpy as np
import pytest

from trackway.model.inference import (
    Sample,
    better,
    better_share,
    corrected,
    detectable,
    frequentist,
    lift,
    mismatch,
    needed,
    risk,
    sample,
    sequential,
    slope,
)


def test_welch_s_test_gives_the_published_p_of_its_textbook_example():
    """Example 1 of the article on Welch's t-test in Wikipedia: t = -2.46 with 24.9 degrees of freedom, p = 0.021."""
    one = [27.5, 21.0, 19.0, 23.6, 17.0, 17.9, 16.9, 20.1, 21.9, 22.6, 23.1, 19.6, 19.0, 21.7, 21.4]
    two = [27.1, 22.0, 20.8, 23.4, 23.4, 23.5, 25.8, 22.0, 24.8, 20.2, 21.9, 22.1, 22.9, 20.5, 24.4]
    found = frequentist(sample(np.array(one)), sample(np.array(two)), 0.05)
    assert round(found.p, 3) == 0.021
    assert found.low < found.value < found.high
    assert found.low > 0


def test_a_sample_ratio_mismatch_has_the_published_p():
    """821,588 against 815,482 users: Kohavi, Tang, Xu, "Trustworthy Online Controlled Experiments" (2020), ch. 21."""
    assert f"{mismatch([821_588, 815_482], [1, 1]):.1e}" == "1.8e-06"
    assert mismatch([500, 500], [0.5, 0.5]) == 1
    assert mismatch([900, 100], [9, 1]) == 1
    assert mismatch([], []) is None


def test_fifteen_p_values_of_benjamini_and_hochberg():
    """Their paper (1995), section 3.2: their procedure rejects four hypotheses at 0.05, Bonferroni's three."""
    p = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590,
         1.0]  # fmt: skip
    assert sum(value <= 0.05 for value in corrected(p, "bh")) == 4
    assert sum(value <= 0.05 for value in corrected(p, "bonferroni")) == 3
    assert sum(value <= 0.05 for value in corrected(p, "holm")) == 3
    assert corrected(p, "none") == p
    assert all(a >= b for method in ("bh", "holm", "bonferroni") for a, b in zip(corrected(p, method), p, strict=True))


def exact(one, two):
    """The chance that the second of two beta posteriors is the larger, as a finite sum over the second's count."""
    a1, b1, a2, b2 = 1 + one[0], 1 + one[1] - one[0], 1 + two[0], 1 + two[1] - two[0]

    def log_beta(a, b):
        return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)

    return math.fsum(
        math.exp(log_beta(a1 + i, b1 + b2) - math.log(b2 + i) - log_beta(1 + i, b2) - log_beta(a1, b1))
        for i in range(a2)
    )


@pytest.mark.parametrize(("one", "two"), [((10, 100), (20, 100)), ((0, 5), (0, 5)), ((3, 4), (900, 1500))])
def test_the_chance_to_convert_better_is_that_of_the_exact_sum(one, two):
    assert better_share(one, two) == pytest.approx(exact(one, two), abs=1e-7)


def test_a_plan_needs_as_many_as_the_published_calculator_says():
    """20 % and 5 points at 5 % and 80 %: Evan Miller's sample size calculator says 1,030 (we round up: 1,031)."""
    assert needed(0.2, 0.16, 0.05, 0.05, 0.8, share=True) == 1031
    assert needed(0.2, 0.16, 0.0, 0.05, 0.8, share=True) is None
    size = needed(10.0, 25.0, 0.5, 0.05, 0.8, share=False)
    arm = Sample(size, 10.0, 25.0)
    assert detectable(arm, arm, 0.05, 0.8) == pytest.approx(0.5, rel=0.01)


def test_looking_every_day_is_safe_with_the_sequential_test_and_not_with_the_other():
    """No difference at all, 300 worlds, 20 looks each: how many are ever called a difference."""
    draw = np.random.default_rng(11)
    wrong = {frequentist: 0, sequential: 0}
    for _ in range(300):
        one, two = draw.normal(size=2000), draw.normal(size=2000)
        looks = [(sample(one[:n]), sample(two[:n])) for n in range(100, 2001, 100)]
        for test in wrong:
            wrong[test] += any(test(a, b, 0.05).p < 0.05 for a, b in looks)
    assert wrong[sequential] / 300 <= 0.05
    assert wrong[frequentist] / 300 > 0.12


def test_a_sequential_interval_holds_what_it_does_not_reject():
    a, b = Sample(1000, 1.0, 4.0), Sample(1000, 1.2, 4.0)
    found = sequential(a, b, 0.05)
    assert (found.low <= 0 <= found.high) == (found.p >= 0.05)
    plain = frequentist(a, b, 0.05)
    assert found.high - found.low > plain.high - plain.low


def test_what_was_before_takes_out_its_share_of_the_variance():
    """CUPED leaves 1 - rho squared of it, and the difference where it was."""
    draw = np.random.default_rng(5)
    before = draw.normal(10, 3, 20_000)
    now = before + draw.normal(0, 1, 20_000)
    theta = slope([now], [before])
    adjusted = now - theta * (before - before.mean())
    rho = np.corrcoef(now, before)[0, 1]
    assert sample(adjusted).variance / sample(now).variance == pytest.approx(1 - rho**2, rel=0.01)
    assert sample(adjusted).mean == pytest.approx(sample(now).mean, rel=1e-9)


def test_chance_and_risk_go_together_and_nothing_is_said_of_nothing():
    a, b = Sample(400, 1.0, 1.0), Sample(400, 1.3, 1.0)
    assert better(a, b) > 0.99
    assert risk(a, b) < 0.001 < risk(b, a)
    flat = Sample(10, 1.0, 0.0)
    assert [better(flat, flat), risk(flat, flat), frequentist(flat, flat, 0.05), sequential(flat, flat, 0.05)] == [
        None
    ] * 4
    assert lift(Sample(10, 0.0, 1.0), b, 0.05) is None
    assert sample(np.array([1.0])) is None
