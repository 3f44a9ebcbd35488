"""Exchange between tokens, and the block that alternates it with per-token networks."""
