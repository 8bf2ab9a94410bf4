"""A file that nobody knows yet: what it holds, what becomes of it here, and what would make it better."""
