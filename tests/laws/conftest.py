"""One runner of transforms for a test."""

from applying import run

__all__ = ["run"]
