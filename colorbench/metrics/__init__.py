"""Metrics: one number for each picture, and numbers of a whole set."""
