"""Feature interactions of the baselines."""
