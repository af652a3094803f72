"""Retrieval: the bank of exemplars behind add and nearest."""
