"""Payloads and plain loops, by codec."""
