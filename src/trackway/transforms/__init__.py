"""What is done to events on their way; each is a verb."""
