"""Layers and helpers that belong to no model family: MLP, norms, activations."""
