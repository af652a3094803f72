"""Families: one file, one idea; nothing imports from here."""
