"""Families: one file, one idea; no network, loss or sampler imports from here."""
