"""Payload to events: pure functions that never raise on any bytes."""
