"""From rows to verdicts: statistics, tables, figures, the page, the dashboard."""
