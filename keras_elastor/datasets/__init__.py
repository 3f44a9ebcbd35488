"""Public datasets, each read from its official files."""
