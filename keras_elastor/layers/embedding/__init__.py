"""From features to field embeddings: tables, encoder, pooling of histories."""
