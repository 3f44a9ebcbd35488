"""Networks with weights of their own for each token."""
