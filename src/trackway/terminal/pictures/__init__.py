"""Answers drawn with rich, one file for each type of question."""
