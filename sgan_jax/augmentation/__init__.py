"""Simulated measurements: what real instruments and samples do to patterns, new in every epoch."""
