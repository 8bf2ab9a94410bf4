"""The command line, run in the process of the test."""

from commands import trackway

__all__ = ["trackway"]
