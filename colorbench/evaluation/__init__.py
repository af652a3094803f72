"""From colorings to rows: the protocol, the judge, baselines, oracles, submissions, the known law."""
