"""Doors for programs: the collector, and JSON over HTTP."""
