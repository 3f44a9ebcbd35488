"""From field embeddings to tokens."""
