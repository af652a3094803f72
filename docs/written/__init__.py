"""Pages written from the code: every key, verb and model, and the tutorials."""
