"""Functional models over the layers."""
