"""Taking an answer apart: one actor, their events in order, and what a question makes of each."""
