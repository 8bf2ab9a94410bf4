"""Benchmarks: the same events and questions in Trackway and in the engines people would use instead."""
