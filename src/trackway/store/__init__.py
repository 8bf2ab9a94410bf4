"""Where events are kept: journal, lake, columns, identity, control."""
