"""Returns of actors in SQL: who counts in which period, by the mode of a retention, and whose value counts there."""

from __future__ import annotations

KEPT = {
    "on": "select distinct actor, slot, cohort, period from visits",
    "on_or_after": """select m.actor, m.slot, m.cohort, p.period from (
  select actor, slot, cohort, max(period) as last from visits group by all) m join periods p on p.period <= m.last""",
    "on_or_before": """select m.actor, m.slot, m.cohort, p.period from (
  select actor, slot, cohort, min(period) as first from visits group by all) m join periods p on p.period >= m.first""",
    "streak": """select actor, slot, cohort, period from (select distinct actor, slot, cohort, period,
  dense_rank() over (partition by actor order by period) - 1 as before from visits) where before = period""",
}
"""Who counts in which period, by mode."""
WORTH = {
    "on": "periods p using (period)",
    "on_or_after": "periods p on p.period <= v.period",
    "on_or_before": "periods p on p.period >= v.period",
    "streak": "kept p on v.period = p.period and v.actor is not distinct from p.actor",
}
"""In which periods the value of a return counts, by mode."""
