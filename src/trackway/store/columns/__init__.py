"""The fast copy of the lake: dictionaries, runs sorted by actor and time, masks and folds."""
