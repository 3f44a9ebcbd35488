"""Synthetic impressions whose best possible model is known."""
