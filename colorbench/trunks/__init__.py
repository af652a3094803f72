"""Trunks: trained networks that already know what things are; families, losses, metrics and retrieval stand on them."""
