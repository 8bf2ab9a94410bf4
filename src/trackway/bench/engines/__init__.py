"""One file per engine: its best layout for the benchmark's events, and its best text of each question."""
