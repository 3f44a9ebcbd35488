"""From representations to logits."""
