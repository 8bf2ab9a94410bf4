"""What moves events from the journal to the lake, and counts every hop."""
