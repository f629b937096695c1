"""One script per package that computes powder patterns; each runs in its own environment."""
