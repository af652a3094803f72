"""The page that the report fills: its markup, style and behavior, each in a file of its own kind."""
