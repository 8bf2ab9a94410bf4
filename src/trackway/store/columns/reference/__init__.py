"""The longer reference statements, in plain DuckDB SQL: the same answers as the folds, found another way."""
