"""The columns of a recipe, one kind per file."""
