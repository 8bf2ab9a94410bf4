"""Contracts as values: what an event promises, how two versions differ, and the same in the words of others."""
