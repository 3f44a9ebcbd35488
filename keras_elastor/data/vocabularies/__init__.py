"""Which value has which id."""
