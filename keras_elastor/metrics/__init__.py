"""Metrics of click-through-rate prediction."""
