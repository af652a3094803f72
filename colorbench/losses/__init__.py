"""Losses: distances and adversaries, one number for each image."""
