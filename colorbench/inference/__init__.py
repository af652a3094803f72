"""Trained models in use: photographs, portable files, exports, pruning, the demo."""
