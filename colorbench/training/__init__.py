"""One run from its first step to its row, and chains of runs."""
