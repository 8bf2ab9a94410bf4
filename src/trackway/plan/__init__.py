"""From trackway.toml to a checked intention; nothing runs here."""
