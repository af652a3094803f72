"""Data: from files to batches of L and ab."""
