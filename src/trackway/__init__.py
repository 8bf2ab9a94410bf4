"""Event data you can trust, from the raw line to the answer."""

__version__ = "0.1.0"
