"""Images as points: features, maps of them, neighbours, and what a map shows and hides."""
