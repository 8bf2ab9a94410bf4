"""The compiled loops over an actor's events in order: one file per shape of question.

All take the same first arguments: the stretches of a view (`first run lo hi`), the actors [begin, end) of a
shard, and lanes as addresses, a type and a table (`store.columns.lanes`). They hold no lock and no state.
"""
