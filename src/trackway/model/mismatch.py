"""When the sizes of the groups of an experiment are not what they should be; apart, since it needs no statistics."""

DOUBTFUL = 0.001
"""A mismatch of the group sizes less likely than this makes an experiment doubtful."""
