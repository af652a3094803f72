"""A run on disk: its configuration, folder, claim, environment, record, curves, loggers, and the ledger of many."""
