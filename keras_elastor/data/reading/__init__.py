"""From the bytes of raw files to typed columns."""
