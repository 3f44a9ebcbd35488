"""Checks of batches against a schema, in words for people."""
