"""What can be asked of events."""
