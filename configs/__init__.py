"""Experiment configs: one short file per experiment, all over `configs.base`."""
