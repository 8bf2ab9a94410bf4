"""What is worked out of the events of an interval and group: each measure as partials that merge, and as SQL."""
