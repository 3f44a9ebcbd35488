"""Numbers of raw rows: what is fitted to them on the training rows, and applied to all rows."""
