"""Simulated companies for the demo, the tests and the fault bench."""
